"""The connection to Redis, every key name, and how a score and a player are encoded in it.

Everything in Redis follows PostgreSQL and may be dropped at any time.

The index of a season is a sorted set. Its member is the player's id as eight bytes, most
significant first, so that players with equal scores sort by id; its score is the standing's
`sort_score`, where lower is better on every board. Where ties are broken by who got there first,
the standing's `tie_key` comes before the id, in eight bytes more, and is kept by player in a hash
beside the index (tie_keys.lua).
"""

import asyncio
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.driver_info import DriverInfo
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.backends.redis_cluster import connect_cluster
from service.errors import CacheFull, CacheTimedOut, CacheUnavailable, describe_error
from service.settings.settings import Settings
from service.settings.urls import is_cluster

DIRTY_KEY: Final = "leaderboard:dirty"
MUTEX_KEY: Final = "leaderboard:mutex"
RETRY_KEY: Final = "leaderboard:retry"
EVENTS_CHANNEL: Final = "leaderboard:events"
SCHEDULER_KEY: Final = "leaderboard:scheduler"
API_PROCESSES_KEY: Final = "leaderboard:processes:api"
WORKER_PROCESSES_KEY: Final = "leaderboard:processes:worker"
BOARD_PREFIX: Final = "leaderboard:board:"

# The names of all who stand anywhere, once for all boards. On a cluster in one slot, as the script
# that writes them wants it; those that read a season do not reach them there.
NAMES_PREFIX: Final = "leaderboard:{names}:"
# Whoever keeps names must have found the same there before they were read (names.py).
NAMES_VERSION_KEY: Final = "leaderboard:{names}"
_KEYS_PER_UNLINK: Final = 1_000

# Names are kept in hashes by id. Redis stores a small one as one flat list, in a third of the
# memory that a large one takes.
PLAYERS_PER_BUCKET: Final = 64

REDIS_ERRORS: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What a Redis raises that is away or unusable; not all errors of a cluster are `RedisError`s."""

DRIVER: Final = DriverInfo()
"""What a connection says of its client. Without it redis-py looks its version up in the files of
the installation each time that it connects.
"""

_CONNECTIONS: Final = 100

_C = TypeVar("_C", bound=AbstractConnection)

_MEMBER: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class SeasonKeys:
    """The keys of one season, tagged so that Redis Cluster keeps them in one slot."""

    index: str
    top: str
    offset: str
    ties: str
    asked: str
    new_index: str
    build: str

    @classmethod
    def of(cls, season_id: int) -> "SeasonKeys":
        """Return the keys of the season with this id."""
        prefix = f"leaderboard:{{{season_id}}}"
        return cls(
            index=f"{prefix}:index",
            top=f"{prefix}:top",
            offset=f"{prefix}:offset",
            ties=f"{prefix}:ties",
            asked=f"{prefix}:asked",
            new_index=f"{prefix}:index:new",
            build=f"{prefix}:build",
        )


def find_names_bucket(user_id: int) -> str:
    """Return the hash that holds this player's name, by id."""
    return f"{NAMES_PREFIX}{user_id // PLAYERS_PER_BUCKET}"


def encode_member(user_id: int) -> bytes:
    """Return the index's member for a player, where ties share a rank."""
    return _MEMBER.pack(user_id)


def encode_place(tie_key: int, user_id: int, *, is_first: bool) -> bytes:
    """Return the member of a player with this tie key; `is_first` where the index goes by those."""
    return _MEMBER.pack(tie_key) + _MEMBER.pack(user_id) if is_first else _MEMBER.pack(user_id)


def decode_member(member: bytes) -> int:
    """Return the id of the player that a member of the index stands for."""
    (user_id,) = _MEMBER.unpack(member[-_MEMBER.size :])
    return int(user_id)


def decode_tie_key(member: bytes) -> int:
    """Return the tie key in a member of the index; 0 where ties share a rank."""
    return int.from_bytes(member[: -_MEMBER.size])


def connect_redis(settings: Settings) -> Redis:
    """Return a client that fails fast: a read has PostgreSQL to fall back to.

    It connects when first used. The client of a cluster has the same methods.
    """
    url = settings.require_redis_url()
    if is_cluster(url):
        return cast("Redis", connect_cluster(url, settings.redis_timeout_seconds, _write_at_once))
    # When this pool is exhausted, callers wait their turn. Redis-py's usual pool raises an error,
    # which would look like a Redis that is away.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=settings.redis_timeout_seconds,
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        # One retry covers a connection that a restarted server left behind. A pause before it, or
        # a retry for a server that is silent, would only delay the fallback.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        client_name="leaderboard",
        driver_info=DRIVER,
    )
    pool.connection_class = _write_at_once(pool.connection_class)
    return Redis.from_pool(pool)


