"""Names beside the index: whatever another database left there, nobody reads it as ours."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import NAMES_PREFIX, connect_redis, find_names_bucket
from service.boards.finder import LIST_OPEN_SEASONS
from service.errors import CacheUnavailable
from service.players.service import find_usernames
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_player, record_scores
from tests.support.outages import connect_nowhere
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
            keys = [key async for key in redis.scan_iter(f"{NAMES_PREFIX}*")]
            return [(key, await redis.hgetall(key)) for key in keys]

        names = [(find_names_bucket(user_id).encode(), {str(user_id).encode(): b"ada"})]
        assert await find_names() == names
        for season in await database.fetch(LIST_OPEN_SEASONS):
            await Index(redis, database).rebuild(season["season_id"])
        assert await find_names() == names
        for slug in ("global", "three"):
            rank = (await client.get(f"/api/boards/{slug}/rank/{user_id}")).json()
            assert (rank["username"], rank["rank"]) == ("ada", 1)


class LateReading:
    """Names that are read in PostgreSQL, and come back only when `may_go_on` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_read, self.may_go_on = asyncio.Event(), asyncio.Event()
        self._monkeypatch = monkeypatch
        monkeypatch.setattr("service.standings.index.names.find_usernames", self._read)

    async def _read(self, database: Database, user_ids: Sequence[int]) -> dict[int, str]:
        # Those who come next are not late.
        self._monkeypatch.undo()
        found = await find_usernames(database, user_ids)
        self.has_read.set()
        await self.may_go_on.wait()
        return found


@pytest.mark.parametrize("redis_is", ["there", "away"])
@pytest.mark.parametrize(
    ("change", "name"), [("keep", b"deleted-1"), ("revoke", None), ("rename", b"eve")]
)
async def test_name_that_was_read_before_it_was_changed_is_not_kept(
    client: httpx.AsyncClient,
    refresher: Refresher,
    database: Database,
    redis: Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    redis_is: str,
    change: str,
    name: bytes | None,
) -> None:
    alice, bob = await make_player(database, "alice"), await make_player(database, "bob")
    await record_scores(database, (alice, 9), (bob, 5))
    while (await refresher.refresh()).more:
        pass
    # As when Redis was emptied: names are loaded last.
    await redis.delete(find_names_bucket(alice))
    late = LateReading(monkeypatch)
    reading = asyncio.create_task(client.get(f"/api/leaderboard/rank/{alice}"))
    await late.has_read.wait()
    path = f"/api/players/{alice}"
    if change == "rename":
        answer = await client.patch(path, json={"username": "eve", "reason": "asked"})
    else:
        answer = await client.delete(path, params={"scores": change, "reason": "asked"})
    assert answer.is_success, answer.text
    if redis_is == "away":
        # What it did not hear of is loaded when it is back.
        await Refresher(database, connect_nowhere(settings), settings).refresh()
    while (await refresher.refresh()).more:
        pass
    late.may_go_on.set()
    assert (await reading).status_code == 200
    # Who comes next reads it as it is, and keeps that.
    await client.get(f"/api/leaderboard/rank/{alice}")
    await client.get(f"/api/leaderboard/around/{bob}")
    assert await redis.hget(find_names_bucket(alice), str(alice)) == name


async def test_names_that_were_read_before_one_was_changed_are_not_loaded(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    """By a writer that lost its lock to the one that published the change."""
    user_id = await make_player(database, "ada")
    await record_scores(database, (user_id, 5))
    await refresher.refresh()
    names = Index(redis, database).names
    (season,) = await database.fetch(LIST_OPEN_SEASONS)
    version = await names.renew_version()
    async with database.snapshot() as connection:
        await names.remove([user_id])
        with pytest.raises(CacheUnavailable, match="another writer"):
            await names.reload_slice(
                connection, version, season["season_id"], 0, 10, is_all=True, may_be_left=True
            )
    assert not await redis.hexists(find_names_bucket(user_id), str(user_id))
