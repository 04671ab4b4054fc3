"""Compares what Redis holds with the standings that it follows."""

import struct
from typing import Any

from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys, connect_redis, decode_member, find_names_bucket
from service.boards.finder import LIST_OPEN_SEASONS
from service.settings.settings import Settings
from service.standings.index.offset import Offset
from service.standings.index.tie_keys import TieKeys
from service.standings.refresh.refresh import Refresher
from service.standings.top import parse_top, select_top

NOBODY_LISTENS = "redis://127.0.0.1:1"
"""The URL of a Redis that is away."""


async def read_index(redis: Redis, season_id: int) -> dict[int, int]:
    """Return the sort_score of each player in a season's index."""
    # The client's types cannot tell that this answer comes in pairs.
    members: Any = await redis.zrange(SeasonKeys.of(season_id).index, 0, -1, withscores=True)
    return {decode_member(member): int(score) for member, score in members}


async def read_standings(database: Database, season_id: int) -> dict[int, int]:
    """Return the sort_score of each player in a season's standings."""
    rows = await database.fetch(
        "SELECT player_id, sort_score FROM standing WHERE season_id = $1", season_id
    )
    return {row["player_id"]: row["sort_score"] for row in rows}


async def read_offset(redis: Redis, season_id: int) -> Offset | None:
    """Return how far a season's index is."""
    return Offset.parse(await redis.get(SeasonKeys.of(season_id).offset))


async def assert_tie_keys_follow(redis: Redis, season_id: int) -> None:
    """Check that every member of a season's index is found by its player."""
    keys = SeasonKeys.of(season_id)
    members: Any = await redis.zrange(keys.index, 0, -1, withscores=True)
    packed = b"".join(member + struct.pack(">q", int(score)) for member, score in members)
    assert await TieKeys(redis).find_wrong(season_id, packed) == b""
    assert int(await redis.hget(keys.ties, "players") or 0) == len(members)


async def assert_index_follows(redis: Redis, database: Database) -> None:
    """Check index, offset, top and names of every open season against PostgreSQL."""
    for season in await database.fetch(LIST_OPEN_SEASONS):
        season_id = season["season_id"]
        keys = SeasonKeys.of(season_id)
        standings = await read_standings(database, season_id)
        assert await read_index(redis, season_id) == standings
        assert season["players"] == len(standings)
        if season["is_first"]:
            await assert_tie_keys_follow(redis, season_id)
        assert await read_offset(redis, season_id) == Offset.of_season(season)
        stored = await redis.get(keys.top)
        # Without one where nobody reads it.
        if stored is not None:
            top = parse_top(stored)
            assert top is not None
            async with database.connect() as connection:
                assert top == await select_top(
                    connection, season_id, players=len(standings), as_of=top.as_of
                )
        # Names are checked by sample: there is one hash for each few of them.
        for row in await database.fetch("SELECT id, username FROM player ORDER BY id LIMIT 100"):
            if row["id"] in standings:
                name = await redis.hget(find_names_bucket(row["id"]), str(row["id"]))
                assert name == row["username"].encode()


async def refresh_without_redis(settings: Settings) -> None:
    """Fold and commit as a worker does that dies, or loses Redis, before it publishes."""
    settings = settings.model_copy(update={"redis_url": NOBODY_LISTENS})
    database = Database(settings, application_name="leaderboard tests")
    redis = connect_redis(settings)
    await database.open()
    await Refresher(database, redis, settings).refresh()
    await redis.aclose()
    await database.close()
