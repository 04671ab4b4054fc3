"""Two stacks in turns under the same load: another checkout against this one, or what keys cost.

Both are measured from outside: load comes over HTTP from this checkout's generator, and processor
time from the operating system. So the other checkout may be of any age that has this API.
"""

import random
import statistics
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import httpx
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.benchmarks.plan import HEADLINE_CONNECTIONS, Plan
from tests.benchmarks.processor_time import ProcessorMeter
from tests.benchmarks.report import format_series
from tests.benchmarks.results import Series
from tests.benchmarks.stack import OUR_CHECKOUT, Stack, run_stack
from tests.benchmarks.traffic import MAX_SCORE, Target, run_load

Work: TypeAlias = Literal["submit", "top", "rank", "refresh"]
WORKS: tuple[Work, ...] = ("submit", "top", "rank", "refresh")

_REFRESHED_SUBMITS = 10_000
_REFRESHES_A_TURN = 5
_BULK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two stacks."""

    name: str
    stack: Stack
    target: Target


class Turn(NamedTuple):
    """What one side did in its turn: answers, or with `refresh` sessions that were folded."""

    processor_us: float
    per_second: float


@dataclass(slots=True)
class Comparison:
    """Turns of one kind of work; a pair is one round, the reference second."""

    work: Work
    pairs: list[tuple[Turn, Turn]]

    def describe(self) -> tuple[str, ...]:
        """Return the cells of its line."""
        ours, theirs = zip(*self.pairs, strict=True)
        cells = []
        for field, unit in (("processor_us", "µs"), ("per_second", "/s")):
            figure = Series.of([getattr(turn, field) for turn in ours])
            reference = Series.of([getattr(turn, field) for turn in theirs])
            ratio = figure.over(reference)
            cells += [format_series(figure, unit), format_series(reference, unit)]
            cells.append(f"{ratio.median:.3f}\n{min(ratio.values):.3f} to {max(ratio.values):.3f}")
        return self.work, *cells


async def compare_checkouts(
    against: Path, plan: Plan, works: Sequence[Work], say: Callable[[str], None]
) -> list[Comparison]:
    """Measure this checkout against another on equal boards, round by round."""
    async with AsyncExitStack() as running:
        sides = []
        for name, checkout in (("this", OUR_CHECKOUT), (str(against), against)):
            say(f"{name}: populating {plan.players:,} players, {plan.sessions:,} sessions")
            stack = await running.enter_async_context(run_stack(plan.processes, checkout))
            await stack.populate(plan.players, plan.sessions)
            sides.append(Side(name, stack, await stack.find_target()))
        return [await compare(sides[0], sides[1], work, plan, say) for work in works]


async def compare(
    side: Side, reference: Side, work: Work, plan: Plan, say: Callable[[str], None]
) -> Comparison:
    """Let both sides do the same in turns; the first round only warms up."""
    comparison = Comparison(work, [])
    for number in range(plan.rounds + 1):
        # Who comes first changes, for the second finds what the first has left to do.
        pair = (side, reference) if number % 2 else (reference, side)
        turns = {}
        for one in pair:
            say(f"{work}: round {number} of {plan.rounds}, {one.name}")
            turns[one.name] = await _take_turn(one, work, plan.seconds)
        if number:
            comparison.pairs.append((turns[side.name], turns[reference.name]))
    return comparison


def print_comparisons(
    console: Console, comparisons: Sequence[Comparison], ours: str, reference: str
) -> None:
    """Print a line a kind of work: processor time first, which other work disturbs least."""
    title = f"{ours} against {reference}: median, least to greatest; ratios of pairs"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("work")
    for measure in ("processor an answer", "throughput"):
        for heading in (f"{measure}\n{ours}", reference, "ratio"):
            table.add_column(heading, justify="right")
    for comparison in comparisons:
        table.add_row(*comparison.describe())
    console.print(table)


async def _take_turn(side: Side, work: Work, seconds: int) -> Turn:
    await side.stack.wait_until_quiet()
    if work == "refresh":
        return await _refresh(side)
    result = await run_load(
        side.target,
        work,
        connections=HEADLINE_CONNECTIONS,
        seconds=seconds,
        find_processes=side.stack.find_processes,
    )
    assert result.errors == 0, result
    return Turn(result.server_us, result.per_second)


async def _refresh(side: Side) -> Turn:
    """Have a paused worker find submits for different players, and let it fold them in one go.

    Its own figure says how long that took, which leaves out how soon it looked.
    """
    processor_us, seconds = [], []
    async with (
        httpx.AsyncClient(base_url=side.target.url, timeout=_BULK_SECONDS) as client,
        # Without the scheduler nobody asks for a re-rank meanwhile.
        side.stack.paused("scheduler"),
    ):
        # Processor time comes in hundredths of a second: one refresh would be too few of them.
        for _ in range(_REFRESHES_A_TURN):
            players = random.sample(side.target.players, _REFRESHED_SUBMITS)
            lines = [
                {"user_id": player, "score": random.randrange(MAX_SCORE)} for player in players
            ]
            async with side.stack.paused("worker"):
                answer = await client.post("/api/leaderboard/submit/bulk", json=lines)
                answer.raise_for_status()
                meter = ProcessorMeter(side.stack.find_processes)
            await side.stack.wait_until_quiet()
            used = meter.divide(_REFRESHED_SUBMITS)
            processor_us.append(sum(used[role] for role in ("worker", "PostgreSQL", "Valkey")))
            refresh = (await client.get("/api/ops/status")).json()["refresh"]
            assert refresh["sessions"] == _REFRESHED_SUBMITS, refresh
            seconds.append(refresh["duration_ms"] / 1000)
    return Turn(statistics.mean(processor_us), _REFRESHED_SUBMITS / statistics.median(seconds))
