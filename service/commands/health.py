"""`leaderboard health`: what a container asks whose program has no port."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import asyncio
import socket
from pathlib import Path

import click

from service.errors import UsageError

# A round is a minute, so one that is this late has been missed twice.
_ROUND_SECONDS = 150.0


@click.group()
def health() -> None:
    """Say whether this machine's worker or scheduler works: exit 1 if not.

    For the health checks of containers. An API process has `/health/live`.
    """


@health.command()
def worker() -> None:
    """Ask Redis for a heartbeat of this machine's worker.

    One that cannot reach Redis is not well either: it publishes nothing.
    """
    host = socket.gethostname()
    if host not in asyncio.run(_list_hosts()):
        raise UsageError(f"no worker on {host} was heard of in the last seconds")


@health.command()
@click.argument("rounds", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def scheduler(rounds: Path) -> None:
    """Ask the file of `scheduler --rounds FILE` how long ago the last round was.

    A round fails while the broker is away.
    """
    from service.backends.heartbeats import read_round

    try:
        seconds = read_round(rounds)
    except (OSError, ValueError) as error:
        raise UsageError(f"{rounds} does not tell when the last round was: {error}") from error
    if seconds is None:
        raise UsageError(f"no scheduler with --rounds {rounds} got through a round yet")
    if seconds > _ROUND_SECONDS:
        raise UsageError(f"the scheduler last got through a round {seconds:.0f} s ago")


async def _list_hosts() -> set[str]:
    from service.backends.heartbeats import read_heartbeats
    from service.backends.redis import WORKER_PROCESSES_KEY, connect_redis
    from service.settings.settings import load_settings
    from service.status.schemas import WorkerHeartbeat

    redis = connect_redis(load_settings())
    try:
        heartbeats = await read_heartbeats(redis, WORKER_PROCESSES_KEY, WorkerHeartbeat)
    finally:
        await redis.aclose()
    return {one.process.host for one in heartbeats}
