"""Log files of child processes: limited in size, with one previous file kept."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LARGEST_BYTES: Final = 8 * 1024 * 1024
_TAIL_BYTES: Final = 8 * 1024
# How PostgreSQL, Valkey, the command line and Python's tracebacks mark an error.
_REASON: Final = re.compile(r"(?:FATAL|PANIC|ERROR|(?<=\s)#|\berror:|[\w.]*Error\b).*")


class Log:
    """The file that one child process prints to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start_bytes = 0

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Lend a descriptor that appends to the file, for a child to inherit.

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

        The writer's descriptor appends, so it continues at the start of the emptied file. What it
        prints between the copy and the truncation is lost: the price for not needing its help.
        """
        if not self.path.exists() or self.path.stat().st_size < _LARGEST_BYTES:
            return
        previous = self.path.with_name(self.path.name + ".1")
        shutil.copyfile(self.path, previous)
        previous.chmod(0o600)
        os.truncate(self.path, 0)
        self._start_bytes = 0

    def find_reason(self) -> str:
        """Return the last error printed since `opened`, else the last line; may be empty."""
        lines = self._read_tail()
        reasons = [found.group().lstrip("# ") for line in lines if (found := _REASON.search(line))]
        return (reasons or lines or [""])[-1]

    def find_last_line(self) -> str:
        """Return the last line printed since `opened`; may be empty."""
        return (self._read_tail() or [""])[-1]

    def _read_tail(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._start_bytes, end - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()]
