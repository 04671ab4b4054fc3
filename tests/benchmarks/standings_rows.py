"""Rows about the standings: refresh, re-rank and rebuild against the full recomputation."""

import statistics
import time
from collections.abc import Collection

from service.standings.refresh.rerank import rerank
from tests.benchmarks.context import Context
from tests.benchmarks.references import Recomputation
from tests.benchmarks.refreshes import reach_steady_state, time_refresh
from tests.benchmarks.results import Budget, Row, Series

NAMES = ("refresh", "rerank", "rebuild")

_SUBMITS = 10_000
_REFRESHES_PER_ROUND = 3
_STATEMENT_SECONDS = 600.0
_REFERENCE = "DELETE + INSERT … SUM … RANK()"
_BUDGETS = {
    "refresh": Budget("ratio", least=40),
    "rerank": Budget("ratio", least=4),
    "rebuild": Budget("ratio", least=2),
}


async def measure_standings(context: Context, names: Collection[str]) -> list[Row]:
    """Measure the rows asked for."""
    servers = context.stack.servers
    recomputation = Recomputation(servers.database)
    rows = []
    async with context.stack.paused_worker():
        context.say("recomputation: making a table equal to the standings")
        await recomputation.prepare()
        if {"refresh", "rerank"} & set(names):
            rows += [
                row
                for row in await _measure_refresh_and_rerank(context, recomputation)
                if row.name in names
            ]
        # Apart from the others, whose table it leaves as new.
        if "rebuild" in names:
            rows.append(await _measure_rebuild(context, recomputation))
        await recomputation.drop()
    return rows


async def _measure_refresh_and_rerank(context: Context, recomputation: Recomputation) -> list[Row]:
    servers = context.stack.servers
    references, first_refreshes, refreshes, reranks, ranks = [], [], [], [], []
    for number in range(1, context.plan.rounds + 1):
        context.say(f"recomputation: round {number}")
        references.append(await recomputation.run())
        await context.stack.wait_for_autovacuum()
        context.say(f"refresh after {_SUBMITS:,} submits: round {number}")
        first_refreshes.append(await time_refresh(servers, context.target, _SUBMITS))
        await reach_steady_state(servers, context.target)
        refreshes.append(
            statistics.median(
                [
                    await time_refresh(servers, context.target, _SUBMITS)
                    for _ in range(_REFRESHES_PER_ROUND)
                ]
            )
        )
        await context.stack.wait_for_autovacuum()
        context.say(f"re-rank: round {number}")
        started_at = time.perf_counter()
        ranks.append((await rerank(servers.database)).ranks)
        reranks.append(time.perf_counter() - started_at)
        await context.stack.wait_for_autovacuum()
    return [
        _make_row(
            "refresh",
            f"refresh after {_SUBMITS:,} submits",
            refreshes,
            references,
            (
                f"the first one after a recomputation, which writes whole pages to the WAL: "
                f"{statistics.median(first_refreshes):.2f} s"
            ),
        ),
        _make_row(
            "rerank",
            f"re-rank of {context.plan.players:,} standings",
            reranks,
            references,
            f"ranks that changed: {', '.join(f'{count:,}' for count in ranks)}",
        ),
    ]


async def _measure_rebuild(context: Context, recomputation: Recomputation) -> Row:
    references, rebuilds, whole_rebuilds = [], [], []
    for number in range(1, context.plan.rounds + 1):
        context.say(f"recomputation: round {number}")
        references.append(await recomputation.run())
        await context.stack.wait_for_autovacuum()
        context.say(f"rebuild: round {number}")
        rebuilds.append(await _time_rebuild(context))
        await context.stack.wait_for_autovacuum()
        context.say(f"rebuild of everything: round {number}")
        await _lose_standings(context)
        whole_rebuilds.append(await _time_rebuild(context))
        await context.stack.wait_for_autovacuum()
    return _make_row(
        "rebuild",
        "rebuild from the ledger",
        rebuilds,
        references,
        "the whole command, its start and the index included, where nothing was wrong",
        f"after every standing, the index and the names were lost: "
        f"{statistics.median(whole_rebuilds):.2f} s",
    )


async def _time_rebuild(context: Context) -> float:
    started_at = time.perf_counter()
    await context.stack.run_command("rebuild")
    return time.perf_counter() - started_at


async def _lose_standings(context: Context) -> None:
    servers = context.stack.servers
    async with servers.database.connect() as connection:
        await connection.execute("DELETE FROM standing", timeout=_STATEMENT_SECONDS)
        await connection.execute("VACUUM standing", timeout=_STATEMENT_SECONDS)
    # Offset and top too, but none of the queues and marks of the programs that run.
    keys = [key async for key in servers.redis.scan_iter("leaderboard:{*}:*", count=10_000)]
    await servers.redis.unlink(*keys)


def _make_row(
    name: str, what: str, seconds: list[float], references: list[float], *notes: str
) -> Row:
    figure, reference = Series.of(seconds), Series.of(references)
    return Row(
        name=name,
        what=what,
        unit="s",
        budget=_BUDGETS[name],
        figure=figure,
        reference=reference,
        reference_what=_REFERENCE,
        ratio=reference.over(figure),
        notes=notes,
    )
