"""Pauses between the attempts to rebuild an index that cannot be rebuilt."""

import time
from typing import Final

from redis.asyncio import Redis

from service.backends.redis import translate_redis_errors
from service.errors import CacheFull, CacheUnavailable

_PAUSE_SECONDS: Final = (1.0, 60.0)
_LOOK_SECONDS: Final = 1.0

# Of the memory that was used before a rebuild that did not fit: with less, another one may.
_FREED: Final = 0.95


class RebuildPause:
    """Keeps one season's rebuild from being tried by every fold, which would fall behind with it.

    A pause is twice as long as the one before, up to a minute; the first failure has none, unless
    Redis was full. A pause for that reason is over as soon as Redis was given more memory, or uses
    less than it did before the attempt.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._seconds: float | None = None
        self._ends_at = 0.0
        self._look_at = 0.0
        self._limit = self._used = 0
        self._is_full = False

    async def is_over(self) -> bool:
        """Whether to try now. Raises `CacheUnavailable`."""
        now = time.monotonic()
        if now >= self._ends_at:
            return True
        if not self._is_full or now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        limit, used = await self._read_memory()
        return limit != self._limit or used < _FREED * self._used

    async def begin(self) -> None:
        """Note how much memory Redis uses before the attempt. Raises `CacheUnavailable`."""
        self._limit, self._used = await self._read_memory()

    def note_failure(self, error: CacheUnavailable) -> float:
        """Begin a pause, after an attempt that failed; return its seconds."""
        first, longest = _PAUSE_SECONDS
        self._is_full = isinstance(error, CacheFull)
        if self._seconds is None:
            self._seconds = first if self._is_full else 0.0
        else:
            self._seconds = min(max(2 * self._seconds, first), longest)
        self._ends_at = time.monotonic() + self._seconds
        self._look_at = time.monotonic() + _LOOK_SECONDS
        return self._seconds

    async def _read_memory(self) -> tuple[int, int]:
        """Return the limit, and how much is used; of one node where Redis is a cluster."""
        with translate_redis_errors():
            memory = await self._redis.info("memory")
        return int(memory.get("maxmemory", 0)), int(memory.get("used_memory", 0))
