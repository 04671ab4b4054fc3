"""What a soak looks at, and when it is not flat."""

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from dashboard.simulation.reports.presentation import describe_shortfall
from tests.benchmarks.freshness import SteadyLoad
from tests.benchmarks.processor_time import name_role
from tests.benchmarks.stack import Stack

_MEGABYTE = 1024 * 1024
WATCHED_TABLES = ("pending_session", "standing", "refresh_state", "season")

# What a flat line may do. Memory is a process's own, without what it shares.
_MEMORY_GROWTH = 0.05
_MEMORY_SLACK_MB = 8.0
_SIZE_GROWTH = 0.10
_SIZE_SLACK_MB = 8.0
_BACKLOG_SECONDS = 2.0

_READ_TABLES = """
    SELECT
        relname AS name,
        n_dead_tup AS dead,
        autovacuum_count AS autovacuums,
        pg_total_relation_size(relid) / 1048576.0 AS megabytes
    FROM pg_stat_user_tables
    WHERE relname = ANY ($1)
"""
_READ_BACKLOG = "SELECT count(*) FROM pending_session"


@dataclass(frozen=True, slots=True)
class TableState:
    """One table at one moment."""

    dead: int
    autovacuums: int
    megabytes: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The whole stack at one moment."""

    seconds: float
    memory_mb: dict[str, float]
    backlog: int
    tables: dict[str, TableState]


async def take_sample(stack: Stack, seconds: float) -> Sample:
    """Look at every process and every table that turns over."""
    database = stack.connections.database
    rows = await database.fetch(_READ_TABLES, list(WATCHED_TABLES))
    (backlog,) = await database.fetch(_READ_BACKLOG)
    return Sample(
        seconds=seconds,
        memory_mb=await asyncio.to_thread(_read_memory, stack),
        backlog=backlog["count"],
        tables={
            row["name"]: TableState(row["dead"], row["autovacuums"], float(row["megabytes"]))
            for row in rows
        },
    )


def _read_memory(stack: Stack) -> dict[str, float]:
    """Return the megabytes of each process of ours, and of all of PostgreSQL's together."""
    memory: dict[str, float] = {}
    for process in stack.find_processes():
        role = name_role(process)
        try:
            megabytes = process.memory_full_info().uss / _MEGABYTE
        except psutil.NoSuchProcess:
            continue
        # PostgreSQL's come and go; what they share is not in any one's own memory.
        name = role if role in {"PostgreSQL", "Valkey"} else f"{role} {process.pid}"
        memory[name] = memory.get(name, 0.0) + megabytes
    return memory


def judge(samples: Sequence[Sample], load: SteadyLoad, submits: float) -> list[str]:
    """Return what is wrong; nothing where everything stayed flat."""
    # The first third fills pools and caches.
    judged = samples[len(samples) // 3 :]
    half = len(judged) // 2
    early, late = judged[:half], judged[half:]
    wrong = [*_judge_memory(early, late), *_judge_tables(early, late), *_judge_answers(load)]
    if len({frozenset(sample.memory_mb) for sample in samples}) > 1:
        wrong.append("a process ended or was started in the middle")
    backlog = statistics.median(sample.backlog for sample in late)
    if backlog > submits * _BACKLOG_SECONDS:
        wrong.append(f"{backlog:,.0f} sessions were pending at most times")
    return wrong


def _judge_memory(early: Sequence[Sample], late: Sequence[Sample]) -> Iterator[str]:
    for name in late[-1].memory_mb:
        before, after = (
            statistics.median(sample.memory_mb.get(name, 0.0) for sample in part)
            for part in (early, late)
        )
        if after > before * (1 + _MEMORY_GROWTH) + _MEMORY_SLACK_MB:
            yield f"memory of {name} grew from {before:.0f} to {after:.0f} MB"


def _judge_tables(early: Sequence[Sample], late: Sequence[Sample]) -> Iterator[str]:
    for name in WATCHED_TABLES:
        before, after = (
            max(sample.tables[name].megabytes for sample in part) for part in (early, late)
        )
        if after > before * (1 + _SIZE_GROWTH) + _SIZE_SLACK_MB:
            yield f"{name} grew from {before:.0f} to {after:.0f} MB"


def _judge_answers(load: SteadyLoad) -> Iterator[str]:
    shortfall = describe_shortfall(load.report)
    if shortfall:
        yield shortfall
    for read, probes in load.probes.items():
        if probes.failures:
            yield f"probes of {read}: {probes.failures}"
