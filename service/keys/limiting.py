"""How many requests a key may send, counted in Redis over all processes."""

import asyncio
import math
import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisClusterStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.asyncio import Redis

from service.cache import REDIS_ERRORS
from service.cluster import is_cluster
from service.keys.errors import TooManyOfKey

# A limit is not worth holding up requests for a Redis that hangs.
_PATIENCE_SECONDS: Final = 0.2


class KeyLimiter:
    """Counts the requests of each key in a sliding window of a minute.

    While Redis is away nothing is counted and nothing refused.
    """

    def __init__(self, redis: Redis, url: str, per_minute: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(_make_storage(redis, url))
        self._limit = RateLimitItemPerMinute(per_minute)

    async def take(self, name: str) -> TooManyOfKey | None:
        """Count one request of a key; return why it is refused, if it is."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if await self._limiter.hit(self._limit, name):
                    return None
                stats = await self._limiter.get_window_stats(self._limit, name)
        except (StorageError, *REDIS_ERRORS):
            return None
        return TooManyOfKey(self._limit.amount, max(1, math.ceil(stats.reset_time - time.time())))


def _make_storage(redis: Redis, url: str) -> RedisStorage:
    """Return a storage that shares our connections; of its URL only the scheme counts then."""
    if is_cluster(url):
        storage = RedisClusterStorage(
            "async+redis+cluster://shared:6379",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="leaderboard:limit",
        )
        # It takes no client but makes one, which connects only if it is used.
        storage.bridge.storage = redis  # type: ignore[attr-defined]
        storage.bridge.register_scripts()
        return storage
    return RedisStorage(
        "async+redis+unix:" + url.partition(":")[2] if url.startswith("unix:") else f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="leaderboard:limit",
        connection_pool=redis.connection_pool,  # type: ignore[arg-type]
    )
