"""Tests that need programs which no wheel brings, or minutes: `uv run pytest tests/deployment`.

Debian: `apt-get install redis-server openssl haproxy rabbitmq-server pgbouncer chromium
default-jdk-headless nodejs curl tmux`, and Docker's compose plug-in or the package `docker-compose`
of Debian 13 for the test of `compose.yml`.
Without them these tests fail; they are not among those of a plain `uv run pytest`.

`test_containers.py` takes the container engine that answers, or as root starts one of Debian's
`docker.io` (with `debootstrap`), and is skipped with the reason where neither can be had. Its
images stay in the engine, those of an engine of its own in `~/.cache/leaderboard-tests`. With
`-n 0 -s` it prints times and sizes.
"""
