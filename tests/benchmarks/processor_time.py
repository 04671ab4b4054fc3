"""Processor time by what a process is for; on a noisy machine steadier than throughput."""

import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import psutil

FindProcesses: TypeAlias = Callable[[], Iterable[psutil.Process]]

GENERATOR = "generator"
"""The role of this process and the programs it runs, which put load on the servers."""


class Cost(NamedTuple):
    """What something took: time on the clock, and of the processors in all parts together."""

    seconds: float
    processor_seconds: float


def find_family(pid: int) -> list[psutil.Process]:
    """Return a process and everything that it has started, directly or not."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def name_role(process: psutil.Process) -> str:
    """Return what a process of `leaderboard up` is for; nothing for one that has just ended."""
    try:
        name, command = process.name(), process.cmdline()
    except psutil.NoSuchProcess:
        return ""
    if name == "postgres":
        return "PostgreSQL"
    if name == "valkey-server":
        return "Valkey"
    if "workers.scheduler" in command:
        return "scheduler"
    if "workers" in command:
        return "worker"
    if "--ready-fd" in command or "--fd" in command:
        return "API"
    return "supervisor"


def read_processor_seconds(processes: Iterable[psutil.Process]) -> dict[str, float]:
    """Return the seconds that the processes have used so far, by role.

    Children that have ended count with the parent that reaped them; PostgreSQL's do so by the
    minute.
    """
    seconds: dict[str, float] = defaultdict(float)
    for process in processes:
        role = name_role(process)
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds[role] += times.user + times.system
        if role == "PostgreSQL":
            seconds[role] += times.children_user + times.children_system
    return dict(seconds)


class ProcessorMeter:
    """Measures from its making on: servers by role, and what puts load on them."""

    def __init__(self, find_processes: FindProcesses) -> None:
        self._find_processes = find_processes
        self._started_at = time.perf_counter()
        self._before = self._read()

    def divide(self, answers: int) -> dict[str, float]:
        """Return the microseconds that each answer took, by role."""
        if answers == 0:
            return {}
        return {role: 1e6 * seconds / answers for role, seconds in self._measure().items()}

    def read(self) -> Cost:
        """Return what was used so far; here the servers' work is partly done by this process."""
        seconds = time.perf_counter() - self._started_at
        return Cost(seconds, sum(self._measure().values()))

    def _measure(self) -> dict[str, float]:
        now = self._read()
        return {role: now[role] - self._before.get(role, 0.0) for role in now}

    def _read(self) -> dict[str, float]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return read_processor_seconds(self._find_processes()) | {
            GENERATOR: own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        }
