"""Keeping off a Redis that takes connections and questions, and answers none."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio import Redis

from service.backends.redis import translate_redis_errors
from service.backends.redis_cluster import ping
from service.errors import CacheTimedOut, CacheUnavailable
from service.lifecycle import stop_task

_REST_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Breaker:
    """Keeps everybody off a Redis that did not answer in time, until it answers again.

    Such a server costs everyone who asks the whole time-out. So once it did, nobody's request asks
    any more: it is asked in the background, again a second after each time that it did not answer.
    One that is away altogether says so at once and need not be spared.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._asking: asyncio.Task[None] | None = None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise `CacheUnavailable` at once while Redis is to be left alone."""
        if self._asking is not None:
            raise CacheUnavailable("Redis did not answer in time a moment ago")
        try:
            yield
        except CacheTimedOut as error:
            if self._asking is None:
                _log.warning("Redis is left alone until it answers: %s", error)
                self._asking = asyncio.create_task(self._ask_until_answered())
            raise

    async def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            await stop_task(self._asking)

    async def _ask_until_answered(self) -> None:
        try:
            # At once for the first time: it may have been a moment, or a busy process of ours.
            while True:
                if await self._is_answered():
                    _log.info("Redis is asked again")
                    break
                await asyncio.sleep(_REST_SECONDS)
        finally:
            # Whatever ends this: without it nobody would ever ask again.
            self._asking = None

    async def _is_answered(self) -> bool:
        try:
            with translate_redis_errors():
                await ping(self._redis)
        except CacheTimedOut:
            return False
        except CacheUnavailable:
            return True
        return True
