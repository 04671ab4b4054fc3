"""How many requests a key may send, counted in Redis over all processes."""

import asyncio
import math
import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.asyncio import Redis

from service.keys.errors import TooManyOfKey

# A limit is not worth holding up requests for a Redis that hangs.
_PATIENCE_SECONDS: Final = 0.2


class KeyLimiter:
    """Counts the requests of each key in a sliding window of a minute.

    While Redis is away nothing is counted and nothing refused.
    """

    def __init__(self, redis: Redis, url: str, per_minute: int) -> None:
        storage = RedisStorage(
            # Only the scheme counts: it shares our connections.
            "async+redis+unix:" + url.partition(":")[2]
            if url.startswith("unix:")
            else f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="leaderboard:limit",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._limit = RateLimitItemPerMinute(per_minute)

    async def take(self, name: str) -> TooManyOfKey | None:
        """Count one request of a key; return why it is refused, if it is."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if await self._limiter.hit(self._limit, name):
                    return None
                stats = await self._limiter.get_window_stats(self._limit, name)
        except (StorageError, TimeoutError):
            return None
        return TooManyOfKey(self._limit.amount, max(1, math.ceil(stats.reset_time - time.time())))
