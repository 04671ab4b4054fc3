"""Submits written past HTTP, and the refresh after them, timed."""

import asyncio
import random

from service.backends.broker import connect_broker, disconnect_broker
from service.backends.refresh_signal import RefreshSignal
from service.maintenance.connections import Connections
from service.sessions.service import Ledger, Submission
from service.standings.refresh.refresh import Refresher
from tests.benchmarks.processor_time import Cost, ProcessorMeter
from tests.benchmarks.stack import Stack
from tests.benchmarks.traffic import MAX_SCORE, Target

_WARM_UP_SUBMITS = 10_000
_WARM_UP_REFRESHES = 3


async def record_submits(connections: Connections, target: Target, submits: int) -> None:
    """Write a score for each of so many different players, as the API does."""
    players = random.sample(target.players, submits)
    broker = connect_broker(connections.settings.require_broker_url())
    signal = RefreshSignal(connections.redis, broker)
    # All of them at once, unlike a service, which bounds them.
    settings = connections.settings.model_copy(update={"submit_queue_limit": submits})
    ledger = Ledger(connections.database, signal, settings)
    await asyncio.gather(
        *(
            ledger.record(Submission(player, random.randrange(MAX_SCORE), "solo", None))
            for player in players
        )
    )
    await ledger.drain()
    await signal.drain()
    disconnect_broker(broker)


async def time_refresh(stack: Stack, target: Target, submits: int) -> Cost:
    """Write submits; return what it takes from the last until standings and index have them all.

    The caller keeps the worker from refreshing meanwhile.
    """
    connections = stack.connections
    await record_submits(connections, target, submits)
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


async def reach_steady_state(stack: Stack, target: Target) -> None:
    """Have pages, statements and scripts as they are where scores keep coming in.

    The first change of a page after a checkpoint writes the whole page to the WAL; where a
    recomputation or a rebuild went before, a refresh would mostly do that.
    """
    for _ in range(_WARM_UP_REFRESHES):
        await time_refresh(stack, target, min(_WARM_UP_SUBMITS, len(target.players)))
