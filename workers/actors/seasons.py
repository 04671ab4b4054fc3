"""Actors that close seasons."""

import logging
from typing import Final

import dramatiq
from dramatiq.errors import Retry

from service.backends.broker import PERIODIC_QUEUE
from service.errors import ServiceError
from service.seasons.closing import CLOSE_ACTOR, close_sealed_seasons
from workers.broker import resources

_SECOND_MS: Final = 1_000

_log = logging.getLogger(__name__)


@dramatiq.actor(
    actor_name=CLOSE_ACTOR,
    queue_name=PERIODIC_QUEUE,
    max_retries=5,
    min_backoff=_SECOND_MS,
    max_backoff=10 * _SECOND_MS,
    time_limit=15 * 60 * _SECOND_MS,
)
async def close_seasons() -> None:
    """Store the results of the seasons that are over and complete."""
    try:
        closed = await close_sealed_seasons(resources.database, resources.index)
    except ServiceError as error:
        _log.warning("closing a season failed and is tried again: %s", error.explain())
        raise Retry(str(error)) from error
    _log.debug("closed %d seasons", closed)
