"""Heartbeats: each process describes itself in Redis every few seconds.

How old a heartbeat is, and when the scheduler was last heard of, is reckoned by the clock of Redis
alone: those of the machines may be set differently, and may be set back.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import msgspec
from redis.asyncio import Redis

from service.backends.redis import SCHEDULER_KEY, load_script, translate_redis_errors
from service.errors import CacheUnavailable
from service.lifecycle import stop_task

_INTERVAL_SECONDS: Final = 2.0

# A process that was not heard of for this long is gone.
PRESENT_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)

Description = TypeVar("Description", bound=msgspec.Struct)


class Heartbeat(msgspec.Struct, Generic[Description], frozen=True):
    """A process's description of itself, and when it gave it, in milliseconds of Redis' clock."""

    at: int
    process: Description


class HeartbeatSender(Generic[Description]):
    """Sends this process's heartbeat, for as long as it is started.

    `key` is the hash with the heartbeats of all processes of its kind, `name` this one's field.
    """

    def __init__(
        self, redis: Redis, key: str, name: str, describe: Callable[[], Description]
    ) -> None:
        self._redis = redis
        self._note = load_script(redis, "backends", "note_heartbeat")
        self._key = key
        self._name = name
        self._describe = describe
        self._task: asyncio.Task[None] | None = None
        self.problem: CacheUnavailable | None = None
        """Why the last one could not be sent; None where it was."""
        self._sent_at: datetime | None = None
        self._failed_at: float | None = None

    @property
    def away_since(self) -> datetime | None:
        """When the last one was sent, while none can be."""
        return self._sent_at if self.problem is not None else None

    def was_away_within(self, seconds: float) -> bool:
        """Tell whether others, too, may not have been heard of for that reason alone."""
        return self._failed_at is not None and time.monotonic() - self._failed_at < seconds

    def start(self) -> None:
        """Begin to send heartbeats."""
        self._task = asyncio.create_task(self._send_heartbeats())

    async def stop(self) -> None:
        """Send no more, and be gone at once."""
        if self._task is None:
            return
        await stop_task(self._task)
        with suppress(CacheUnavailable), translate_redis_errors():
            await self._redis.hdel(self._key, self._name)

    async def _send_heartbeats(self) -> None:
        while True:
            described = msgspec.json.encode(self._describe())
            try:
                with translate_redis_errors():
                    await self._note(keys=[self._key], args=[self._name, described])
            except CacheUnavailable as error:
                if self.problem is None:
                    _log.warning("Redis is away: %s", error)
                self.problem, self._failed_at = error, time.monotonic()
            else:
                self._sent_at = datetime.now(UTC)
                if self.problem is not None:
                    _log.info("Redis is back")
                self.problem = None
            await asyncio.sleep(_INTERVAL_SECONDS)


async def read_heartbeats(redis: Redis, key: str, kind: type[Description]) -> list[Description]:
    """Return the descriptions of the processes that were heard of lately; forget the others.

    Raises `CacheUnavailable`.
    """
    read = load_script(redis, "backends", "read_heartbeats")
    with translate_redis_errors():
        found = await read(keys=[key], args=[round(1000 * PRESENT_SECONDS)])
    present = []
    for stored in found:
        # Another release's process describes itself otherwise.
        with suppress(msgspec.DecodeError):
            present.append(msgspec.json.decode(stored, type=Heartbeat[kind]).process)  # type: ignore[valid-type]
    return present


async def note_schedule(redis: Redis) -> None:
    """Note that a message of the scheduler was carried out just now."""
    with translate_redis_errors():
        await load_script(redis, "backends", "note_schedule")(keys=[SCHEDULER_KEY])


async def read_schedule(redis: Redis) -> float | None:
    """Return how many seconds ago a message of the scheduler was carried out, or None."""
    with translate_redis_errors():
        ago_ms = await load_script(redis, "backends", "read_schedule")(keys=[SCHEDULER_KEY])
    return None if ago_ms is None else ago_ms / 1000
