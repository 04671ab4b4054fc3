"""Our programs as processes that start quickly, so that a test can afford to kill many.

Python takes more than a second of processor time to import what an API process needs. So one
process imports the libraries, and every program is forked from it; what runs in the fork is
`python -m <module>`, as ever.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

import psutil

from service.local.embedded.child_logs import Log
from service.local.embedded.processes import _die_with_parent, end_group, spawn
from tests.support.waiting import wait_until

# None of these reads a setting, opens anything or starts a thread when it is imported.
LIBRARIES = (
    "asyncpg",
    "httptools",
    "litestar.openapi.plugins",
    "pydantic_settings",
    "redis.asyncio",
    "uvicorn",
    "uvloop",
)

# A start takes little processor time, but many may be starting at once on a busy machine.
START_SECONDS = 90.0
STOP_SECONDS = 30.0

_MESSAGE_BYTES = 64 * 1024


class Nursery:
    """The process that programs are forked from; it ends with ours, and they end with it."""

    def __init__(self) -> None:
        self._channel, far_end = socket.socketpair()
        with far_end:
            self._process = spawn(
                [sys.executable, "-m", __name__, str(far_end.fileno())],
                environment=os.environ,
                death_signal=signal.SIGKILL,
                pass_fds=[far_end.fileno()],
            )

    def fork(
        self, module: str, environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> psutil.Process:
        """Run `python -m <module>`; the descriptors are those of `_become`."""
        message = json.dumps([module, dict(environment)])
        socket.send_fds(self._channel, [message.encode()], descriptors)
        return psutil.Process(int(self._channel.recv(_MESSAGE_BYTES)))

    def close(self) -> None:
        """End it and whatever it has forked that still runs."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        end_group(self._process.pid)


class ForkedProgram:
    """One of our programs: an API process on a given socket, a worker or the scheduler."""

    def __init__(
        self,
        name: str,
        module: str,
        *,
        nursery: Nursery,
        environment: Mapping[str, str],
        log: Log,
        listener: socket.socket | None = None,
    ) -> None:
        self.name = name
        self.process: psutil.Process | None = None
        self._module = module
        self._nursery = nursery
        self._environment = environment
        self._log = log
        self._listener = listener
        self._ready_fd: int | None = None

    def launch(self) -> None:
        """Start it and return at once."""
        self.close()
        self._ready_fd, child_end = os.pipe()
        os.set_blocking(self._ready_fd, False)
        listening = [self._listener.fileno()] if self._listener else []
        try:
            with self._log.opened() as output:
                self.process = self._nursery.fork(
                    self._module, self._environment, [output, child_end, *listening]
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
        return self.process is not None and self.process.is_running()

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
            with contextlib.suppress(psutil.NoSuchProcess):
                self.process.kill()


def serve_forks(channel: socket.socket) -> None:
    """Fork a program for every message, until the other end of the channel closes."""
    for library in LIBRARIES:
        importlib.import_module(library)
    # The kernel buries the children: nobody here waits for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    die_with_us = _die_with_parent(signal.SIGKILL)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 3)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            if die_with_us:
                die_with_us()
            _become(*json.loads(message), *descriptors)
            return
        channel.sendall(str(pid).encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _become(
    module: str, environment: dict[str, str], output: int, ready_fd: int, *listener: int
) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.argv = [module, "--ready-fd", str(ready_fd)]
    for descriptor in listener:
        sys.argv += ["--fd", str(descriptor)]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        serve_forks(given)
