"""One `leaderboard up` per data directory, and how other commands find it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.errors import UsageError
from service.local.embedded.data_directory import DataDirectory, explain_os_errors

# A command that looks for an instance holds the lock for an instant.
_LOCK_PATIENCE_SECONDS: Final = 0.5
_LOCK_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class RunningInstance:
    """A `leaderboard up` whose servers take connections."""

    pid: int
    url: str
    database_url: str
    redis_url: str
    broker_url: str
    started_at: str
    """ISO 8601, UTC."""


def find_running(data_dir: Path) -> RunningInstance | None:
    """Return the instance that runs in a data directory, if there is one.

    The lock decides, as it ends with its process: a record left by a killed one is ignored.
    """
    directory = DataDirectory(data_dir)
    with (
        explain_os_errors(directory.path),
        contextlib.suppress(FileNotFoundError, NotADirectoryError),
    ):
        descriptor = os.open(_lock_path(directory), os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return RunningInstance(**json.loads(_record_path(directory).read_text()))
        finally:
            os.close(descriptor)
    return None


@contextlib.contextmanager
def hold_directory(directory: DataDirectory) -> Iterator[None]:
    """Keep every other `up` out of the data directory, which is made where it is missing.

    Raises `UsageError`, which says where the other one serves.
    """
    directory.create()
    with explain_os_errors(directory.path):
        descriptor = os.open(_lock_path(directory), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, directory)
        _record_path(directory).unlink(missing_ok=True)
        try:
            yield
        finally:
            _record_path(directory).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def publish_instance(
    directory: DataDirectory, *, url: str, database_url: str, redis_url: str, broker_url: str
) -> None:
    """Record where the servers are, for other commands of the same user only."""
    instance = RunningInstance(
        os.getpid(), url, database_url, redis_url, broker_url, datetime.now(UTC).isoformat()
    )
    path = _record_path(directory)
    unfinished = path.with_name(path.name + ".new")
    with explain_os_errors(directory.path):
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(instance), file, indent=2)
        unfinished.replace(path)


def _lock(descriptor: int, directory: DataDirectory) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UsageError(_explain_holder(directory)) from None
            time.sleep(_LOCK_POLL_SECONDS)
        else:
            return


def _explain_holder(directory: DataDirectory) -> str:
    running = find_running(directory.path)
    if running is None:
        return f"another leaderboard is just starting or stopping in {directory.path}"
    return (
        f"leaderboard is already running in {directory.path} at {running.url} (pid {running.pid})"
    )


def _lock_path(directory: DataDirectory) -> Path:
    return directory.path / "up.lock"


def _record_path(directory: DataDirectory) -> Path:
    return directory.path / "up.json"
