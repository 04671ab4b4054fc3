"""Signs of life: each process describes itself in Redis every few seconds."""

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
_PRESENT_FOR: Final = timedelta(seconds=10)

_log = logging.getLogger(__name__)

Description = TypeVar("Description", bound=msgspec.Struct)


class Sign(msgspec.Struct, Generic[Description], frozen=True):
    """A process's description of itself, and when it gave it."""

    at: datetime
    process: Description


class _AnySign(msgspec.Struct, frozen=True):
    """When a process gave its sign, whichever release it is of."""

    at: datetime
    process: msgspec.Raw


class Presence(Generic[Description]):
    """Gives this process's sign of life, for as long as it is started.

    `key` is the hash that holds the signs of all processes of its kind, `name` this one's field.
    """

    def __init__(
        self, redis: Redis, key: str, name: str, describe: Callable[[], Description]
    ) -> None:
        self._redis = redis
        self._key = key
        self._name = name
        self._describe = describe
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to give signs."""
        self._task = asyncio.create_task(self._give_signs())

    async def stop(self) -> None:
        """Give no more signs, and be gone at once."""
        if self._task is None:
            return
        await stop_task(self._task)
        with suppress(CacheUnavailable), translate_redis_errors():
            await self._redis.hdel(self._key, self._name)

    async def _give_signs(self) -> None:
        is_away = False
        while True:
            sign = msgspec.json.encode(Sign(at=datetime.now(UTC), process=self._describe()))
            try:
                with translate_redis_errors():
                    await self._redis.hset(self._key, self._name, sign)
            except CacheUnavailable as error:
                if not is_away:
                    _log.warning("Redis is away: %s", error)
                is_away = True
            else:
                if is_away:
                    _log.info("Redis is back")
                is_away = False
            await asyncio.sleep(_INTERVAL_SECONDS)


def _decode_sign(stored: bytes | str) -> _AnySign | None:
    try:
        sign = msgspec.json.decode(stored, type=_AnySign)
    except msgspec.DecodeError:
        return None
    return sign if sign.at.tzinfo else None


async def read_present(redis: Redis, key: str, kind: type[Description]) -> list[Description]:
    """Return the descriptions of the processes that gave a sign lately; forget the others.

    Raises `CacheUnavailable`.
    """
    present = []
    gone = []
    with translate_redis_errors():
        for name, stored in (await redis.hgetall(key)).items():
            sign = _decode_sign(stored)
            if sign is not None and datetime.now(UTC) - sign.at <= _PRESENT_FOR:
                # Another release's process describes itself otherwise.
                with suppress(msgspec.DecodeError):
                    present.append(msgspec.json.decode(sign.process, type=kind))
            else:
                gone.append(name)
        if gone:
            await redis.hdel(key, *gone)
    return present
