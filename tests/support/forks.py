"""Programs of ours in a fork of a process that has their libraries."""

import atexit
import contextlib
import ctypes
import gc
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn


def run_module(module: str, arguments: Sequence[str]) -> None:
    """Run what `python -m <module>` runs, under that command line."""
    _show_command([sys.executable, "-P", "-m", module, *arguments])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def take_place(environment: Mapping[str, str], folder: str | None, streams: Sequence[int]) -> None:
    """Give a fork what a process is started with: input, output and errors, -1 for ours."""
    for stream, descriptor in enumerate(streams):
        if descriptor != -1:
            os.dup2(descriptor, stream)
    if folder is not None:
        os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def fork_children() -> None:
    """Have this process, and its forks, fork the programs that they would start by `python -m`.

    In place of the one function by which `subprocess` starts anything: all around it stays.
    """
    start = subprocess._fork_exec  # type: ignore[attr-defined]

    def fork(command: Sequence[str], *how: Any) -> int:
        if list(command[:3]) != [sys.executable, "-P", "-m"]:
            return int(start(command, *how))
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _forget_parent()
            _take_over(*how)
            _run_to_the_end(command[3], command[4:])
        return pid

    subprocess._fork_exec = fork  # type: ignore[attr-defined]


def _show_command(command: Sequence[str]) -> None:
    """Have the process listed under this command, as far as there is room where its own is."""
    numbers = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(numbers[45]), int(numbers[46])
    shown = os.fsencode("\0".join(command))[: end - start - 1]
    ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


def _forget_parent() -> None:
    # What it has open is closed below its objects, which therefore may never be closed.
    gc.freeze()
    atexit._clear()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _take_over(*how: Any) -> None:
    """Do what `subprocess` does in a child, in its order."""
    passed, folder, environment = how[2:5]
    streams, errors, own_session, prepare = (how[5], how[8], how[10]), how[12], how[14], how[20]
    given = dict(os.environ)
    if environment is not None:
        given = dict(os.fsdecode(variable).split("=", 1) for variable in environment)
    take_place(given, folder, streams)
    if own_session:
        os.setsid()
    if prepare is not None:
        prepare()
    kept = {0, 1, 2, *passed} - {errors}
    for descriptor in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if descriptor not in kept:
            # The folder's own is closed already.
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _run_to_the_end(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run it and leave as Python does, without a way back into what the parent was doing."""
    status = 0
    try:
        run_module(module, arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException as error:  # noqa: BLE001 - whatever it is, Python ends with it
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
