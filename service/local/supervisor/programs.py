"""Our own programs as child processes: the API, the worker, the scheduler, the console."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import psutil

from service.local.embedded.child_logs import Log
from service.local.embedded.data_directory import DataDirectory
from service.local.embedded.processes import Part, end_group, spawn

_READY_OPTION: Final = "--ready-fd"
_API_KEY_OPTION: Final = "--api-key"


class Program(Part):
    """`python -m <module>`, which writes a byte to `--ready-fd` once it serves.

    Without a `log` it prints where this process prints.
    """

    def __init__(
        self,
        name: str,
        module: str,
        *,
        environment: Mapping[str, str],
        log: Log | None = None,
        arguments: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        stop_seconds: float,
    ) -> None:
        self.name = name
        self.log = log
        self.stop_plan = ((signal.SIGTERM, stop_seconds), (signal.SIGKILL, 5.0))
        self._command = [*python_command(module), *arguments]
        self._environment = environment
        self._pass_fds = pass_fds
        self._ready_fd: int | None = None

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the program and return at once."""
        if self.process is not None:
            end_group(self.process.pid)
        self._close_ready_fd()
        self._ready_fd, child_end = os.pipe()
        os.set_blocking(self._ready_fd, False)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, child_end)
            self.process = spawn(
                [*self._command, _READY_OPTION, str(child_end)],
                environment=self._environment,
                death_signal=signal.SIGKILL,
                output=stack.enter_context(self.log.opened()) if self.log else None,
                pass_fds=(child_end, *self._pass_fds),
            )
        return self.process

    def is_ready(self) -> bool:
        """Return at once whether the process has reported since its launch that it serves."""
        if self._ready_fd is None:
            return True
        try:
            report = os.read(self._ready_fd, 1)
        except BlockingIOError:
            return False
        if report:
            self._close_ready_fd()
        return bool(report)

    def explain_failure(self) -> str:
        """Return the program's last error, or where its messages are."""
        if self.log is None:
            return f"{self.name} did not start: see its messages above"
        reason = self.log.find_reason() or "it gave no reason"
        return f"{self.name} did not start: {reason}; log: {self.log.path}"

    def _close_ready_fd(self) -> None:
        if self._ready_fd is not None:
            os.close(self._ready_fd)
            self._ready_fd = None


def python_command(module: str) -> list[str]:
    """Return the command that runs a module with this interpreter.

    `-P` keeps a folder called `workers` or `service` in the current directory from being taken
    for ours.
    """
    return [sys.executable, "-P", "-m", module]


def hide_api_key(arguments: Sequence[str]) -> list[str]:
    """Move `--api-key` to the environment: every user of the machine can read command lines."""
    shown = []
    rest = iter(arguments)
    for argument in rest:
        name, separator, key = argument.partition("=")
        if name != _API_KEY_OPTION:
            shown.append(argument)
            continue
        value = key if separator else next(rest, None)
        if value is None:
            shown.append(argument)
        elif value:
            os.environ["LEADERBOARD_API_KEY"] = value
        else:
            # In one piece, or what follows would be taken for the key.
            shown.append(f"{_API_KEY_OPTION}=")
    return shown


def find_programs(directory: DataDirectory) -> list[psutil.Process]:
    """Return programs of an earlier `up` in this data directory that still run.

    On Linux none outlives it; elsewhere they would keep the API's port occupied.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            place = process.environ().get("LEADERBOARD_DATA_DIR")
            if place == str(directory.path) and _READY_OPTION in process.cmdline():
                found.append(process)
    return found
