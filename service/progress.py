"""How far a program without a port has come, noted in a file for `leaderboard health`.

The file belongs to the program's own machine: to ask Redis would call a program that waits for it
dead, and take until it is known to be away. Times are seconds of the machine's monotonic clock,
which all its processes share.
"""

import time
from pathlib import Path
from typing import Final

import msgspec

# The scheduler's round is a minute, so one that is this late has been missed twice.
_ROUND_SECONDS: Final = 150.0

NOTE_SECONDS: Final = 2.0
"""How often a worker notes its progress."""

# Longer than a process may pause for a garbage collection, a live migration, a busy disk.
_SILENT_SECONDS: Final = 15.0

# What a time limit ends has a moment to clean up.
_OVERTIME_SECONDS: Final = 15.0


class ActorRun(msgspec.Struct, frozen=True):
    """An actor that is running, since when, and how long it may."""

    actor: str
    since: float
    limit_seconds: float


class WorkerProgress(msgspec.Struct, frozen=True):
    """What a worker does at `noted_at`, and when one of its actors last came to an end.

    `threads_lost` are those of its threads that have ended, and take no more messages.
    """

    noted_at: float
    running: list[ActorRun]
    threads_lost: int = 0
    ended_at: float | None = None

    def find_problem(self, now: float) -> str | None:
        """Return what keeps the worker from its work; None where it works, or waits for some."""
        silent = now - self.noted_at
        # One from the future was noted before the machine started anew.
        if not 0 <= silent <= _SILENT_SECONDS:
            return f"the worker was last heard of {abs(silent):.0f} s ago: it stands still"
        if self.threads_lost:
            return f"{self.threads_lost} of the worker's threads have ended by an error"
        for run in self.running:
            if now - run.since > run.limit_seconds + _OVERTIME_SECONDS:
                return f"{_describe_run(run, now)}, and nothing ends it"
        return None

    def describe(self, now: float) -> str:
        """Return what the worker is about, in words."""
        doing = "; ".join(_describe_run(run, now) for run in self.running) or "no actor runs"
        if self.ended_at is None:
            return f"{doing}; none has ended yet"
        return f"{doing}; the last one ended {now - self.ended_at:.0f} s ago"


def _describe_run(run: ActorRun, now: float) -> str:
    return f"{run.actor} has run for {now - run.since:.0f} s of at most {run.limit_seconds:.0f}"


def note_progress(file: Path, progress: WorkerProgress) -> None:
    """Note what a worker does. Raises `OSError`."""
    _write(file, msgspec.json.encode(progress))


def read_progress(file: Path) -> WorkerProgress | None:
    """Return what a worker noted last; None where it never did.

    Raises `OSError`, or `ValueError` for a file that is not of `note_progress`.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=WorkerProgress)
    except FileNotFoundError:
        return None


def note_round(file: Path) -> None:
    """Note that the scheduler has just got through a round. Raises `OSError`.

    It asks no Redis but the broker, which may be a RabbitMQ: so its machine has to keep that.
    """
    _write(file, str(time.monotonic()).encode())


def find_round_problem(file: Path) -> str | None:
    """Return why the scheduler that notes its rounds in a file is not well; None where it is.

    Raises `OSError`, or `ValueError` for a file that is not of `note_round`.
    """
    try:
        seconds = time.monotonic() - float(file.read_text())
    except FileNotFoundError:
        seconds = -1.0
    if seconds < 0:
        return f"no scheduler with --rounds {file} got through a round yet"
    if seconds > _ROUND_SECONDS:
        return f"the scheduler last got through a round {seconds:.0f} s ago"
    return None


def _write(file: Path, content: bytes) -> None:
    """Write a file so that whoever reads it has the old content or the new one."""
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(content)
    new.replace(file)
