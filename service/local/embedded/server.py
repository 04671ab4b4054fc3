"""What the two embedded servers have in common: prepare, launch, wait, stop."""

import logging
import shutil
import signal
import subprocess
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from service.local.embedded.child_logs import Log
from service.local.embedded.data_directory import DataDirectory, explain_os_errors
from service.local.embedded.errors import StartFailed
from service.local.embedded.processes import (
    Part,
    end_group,
    find_processes,
    stop_leftovers,
    stop_process,
)

Report = Callable[[str], None]
"""Takes one line for the person who started the server."""

_POLL_SECONDS: Final = 0.02
# A server cannot log why it ended in less than this.
_FULL_DISK_BYTES: Final = 64 * 1024


class EmbeddedServer(Part):
    """A server in the foreground, as a child of this process, reached over a unix socket.

    `start` and `stop` block and suit tests; `leaderboard up` calls their steps and waits in its own
    way. Usable as a context manager.
    """

    program: ClassVar[str]
    log: Log
    death_signal: ClassVar[signal.Signals]

    def __init__(self, directory: Path, *, report: Report | None = None) -> None:
        self.directory = DataDirectory(directory)
        self.report = report or logging.getLogger(__name__).info
        self.log = Log(self.directory.logs / f"{self.program}.log")

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The folder of the server's own files, which is its working directory."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that clients connect to."""

    @abstractmethod
    def find_version(self) -> str:
        """Ask the program for its version, such as `18.6`."""

    @abstractmethod
    def initialise(self) -> None:
        """Make the server's folder where it is missing; raise `StartFailed` if it is unusable."""

    @abstractmethod
    def _spawn(self, output: int) -> subprocess.Popen[bytes]: ...

    def prepare(self) -> None:
        """Make every folder and stop what an earlier run has left running."""
        self.directory.create()
        self.directory.create_folders()
        leftovers = find_processes(self.program, self.folder)
        if leftovers:
            stop_leftovers(leftovers, self.find_stop_plan())
            pids = ", ".join(str(process.pid) for process in leftovers)
            self.report(f"Stopped the {self.name} that an earlier run had left (pid {pids})")
        with explain_os_errors(self.directory.path):
            self.initialise()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server and return at once."""
        if self.process is not None:
            end_group(self.process.pid)
        with explain_os_errors(self.directory.path), self.log.opened() as output:
            self.process = self._spawn(output)
        return self.process

    def start(self, timeout_seconds: float = 60.0) -> None:
        """Prepare and launch the server and wait until it accepts queries.

        Raises `StartFailed` when it ends instead, or is not ready in time.
        """
        self.prepare()
        self.launch()
        deadline = time.monotonic() + timeout_seconds
        while not self.is_ready():
            ended = self.process is None or self.process.poll() is not None
            if ended and self.recover():
                self.launch()
            elif ended or time.monotonic() > deadline:
                self.stop()
                raise StartFailed(self.explain_failure())
            time.sleep(_POLL_SECONDS)
        self.complete()

    def explain_failure(self) -> str:
        """Return the server's last error, or what can be told without one."""
        reason = self.log.find_reason() or self._find_silent_reason()
        return f"{self.name} did not start: {reason}; log: {self.log.path}"

    def _find_silent_reason(self) -> str:
        free_bytes = shutil.disk_usage(self.directory.path).free
        return "the disk is full" if free_bytes < _FULL_DISK_BYTES else "it gave no reason"

    def stop(self) -> None:
        """Stop the server and wait for its end; nothing happens if it does not run."""
        if self.process is not None:
            stop_process(self.process, self.find_stop_plan())
            self.process = None
        self.directory.remove_empty_socket_directory()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
