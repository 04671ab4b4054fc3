"""The programs of a deployment, to be killed and started again."""

import contextlib
import os
import signal
import socket
from collections.abc import Mapping

from service.local.embedded.child_logs import Log
from tests.support.nursery import Forked, find_nursery
from tests.support.waiting import wait_until

# A start takes little processor time, but many may be starting at once on a busy machine.
START_SECONDS = 90.0
STOP_SECONDS = 30.0


class ForkedProgram:
    """One of our programs: an API process on a given socket, a worker or the scheduler."""

    def __init__(
        self,
        name: str,
        module: str,
        *,
        environment: Mapping[str, str],
        log: Log,
        listener: socket.socket | None = None,
    ) -> None:
        self.name = name
        self.process: Forked | None = None
        self._module = module
        self._environment = environment
        self._log = log
        self._listener = listener
        self._ready_fd: int | None = None

    def launch(self) -> None:
        """Start it and return at once."""
        self.close()
        self._ready_fd, child_end = os.pipe()
        os.set_blocking(self._ready_fd, False)
        arguments, passed = ["--ready-fd", "{0}"], [child_end]
        if self._listener is not None:
            arguments, passed = [*arguments, "--fd", "{1}"], [*passed, self._listener.fileno()]
        try:
            with self._log.opened() as output:
                self.process = find_nursery().fork(
                    self._module, arguments, self._environment, output=output, pass_fds=passed
                )
        finally:
            os.close(child_end)

    def is_ready(self) -> bool:
        """Tell, without waiting, whether it has said that it serves."""
        assert self._ready_fd is not None
        with contextlib.suppress(BlockingIOError):
            return os.read(self._ready_fd, 1) == b"\n"
        return False

    def is_running(self) -> bool:
        """Tell whether the process that was launched last has not ended."""
        return self.process is not None and self.process.poll() is None

    async def start(self) -> None:
        """Start it and wait until it serves."""
        self.launch()
        await wait_until(lambda: self.is_ready() or not self.is_running(), seconds=START_SECONDS)
        assert self.is_running(), f"{self.name} ended while it started"

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal that ends it, and wait until it has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        await wait_until(lambda: not self.is_running(), seconds=STOP_SECONDS)

    def close(self) -> None:
        """Give back what the last launch took, and kill it if it still runs."""
        if self._ready_fd is not None:
            os.close(self._ready_fd)
            self._ready_fd = None
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(STOP_SECONDS)
