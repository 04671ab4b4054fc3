"""The account that PostgreSQL runs as when we are root, which it refuses to run as."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from service.local.embedded.errors import StartFailed

_CANDIDATES: Final = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_postgres(cls) -> Self | None:
        """Return the account to run PostgreSQL as; None where our own will do."""
        if os.geteuid() != 0:
            return None
        for name in _CANDIDATES:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, entry.pw_uid, entry.pw_gid)
        raise StartFailed(
            "PostgreSQL refuses to run as root and this machine has no account "
            f"{' or '.join(_CANDIDATES)}: create one, or run as an ordinary user"
        )

    def open_path(self, folder: Path) -> list[Path]:
        """Let this account pass through `folder` and its parents; return those changed.

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
