"""Submits written past HTTP, and the refresh after them, timed."""

import asyncio
import random
import time

from service.backends.broker import connect_broker, disconnect_broker
from service.backends.refresh_signal import RefreshSignal
from service.maintenance.connections import Connections
from service.sessions.service import Ledger, Submission
from service.standings.refresh.refresh import Refresher
from tests.benchmarks.requests import MOST_SCORE, Target

_WARM_UP_SUBMITS = 10_000
_WARM_UP_REFRESHES = 3


async def record_submits(servers: Connections, target: Target, submits: int) -> None:
    """Write a score for each of so many different players, as the API does."""
    players = random.sample(range(target.first_player, target.last_player + 1), submits)
    broker = connect_broker(servers.settings.require_broker_url())
    signal = RefreshSignal(servers.redis, broker)
    # All of them at once, unlike a service, which bounds them.
    settings = servers.settings.model_copy(update={"submit_queue_limit": submits})
    ledger = Ledger(servers.database, signal, settings)
    await asyncio.gather(
        *(
            ledger.record(Submission(player, random.randrange(MOST_SCORE), "solo", None))
            for player in players
        )
    )
    await ledger.drain()
    await signal.drain()
    disconnect_broker(broker)


async def time_refresh(servers: Connections, target: Target, submits: int) -> float:
    """Write submits; return the seconds from the last until standings and index have them all.

    The caller keeps the worker from refreshing meanwhile.
    """
    await record_submits(servers, target, submits)
    refresher = Refresher(servers.database, servers.redis, servers.settings)
    started_at = time.perf_counter()
    sessions = 0
    while True:
        outcome = await refresher.refresh()
        sessions += outcome.sessions
        if not outcome.more:
            break
    elapsed = time.perf_counter() - started_at
    assert sessions == submits, f"{sessions} sessions were folded after {submits} submits"
    return elapsed


async def reach_steady_state(servers: Connections, target: Target) -> None:
    """Have pages, statements and scripts as they are where scores keep coming in.

    The first change of a page after a checkpoint writes the whole page to the WAL; where a
    recomputation or a rebuild went before, a refresh would mostly do that.
    """
    players = target.last_player - target.first_player + 1
    for _ in range(_WARM_UP_REFRESHES):
        await time_refresh(servers, target, min(_WARM_UP_SUBMITS, players))
