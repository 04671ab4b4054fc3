"""`leaderboard up` as a child of a test: its lines, its family, its end."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from service.local.supervisor.instance import RunningInstance, find_running
from tests.support.nursery import find_nursery

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class UpProcess:
    """A running `leaderboard up` in a process group of its own."""

    def __init__(
        self, data_dir: Path, environment: Mapping[str, str] | None = None, *options: str
    ) -> None:
        self.data_dir = data_dir
        self._output, written = os.pipe()
        try:
            self.process = find_nursery().fork(
                "service.commands.main",
                ["up", "--port", "0", "--data-dir", str(data_dir), *options],
                clean_environment() | dict(environment or {}),
                output=written,
                own_session=True,
            )
        finally:
            os.close(written)
        self.lines: list[str] = []
        self._unfinished = b""

    def wait_for_line(self, *words: str, seconds: float = START_SECONDS) -> str:
        """Return the first line, printed so far or soon, that holds all the words."""
        deadline = time.monotonic() + seconds
        seen = 0
        while True:
            for line in self.lines[seen:]:
                if all(word in line for word in words):
                    return line
            seen = len(self.lines)
            if not self._read(deadline):
                raise AssertionError(f"no line with {words} in:\n" + "\n".join(self.lines))

    def wait_until_ready(self) -> str:
        """Return the URL that it serves on."""
        return self.wait_for_line("Ready:").split()[1]

    def wait_for_end(self, seconds: float = STOP_SECONDS) -> int:
        """Read everything it still prints and return its exit status."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def find_instance(self) -> RunningInstance:
        """Return what other commands find in the data directory."""
        instance = find_running(self.data_dir)
        assert instance is not None
        return instance

    def find_family(self) -> list[psutil.Process]:
        """Return every process that it has started, directly or not."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def find_child(self, *words: str) -> psutil.Process:
        """Return the child whose command holds all the words."""
        for child in psutil.Process(self.process.pid).children():
            if all(word in " ".join(child.cmdline()) for word in words):
                return child
        raise AssertionError(f"no child with {words} in its command")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        self.process.send_signal(number)

    def kill_group(self) -> None:
        """Kill it and whatever shares its process group, as `kill -9 -<group>` does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Stop it, however far it came."""
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
            self.wait_for_end()
        os.close(self._output)

    def _read(self, deadline: float) -> bool:
        """Take in what is printed next; False at the end of the output or of the time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return False
        chunk = os.read(self._output, 65536)
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        self.lines.extend(line.decode() for line in lines)
        return bool(chunk)


def clean_environment() -> dict[str, str]:
    """Return our environment without any setting of the service."""
    names = ("DATABASE_URL", "DATABASE_REPLICA_URL", "REDIS_URL", "BROKER_URL")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in names and not name.startswith("LEADERBOARD_")
    }


def run_leaderboard(
    *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it printed."""
    return find_nursery().run(
        "service.commands.main",
        [str(argument) for argument in arguments],
        clean_environment() | dict(environment or {}),
        START_SECONDS,
    )
