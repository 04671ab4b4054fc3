"""The index: Redis's copy of the standings, a follower with an offset of its own.

A change is added only to an index that has all changes before it; any other index is rebuilt.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

import asyncpg
import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from service.backends.database import Connection, Database, load_sql
from service.backends.redis import (
    EVENTS_CHANNEL,
    SeasonKeys,
    load_script,
    translate_redis_errors,
)
from service.boards.finder import LIST_OPEN_SEASONS, name_season
from service.errors import CacheFull, CacheUnavailable
from service.settings.settings import SLICE_STANDINGS
from service.standings.index.build import Build, encode_build, name_from, parse_build
from service.standings.index.change import SeasonChange, find_layout, read_last
from service.standings.index.names import NameStore
from service.standings.index.offset import Offset
from service.standings.index.streaming import reading_at_once, stream_rows
from service.standings.index.tie_keys import TieKeys
from service.standings.run import Published
from service.standings.top import parse_top, select_top

SCAN_STANDINGS: Final = load_sql("standings/index", "scan_standings")
READ_INDEXED_SEASON: Final = load_sql("standings/index", "read_indexed_season")

_STANDINGS_PER_LOAD: Final = 10_000
_BEFORE_ALL: Final = (-(2**63), 0, 0)

# A build that nobody goes on with for this long leaves nothing behind.
_BUILD_SECONDS: Final = 3_600

# This repeats where the standings were changed by something other than the service.
_NOT_AS_COUNTED: Final = (
    "the rebuilt index was lost, overtaken, or has not as many players as were counted; should "
    "this repeat, `leaderboard audit` tells what differs and `leaderboard rebuild` mends it"
)

_encode = msgspec.json.Encoder().encode


class SeasonClosed(Exception):
    """The season was closed since it was listed, or swapped for another: it needs no index.

    A season that is sealed is closed by whoever comes to it, without the writer lock.
    """


class Index:
    """Writes the index of every open season. Only the holder of the writer lock may."""

    def __init__(
        self, redis: Redis, database: Database, slice_standings: int = SLICE_STANDINGS
    ) -> None:
        self.names = NameStore(redis)
        self._tie_keys = TieKeys(redis)
        self._redis = redis
        self._slice_standings = slice_standings
        self._database = database
        self._publish = load_script(
            redis, "standings/index", "publish_standings", "tie_keys", "put_standings"
        )
        self._load_index = load_script(
            redis, "standings/index", "load_index", "tie_keys", "put_standings"
        )
        self._compare = load_script(redis, "standings/index", "compare_index")
        self._swap = load_script(redis, "standings/index", "swap_index", "tie_keys")

    async def publish(self, change: SeasonChange) -> bool:
        """Add the changes of a refresh; False, and nothing done, where earlier ones are missing."""
        keys = SeasonKeys.of(change.season_id)
        with translate_redis_errors():
            published = await self._publish(
                keys=[keys.index, keys.offset, keys.top],
                args=[
                    change.previous.position,
                    str(change.offset),
                    _encode(change.top) if change.top else b"",
                    EVENTS_CHANNEL,
                    _encode(Published(change.season_id, str(change.offset), change.top)),
                    change.packed,
                    keys.ties if change.is_first else b"",
                    change.removed,
                ],
            )
        return bool(published)

    async def find_asked(self, season_ids: Sequence[int]) -> set[int]:
        """Return those of these seasons whose top some process reads."""
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for season_id in season_ids:
                pipeline.exists(SeasonKeys.of(season_id).asked)
            found = await pipeline.execute()
        return {season_id for season_id, asked in zip(season_ids, found, strict=True) if asked}

    async def drop(self, season_ids: Sequence[int]) -> None:
        """Delete all that Redis holds of seasons that have no index any more."""
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for season_id in season_ids:
                keys = SeasonKeys.of(season_id)
                pipeline.unlink(
                    keys.index, keys.ties, keys.offset, keys.top, keys.build, keys.asked
                )
            await pipeline.execute()

    async def find_matching(self, seasons: Sequence[asyncpg.Record]) -> dict[int, bytes | str]:
        """Compare the index of these seasons with the standings, and mend the names beside it.

        Returns the offset of each index that is of this epoch and holds exactly these standings, by
        its season's id: `rebuild_outdated` has only the offset left to set.
        """
        found = {season["season_id"]: await self._compare_season(season) for season in seasons}
        return {season_id: offset for season_id, offset in found.items() if offset is not None}

    async def _compare_season(self, season: asyncpg.Record) -> bytes | str | None:
        season_id, layout = season["season_id"], find_layout(is_first=season["is_first"])
        keys = SeasonKeys.of(season_id)
        offset = await self._read_key(keys.offset)
        if not _is_of_epoch(offset, str(season["epoch"])):
            return None
        last, position = _BEFORE_ALL, 0

        async def compare(rows: list[asyncpg.Record]) -> bool:
            nonlocal last, position
            packed = rows[0]["packed"]
            with translate_redis_errors():
                matches = await self._compare(
                    keys=[keys.index], args=[packed, layout.size, position]
                )
            if season["is_first"] and matches:
                matches = not await self._tie_keys.find_wrong(season_id, packed)
            position += len(packed) // layout.size
            last = read_last(packed, layout)
            return bool(matches)

        before = -1
        while position > before:
            before = position
            # A slice at a time, so that no snapshot is held for long: nobody writes meanwhile.
            async with self._database.snapshot() as connection:
                if not await self._scan(connection, season, last, compare):
                    return None
            if position - before < self._slice_standings:
                break
        # Who stands anywhere stands on `global`.
        first: int | None = 0 if season["is_global"] else None
        while first is not None:
            first = await self._reload_names(season_id, first, may_be_left=False)
        return offset

    async def rebuild_outdated(
        self, matching: Mapping[int, bytes | str] | None = None
    ) -> list[int]:
        """Rebuild the index of each open season that is not where its standings are.

        One that `find_matching` found only gets its offset, unless somebody wrote to it since.
        Returns the ids of the seasons whose index was rebuilt.
        """
        rebuilt = []
        outdated, unnamed = await self.find_outdated()
        for season_id in unnamed:
            while not await self.load_names(season_id):
                pass
        for season_id in outdated:
            found_offset = (matching or {}).get(season_id)
            with suppress(SeasonClosed):
                if found_offset is None or not await self._set_offset(season_id, found_offset):
                    await self.rebuild(season_id)
                    rebuilt.append(season_id)
        return rebuilt

    async def find_outdated(self) -> tuple[list[int], list[int]]:
        """Return the open seasons whose index is not where their standings are.

        Then those whose index is, but whose names were not all compared since it was rebuilt.
        """
        seasons = await self._database.fetch(LIST_OPEN_SEASONS)
        by_tie_keys = [season["season_id"] for season in seasons if season["is_first"]]
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for season in seasons:
                keys = SeasonKeys.of(season["season_id"])
                pipeline.get(keys.offset)
                pipeline.zcard(keys.index)
                pipeline.get(keys.top)
                pipeline.get(keys.build)
            for season_id in by_tie_keys:
                pipeline.hget(SeasonKeys.of(season_id).ties, "players")
            found = await pipeline.execute(raise_on_error=False)
        # Each key can be lost or spoiled by itself. An error among the answers matches nothing.
        outdated: list[int] = []
        unnamed: list[int] = []
        end = 4 * len(seasons)
        tie_keys = dict(zip(by_tie_keys, found[end:], strict=True))
        for season, stored, players, stored_top, build in zip(
            seasons, *(found[first:end:4] for first in range(4)), strict=True
        ):
            season_id = int(season["season_id"])
            expected = Offset.of_season(season)
            offset = None if isinstance(stored, Exception) else Offset.parse(stored)
            if (
                offset != expected
                or players != expected.players
                or not _is_top_of(stored_top, expected.players)
                or (season["is_first"] and not _has_tie_keys(tie_keys[season_id], expected.players))
            ):
                outdated.append(season_id)
            elif build and not isinstance(build, Exception):
                unnamed.append(season_id)
        return outdated, unnamed

    async def look_up(self, season_id: int) -> tuple[str, bool]:
        """Return what an open season is called, and whether it needs an index for the first time.

        Of `global`, where everybody stands, one that is not there was lost. Raises `SeasonClosed`.
        """
        async with self._database.connect() as connection:
            season = await read_season(connection, season_id)
        stored: bytes | str | None = ""
        with suppress(CacheUnavailable):
            stored = await self._read_key(SeasonKeys.of(season_id).offset)
        is_new = stored is None and not (season["is_global"] and season["players"])
        return name_season(season["slug"], season["season_number"]), is_new

    async def _set_offset(self, season_id: int, found: bytes | str) -> bool:
        async with self._database.snapshot() as connection:
            season = await read_season(connection, season_id)
            keys = SeasonKeys.of(season_id)
            return await self._swap_in(connection, season, keys.index, keys.ties, found, b"")

    async def rebuild(self, season_id: int) -> None:
        """Build a season's index from its standings beside the old one, then swap it in.

        Raises as `build_slice` does.
        """
        is_swapped = await self.build_slice(season_id)
        while not is_swapped:
            is_swapped = await self.build_slice(season_id, is_begun=True)
        while not await self.load_names(season_id):
            pass

    async def build_slice(self, season_id: int, *, is_begun: bool = False) -> bool:
        """Go on with the build of an index that is behind; return whether it was swapped in.

        Each slice has a snapshot of its own. Whoever calls next goes on from there, in whichever
        process, as long as every refresh in between was passed to `follow`: so each standing was
        loaded as it is, or has changed since and was added by that.

        Raises `CacheUnavailable` where Redis is away, lost the new index meanwhile (or, where that
        `is_begun`, how far it is), or was written to by another writer: one that lost its lock must
        not undo the work of the next. Raises `SeasonClosed` too.
        """
        try:
            # One snapshot, so that offset, top and standings belong together.
            async with self._database.snapshot() as connection:
                season = await read_season(connection, season_id)
                offset = Offset.of_season(season)
                build = await self._find_build(season_id)
                if build is None or build.position != offset.position:
                    if is_begun:
                        raise CacheUnavailable(_NOT_AS_COUNTED)
                    await self._drop_build(season_id, build)
                    build = await self._begin_build(season, offset)
                build, is_last = await self._load_slice(connection, season, build)
                if is_last and not await self._swap_in(
                    connection,
                    season,
                    build.index,
                    build.ties,
                    build.found.encode("latin-1"),
                    encode_build(name_from(0, build.found)) if season["is_global"] else b"",
                ):
                    raise CacheUnavailable(_NOT_AS_COUNTED)
        except CacheFull:
            # Everything else waits for this memory.
            with suppress(CacheUnavailable):
                await self._drop_build(season_id, await self._find_build(season_id))
            raise
        return is_last

    async def follow(self, change: SeasonChange) -> None:
        """Add the changes of a refresh to the index that is being built, if there is one."""
        build = await self._find_build(change.season_id)
        if build is None or build.names_from is not None:
            return
        after = replace(build, position=change.offset.position)
        # What was loaded is not looked through for those who stand no more: that is begun again.
        if (
            change.removed
            or build.position != change.previous.position
            or not await self._load(
                change.season_id, build, after, change.packed, is_first=change.is_first
            )
        ):
            await self._drop_build(change.season_id, build)

    async def load_names(self, season_id: int) -> bool:
        """Compare some more names beside a new index, and mend them; return whether all are.

        They are compared beside the index of `global`, where everybody stands who stands anywhere.
        Until then readers fetch those that are missing.
        """
        build = await self._find_build(season_id)
        if build is None:
            return True
        first = build.names_from
        if first is None:
            # The index was made right by somebody else.
            await self._drop_build(season_id, build)
            return True
        next_player_id = await self._reload_names(season_id, first, may_be_left=bool(build.found))
        build_key = SeasonKeys.of(season_id).build
        with translate_redis_errors():
            if next_player_id is None:
                await self._redis.delete(build_key)
            else:
                stored = encode_build(name_from(next_player_id, build.found))
                await self._redis.set(build_key, stored, ex=_BUILD_SECONDS)
        return next_player_id is None

    async def _reload_names(
        self, season_id: int, first_player_id: int, *, may_be_left: bool
    ) -> int | None:
        version = await self.names.renew_version()
        async with self._database.snapshot() as connection:
            return await self.names.reload_slice(
                connection,
                version,
                season_id,
                first_player_id,
                self._slice_standings,
                is_all=self._is_read_at_once(await read_season(connection, season_id)),
                may_be_left=may_be_left,
            )

    async def _begin_build(self, season: asyncpg.Record, offset: Offset) -> Build:
        keys = SeasonKeys.of(season["season_id"])
        found = await self._read_key(keys.offset)
        # What another database left, or ours before a backup was restored, may give the same ids to
        # other names. Nobody reads that index; in ours readers fetch missing names.
        if season["is_global"] and found is not None and not _is_of_epoch(found, offset.epoch):
            await self.names.drop()
        build = Build(
            index=f"{keys.new_index}:{uuid4().hex}",
            position=offset.position,
            found=found.decode("latin-1") if isinstance(found, bytes) else found or "",
        )
        with translate_redis_errors():
            await self._redis.set(keys.build, encode_build(build), ex=_BUILD_SECONDS)
        return build

    async def _load_slice(
        self, connection: Connection, season: asyncpg.Record, build: Build
    ) -> tuple[Build, bool]:
        """Load the next standings; return how far the build is then, and whether these were all."""
        season_id, is_first = season["season_id"], season["is_first"]
        layout = find_layout(is_first=is_first)
        loaded = 0

        async def load(rows: list[asyncpg.Record]) -> bool:
            nonlocal build, loaded
            packed = rows[0]["packed"]
            sort_score, tie_key, player_id = read_last(packed, layout)
            after = replace(build, sort_score=sort_score, tie_key=tie_key, player_id=player_id)
            if not await self._load(season_id, build, after, packed, is_first=is_first):
                raise CacheUnavailable(_NOT_AS_COUNTED)
            build = after
            loaded += len(packed) // layout.size
            return True

        await self._scan(
            connection, season, (build.sort_score, build.tie_key, build.player_id), load
        )
        return build, loaded < self._slice_standings

    async def _scan(
        self,
        connection: Connection,
        season: asyncpg.Record,
        after: tuple[int, int, int],
        consume: Callable[[list[asyncpg.Record]], Awaitable[bool]],
    ) -> bool:
        """Pass the standings of the next slice to `consume`, as `stream_rows` does."""
        async with reading_at_once(connection, is_all=self._is_read_at_once(season)):
            return await stream_rows(
                connection,
                consume,
                1,
                SCAN_STANDINGS,
                season["season_id"],
                _STANDINGS_PER_LOAD,
                *after,
                self._slice_standings,
            )

    def _is_read_at_once(self, season: asyncpg.Record) -> bool:
        """Return whether all who stand in a season are read at once."""
        return bool(season["players"] <= self._slice_standings)

    async def _load(
        self, season_id: int, before: Build, after: Build, packed: bytes, *, is_first: bool
    ) -> bool:
        keys = SeasonKeys.of(season_id)
        with translate_redis_errors():
            loaded = await self._load_index(
                keys=[before.index, keys.build],
                args=[
                    packed,
                    encode_build(before),
                    encode_build(after),
                    _BUILD_SECONDS,
                    after.ties if is_first else b"",
                ],
            )
        return bool(loaded)

    async def _find_build(self, season_id: int) -> Build | None:
        return parse_build(await self._read_key(SeasonKeys.of(season_id).build))

    async def _read_key(self, key: str) -> bytes | str | None:
        with translate_redis_errors():
            # GET would fail on a key of another type, which is to be overwritten like a wrong one.
            (stored,) = await self._redis.mget(key)
        found: bytes | str | None = stored
        return found

    async def _drop_build(self, season_id: int, build: Build | None) -> None:
        if build is not None:
            with translate_redis_errors():
                await self._redis.unlink(build.index, build.ties, SeasonKeys.of(season_id).build)

    async def _swap_in(
        self,
        connection: Connection,
        season: asyncpg.Record,
        new_index: str,
        new_ties: str,
        found: bytes | str,
        build: bytes,
    ) -> bool:
        season_id, offset = season["season_id"], Offset.of_season(season)
        keys = SeasonKeys.of(season_id)
        ties = [keys.ties, new_ties] if season["is_first"] else []
        top = await select_top(connection, season_id, players=offset.players, as_of=offset.as_of)
        with translate_redis_errors():
            swapped = await self._swap(
                keys=[keys.index, keys.offset, keys.top, new_index, keys.build, *ties],
                args=[
                    found,
                    offset.players,
                    str(offset),
                    _encode(top),
                    EVENTS_CHANNEL,
                    _encode(Published(season_id, str(offset), top)),
                    build,
                    _BUILD_SECONDS,
                ],
            )
        return bool(swapped)


def _is_top_of(stored: object, players: int) -> bool:
    """Whether a stored top is of this many players; none is right where nobody reads it."""
    if stored is None:
        return True
    top = parse_top(stored) if isinstance(stored, bytes | str) else None
    return top is not None and top.players == players


def _has_tie_keys(stored: object, players: int) -> bool:
    return (stored or b"0") == str(players).encode()


async def read_season(connection: Connection, season_id: int) -> asyncpg.Record:
    """Return an open season, as list_open_seasons.sql has it; raises `SeasonClosed`."""
    row = await connection.fetchrow(READ_INDEXED_SEASON, season_id)
    if row is None:
        raise SeasonClosed
    return row


def _is_of_epoch(stored: bytes | str | None, epoch: str) -> bool:
    offset = Offset.parse(stored)
    return offset is not None and offset.epoch == epoch
