"""Players' names in Redis, once for all boards, so that a rank is read without PostgreSQL.

They lie in buckets of players whose ids follow each other. A name may be missing: who reads it
fetches it. None may be there of somebody who wants to be forgotten.

So whoever reads names in PostgreSQL looks first which version those here are of, and they are kept
only while it is the same. It ends before names are removed that were changed: what was read before
that and comes late is not kept, whoever brings it.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import uuid4

import asyncpg
from redis.asyncio import Redis

from service.backends.database import Connection, Database, load_sql
from service.backends.redis import (
    NAMES_PREFIX,
    NAMES_VERSION_KEY,
    PLAYERS_PER_BUCKET,
    find_names_bucket,
    load_script,
    translate_redis_errors,
    unlink_keys,
    unlink_matching,
)
from service.errors import CacheUnavailable
from service.players.service import FIND_HIGHEST_PLAYER, find_usernames
from service.standings.index.streaming import SCAN_SECONDS, reading_at_once, stream_rows

FIND_LAST_PLAYER: Final = load_sql("standings/index", "find_last_player")
SCAN_USERNAMES: Final = load_sql("standings/index", "scan_usernames")

# One load keeps Redis busy for some ten milliseconds.
_BUCKETS_PER_LOAD: Final = 250


class NameStore:
    """Reads and writes the names. Raises `CacheUnavailable` where Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keep = load_script(redis, "standings/index", "keep_names")
        self._load = load_script(redis, "standings/index", "load_names")

    async def read(self, user_ids: Sequence[int]) -> dict[int, bytes | None]:
        """Return the names that are kept of these players, in one round trip."""
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for user_id in user_ids:
                pipeline.hget(find_names_bucket(user_id), str(user_id))
            return dict(zip(user_ids, await pipeline.execute(), strict=True))

    async def fetch(self, database: Database, user_ids: Sequence[int]) -> dict[int, str]:
        """Read the names of players in PostgreSQL, and keep them; raises `DatabaseUnavailable`."""
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.set(NAMES_VERSION_KEY, uuid4().hex, nx=True)
            pipeline.get(NAMES_VERSION_KEY)
            _, version = await pipeline.execute()
        names = await find_usernames(database, user_ids)
        args: list[bytes | str | int] = [version or b"", PLAYERS_PER_BUCKET]
        for user_id, username in names.items():
            args += [user_id, username]
        with translate_redis_errors():
            await self._keep(keys=[NAMES_VERSION_KEY, NAMES_PREFIX], args=args)
        return names

    async def renew_version(self) -> str:
        """Have no name kept that was read before now; return the version for `reload_slice`."""
        version = uuid4().hex
        with translate_redis_errors():
            await self._redis.set(NAMES_VERSION_KEY, version)
        return version

    async def remove(self, user_ids: Iterable[int]) -> None:
        """Forget the names of players, which were changed or are to be forgotten."""
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.unlink(NAMES_VERSION_KEY)
            for user_id in user_ids:
                pipeline.hdel(find_names_bucket(user_id), str(user_id))
            await pipeline.execute()

    async def drop(self) -> None:
        """Drop all names: the ids belong, or will belong, to other players."""
        await unlink_keys(self._redis, [NAMES_VERSION_KEY])
        await unlink_matching(self._redis, f"{NAMES_PREFIX}*")

    async def reload_slice(
        self,
        connection: Connection,
        version: str,
        season_id: int,
        first_player_id: int,
        players: int,
        *,
        is_all: bool,
        may_be_left: bool,
    ) -> int | None:
        """Load the names of so many players of a season; return the id to go on at, if any.

        It `is_all` where no more stand there. Names of players who stand no more `may_be_left`
        where Redis was away as they left, also of somebody who was forgotten. The version is one
        from before the snapshot; raises `CacheUnavailable` where it is another by now.
        """
        filled: set[int] = set()

        async def load(rows: list[asyncpg.Record]) -> bool:
            filled.update(row["bucket"] for row in rows)
            buckets = [f"{NAMES_PREFIX}{row['bucket']}" for row in rows]
            with translate_redis_errors():
                loaded = await self._load(
                    keys=[NAMES_VERSION_KEY, *buckets],
                    args=[version, *(row["packed"] for row in rows)],
                )
            if not loaded:
                raise CacheUnavailable("another writer changed names meanwhile")
            return True

        async with reading_at_once(connection, is_all=is_all):
            run = await connection.fetchrow(
                FIND_LAST_PLAYER, season_id, first_player_id, players, timeout=SCAN_SECONDS
            )
            assert run is not None
            last_player_id = run["player_id"] or 0
            next_player_id = int(last_player_id // PLAYERS_PER_BUCKET + 1) * PLAYERS_PER_BUCKET
            is_last = run["players"] < players
            await stream_rows(
                connection,
                load,
                _BUCKETS_PER_LOAD,
                SCAN_USERNAMES,
                season_id,
                PLAYERS_PER_BUCKET,
                first_player_id,
                next_player_id - 1,
            )
        if may_be_left:
            end = next_player_id
            if is_last:
                end = max(end, await connection.fetchval(FIND_HIGHEST_PLAYER) + 1)
            span = range(first_player_id // PLAYERS_PER_BUCKET, -(-end // PLAYERS_PER_BUCKET))
            await self._drop_all_but(filled, span, players)
        return None if is_last else next_player_id

    async def _drop_all_but(self, kept: set[int], span: range, most: int) -> None:
        """Drop the buckets of a span of their numbers that are not kept: named, unless too many."""
        if span.stop - span.start <= len(kept) + most:
            empty = [f"{NAMES_PREFIX}{number}" for number in span if number not in kept]
            await unlink_keys(self._redis, empty)
            return
        # An imported player may have any id: no bucket can be named that is not there.
        await unlink_matching(
            self._redis,
            f"{NAMES_PREFIX}*",
            lambda key: (number := _read_number(key)) in span and number not in kept,
        )


def _read_number(bucket_key: bytes | str) -> int:
    key = bucket_key.decode() if isinstance(bucket_key, bytes) else bucket_key
    return int(key.rpartition(":")[2])
