"""The benchmark: `uv run python -m tests.benchmarks`."""

import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console

from tests.benchmarks.board_rows import describe_populate, measure_memory, measure_restart
from tests.benchmarks.chart import write_chart
from tests.benchmarks.compare import WORKS, compare_checkouts, print_comparisons
from tests.benchmarks.degraded_rows import measure_degraded, measure_disk
from tests.benchmarks.freshness import measure_freshness
from tests.benchmarks.growth_row import measure_growth
from tests.benchmarks.moderation_row import measure_moderation
from tests.benchmarks.more_boards_rows import NAMES as BOARDS_NAMES
from tests.benchmarks.more_boards_rows import measure_boards
from tests.benchmarks.plan import FULL, QUICK, Plan
from tests.benchmarks.report import describe_machine, make_console, print_results, write_json
from tests.benchmarks.results import Context, Results, Row
from tests.benchmarks.seen_row import measure_seen
from tests.benchmarks.stack import run_stack, stop_on_termination
from tests.benchmarks.standings_rows import NAMES as STANDINGS_NAMES
from tests.benchmarks.standings_rows import measure_standings
from tests.benchmarks.traffic import name_generator
from tests.benchmarks.traffic_rows import measure_reads, measure_submits

_BESIDE_SUBMITS: dict[str, Callable[[Context], Awaitable[list[Row]]]] = {
    "freshness": measure_freshness,
    "seen": measure_seen,
    "moderation": measure_moderation,
}
ROWS = (
    "populate",
    "memory",
    "top",
    "rank",
    "submit",
    *_BESIDE_SUBMITS,
    *STANDINGS_NAMES,
    "growth",
    "restart",
    "degraded",
    "disk",
    *BOARDS_NAMES,
)
CHART = Path(__file__).with_name("growth.svg")

_CHECKED_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")


@click.command()
@click.option("--players", type=click.IntRange(min=1_000), help="Size of the board.")
@click.option("--sessions", type=click.IntRange(min=1_000), help="Size of the ledger.")
@click.option("--processes", type=click.IntRange(1, 64), help="API processes.  [default: 2]")
@click.option("--rounds", type=click.IntRange(1, 100), help="Repetitions.  [default: 3]")
@click.option("--seconds", type=click.IntRange(1, 600), help="Of one load.  [default: 6]")
@click.option("--quick", is_flag=True, help="Two minutes, a small board: not for budgets.")
@click.option("--only", multiple=True, type=click.Choice(ROWS), help="Rows to measure.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help=f"Another checkout, with its .venv: compare {', '.join(WORKS)} in turns.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all results.")
def main(
    *,
    players: int | None,
    sessions: int | None,
    processes: int | None,
    rounds: int | None,
    seconds: int | None,
    quick: bool,
    only: tuple[str, ...],
    against: Path | None,
    json_path: Path | None,
) -> None:
    """Measure every budget of the design against its reference, on a stack of its own."""
    usual = QUICK if quick else FULL
    size = players or usual.players
    plan = replace(
        usual,
        players=size,
        sessions=sessions or size * usual.sessions // usual.players,
        processes=processes or usual.processes,
        rounds=rounds or usual.rounds,
        seconds=seconds or usual.seconds,
        growth_players=(*(least for least in usual.growth_players if least < size), size),
    )
    console = make_console()
    stop_on_termination()
    console.print(f"Closed loops from {name_generator()}")
    if against is not None:
        works = [work for work in WORKS if work in (only or WORKS)]
        if not works or json_path:
            raise click.UsageError(f"--against is about {', '.join(WORKS)}, and without --json")
        with _reporting(console) as say:
            comparisons = uvloop.run(compare_checkouts(against, plan, works, say))
        print_comparisons(console, comparisons, "this checkout", str(against))
        return
    with _reporting(console) as say:
        results, facts = uvloop.run(_run(plan, only or ROWS, say))
    print_results(console, results, plan)
    if json_path:
        write_json(json_path, results, plan, facts)
    if results.growth and plan.is_for_budgets():
        write_chart(CHART, results.growth)


@contextmanager
def _reporting(console: Console) -> Iterator[Callable[[str], None]]:
    """Give a function that tells the person who waits what is going on."""
    with console.status("starting") as status:

        def say(what: str) -> None:
            status.update(what)
            if not console.is_terminal:
                click.echo(f"{time.strftime('%H:%M:%S')} {what}", err=True)

        yield say


async def _run(
    plan: Plan, names: Collection[str], say: Callable[[str], None]
) -> tuple[Results, dict[str, Any]]:
    """Measure the rows asked for."""
    results = Results()
    facts = describe_machine() | {"load_from": name_generator()}
    async with run_stack(plan.processes) as stack:
        facts |= await stack.read_settings(*_CHECKED_SETTINGS)
        assert facts["fsync"] == "on"
        say(f"populating {plan.players:,} players, {plan.sessions:,} sessions")
        seconds = await stack.populate(plan.players, plan.sessions)
        target = await stack.find_target()
        context = Context(plan, stack, target, results, say)
        if "populate" in names:
            results.rows.append(describe_populate(seconds, plan.players, plan.sessions))
        await _measure(context, names)
        if "degraded" in names:
            results.rows.extend(await measure_degraded(context))
        if "disk" in names:
            results.rows.append(await measure_disk(context))
        results.rows.extend(await measure_boards(context, names))
    return results, facts


async def _measure(context: Context, names: Collection[str]) -> None:
    """Reads come first, on a board that nothing changes; growth last, with boards beside it."""
    rows = context.results.rows
    if "memory" in names:
        rows.append(await measure_memory(context))
    if "top" in names:
        rows.extend(await measure_reads(context, "top"))
    if "rank" in names:
        rows.extend(await measure_reads(context, "rank"))
    if "submit" in names:
        rows.extend(await measure_submits(context))
    for name, measure in _BESIDE_SUBMITS.items():
        if name in names:
            rows.extend(await measure(context))
    standings = [name for name in names if name in STANDINGS_NAMES]
    if standings:
        rows.extend(await measure_standings(context, standings))
    if "restart" in names:
        rows.append(await measure_restart(context))
    if "growth" in names:
        rows.extend(await measure_growth(context))


if __name__ == "__main__":
    main()
