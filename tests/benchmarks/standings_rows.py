"""Rows about the standings: refresh, re-rank and rebuild against the full recomputation."""

import asyncio
import random
import statistics
from collections.abc import Callable, Collection

from service.backends.broker import connect_broker, disconnect_broker
from service.backends.refresh_signal import RefreshSignal
from service.maintenance.connections import Connections
from service.sessions.service import Ledger, Submission
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.benchmarks.processor_time import Cost, ProcessorMeter
from tests.benchmarks.references import Recomputation
from tests.benchmarks.results import Budget, Context, Row, compare_costs
from tests.benchmarks.stack import Stack
from tests.benchmarks.traffic import MAX_SCORE, Target

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

_WARM_UP_SUBMITS = 10_000
_WARM_UP_REFRESHES = 3


def _play_solo(_: int) -> str:
    return "solo"


async def record_submits(
    connections: Connections,
    target: Target,
    submits: int,
    mode: Callable[[int], str] = _play_solo,
) -> None:
    """Write a score for each of so many different players, as the API does."""
    players = random.sample(target.players, submits)
    broker = connect_broker(connections.settings.require_broker_url())
    signal = RefreshSignal(connections.redis, broker)
    # All of them at once, unlike a service, which bounds them.
    settings = connections.settings.model_copy(update={"submit_queue_limit": submits})
    ledger = Ledger(connections.database, signal, settings)
    await asyncio.gather(
        *(
            ledger.record(Submission(player, random.randrange(MAX_SCORE), mode(player), None))
            for player in players
        )
    )
    await ledger.drain()
    await signal.drain()
    disconnect_broker(broker)


async def time_refresh(
    stack: Stack, target: Target, submits: int, mode: Callable[[int], str] = _play_solo
) -> Cost:
    """Write submits; return what it takes from the last until standings and index have them all.

    The caller keeps the worker from refreshing meanwhile.
    """
    connections = stack.connections
    await record_submits(connections, target, submits, mode)
    refresher = Refresher(connections.database, connections.redis, connections.settings)
    meter = ProcessorMeter(stack.find_processes)
    sessions = 0
    while True:
        outcome = await refresher.refresh()
        sessions += outcome.sessions
        if not outcome.more:
            break
    cost = meter.read()
    assert sessions == submits, f"{sessions} sessions were folded after {submits} submits"
    return cost


async def reach_steady_state(
    stack: Stack, target: Target, mode: Callable[[int], str] = _play_solo
) -> None:
    """Have pages, statements and scripts as they are where scores keep coming in.

    The first change of a page after a checkpoint writes the whole page to the WAL; where a
    recomputation or a rebuild went before, a refresh would mostly do that.
    """
    for _ in range(_WARM_UP_REFRESHES):
        await time_refresh(stack, target, min(_WARM_UP_SUBMITS, len(target.players)), mode)


async def measure_standings(context: Context, names: Collection[str]) -> list[Row]:
    """Measure the rows asked for."""
    recomputation = Recomputation(context.stack)
    rows: list[Row] = []
    async with context.stack.paused("worker", "scheduler"):
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
            rows += await _measure_rebuild(context, recomputation)
        await recomputation.drop()
    return rows


async def _measure_refresh_and_rerank(context: Context, recomputation: Recomputation) -> list[Row]:
    references, first_refreshes, refreshes, reranks, ranks = [], [], [], [], []
    for number in range(1, context.plan.rounds + 1):
        context.say(f"recomputation: round {number}")
        references.append(await recomputation.run())
        await context.stack.wait_for_autovacuum()
        context.say(f"refresh after {_SUBMITS:,} submits: round {number}")
        first_refreshes.append(await time_refresh(context.stack, context.target, _SUBMITS))
        await reach_steady_state(context.stack, context.target)
        refreshes.append(
            _find_median(
                [
                    await time_refresh(context.stack, context.target, _SUBMITS)
                    for _ in range(_REFRESHES_PER_ROUND)
                ]
            )
        )
        await context.stack.wait_for_autovacuum()
        context.say(f"re-rank: round {number}")
        meter = ProcessorMeter(context.stack.find_processes)
        ranks.append((await rerank(context.stack.connections.database)).ranks)
        reranks.append(meter.read())
        await context.stack.wait_for_autovacuum()
    return [
        *_make_rows(
            "refresh",
            f"refresh after {_SUBMITS:,} submits",
            refreshes,
            references,
            (
                f"the first one after a recomputation, which writes whole pages to the WAL: "
                f"{statistics.median(cost.seconds for cost in first_refreshes):.2f} s"
            ),
        ),
        *_make_rows(
            "rerank",
            f"re-rank of {context.plan.players:,} standings",
            reranks,
            references,
            f"ranks that changed: {', '.join(f'{count:,}' for count in ranks)}",
        ),
    ]


async def _measure_rebuild(context: Context, recomputation: Recomputation) -> list[Row]:
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
    return _make_rows(
        "rebuild",
        "rebuild from the ledger",
        rebuilds,
        references,
        "the whole command, its start and the index included, where nothing was wrong",
        f"after every standing, the index and the names were lost: "
        f"{statistics.median(cost.seconds for cost in whole_rebuilds):.2f} s",
    )


async def _time_rebuild(context: Context) -> Cost:
    meter = ProcessorMeter(context.stack.find_processes)
    await context.stack.run_command("rebuild")
    return meter.read()


def _find_median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.processor_seconds for cost in costs),
    )


async def _lose_standings(context: Context) -> None:
    connections = context.stack.connections
    async with connections.database.connect() as connection:
        await connection.execute("DELETE FROM standing", timeout=_STATEMENT_SECONDS)
        await connection.execute("VACUUM standing", timeout=_STATEMENT_SECONDS)
    # Offset and top too, but none of the queues and marks of the programs that run.
    keys = [key async for key in connections.redis.scan_iter("leaderboard:{*}:*", count=10_000)]
    await connections.redis.unlink(*keys)


def _make_rows(
    name: str, what: str, costs: list[Cost], references: list[Cost], *notes: str
) -> list[Row]:
    return compare_costs(
        name,
        what,
        costs,
        references,
        reference_what=_REFERENCE,
        is_speed_up=True,
        time_budget=_BUDGETS[name],
        notes=notes,
    )
