"""Where runs are found while they go on, and their last figures afterwards.

A run has a directory of its own below the user's state directory, which nobody else may read:

- `run.json`: who it is, by process id and the time at which that process started. Ids are used
  again, so that only both together say that it still runs.
- `snapshot.json`: its figures, replaced as a whole, so that a reader never sees half of them.
- `commands`: a named pipe. A line in it is a command; without a reader there is no run. Unlike a
  socket it may have a path of any length.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import msgspec
import psutil
from platformdirs import user_state_path

from dashboard.simulation.errors import RunEnded
from dashboard.simulation.reports.report import ENDED_STATES, RunReport

_IDENTITY: Final = "run.json"
_SNAPSHOT: Final = "snapshot.json"
_COMMANDS: Final = "commands"

_KEPT_RUNS: Final = 5
_SILENT_SECONDS: Final = 5.0
_START_TOLERANCE_SECONDS: Final = 1.0


class Command(StrEnum):
    """What a run can be told."""

    STOP = "stop"
    PAUSE = "pause"
    FASTER = "faster"
    SLOWER = "slower"


class RunIdentity(msgspec.Struct, frozen=True):
    """Which process carries out a run, and against which service. `started_at` is UTC."""

    run_id: str
    url: str
    started_at: str
    pid: int
    process_started: float


class RunSnapshot(msgspec.Struct, frozen=True):
    """A run at one moment.

    Before it begins there is no report, but the number of `players_found`. `ended`: there will be
    no other snapshot; `problem` says why if it never began.
    """

    players_found: int = 0
    report: RunReport | None = None
    ended: bool = False
    problem: str | None = None


class FoundRun(msgspec.Struct, frozen=True):
    """A run that has left its trace, whether or not it goes on.

    Its snapshot was `written_at` a moment of this machine's clock.
    """

    identity: RunIdentity
    snapshot: RunSnapshot
    alive: bool
    written_at: datetime

    def measure_silence(self, now: datetime) -> float | None:
        """Return how many seconds old its figures are, None where they are current or its last.

        While it sends it writes them twice a second: past that its process hangs, or cannot write
        them. While it finds its players, or compares with the ledger, it seldom writes.
        """
        report = self.snapshot.report
        if not self.alive or report is None or report.state in ENDED_STATES:
            return None
        seconds = (now - self.written_at).total_seconds()
        return seconds if seconds > _SILENT_SECONDS else None


def locate_runs() -> Path:
    """Return the directory of all runs of this user."""
    return user_state_path("leaderboard", appauthor=False) / "runs"


class RunDirectory:
    """The trace of one run, written by the process that carries it out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pipe: int | None = None

    @classmethod
    def make(cls, runs: Path, run_id: str, url: str, started_at: str) -> Self:
        """Make the directory of this process's run; raises `OSError`."""
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_old_runs(runs)
        path = runs / run_id
        path.mkdir(mode=0o700)
        os.mkfifo(path / _COMMANDS, 0o600)
        directory = cls(path)
        process = psutil.Process()
        directory.write(RunSnapshot())
        _replace_file(
            path / _IDENTITY,
            RunIdentity(run_id, url, started_at, process.pid, process.create_time()),
        )
        return directory

    def write(self, snapshot: RunSnapshot) -> None:
        """Replace the snapshot."""
        _replace_file(self._path / _SNAPSHOT, snapshot)

    def listen(self, obey: Callable[[Command], None]) -> None:
        """Call `obey` with each command from now on, in the running event loop."""
        # Open for writing too: otherwise the pipe would end whenever a writer closes it.
        self._pipe = os.open(self._path / _COMMANDS, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._pipe, self._read_commands, obey)

    def close(self) -> None:
        """Take no more commands."""
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None

    def _read_commands(self, obey: Callable[[Command], None]) -> None:
        assert self._pipe is not None
        for word in os.read(self._pipe, 4096).decode(errors="replace").split():
            if word in set(Command):
                obey(Command(word))


def list_runs(runs: Path) -> list[FoundRun]:
    """Return the runs below a directory, the latest first; what is not readable is passed over."""
    try:
        paths = list(runs.iterdir())
    except OSError:
        # Not there yet, or another user's, as after a run that was started as root.
        return []
    found = [read_run(path) for path in paths]
    return sorted(
        (run for run in found if run is not None), key=lambda run: run.identity.started_at
    )[::-1]


def read_run(path: Path) -> FoundRun | None:
    """Return the run that a directory is of, None where it has no trace of one."""
    try:
        identity = msgspec.json.decode((path / _IDENTITY).read_bytes(), type=RunIdentity)
        snapshot = msgspec.json.decode((path / _SNAPSHOT).read_bytes(), type=RunSnapshot)
        written = (path / _SNAPSHOT).stat().st_mtime
    except (OSError, msgspec.DecodeError):
        return None
    alive = not snapshot.ended and _is_alive(identity)
    return FoundRun(identity, snapshot, alive, datetime.fromtimestamp(written, UTC))


def send_command(runs: Path, run_id: str, command: Command) -> None:
    """Tell a run what to do; raises `RunEnded` where nobody listens or the pipe cannot be had."""
    try:
        pipe = os.open(runs / run_id / _COMMANDS, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, f"{command}\n".encode())
        finally:
            os.close(pipe)
    except OSError as error:
        raise RunEnded(run_id) from error


def _is_alive(identity: RunIdentity) -> bool:
    try:
        process = psutil.Process(identity.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = process.create_time()
    except psutil.Error:
        return False
    return abs(started - identity.process_started) < _START_TOLERANCE_SECONDS


def _forget_old_runs(runs: Path) -> None:
    ended = [run for run in list_runs(runs) if not run.alive]
    for run in ended[_KEPT_RUNS - 1 :]:
        shutil.rmtree(runs / run.identity.run_id, ignore_errors=True)


def _replace_file(path: Path, content: msgspec.Struct) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(content))
    fresh.replace(path)
