"""The row about freshness (P5): how soon a submit that was answered shows in the reads."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.context import Context
from tests.benchmarks.load import run_program
from tests.benchmarks.requests import Target
from tests.benchmarks.results import Budget, Row, Series

_SUBMITS_A_SECOND = 2_000
_PROBES_A_SECOND = 5

_COUNT_RERANKS = "SELECT reranked_at, rerank_ms FROM refresh_state"


async def measure_freshness(context: Context) -> list[Row]:
    """Measure `rank` and `top` beside each other while 2,000 scores a second come in."""
    seconds = context.plan.freshness_seconds
    await context.stack.wait_until_quiet()
    context.say(f"freshness: {_SUBMITS_A_SECOND:,} submits a second for {seconds} s")
    database = context.stack.servers.database
    before = await database.fetch_one(_COUNT_RERANKS)
    figures = await run_open_loop(
        context.target, seconds=seconds, submits=_SUBMITS_A_SECOND, probes=_PROBES_A_SECOND
    )
    after = await database.fetch_one(_COUNT_RERANKS)
    assert before is not None
    assert after is not None
    notes = [*_describe_load(figures, seconds), "no re-rank ended meanwhile"]
    if after["reranked_at"] != before["reranked_at"]:
        notes[-1] = f"a re-rank of {after['rerank_ms']:,.0f} ms ended meanwhile"
    return [
        _make_row("rank", figures["probes"]["rank"], notes),
        _make_row("top", figures["probes"]["top"], []),
    ]


def _describe_load(figures: dict[str, Any], seconds: float) -> Iterator[str]:
    submits = figures["streams"]["submit"]
    yield (
        f"{submits['answers'] / seconds:,.0f} submits a second answered, p50 "
        f"{submits['p50_ms']:.1f} ms, p99 {submits['p99_ms']:.1f} ms from when each was due"
    )
    yield (
        f"the generator: p99 {figures['lag']['p99_ms']:.1f} ms late, "
        f"{figures['processor_share']:.0%} of a processor"
    )
    if submits["errors"]:
        yield f"ERRORS: {submits['errors']}"


def _make_row(read: str, probes: dict[str, Any], notes: list[str]) -> Row:
    failures = [f"PROBES FAILED: {probes['failures']}"] if probes["failures"] else []
    return Row(
        name="freshness",
        what=f"freshness of `{read}` at {_SUBMITS_A_SECOND:,} submits a second, p99",
        unit="ms",
        budget=Budget("figure", most=500),
        figure=Series.of([probes["p99_ms"]]),
        notes=(
            (
                f"`{read}`: p50 {probes['p50_ms']:.0f} ms, max {probes['max_ms']:.0f} ms, "
                f"{probes['probes']:,} probes"
            ),
            *failures,
            *notes,
        ),
    )


async def run_open_loop(
    target: Target,
    *,
    seconds: float,
    submits: float = 0,
    ranks: float = 0,
    tops: float = 0,
    probes: float = 0,
) -> dict[str, Any]:
    """Run the generator of steady load and return its figures."""
    output = await run_program(
        *(sys.executable, "-m", "tests.benchmarks.open_loop", target.url),
        *("--first-player", str(target.first_player), "--last-player", str(target.last_player)),
        *("--seconds", str(seconds), "--submits", str(submits), "--ranks", str(ranks)),
        *("--tops", str(tops), "--probes", str(probes)),
    )
    figures: dict[str, Any] = json.loads(output)
    return figures
