"""Tests that need programs which no wheel brings, or minutes: `uv run pytest tests/deployment`.

Debian: `apt-get install redis-server openssl rabbitmq-server pgbouncer`. Without them these tests
fail; they are not among those of a plain `uv run pytest`.
"""
