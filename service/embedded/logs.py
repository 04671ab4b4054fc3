"""Log files of child processes: bounded in size, one previous kept."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LARGEST_BYTES: Final = 8 * 1024 * 1024
_TAIL_BYTES: Final = 8 * 1024
_REASON: Final = re.compile(r"FATAL|PANIC|rror\b|\s#\s")


class Log:
    """The file that takes what one child process prints."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start_bytes = 0

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Give a descriptor that appends to the file, to be handed to a child.

        Only the owner may read the file: a traceback can show what users sent.
        """
        self.trim()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._start_bytes = os.fstat(descriptor).st_size
            yield descriptor
        finally:
            os.close(descriptor)

    def trim(self) -> None:
        """Move a log that has grown too large aside, while its writer keeps it open.

        The writer's descriptor appends, so it goes on at the start of the emptied file. What it
        prints between the copy and the cut is lost: a price for not needing its help.
        """
        if not self.path.exists() or self.path.stat().st_size < _LARGEST_BYTES:
            return
        previous = self.path.with_name(self.path.name + ".1")
        shutil.copyfile(self.path, previous)
        previous.chmod(0o600)
        os.truncate(self.path, 0)
        self._start_bytes = 0

    def find_reason(self) -> str:
        """Return the last line since `opened` that reads like an error, else the last line."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._start_bytes, end - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        spoken = [line.strip() for line in lines if line.strip()]
        errors = [line for line in spoken if _REASON.search(line)]
        return (errors or spoken or [""])[-1]
