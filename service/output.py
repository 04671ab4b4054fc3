"""What our programs print, whatever standard output is.

`dashboard.text.output` is the same for the programs there, which import nothing of the service.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, TextIO, cast

OUTPUT_LOST: Final = 74
"""Exit status when standard output could not be written: `EX_IOERR` of sysexits.h."""

# The reader has read enough, or its terminal is closed.
_READER_LEFT: Final = {errno.EPIPE, errno.EIO}


@contextmanager
def guarded_output() -> Iterator[None]:
    """Let a program do its work whatever its output is: full, closed, or of few characters.

    What a reader no longer wants is dropped. What cannot be written is told once, at the end, with
    an exit status of its own: that of the work would say that somebody has seen its outcome.
    """
    _open_missing()
    output, errors = _Descriptor(1), _Descriptor(2)
    sys.stdout, sys.stderr = output.make_text(sys.stdout), errors.make_text(sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        if output.problem is not None:
            reason = os.strerror(output.problem.errno or 0)
            sys.stderr.write(f"error: standard output cannot be written: {reason}\n")
            sys.stderr.flush()
            sys.exit(OUTPUT_LOST)
        sys.stderr.flush()


def _open_missing() -> None:
    """Open what was closed as nothing; else the next file or socket would take its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003
    # Python has none where it was closed, whatever its type says.
    sys.stdin = cast("TextIO | None", sys.stdin) or os.fdopen(0, closefd=False)


class _Descriptor(io.FileIO):
    """An output that takes everything, and remembers why it could not be written."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_over = False
        self.problem: OSError | None = None

    def make_text(self, stream: IO[str] | None) -> io.TextIOWrapper:
        """Return a stream that writes here, in the encoding of the one that it replaces."""
        encoding = getattr(stream, "encoding", None) or "utf-8"
        return io.TextIOWrapper(
            io.BufferedWriter(self),
            encoding,
            # What the encoding lacks is written as \u2713.
            errors="backslashreplace",
            line_buffering=self.fileno() == 2 or self.isatty(),
        )

    def write(self, data: Any, /) -> int:
        """Write some of it, or drop all."""
        while not self._is_over:
            try:
                written = super().write(data)
            except OSError as error:
                self._is_over = True
                if error.errno not in _READER_LEFT:
                    self.problem = error
            else:
                if written is not None:
                    return written
                # It would have to wait.
                select.select([], [self], [])
        return memoryview(data).nbytes
