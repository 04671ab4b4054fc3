"""Names beside the index: whatever another database left there, nobody reads it as ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import connect_redis, find_names_bucket
from service.boards.finder import LIST_OPEN_SEASONS
from service.errors import CacheUnavailable
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_player, record_scores
from tests.support.serving import connect_client, run_app


@asynccontextmanager
async def connect_without_names(redis: Redis, settings: Settings) -> AsyncIterator[Redis]:
    """Lend a client that may write everything but names, as if it was killed before those."""
    user = "nameless"
    commands = ["+@all", "-hset"]
    await redis.acl_setuser(
        user, enabled=True, nopass=True, keys=["*"], channels=["*"], commands=commands
    )
    url = settings.require_redis_url().replace("unix://", f"unix://{user}:any@")
    nameless = connect_redis(settings.model_copy(update={"redis_url": url}))
    try:
        yield nameless
    finally:
        await nameless.aclose()
        await redis.acl_deluser(user)


async def test_no_name_of_another_database_is_shown(
    database: Database, redis: Redis, refresher: Refresher, settings: Settings
) -> None:
    user_id = await make_player(database, "ada")
    await record_scores(database, (user_id, 5))
    await refresher.refresh()
    # As after a restore: the same ids, and other players.
    without_score = 1_000
    for strange_id in (user_id, without_score):
        await redis.hset(find_names_bucket(strange_id), str(strange_id), "somebody else")
    await database.fetch("UPDATE database_state SET epoch = gen_random_uuid()")
    app = create_app(settings)
    async with run_app(app), connect_client(app) as client:

        async def read_name() -> tuple[str, bool]:
            answer = (await client.get(f"/api/leaderboard/rank/{user_id}")).json()
            return answer["username"], answer.get("stale", False)

        assert await read_name() == ("ada", True)
        async with connect_without_names(redis, settings) as nameless:
            with pytest.raises(CacheUnavailable):
                await Index(nameless, database).rebuild_outdated()
        assert await read_name() == ("ada", False)
        assert not await redis.exists(find_names_bucket(without_score))


async def test_names_are_kept_once_for_all_boards(
    database: Database, redis: Redis, refresher: Refresher, settings: Settings
) -> None:
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        for slug in ("one", "two", "three"):
            assert (await client.put(f"/api/boards/{slug}", json={})).status_code == 201
        user_id = await make_player(database, "ada")
        await record_scores(database, (user_id, 5))
        await refresher.refresh()

        async def find_names() -> list[Any]:
            keys = [key async for key in redis.scan_iter("*names*")]
            return [(key, await redis.hgetall(key)) for key in keys]

        names = [(find_names_bucket(user_id).encode(), {str(user_id).encode(): b"ada"})]
        assert await find_names() == names
        for season in await database.fetch(LIST_OPEN_SEASONS):
            await Index(redis, database).rebuild(season["season_id"])
        assert await find_names() == names
        for slug in ("global", "three"):
            rank = (await client.get(f"/api/boards/{slug}/rank/{user_id}")).json()
            assert (rank["username"], rank["rank"]) == ("ada", 1)
