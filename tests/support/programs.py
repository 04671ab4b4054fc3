"""A command as a process that writes a log."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 60.0


class Running:
    """A command as a process; nothing but the given environment reaches it."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, word: str, *, times: int = 1) -> str:
        """Return the line that is the first, or second and so on, to hold the word."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            over = self.process.poll() is not None or time.monotonic() > deadline
            lines = [line for line in self.log.read_text().splitlines() if word in line]
            if len(lines) >= times:
                return lines[times - 1]
            assert not over, self.log.read_text()
            self.nap()

    def nap(self) -> None:
        """Give it a moment, or until it ends."""
        try:
            self.process.wait(0.05)
        except subprocess.TimeoutExpired:
            return

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def run(
    name: str, command: list[str], environment: Mapping[str, str], folder: Path
) -> Iterator[Running]:
    running = Running(command, environment, folder / f"{name}.log")
    try:
        yield running
    finally:
        running.stop()


def nap_until(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return once the condition holds. Raises `AssertionError` where that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.1)
