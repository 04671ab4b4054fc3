"""How many requests a key may send, counted in Redis over all processes."""

import asyncio
import math
import time
from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.redis import translate_redis_errors
from service.errors import CacheUnavailable
from service.keys.errors import TooManyOfKey
from service.settings.settings import Settings
from service.settings.urls import is_cluster

if TYPE_CHECKING:
    from limits.aio.storage import RedisStorage

# A flood is counted a few at a time: each takes a connection to Redis for itself, which the reads
# of ranks and tops would miss, and would wait for its answer until all of them were asked.
_COUNTED_AT_ONCE: Final = 16


class KeyLimiter:
    """Counts the requests of each key in a sliding window of a minute.

    While Redis is away nothing is counted and nothing refused.
    """

    def __init__(self, redis: Redis, url: str, per_minute: int) -> None:
        # Loaded only where keys are limited.
        from limits import RateLimitItemPerMinute  # noqa: PLC0415
        from limits.aio.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

        self._limiter = SlidingWindowCounterRateLimiter(_make_storage(redis, url))
        self._limit = RateLimitItemPerMinute(per_minute)
        self._places = asyncio.Semaphore(_COUNTED_AT_ONCE)
        # Its own: in a cluster the counters may lie on a node that no rank is read from.
        self._breaker = Breaker(redis)

    async def stop(self) -> None:
        """Count no more."""
        await self._breaker.stop()

    async def take(self, name: str) -> TooManyOfKey | None:
        """Count one request of a key; return why it is refused, if it is."""
        try:
            async with self._places:
                with self._breaker.guard(), translate_redis_errors():
                    if await self._limiter.hit(self._limit, name):
                        return None
                    stats = await self._limiter.get_window_stats(self._limit, name)
        except CacheUnavailable:
            return None
        # By the clock that the window began by, which may have been set back since.
        seconds = min(max(1, math.ceil(stats.reset_time - time.time())), self._limit.get_expiry())
        return TooManyOfKey(self._limit.amount, seconds)


def make_key_limiter(redis: Redis, settings: Settings) -> KeyLimiter | None:
    """Return the limiter of keys, or None where the settings limit none."""
    if not settings.key_requests_per_minute:
        return None
    return KeyLimiter(redis, settings.require_redis_url(), settings.key_requests_per_minute)


def _make_storage(redis: Redis, url: str) -> "RedisStorage":
    """Return a storage that shares our connections; of its URL only the scheme counts then."""
    from limits.aio.storage import RedisClusterStorage, RedisStorage  # noqa: PLC0415

    if is_cluster(url):
        storage = RedisClusterStorage(
            "async+redis+cluster://shared:6379",
            implementation="redispy",
            key_prefix="leaderboard:limit",
        )
        # It takes no client but makes one, which connects only if it is used.
        storage.bridge.storage = redis  # type: ignore[attr-defined]
        storage.bridge.register_scripts()
        return storage
    return RedisStorage(
        "async+redis+unix:" + url.partition(":")[2] if url.startswith("unix:") else f"async+{url}",
        implementation="redispy",
        key_prefix="leaderboard:limit",
        connection_pool=redis.connection_pool,  # type: ignore[arg-type]
    )
