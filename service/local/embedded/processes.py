"""Child processes that do not outlive their parent, and the search for those that did."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from service.local.embedded.child_logs import Log
from service.local.embedded.data_directory import Account

StopPlan = Sequence[tuple[signal.Signals, float]]
"""Signals to send one after the other, each with the seconds to wait for the process to end."""

_PR_SET_PDEATHSIG: Final = 1


class Part(ABC):
    """A child that is kept running: an embedded server, or one of our own programs.

    It prints to its `log`, if that is a file. `stop_plan` has the signals that stop it, the gentle
    one first; `process` is that of the last launch.
    """

    name: str
    log: Log | None
    stop_plan: StopPlan
    process: subprocess.Popen[bytes] | None = None

    def find_stop_plan(self) -> StopPlan:
        """Return the signals that stop it as it is now."""
        return self.stop_plan

    @abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process and return at once, in the main thread (see `spawn`)."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return at once whether the launched process serves."""

    @abstractmethod
    def explain_failure(self) -> str:
        """Return one line on why the last start failed."""

    def recover(self) -> bool:
        """After a failed start, remove what it can do without; True if there was any."""
        return False

    def complete(self) -> None:  # noqa: B027 - a hook with nothing to do by default
        """Do what needs the running process, once, before others rely on it."""


def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    death_signal: signal.Signals,
    output: int | None = None,
    folder: Path | None = None,
    account: Account | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a terminal's Ctrl-C does not reach it.

    On Linux the kernel sends it `death_signal` when the *thread* that calls this ends: call it
    from the main thread. `output` takes what it prints; None leaves it on ours.
    """
    return subprocess.Popen(
        [os.fspath(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
        pass_fds=pass_fds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        # It runs after the change of account, which would clear the death signal. It is unsafe
        # with threads only where it takes a lock, which it does not.
        preexec_fn=_die_with_parent(death_signal),  # noqa: PLW1509
    )


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_for_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal))
        # The kernel sends nothing for a parent that ended before the call.
        if os.getppid() != parent:
            os._exit(1)

    return ask_for_signal


def stop_process(process: subprocess.Popen[bytes], plan: StopPlan) -> None:
    """Stop a child by `plan` and wait for its end."""
    for stop_signal, patience_seconds in plan:
        if process.poll() is not None:
            break
        process.send_signal(stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
    end_group(process.pid)


def end_group(group: int) -> None:
    """Kill what a process that ended left in its process group, such as a forked writer."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def find_processes(program: str, folder: Path) -> list[psutil.Process]:
    """Return the running processes called `program` that work in `folder`.

    A pid file can name a process that is another one by now. Name and working directory are
    certain, because a server works in its own data folder.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == program and process.cwd() == os.fspath(folder):
                found.append(process)
    return found


def stop_leftovers(processes: Sequence[psutil.Process], plan: StopPlan) -> None:
    """Stop processes that an earlier run left, and wait for their end.

    Only those whose parent is not among them get a signal; they end their own children.
    """
    pids = {process.pid for process in processes}
    heads = [process for process in processes if _find_parent(process) not in pids]
    for stop_signal, patience_seconds in plan:
        for process in heads:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(stop_signal)
        _, heads = psutil.wait_procs(processes, timeout=patience_seconds)
        if not heads:
            break


def _find_parent(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error):
        return process.ppid()
    return None
