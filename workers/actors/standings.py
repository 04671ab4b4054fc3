"""Actors that keep standings, ranks and index up to date."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

import dramatiq
from dramatiq.errors import Retry
from periodiq import cron

from service.backends.broker import PERIODIC_QUEUE, STANDINGS_QUEUE
from service.backends.refresh_signal import REFRESH_ACTOR, send_refresh
from service.errors import CacheUnavailable, ServiceError, explain_error
from service.moderation.service import finish_deletions
from service.standings.refresh.outbox_index import shrink_outbox_index
from service.standings.refresh.rerank import rerank_if_due
from workers.actors.seasons import close_seasons
from workers.broker import resources

_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60 * _SECOND_MS

_log = logging.getLogger(__name__)


@dramatiq.actor(
    actor_name=REFRESH_ACTOR,
    queue_name=STANDINGS_QUEUE,
    max_retries=5,
    min_backoff=_SECOND_MS // 2,
    max_backoff=5 * _SECOND_MS,
    time_limit=10 * _MINUTE_MS,
)
async def refresh() -> None:
    """Fold what is pending and publish it.

    One that fails, for whatever reason, is tried again, unless another one is: while something
    keeps all of them from their work, new ones come.
    """
    try:
        outcome = await resources.refresher.refresh()
    except Exception as error:
        await resources.refresher.note_problem(error)
        reason = explain_error(error)
        if not await resources.claim_retry():
            _log.debug("refresh failed, and another one is tried again: %s", reason)
            return
        is_bug = not isinstance(error, ServiceError)
        _log.warning("refresh failed and is tried again: %s", reason, exc_info=is_bug)
        # Dramatiq does not try again what an actor `throws`, and logs a traceback for the rest.
        raise Retry(str(error)) from error
    await resources.release_retry()
    if resources.keeper.take_sealed():
        await asyncio.to_thread(close_seasons.send)
    _log.debug("folded %d sessions", outcome.sessions)
    if outcome.more:
        await asyncio.to_thread(refresh.send)


@dramatiq.actor(
    actor_name="standings.rerank",
    queue_name=PERIODIC_QUEUE,
    max_retries=0,
    time_limit=15 * _MINUTE_MS,
    throws=ServiceError,
)
async def rerank() -> None:
    """Store every standing's rank, if they changed and the last time is long enough ago."""
    outcome = await rerank_if_due(resources.database, resources.slice_standings)
    if outcome is not None:
        resources.counters.note_rerank(outcome.elapsed_ms / 1000, outcome.ranks)
        _log.info("re-ranked: %d ranks stored in %.0f ms", outcome.ranks, outcome.elapsed_ms)


@dramatiq.actor(
    actor_name="standings.sweep",
    queue_name=PERIODIC_QUEUE,
    periodic=cron("* * * * *"),
    max_retries=0,
    throws=ServiceError,
)
async def sweep() -> None:
    """Catch what was lost, ask for the re-rank, show that the scheduler is alive, and tidy up."""
    await resources.refresher.recheck_outbox()
    await asyncio.to_thread(send_refresh, refresh.broker)
    await asyncio.to_thread(rerank.send)
    await asyncio.to_thread(close_seasons.send)
    # The broker may be another server than the one that is away.
    with suppress(CacheUnavailable):
        await resources.note_schedule()
    await resources.copy_season()
    await shrink_outbox_index(resources.database)
    await finish_deletions(resources.database)
