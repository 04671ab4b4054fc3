"""Heartbeats: each process describes itself in Redis every few seconds."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

import msgspec
from redis.asyncio import Redis

from service.backends.redis import translate_redis_errors
from service.errors import CacheUnavailable
from service.lifecycle import stop_task

_INTERVAL_SECONDS: Final = 2.0

# A process that was not heard of for this long is gone.
_PRESENT_FOR: Final = timedelta(seconds=5)

_log = logging.getLogger(__name__)

Description = TypeVar("Description", bound=msgspec.Struct)


class Heartbeat(msgspec.Struct, Generic[Description], frozen=True):
    """A process's description of itself, and when it gave it."""

    at: datetime
    process: Description


class _AnyHeartbeat(msgspec.Struct, frozen=True):
    """The time of a heartbeat, whichever release its process is of."""

    at: datetime
    process: msgspec.Raw


class HeartbeatSender(Generic[Description]):
    """Sends this process's heartbeat, for as long as it is started.

    `key` is the hash with the heartbeats of all processes of its kind, `name` this one's field.
    """

    def __init__(
        self, redis: Redis, key: str, name: str, describe: Callable[[], Description]
    ) -> None:
        self._redis = redis
        self._key = key
        self._name = name
        self._describe = describe
        self._task: asyncio.Task[None] | None = None
        self.problem: CacheUnavailable | None = None
        """Why the last one could not be sent; None where it was."""

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
            heartbeat = Heartbeat(at=datetime.now(UTC), process=self._describe())
            try:
                with translate_redis_errors():
                    await self._redis.hset(self._key, self._name, msgspec.json.encode(heartbeat))
            except CacheUnavailable as error:
                if self.problem is None:
                    _log.warning("Redis is away: %s", error)
                self.problem = error
            else:
                if self.problem is not None:
                    _log.info("Redis is back")
                self.problem = None
            await asyncio.sleep(_INTERVAL_SECONDS)


def _decode_heartbeat(stored: bytes | str) -> _AnyHeartbeat | None:
    try:
        heartbeat = msgspec.json.decode(stored, type=_AnyHeartbeat)
    except msgspec.DecodeError:
        return None
    return heartbeat if heartbeat.at.tzinfo else None


async def read_heartbeats(redis: Redis, key: str, kind: type[Description]) -> list[Description]:
    """Return the descriptions of the processes that were heard of lately; forget the others.

    Raises `CacheUnavailable`.
    """
    present = []
    gone = []
    with translate_redis_errors():
        for name, stored in (await redis.hgetall(key)).items():
            heartbeat = _decode_heartbeat(stored)
            if heartbeat is not None and datetime.now(UTC) - heartbeat.at <= _PRESENT_FOR:
                # Another release's process describes itself otherwise.
                with suppress(msgspec.DecodeError):
                    present.append(msgspec.json.decode(heartbeat.process, type=kind))
            else:
                gone.append(name)
    if gone:
        # One that takes no writes at the moment can still be read.
        with suppress(CacheUnavailable), translate_redis_errors():
            await redis.hdel(key, *gone)
    return present
