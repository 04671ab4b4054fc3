"""A circuit breaker for a Redis that accepts connections and commands but does not answer."""

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

_PROBE_INTERVAL_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Breaker:
    """Fails fast after Redis did not answer in time, until it answers again.

    Such a server costs every request the whole time-out. So after the first one no request uses it:
    it is pinged in the background, again a second after each ping that failed. A server that is
    away altogether refuses connections at once, and does not open the circuit.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._probe: asyncio.Task[None] | None = None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise `CacheUnavailable` at once while the circuit is open."""
        if self._probe is not None:
            raise CacheUnavailable("Redis did not answer in time a moment ago")
        try:
            yield
        except CacheTimedOut as error:
            if self._probe is None:
                _log.warning("Redis is left alone until it answers: %s", error)
                self._probe = asyncio.create_task(self._probe_until_answered())
            raise

    async def stop(self) -> None:
        """Stop the pings in the background."""
        await stop_task(self._probe)

    async def _probe_until_answered(self) -> None:
        try:
            # The first time at once: it may have been a short hang, or this process may be busy.
            while True:
                if await self._is_answered():
                    _log.info("Redis is asked again")
                    break
                await asyncio.sleep(_PROBE_INTERVAL_SECONDS)
        finally:
            # However this ends: the circuit must not stay open for ever.
            self._probe = None

    async def _is_answered(self) -> bool:
        try:
            with translate_redis_errors():
                await ping(self._redis)
        except CacheTimedOut:
            return False
        except CacheUnavailable:
            return True
        return True
