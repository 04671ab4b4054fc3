"""The index: Redis's copy of the standings, a follower with an offset of its own.

A change is added only to an index that has all changes before it; any other index is rebuilt.
"""

import itertools
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec
from redis.asyncio import Redis

from service.backends.database import Connection, Database, load_sql
from service.backends.redis import (
    EVENTS_CHANNEL,
    NAMES_PER_BUCKET,
    SeasonKeys,
    load_script,
    translate_redis_errors,
)
from service.boards.service import LIST_OPEN_SEASONS
from service.errors import CacheUnavailable
from service.standings.index.offset import Offset
from service.standings.index.streaming import stream_rows
from service.standings.schemas import Published, Top
from service.standings.top import parse_top, select_top

SCAN_STANDINGS: Final = load_sql("standings/index", "scan_standings")
SCAN_USERNAMES: Final = load_sql("standings/index", "scan_usernames")

_STANDINGS_PER_LOAD: Final = 10_000
_PACKED_BYTES: Final = 16
# One load keeps Redis busy for some ten milliseconds.
_BUCKETS_PER_LOAD: Final = 250
_NAMES_PER_UNLINK: Final = 1_000

# This repeats where the standings were changed by something other than the service.
_NOT_AS_COUNTED: Final = (
    "the rebuilt index was lost, overtaken, or has not as many players as were counted; should "
    "this repeat, `leaderboard audit` tells what differs and `leaderboard rebuild` mends it"
)

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class SeasonChange:
    """What one refresh changed in one season, and from which offset to which its index moves.

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
        self._publish = load_script(redis, "standings/index", "publish_standings")
        self._load = load_script(redis, "standings/index", "load_index")
        self._load_names = load_script(redis, "standings/index", "load_names")
        self._compare = load_script(redis, "standings/index", "compare_index")
        self._swap = load_script(redis, "standings/index", "swap_index")

    async def publish(self, change: SeasonChange) -> bool:
        """Add the changes of a refresh; False, and nothing done, where earlier ones are missing."""
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
        """Keep players' names beside the index, so that a rank is read without PostgreSQL."""
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
        """Drop the names beside the index: the ids belong, or will belong, to other players."""
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

    async def read_epochs(self) -> dict[int, str]:
        """Return the epoch of each open season's standings, by its id."""
        seasons = await self._database.fetch(LIST_OPEN_SEASONS)
        return {season["season_id"]: str(season["epoch"]) for season in seasons}

    async def find_matching(self, epochs: Mapping[int, str]) -> dict[int, bytes | str]:
        """Compare the index of these seasons with the standings, and mend the names beside it.

        Returns the offset of each index that is of this epoch and holds exactly these standings, by
        its season's id: `rebuild_outdated` has only the offset left to set.
        """
        found = {
            season_id: await self._compare_season(season_id, epoch)
            for season_id, epoch in epochs.items()
        }
        return {season_id: offset for season_id, offset in found.items() if offset is not None}

    async def _compare_season(self, season_id: int, epoch: str) -> bytes | str | None:
        keys = SeasonKeys.of(season_id)
        places = itertools.count(0, _STANDINGS_PER_LOAD)
        async with self._database.snapshot() as connection:
            with translate_redis_errors():
                (offset,) = await self._redis.mget(keys.offset)
            matches = _is_of_epoch(offset, epoch) and await stream_rows(
                connection,
                lambda rows: _await_redis(
                    self._compare(keys=[keys.index], args=[rows[0]["packed"], next(places)])
                ),
                1,
                SCAN_STANDINGS,
                season_id,
                _STANDINGS_PER_LOAD,
            )
            if not matches:
                return None
            await self._reload_names(connection, season_id)
        return offset

    async def rebuild_outdated(
        self, matching: Mapping[int, bytes | str] | None = None
    ) -> list[int]:
        """Rebuild the index of each open season that is not where its standings are.

        One that `find_matching` found only gets its offset, unless somebody wrote to it since.
        Returns the ids of the seasons whose index was rebuilt.
        """
        rebuilt = []
        for season_id in await self.find_outdated():
            found_offset = (matching or {}).get(season_id)
            if found_offset is None or not await self._set_offset(season_id, found_offset):
                await self.rebuild(season_id)
                rebuilt.append(season_id)
        return rebuilt

    async def find_outdated(self) -> list[int]:
        """Return the open seasons whose index is not where their standings are."""
        seasons = await self._database.fetch(LIST_OPEN_SEASONS)
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for season in seasons:
                keys = SeasonKeys.of(season["season_id"])
                pipeline.get(keys.offset)
                pipeline.zcard(keys.index)
                pipeline.get(keys.top)
            found = await pipeline.execute(raise_on_error=False)
        # Each key can be lost or spoiled by itself. An error among the answers matches nothing.
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
        return outdated

    async def _set_offset(self, season_id: int, found: bytes | str) -> bool:
        async with self._database.snapshot() as connection:
            offset = await _read_offset(connection, season_id)
            return await self._swap_in(
                connection, season_id, SeasonKeys.of(season_id).index, found, offset
            )

    async def rebuild(self, season_id: int) -> None:
        """Build a season's index from its standings beside the old one, then swap it in.

        Raises `CacheUnavailable` where Redis is away, lost the new index meanwhile, or was written
        to by another writer: one that lost its lock must not undo the work of the next.
        """
        new_index = f"{SeasonKeys.of(season_id).new_index}:{uuid4().hex}"
        try:
            await self._rebuild(season_id, new_index)
        except CacheUnavailable:
            # Where Redis is full, everything else waits for this memory.
            with suppress(CacheUnavailable), translate_redis_errors():
                await self._redis.unlink(new_index)
            raise

    async def _rebuild(self, season_id: int, new_index: str) -> None:
        keys = SeasonKeys.of(season_id)
        # One snapshot, so that offset, top and standings belong together.
        async with self._database.snapshot() as connection:
            offset = await _read_offset(connection, season_id)
            with translate_redis_errors():
                (found,) = await self._redis.mget(keys.offset)
            # What another database left, or ours before a backup was restored, may give the same
            # ids to other names. Nobody reads that index; in ours readers fetch missing names.
            if found is not None and not _is_of_epoch(found, offset.epoch):
                await self.drop_names(season_id)
            await stream_rows(
                connection,
                lambda rows: _await_redis(self._load(keys=[new_index], args=[rows[0]["packed"]])),
                1,
                SCAN_STANDINGS,
                season_id,
                _STANDINGS_PER_LOAD,
            )
            if not await self._swap_in(connection, season_id, new_index, found or b"", offset):
                raise CacheUnavailable(_NOT_AS_COUNTED)
            await self._reload_names(connection, season_id)

    async def _swap_in(
        self,
        connection: Connection,
        season_id: int,
        new_index: str,
        found: bytes | str,
        offset: Offset,
    ) -> bool:
        keys = SeasonKeys.of(season_id)
        top = await select_top(connection, season_id, players=offset.players, as_of=offset.as_of)
        with translate_redis_errors():
            swapped = await self._swap(
                keys=[keys.index, keys.offset, keys.top, new_index],
                args=[
                    found,
                    offset.players,
                    str(offset),
                    _encode(top),
                    EVENTS_CHANNEL,
                    _encode(Published(season_id, str(offset), top)),
                ],
            )
        return bool(swapped)

    async def _reload_names(self, connection: Connection, season_id: int) -> None:
        prefix = SeasonKeys.of(season_id).names
        await stream_rows(
            connection,
            lambda rows: _await_redis(
                self._load_names(
                    keys=[f"{prefix}{row['bucket']}" for row in rows],
                    args=[row["packed"] for row in rows],
                )
            ),
            _BUCKETS_PER_LOAD,
            SCAN_USERNAMES,
            season_id,
            NAMES_PER_BUCKET,
        )


async def _read_offset(connection: Connection, season_id: int) -> Offset:
    seasons = await connection.fetch(LIST_OPEN_SEASONS)
    return Offset.of_season(next(row for row in seasons if row["season_id"] == season_id))


async def _await_redis(script: Awaitable[object]) -> object:
    """Await a script inside a scan, and translate only its errors, not those of PostgreSQL."""
    with translate_redis_errors():
        return await script


def _is_of_epoch(stored: bytes | str | None, epoch: str) -> bool:
    offset = Offset.parse(stored)
    return offset is not None and offset.epoch == epoch
