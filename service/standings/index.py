"""The index: Redis's copy of the standings, a follower with an offset of its own.

A change is added only to an index that has all changes before it; any other index is rebuilt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import asyncpg
import msgspec
from redis.asyncio import Redis

from service.cache import (
    EVENTS_CHANNEL,
    NAMES_PER_BUCKET,
    SeasonKeys,
    load_script,
    translate_redis_errors,
)
from service.database import Connection, Database, load_sql
from service.errors import CacheUnavailable
from service.standings.following import LIST_OPEN_SEASONS
from service.standings.offset import Offset
from service.standings.schemas import Published, Top
from service.standings.top import parse_top, select_top

SCAN_STANDINGS: Final = load_sql("standings", "scan_standings")
SCAN_USERNAMES: Final = load_sql("standings", "scan_usernames")

_STANDINGS_PER_LOAD: Final = 10_000
_PACKED_BYTES: Final = 16
# One load keeps Redis busy for some ten milliseconds.
_BUCKETS_PER_LOAD: Final = 250
_NAMES_PER_UNLINK: Final = 1_000

# A scan of a large board takes longer than any request may.
_SCAN_SECONDS: Final = 600.0

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class SeasonChange:
    """What one refresh changed in one season, and which offset that moves its index between.

    `packed` are the changed standings, sixteen bytes each (scan_standings.sql).
    """

    season_id: int
    previous: Offset
    offset: Offset
    top: Top
    packed: bytes

    @property
    def standings(self) -> int:
        """How many standings changed."""
        return len(self.packed) // _PACKED_BYTES


class Index:
    """Writes the index of every open season. Only the holder of the writer lock may."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self._redis = redis
        self._database = database
        self._publish = load_script(redis, "standings", "publish_standings")
        self._load = load_script(redis, "standings", "load_index")
        self._load_names = load_script(redis, "standings", "load_names")
        self._swap = load_script(redis, "standings", "swap_index")

    async def publish(self, change: SeasonChange) -> bool:
        """Add a refresh's changes; False where the index misses earlier ones and is as it was."""
        keys = SeasonKeys.of(change.season_id)
        with translate_redis_errors():
            published = await self._publish(
                keys=[keys.index, keys.offset, keys.top],
                args=[
                    change.previous.position,
                    str(change.offset),
                    _encode(change.top),
                    EVENTS_CHANNEL,
                    _encode(Published(change.season_id, str(change.offset), change.top)),
                    change.packed,
                ],
            )
        return bool(published)

    async def add_names(self, season_id: int, names: Mapping[int, str]) -> None:
        """Keep players' names beside the index, so that a rank needs no look at PostgreSQL."""
        keys = SeasonKeys.of(season_id)
        # The client's types ask for a mapping of every kind of key at once.
        buckets: dict[str, dict[Any, Any]] = {}
        for player_id, username in names.items():
            buckets.setdefault(keys.names_bucket(player_id), {})[player_id] = username
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for bucket_key, bucket in buckets.items():
                pipeline.hset(bucket_key, mapping=bucket)
            await pipeline.execute()

    async def drop_names(self, season_id: int) -> None:
        """Drop the names beside the index: the ids are, or will be, those of others."""
        pattern = f"{SeasonKeys.of(season_id).names}*"
        with translate_redis_errors():
            buckets: list[bytes] = []
            async for bucket in self._redis.scan_iter(match=pattern, count=_NAMES_PER_UNLINK):
                buckets.append(bucket)
                if len(buckets) == _NAMES_PER_UNLINK:
                    await self._redis.unlink(*buckets)
                    buckets = []
            if buckets:
                await self._redis.unlink(*buckets)

    async def rebuild_outdated(self) -> list[int]:
        """Rebuild the index of each open season that is not where its standings are.

        Returns the ids of these seasons.
        """
        seasons = await self._database.fetch(LIST_OPEN_SEASONS)
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for season in seasons:
                keys = SeasonKeys.of(season["season_id"])
                pipeline.get(keys.offset)
                pipeline.zcard(keys.index)
                pipeline.get(keys.top)
            found = await pipeline.execute(raise_on_error=False)
        # Each key can be lost or spoiled by itself. An error among the answers equals nothing.
        outdated = []
        for season, stored, players, stored_top in zip(
            seasons, found[::3], found[1::3], found[2::3], strict=True
        ):
            expected = Offset.of_season(season)
            offset = None if isinstance(stored, Exception) else Offset.parse(stored)
            top = None if isinstance(stored_top, Exception) else parse_top(stored_top)
            if (
                offset != expected
                or players != expected.players
                or top is None
                or top.players != expected.players
            ):
                outdated.append(int(season["season_id"]))
        for season_id in outdated:
            await self.rebuild(season_id)
        return outdated

    async def rebuild(self, season_id: int) -> None:
        """Build a season's index from its standings beside the old one, then swap it in.

        Raises `CacheUnavailable` where Redis is away, lost the new index meanwhile, or was written
        to by somebody else: who holds a lock no more may not undo the next one's work.
        """
        keys = SeasonKeys.of(season_id)
        new_index = f"{keys.new_index}:{uuid4().hex}"
        # One snapshot, so that offset, top and standings belong together.
        async with self._database.snapshot() as connection:
            seasons = await connection.fetch(LIST_OPEN_SEASONS)
            season = next(row for row in seasons if row["season_id"] == season_id)
            offset = Offset.of_season(season)
            top = await select_top(
                connection, season_id, players=season["players"], as_of=offset.as_of
            )
            with translate_redis_errors():
                (found,) = await self._redis.mget(keys.offset)
            # What another database left, or ours before it was restored, may name other players by
            # the same ids. Nobody reads that index; of ours the readers fetch the names they miss.
            if found is not None and not _is_of_epoch(found, offset.epoch):
                await self.drop_names(season_id)
            with translate_redis_errors():
                await _load_all(
                    connection,
                    lambda rows: self._load(keys=[new_index], args=[rows[0]["packed"]]),
                    1,
                    SCAN_STANDINGS,
                    season_id,
                    _STANDINGS_PER_LOAD,
                )
                swapped = await self._swap(
                    keys=[keys.index, keys.offset, keys.top, new_index],
                    args=[
                        found or b"",
                        offset.players,
                        str(offset),
                        _encode(top),
                        EVENTS_CHANNEL,
                        _encode(Published(season_id, str(offset), top)),
                    ],
                )
            if not swapped:
                raise CacheUnavailable("the rebuilt index was lost or overtaken")
            await self._reload_names(connection, season_id)

    async def _reload_names(self, connection: Connection, season_id: int) -> None:
        prefix = SeasonKeys.of(season_id).names
        with translate_redis_errors():
            await _load_all(
                connection,
                lambda rows: self._load_names(
                    keys=[f"{prefix}{row['bucket']}" for row in rows],
                    args=[row["packed"] for row in rows],
                ),
                _BUCKETS_PER_LOAD,
                SCAN_USERNAMES,
                season_id,
                NAMES_PER_BUCKET,
            )


def _is_of_epoch(stored: bytes | str, epoch: str) -> bool:
    offset = Offset.parse(stored)
    return offset is not None and offset.epoch == epoch


async def _load_all(
    connection: Connection,
    load: Callable[[list[asyncpg.Record]], Awaitable[object]],
    rows_per_load: int,
    statement: str,
    *parameters: object,
) -> None:
    """Hand a large answer to `load`, some rows at a time, and read the next ones meanwhile."""
    # asyncpg's own names begin at one in each process. Behind a pooler another process's cursor may
    # have left its statement on the connection that this transaction was given.
    prepared = await connection.prepare(statement, name=f"scan_{uuid4().hex}")
    cursor = await prepared.cursor(*parameters, timeout=_SCAN_SECONDS)
    rows = await cursor.fetch(rows_per_load, timeout=_SCAN_SECONDS)
    while rows:
        # Both have ended before one's error is raised: the connection is not used twice at once.
        loaded, found = await asyncio.gather(
            load(rows), cursor.fetch(rows_per_load, timeout=_SCAN_SECONDS), return_exceptions=True
        )
        if isinstance(loaded, BaseException):
            raise loaded
        if isinstance(found, BaseException):
            raise found
        rows = found
