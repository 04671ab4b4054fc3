"""Players' names in Redis, once for all boards, so that a rank is read without PostgreSQL.

They lie in buckets of players whose ids follow each other. A name may be missing: who reads it
fetches it. None may be there of somebody who wants to be forgotten.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg
from redis.asyncio import Redis

from service.backends.database import Connection, load_sql
from service.backends.redis import (
    NAMES_PREFIX,
    PLAYERS_PER_BUCKET,
    find_names_bucket,
    load_script,
    translate_redis_errors,
    unlink_keys,
    unlink_matching,
)
from service.players.service import FIND_HIGHEST_PLAYER
from service.standings.index.streaming import SCAN_SECONDS, reading_at_once, stream_rows

FIND_LAST_PLAYER: Final = load_sql("standings/index", "find_last_player")
SCAN_USERNAMES: Final = load_sql("standings/index", "scan_usernames")

# One load keeps Redis busy for some ten milliseconds.
_BUCKETS_PER_LOAD: Final = 250


class NameStore:
    """Reads and writes the names. Raises `CacheUnavailable` where Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._load = load_script(redis, "standings/index", "load_names")

    async def read(self, user_ids: Sequence[int]) -> dict[int, bytes | None]:
        """Return the names that are kept of these players, in one round trip."""
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for user_id in user_ids:
                pipeline.hget(find_names_bucket(user_id), str(user_id))
            return dict(zip(user_ids, await pipeline.execute(), strict=True))

    async def add(self, names: Mapping[int, str]) -> None:
        """Keep the names of players, by their ids."""
        # The client's types ask for a mapping of every kind of key at once.
        buckets: dict[str, dict[Any, Any]] = {}
        for user_id, username in names.items():
            buckets.setdefault(find_names_bucket(user_id), {})[user_id] = username
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for bucket_key, bucket in buckets.items():
                pipeline.hset(bucket_key, mapping=bucket)
            await pipeline.execute()

    async def remove(self, user_ids: Iterable[int]) -> None:
        """Forget the names of players who stand on no open board: they may want to be forgotten."""
        with translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for user_id in user_ids:
                pipeline.hdel(find_names_bucket(user_id), str(user_id))
            await pipeline.execute()

    async def drop(self) -> None:
        """Drop all names: the ids belong, or will belong, to other players."""
        await unlink_matching(self._redis, f"{NAMES_PREFIX}*")

    async def reload_slice(
        self,
        connection: Connection,
        season_id: int,
        first_player_id: int,
        players: int,
        *,
        is_all: bool,
        may_be_left: bool,
    ) -> int | None:
        """Load the names of so many players of a season; return the id to go on at, if any.

        It `is_all` where no more stand there. Names of players who stand no more `may_be_left`
        where Redis was away as they left, also of somebody who was forgotten.
        """
        filled: set[int] = set()

        async def load(rows: list[asyncpg.Record]) -> bool:
            filled.update(row["bucket"] for row in rows)
            buckets = [f"{NAMES_PREFIX}{row['bucket']}" for row in rows]
            with translate_redis_errors():
                await self._load(keys=buckets, args=[row["packed"] for row in rows])
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
