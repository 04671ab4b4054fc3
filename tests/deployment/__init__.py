"""Tests that need programs which no wheel brings, or minutes: `uv run pytest tests/deployment`.

Debian: `apt-get install redis-server openssl haproxy rabbitmq-server pgbouncer chromium
default-jdk-headless nodejs golang-go curl tmux`, and Docker's compose plug-in or the package
`docker-compose` of Debian 13 for the test of `compose.yml`.
Without them these tests fail; they are not among those of a plain `uv run pytest`.

`test_containers.py`, `test_upgrade.py` and `test_failover.py` take the container engine that
answers, or as root start one of Debian's `docker.io` (with `debootstrap`), and are skipped with the
reason where neither can be had. Images stay in the engine, those of an engine of their own in
`~/.cache/leaderboard-tests`. With `-n 0 -s` they print times and sizes. `python -m
tests.deployment.fire` keeps such a deployment under fire for as long as one likes.
"""