class _Connection(AbstractConnection):
    """A connection that writes at once, and whose loss meanwhile is a `ConnectionError`.

    For a server that reads nothing redis-py makes a task and a timer of each write, at the cost of
    all the rest of a command. Where nothing waits to be sent there is nothing to wait for, and the
    answer has its own time.

    Where a transport is closed between the check and the write, by the peer or by another caller
    that found the node away, redis-py 8.1 lets an `AttributeError` or a `TypeError` through
    (its issue 4287), which nothing retries and no reader falls back on.
    """

    __slots__ = ()

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 redis-py's own signature
    ) -> None:
        try:
            writer = self._find_clear_writer()
            if writer is not None and not isinstance(command, (bytes, str)):
                writer.writelines(command)
            else:
                await super().send_packed_command(command, check_health)
        except (AttributeError, TypeError) as error:
            raise RedisConnectionError(f"closed while it was written to: {error}") from error

    def _find_clear_writer(self) -> asyncio.StreamWriter | None:
        """Return the writer if what it is given leaves at once, as far as we know."""
        writer, reader = self._writer, self._reader
        if writer is None or reader is None or reader.exception() or self.health_check_interval:
            return None
        is_clear = not writer.is_closing() and not writer.transport.get_write_buffer_size()
        return writer if is_clear else None


def _write_at_once(kind: type[_C]) -> type[_C]:
    """Return this class of connection, over TCP, TLS or a socket file, with its loss named."""
    return cast("type[_C]", type(kind.__name__, (_Connection, kind), {"__slots__": ()}))


def load_script(redis: Redis, noun: str, name: str, *functions: str) -> AsyncScript:
    """Return the script in `service/<noun>/lua/<name>.lua`, ready to be called.

    It begins with the functions of other files there, where it shares some with other scripts.
    """
    return redis.register_script(read_script(noun, name, *functions))


def read_script(noun: str, name: str, *functions: str) -> str:
    """Return the text of a script as `load_script` registers it."""
    folder = resources.files("service").joinpath(noun, "lua")
    parts = [*functions, name]
    return "\n".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in parts)


# In this order: some are of the kind of others.
_MEANINGS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (OutOfMemoryError, "its memory is full"),
    (ReadOnlyError, "it is a read-only replica"),
    (AuthenticationError, "it refuses our user or password"),
    (NoPermissionError, "it does not permit our user what we need"),
    (BusyLoadingError, "it is still loading its data"),
    (ResponseError, "it refuses what we ask for"),
)


def describe_redis_error(error: BaseException) -> str:
    """Return what is wrong with Redis in words for everybody: no address, no name."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, meaning in _MEANINGS:
            if isinstance(cause, kind):
                return meaning
        cause = cause.__cause__
    return "it does not answer in time" if _is_time_out(error) else "it cannot be reached"


@contextmanager
def translate_redis_errors() -> Iterator[None]:
    """Raise `CacheUnavailable` for every error that means Redis is away or unusable."""
    try:
        yield
    except REDIS_ERRORS as error:
        kind: type[CacheUnavailable] = CacheUnavailable
        if isinstance(error, OutOfMemoryError):
            kind = CacheFull
        elif _is_time_out(error):
            kind = CacheTimedOut
        raise kind(describe_error(error)) from error


def _is_time_out(error: BaseException | None) -> bool:
    """Tell a silent server from one that is away.

    For one that is silent during the handshake of a new connection, redis-py raises a
    `ConnectionError` that a time-out caused.
    """
    while error is not None:
        if isinstance(error, (RedisTimeoutError, TimeoutError)):
            return True
        error = error.__cause__
    return False


async def unlink_matching(
    redis: Redis, pattern: str, is_unwanted: Callable[[bytes | str], bool] = lambda _: True
) -> None:
    """Drop all keys of a pattern that are unwanted, however many there are."""
    with translate_redis_errors():
        keys: list[bytes | str] = []
        async for key in redis.scan_iter(match=pattern, count=_KEYS_PER_UNLINK):
            if is_unwanted(key):
                keys.append(key)
            if len(keys) == _KEYS_PER_UNLINK:
                await redis.unlink(*keys)
                keys = []
        if keys:
            await redis.unlink(*keys)


async def unlink_keys(redis: Redis, keys: Sequence[str]) -> None:
    """Drop these keys, however many there are."""
    with translate_redis_errors():
        for first in range(0, len(keys), _KEYS_PER_UNLINK):
            await redis.unlink(*keys[first : first + _KEYS_PER_UNLINK])
