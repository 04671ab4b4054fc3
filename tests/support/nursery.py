"""Our programs as processes that start quickly, so that tests can afford to start hundreds.

Python takes up to a second of processor time to import what a program needs, and an API process
half as much to read its own routes. So one process imports the libraries and makes an application,
and every program is forked from it, as are those that it starts itself; what runs in the fork is
`python -m <module>`, as ever.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.local.embedded.processes import _die_with_parent, end_group
from service.settings.settings import load_settings
from tests.support.forks import fork_children, run_module, take_place
from tests.support.routing import share_handlers, share_signatures

if TYPE_CHECKING:
    from litestar import Litestar

# None of these reads a setting, opens anything or starts a thread when it is imported, but for
# Dramatiq, which reads how long a worker waits for a broker that went away.
LIBRARIES = (
    "dashboard.app",
    "dashboard.cli",
    "httptools",
    "service.api.app",
    "service.api.server",
    "service.commands.target",
    "service.local.supervisor.up",
    "uvicorn",
    "uvloop",
)

# What Python itself uses last.
_NEEDED_AT_THE_END = {
    *sys.builtin_module_names,
    "__main__",
    "codecs",
    "encodings",
    "io",
    "threading",
}

_MESSAGE_BYTES = 64 * 1024

# A fork has the command line of what it was forked from, and nowhere else to write its own.
_ROOM_FOR_COMMANDS = "-" * 1024


class Forked:
    """A program that was forked, with what tests need of `subprocess.Popen`."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended. Raises `subprocess.TimeoutExpired`."""
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            ending = select.poll()
            ending.register(self._status, select.POLLIN)
            if ending.poll(None if seconds is None else 1_000 * seconds):
                # Without a word the process that forks ended, and all that it has forked with it.
                self.returncode = int(os.read(self._status, 16) or -signal.SIGKILL)
                os.close(self._status)
        return self.returncode


class Nursery:
    """The process that programs are forked from; it ends with ours, and they end with it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._channel, far_end = socket.socketpair()
        with far_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(far_end.fileno()), _ROOM_FOR_COMMANDS],
                pass_fds=[far_end.fileno()],
                start_new_session=True,
            )

    def fork(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        output: int,
        errors: int | None = None,
        pass_fds: Sequence[int] = (),
        own_session: bool = False,
    ) -> Forked:
        """Run `python -m <module>`; `{0}` in an argument is the first of the descriptors there."""
        call = (module, list(arguments), dict(environment), str(Path.cwd()), own_session)
        status, far_end = os.pipe()
        descriptors = [far_end, output, output if errors is None else errors, *pass_fds]
        try:
            with self._turn:
                socket.send_fds(self._channel, [json.dumps(call).encode()], descriptors)
                pid = int(self._channel.recv(_MESSAGE_BYTES))
        finally:
            os.close(far_end)
        return Forked(pid, status)

    def run(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end and return what it printed."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            program = self.fork(
                module, arguments, environment, output=output.fileno(), errors=errors.fileno()
            )
            try:
                status = program.wait(seconds)
            finally:
                program.send_signal(signal.SIGKILL)
            for file in (output, errors):
                file.seek(0)
            return subprocess.CompletedProcess(arguments, status, output.read(), errors.read())

    def close(self) -> None:
        """End it and whatever it has forked that still runs."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        end_group(self._process.pid)


@functools.cache
def find_nursery() -> Nursery:
    """Return the one of all tests of this process, which is started with the first program."""
    nursery = Nursery()
    atexit.register(nursery.close)
    return nursery


def serve_forks(channel: socket.socket) -> None:
    """Fork a program for every message, until the other end of the channel closes."""
    # Before whatever a library has done at the end, so that it comes after that.
    shared: list[str] = []
    atexit.register(_leave_whole, shared)
    # As a worker has it.
    os.environ.setdefault("dramatiq_restart_delay", "500")
    for library in LIBRARIES:
        importlib.import_module(library)
    _read_routes()
    fork_children()
    shared += (name for name in sys.modules if name.split(".")[0] not in _NEEDED_AT_THE_END)
    gc.freeze()
    waiting: dict[int, int] = {}

    def bury(*_: Any) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                with contextlib.suppress(BrokenPipeError):
                    os.write(waiting[pid], str(os.waitstatus_to_exitcode(status)).encode())
                os.close(waiting.pop(pid))

    signal.signal(signal.SIGCHLD, bury)
    die_with_us = _die_with_parent(signal.SIGKILL)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 8)
        if not message:
            return
        # Nobody is buried before it is known who waits for that.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if pid == 0:
            channel.close()
            for descriptor in (*waiting.values(), descriptors[0]):
                os.close(descriptor)
            if die_with_us:
                die_with_us()
            _become(*json.loads(message), *descriptors[1:])
            return
        waiting[pid] = descriptors[0]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        channel.sendall(str(pid).encode())
        for descriptor in descriptors[1:]:
            os.close(descriptor)


def _leave_whole(shared: Sequence[str]) -> None:
    """Have a program that ends take apart what is its own, but no module that it shares with us.

    Python takes every module to pieces, which costs a short command three times what it does.
    """
    modules = [sys.modules.pop(name, None) for name in shared]
    # Nobody holds them any more, and yet they stay.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(modules))


def _read_routes() -> None:
    """Have every application that is made from now on find what one has read, and its document."""
    from service.api import openapi  # noqa: PLC0415 - after the setting of Dramatiq
    from service.api.app import create_app  # noqa: PLC0415

    patch = pytest.MonkeyPatch()
    share_signatures(patch)
    share_handlers(patch)
    nowhere = "unix:///nowhere"
    app = create_app(load_settings(database_url="postgresql:///nowhere", redis_url=nowhere))
    document = openapi.describe(app)

    def find_document(app: "Litestar") -> dict[str, Any]:
        app.state["document"] = document
        return document

    patch.setattr(openapi, "describe", find_document)


def _become(
    module: str,
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    own_session: bool,  # noqa: FBT001 - comes as one of a list
    output: int,
    errors: int,
    *passed: int,
) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    if own_session:
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    take_place(environment, folder, (nothing, output, errors))
    for descriptor in {nothing, output, errors} - {0, 1, 2}:
        os.close(descriptor)
    run_module(module, [argument.format(*passed) if passed else argument for argument in arguments])


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        serve_forks(given)
