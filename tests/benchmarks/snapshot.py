"""Submits under a snapshot: `python -m tests.benchmarks.snapshot --minutes 60`.

A snapshot is held open all along, and so is that of a slow `pg_dump` with its locks on all tables,
so that nothing that dies is cleared away; and Valkey is lost twice. Meanwhile scores have to show
in time and the outbox may grow by so much for each that was submitted; two minutes after the end it
has to be small again.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import click
import uvloop
from rich.console import Console

from dashboard.simulation.reports.presentation import describe_shortfall, summarize_run
from dashboard.simulation.workload.plan import Mix
from service.lifecycle import stop_task
from service.local.embedded.postgres import find_binaries
from tests.benchmarks.freshness import (
    FRESH_MS,
    Failure,
    Probe,
    SteadyLoad,
    count_failures,
    describe_freshness,
    run_steadily,
    summarize,
)
from tests.benchmarks.plan import FULL
from tests.benchmarks.report import make_console
from tests.benchmarks.stack import Stack, run_stack, stop_on_termination

_PROBES_A_SECOND = 2

# In an hour less than what the board of the budgets has.
_DUMPED_BYTES_A_SECOND = 50_000

_AFTER_A_LOSS_SECONDS = 60
_BYTES_A_SESSION = 64
_SETTLING_SECONDS = 120
_SETTLED_BYTES = 16 * 1024 * 1024

_READ_OUTBOX = "SELECT pg_total_relation_size('outbox')"
_COUNT_SESSIONS = "SELECT count(*) FROM game_session"


async def run(
    stack: Stack, *, minutes: float, submits: float, console: Console
) -> tuple[SteadyLoad, list[float], list[str]]:
    """Load the stack for so long; return the load, when Valkey was lost, and what was wrong."""
    target = await stack.find_target()
    sessions = await _read(stack, _COUNT_SESSIONS)
    outbox = await _read(stack, _READ_OUTBOX)
    seconds = minutes * 60
    async with _hold_snapshot(stack), _dump(stack):
        losing = asyncio.create_task(_lose_redis(stack, [seconds / 3, seconds / 3], console))
        try:
            load = await run_steadily(
                target,
                seconds=seconds,
                rate=submits,
                mix=Mix.parse("submit=1"),
                probes_a_second=_PROBES_A_SECOND,
            )
            losses = await losing
        finally:
            await stop_task(losing)
        grown = await _read(stack, _READ_OUTBOX) - outbox
    sessions = await _read(stack, _COUNT_SESSIONS) - sessions
    each = grown / sessions
    console.print(
        f"the outbox grew by {grown:,} bytes, {each:.1f} for each of {sessions:,} sessions"
    )
    await asyncio.sleep(_SETTLING_SECONDS)
    settled = await _read(stack, _READ_OUTBOX)
    console.print(f"two minutes after the snapshot it has {settled:,} bytes")
    wrong = []
    if each > _BYTES_A_SESSION:
        wrong.append(f"the outbox grew by {each:.1f} bytes a session")
    if settled > _SETTLED_BYTES:
        wrong.append(f"the outbox still has {settled:,} bytes")
    return load, losses, wrong


async def _read(stack: Stack, statement: str) -> int:
    row = await stack.connections.database.fetch_one(statement)
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def _hold_snapshot(stack: Stack) -> AsyncIterator[None]:
    # Not one of our own connections, whose transactions may not be idle for long.
    connection = await asyncpg.connect(stack.database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute("SELECT FROM board")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def _dump(stack: Stack) -> AsyncIterator[None]:
    """Have `pg_dump` run for all of the block, to a disk that takes what it writes slowly."""
    process = await asyncio.create_subprocess_exec(
        find_binaries() / "pg_dump",
        "--format=custom",
        "--compress=none",
        f"--dbname={stack.database_url}",
        env={"PATH": os.defpath},
        stdout=subprocess.PIPE,
    )
    output = process.stdout
    assert output is not None

    async def take() -> None:
        while True:
            if not await output.read(_DUMPED_BYTES_A_SECOND):
                break
            await asyncio.sleep(1)

    taking = asyncio.create_task(take())
    try:
        yield
        assert not taking.done(), "pg_dump ended before the load"
    finally:
        await stop_task(taking)
        process.kill()
        await process.wait()


async def _lose_redis(stack: Stack, pauses: Sequence[float], console: Console) -> list[float]:
    """Kill Valkey after each of the pauses; return when that was, by `perf_counter`."""
    losses = []
    for pause in pauses:
        await asyncio.sleep(pause)
        for process in stack.find_processes("Valkey"):
            process.send_signal(signal.SIGKILL)
        losses.append(time.perf_counter())
        console.print("Valkey was killed")
    return losses


def judge(load: SteadyLoad, losses: Sequence[float], console: Console) -> Iterator[str]:
    """Print how fresh the reads were; return what is wrong."""
    shortfall = describe_shortfall(load.report)
    if shortfall:
        yield shortfall
    for read, report in load.probes.items():
        apart = [probe for probe in report.probes if not _is_after(probe, losses)]
        console.print(describe_freshness(read, report.latency))
        latency = summarize(apart)
        console.print(f"without the minutes after a loss: {describe_freshness(read, latency)}")
        if latency.p99_ms > FRESH_MS:
            yield f"{read} showed a score too late"
        failures = count_failures(
            failure for failure in report.failures if not _is_after(failure, losses)
        )
        for reason, number in failures.items():
            yield f"probes of {read}: {number} times {reason}"
        for reason, number in (count_failures(report.failures) - failures).items():
            console.print(f"in the minutes after a loss, probes of {read}: {number} times {reason}")


def _is_after(probe: Probe | Failure, losses: Sequence[float]) -> bool:
    """Tell whether a probe was under way in the minute after a loss."""
    return any(
        probe.answered_at + probe.seconds >= loss
        and probe.answered_at <= loss + _AFTER_A_LOSS_SECONDS
        for loss in losses
    )


async def _run(
    console: Console, *, minutes: float, submits: float, players: int, sessions: int, processes: int
) -> bool:
    async with run_stack(processes) as stack:
        await stack.populate(players, sessions)
        console.print(f"{submits:g} submits a second for {minutes:g} minutes")
        load, losses, wrong = await run(stack, minutes=minutes, submits=submits, console=console)
        audit, differences = await stack.audit()
    console.print(summarize_run(load.report))
    wrong += [*judge(load, losses, console), *differences]
    console.print(audit.rstrip())
    for line in wrong:
        console.print(f"✗ {line}")
    if not wrong:
        console.print("✓ scores showed in time, the outbox is small again, audit clean")
    return not wrong


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=60.0, show_default=True)
@click.option("--submits", type=float, default=2_000.0, show_default=True, help="A second.")
@click.option("--players", type=int, default=FULL.players, show_default=True)
@click.option("--sessions", type=int, default=FULL.sessions, show_default=True)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
def main(*, minutes: float, submits: float, players: int, sessions: int, processes: int) -> None:
    """Load a stack of its own under a snapshot. Exit status 1 if a promise is not kept."""
    console = make_console()
    stop_on_termination()
    kept = uvloop.run(
        _run(
            console,
            minutes=minutes,
            submits=submits,
            players=players,
            sessions=sessions,
            processes=processes,
        )
    )
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
