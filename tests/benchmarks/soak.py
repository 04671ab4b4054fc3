"""The soak: minutes of steady load, and whether anything grows: `python -m tests.benchmarks.soak`.

Samples are taken all along. At the end the audit must find no difference.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click
import psutil
import uvloop
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from dashboard.simulation.reports.presentation import describe_shortfall, summarize_run
from dashboard.simulation.workload.plan import Mix
from tests.benchmarks.freshness import SteadyLoad, count_failures, describe_freshness, run_steadily
from tests.benchmarks.plan import FULL
from tests.benchmarks.processor_time import name_role
from tests.benchmarks.report import make_console
from tests.benchmarks.stack import Stack, run_stack, stop_on_termination

_MEGABYTE = 1024 * 1024
WATCHED_TABLES = ("outbox", "standing", "latest_refresh", "season_refresh", "database_state")

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
            yield f"probes of {read}: {dict(count_failures(probes.failures))}"


async def soak(
    stack: Stack, *, minutes: float, submits: float, reads: float, interval_seconds: float
) -> tuple[list[Sample], SteadyLoad]:
    """Load the stack for so long; return the samples and what came of the load."""
    target = await stack.find_target()
    load = asyncio.create_task(
        run_steadily(
            target,
            seconds=minutes * 60,
            rate=submits + reads,
            mix=Mix(submit=submits, top=reads / 2, rank=reads / 2),
            probes_a_second=1,
        )
    )
    samples = []
    started_at = time.perf_counter()
    while not load.done():
        samples.append(await take_sample(stack, time.perf_counter() - started_at))
        await asyncio.wait({load}, timeout=interval_seconds)
    return samples, load.result()


def print_samples(console: Console, samples: Sequence[Sample]) -> None:
    """Print a line a sample."""
    table = Table(title="Memory in MB, own pages alone", title_justify="left", box=SIMPLE)
    names = sorted({name for sample in samples for name in sample.memory_mb})
    for heading in ("minute", *names, "pending"):
        table.add_column(heading, justify="right")
    for sample in samples:
        memory = (sample.memory_mb.get(name) for name in names)
        table.add_row(
            f"{sample.seconds / 60:.1f}",
            *("-" if megabytes is None else f"{megabytes:.1f}" for megabytes in memory),
            f"{sample.backlog:,}",
        )
    console.print(table)
    table = Table(
        title="Tables: MB with indexes / dead rows / autovacuums since the start",
        title_justify="left",
        box=SIMPLE,
    )
    for heading in ("minute", *WATCHED_TABLES):
        table.add_column(heading, justify="right")
    first = samples[0].tables
    for sample in samples:
        table.add_row(
            f"{sample.seconds / 60:.1f}",
            *(
                f"{state.megabytes:.1f} / {state.dead:,} / "
                f"{state.autovacuums - first[name].autovacuums}"
                for name, state in ((name, sample.tables[name]) for name in WATCHED_TABLES)
            ),
        )
    console.print(table)


def print_load(console: Console, load: SteadyLoad) -> None:
    """Print what came of the requests, and how fresh the reads were."""
    console.print(summarize_run(load.report))
    for read, probes in load.probes.items():
        console.print(describe_freshness(read, probes.latency))


async def _run(
    console: Console,
    *,
    minutes: float,
    submits: float,
    reads: float,
    players: int,
    sessions: int,
    processes: int,
    interval_seconds: float,
) -> bool:
    with console.status("starting") as status:
        async with run_stack(processes) as stack:
            status.update(f"populating {players:,} players, {sessions:,} sessions")
            await stack.populate(players, sessions)
            status.update(f"{submits:g} submits and {reads:g} reads a second, {minutes:g} minutes")
            samples, load = await soak(
                stack,
                minutes=minutes,
                submits=submits,
                reads=reads,
                interval_seconds=interval_seconds,
            )
            status.update("auditing")
            audit, wrong = await stack.audit()
    wrong = judge(samples, load, submits) + wrong
    print_samples(console, samples)
    print_load(console, load)
    console.print(audit.rstrip())
    for line in wrong:
        console.print(f"✗ {line}")
    if not wrong:
        console.print("✓ flat memory, no growing backlog or table, no error, audit clean")
    return not wrong


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True)
@click.option("--submits", type=float, default=2_000.0, show_default=True, help="A second.")
@click.option("--reads", type=float, default=500.0, show_default=True, help="A second.")
@click.option("--players", type=int, default=FULL.players, show_default=True)
@click.option("--sessions", type=int, default=FULL.sessions, show_default=True)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--every", type=float, default=15.0, show_default=True, help="Seconds per sample.")
def main(
    *,
    minutes: float,
    submits: float,
    reads: float,
    players: int,
    sessions: int,
    processes: int,
    every: float,
) -> None:
    """Load a stack of its own for minutes and watch what grows. Exit status 1 if anything does."""
    console = make_console()
    stop_on_termination()
    is_flat = uvloop.run(
        _run(
            console,
            minutes=minutes,
            submits=submits,
            reads=reads,
            players=players,
            sessions=sessions,
            processes=processes,
            interval_seconds=every,
        )
    )
    raise SystemExit(0 if is_flat else 1)


if __name__ == "__main__":
    main()
