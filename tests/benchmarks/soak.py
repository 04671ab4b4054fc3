"""The soak: minutes of steady load, and whether anything grows: `python -m tests.benchmarks.soak`.

Samples are taken all along. At the end the audit must find no difference.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.benchmarks.freshness_row import run_open_loop
from tests.benchmarks.plan import FULL
from tests.benchmarks.samples import WATCHED_TABLES, Sample, judge, take_sample
from tests.benchmarks.stack import Stack, run_stack, stop_on_termination

_WIDTH_OF_FILES = 150


async def soak(
    stack: Stack, *, minutes: float, submits: float, reads: float, interval_seconds: float
) -> tuple[list[Sample], dict[str, Any]]:
    """Load the stack for so long; return the samples and the figures of the load."""
    target = await stack.find_target()
    load = asyncio.create_task(
        run_open_loop(
            target,
            seconds=minutes * 60,
            submits=submits,
            ranks=reads / 2,
            tops=reads / 2,
            probes=1,
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


def print_load(console: Console, figures: dict[str, Any]) -> None:
    """Print what came of the requests."""
    table = Table(
        title="Requests, latency from when each was due; probes, from a submit to its being seen",
        title_justify="left",
        box=SIMPLE,
    )
    for heading in ("what", "answers", "p50 ms", "p90 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    lines = [(kind, stream["answers"], stream) for kind, stream in figures["streams"].items()]
    lines += [
        (f"probes of {read}", probes["probes"], probes)
        for read, probes in figures["probes"].items()
    ]
    lines.append(("the generator's lag", 0, figures["lag"]))
    for what, answers, latencies in lines:
        table.add_row(
            what,
            f"{answers:,}" if answers else "",
            *(f"{latencies[name]:,.1f}" for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")),
        )
    console.print(table)


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
            before = await stack.count_sessions()
            status.update(f"{submits:g} submits and {reads:g} reads a second, {minutes:g} minutes")
            samples, figures = await soak(
                stack,
                minutes=minutes,
                submits=submits,
                reads=reads,
                interval_seconds=interval_seconds,
            )
            status.update("auditing")
            await stack.wait_until_quiet()
            growth = await stack.count_sessions() - before
            try:
                audit = await stack.run_command("audit")
                wrong = []
            except RuntimeError as error:
                audit, wrong = str(error), ["the audit found differences"]
    wrong = judge(samples, figures, submits) + wrong
    answers = figures["streams"]["submit"]["answers"]
    probes = sum(probe["probes"] for probe in figures["probes"].values())
    if growth != answers + probes:
        wrong.append(f"{answers + probes:,} submits were answered, the ledger grew by {growth:,}")
    print_samples(console, samples)
    print_load(console, figures)
    console.print(audit.rstrip())
    console.print(f"\n{answers + probes:,} submits answered, the ledger grew by {growth:,}")
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
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    stop_on_termination()
    is_flat = asyncio.run(
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
