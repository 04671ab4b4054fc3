"""The data directory: its folders, who may enter them, and the account PostgreSQL runs as."""

import contextlib
import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from service.local.embedded.errors import StartFailed

# The kernel allows 108 bytes on Linux and 104 on macOS, the terminating zero included.
_LONGEST_SOCKET_PATH_BYTES: Final = 100
_LONGEST_SOCKET_NAME: Final = ".s.PGSQL.5432"

# PostgreSQL refuses to run as root; it then runs as one of these.
_ACCOUNTS: Final = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine, for what refuses to run as root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_postgres(cls) -> Self | None:
        """Return the account to run PostgreSQL as; None where our own will do."""
        if os.geteuid() != 0:
            return None
        for name in _ACCOUNTS:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, entry.pw_uid, entry.pw_gid)
        raise StartFailed(
            "PostgreSQL refuses to run as root and this machine has no account "
            f"{' or '.join(_ACCOUNTS)}: create one, or run as an ordinary user"
        )

    def open_path(self, folder: Path) -> list[Path]:
        """Let this account pass through `folder` and its parents; return those that were changed.

        Only the right to pass is added, never the right to list or to read.
        """
        changed = []
        for step in (*reversed(folder.parents), folder):
            status = step.stat()
            if not self._may_pass(status):
                step.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
                changed.append(step)
        return changed

    def _may_pass(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


class DataDirectory:
    """Everything that `leaderboard up` keeps, below one path."""

    def __init__(self, path: Path) -> None:
        # Not `Path.resolve`, which raises no `OSError` for links in a circle.
        with explain_os_errors(path):
            self.path = Path(os.path.realpath(path))
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.logs = self.path / "logs"
        self.sockets = _choose_socket_directory(self.path)

    def create(self) -> None:
        """Make the directory itself where it is missing."""
        with explain_os_errors(self.path):
            # Another account must be able to pass through to its own folder, but not to list this.
            mode = 0o711 if Account.for_postgres() else 0o700
            self.path.mkdir(mode=mode, parents=True, exist_ok=True)

    def create_folders(self) -> None:
        """Make the folders for logs and sockets where they are missing."""
        with explain_os_errors(self.path):
            self.logs.mkdir(mode=0o700, exist_ok=True)
            _make_private_directory(self.sockets, Account.for_postgres())

    def remove_empty_socket_directory(self) -> None:
        """Leave nothing in the machine's temporary folder once the servers have stopped."""
        if self.sockets.parent != self.path:
            with contextlib.suppress(OSError):
                self.sockets.rmdir()


@contextlib.contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line about the data directory."""
    try:
        yield
    except OSError as error:
        reason = "not a directory" if isinstance(error, FileExistsError) else error.strerror
        place = f" ({error.filename})" if error.filename and error.filename != str(path) else ""
        raise StartFailed(
            f"cannot keep data in {path}: {reason}{place}; choose another --data-dir"
        ) from error


def _choose_socket_directory(path: Path) -> Path:
    near = path / "run"
    # libpq and asyncpg take a comma as the separator of two hosts.
    if len(
        os.fsencode(near / _LONGEST_SOCKET_NAME)
    ) <= _LONGEST_SOCKET_PATH_BYTES and "," not in str(near):
        return near
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()).resolve() / f"leaderboard-{digest}"


def _make_private_directory(path: Path, account: Account | None) -> None:
    """Make a directory that only its owner may enter, as PostgreSQL trusts whoever can."""
    path.mkdir(mode=0o700, exist_ok=True)
    # In the shared temporary folder another user may have made it, or a link, before us.
    status = path.lstat()
    ours = {os.geteuid()} | ({account.uid} if account else set())
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in ours:
        raise StartFailed(f"{path} is needed for sockets but belongs to somebody else: remove it")
    if account:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)
