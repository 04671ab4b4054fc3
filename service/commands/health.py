"""`leaderboard health`: what a container asks whose program has no port."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from service.errors import UsageError

Answer = TypeVar("Answer")

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def health() -> None:
    """Say whether this machine's worker or scheduler works: exit 1 if not.

    For the health checks of containers. An API process has `/health/live`.
    """


@health.command()
@click.argument("progress", type=_FILE, metavar="FILE")
def worker(progress: Path) -> None:
    """Ask the file of `worker --progress FILE` whether it lives and its actors come to an end.

    One that waits for PostgreSQL, Redis or the broker is well: nothing would be better for a new
    one. `/health/ready` and the status page tell of these.
    """
    from service.progress import read_progress

    found = _read(progress, lambda: read_progress(progress))
    if found is None:
        raise UsageError(f"no worker with --progress {progress} was heard of yet")
    now = time.monotonic()
    if (problem := found.find_problem(now)) is not None:
        raise UsageError(problem)
    click.echo(found.describe(now))


@health.command()
@click.argument("rounds", type=_FILE, metavar="FILE")
def scheduler(rounds: Path) -> None:
    """Ask the file of `scheduler --rounds FILE` how long ago the last round was.

    A round fails while the broker is away.
    """
    from service.progress import find_round_problem

    if (problem := _read(rounds, lambda: find_round_problem(rounds))) is not None:
        raise UsageError(problem)


def _read(file: Path, read: Callable[[], Answer]) -> Answer:
    try:
        return read()
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} was not written by it: {error}") from error
