"""A Redis that takes connections and never answers costs its time-out once, not each time."""

from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from service.app import create_app
from service.cache import SeasonKeys
from service.database import Database
from service.settings import Settings
from service.standings.refresh import Refresher
from tests.factories import find_global_season, make_players_with_scores
from tests.integration.redis_proxy import RedisProxy, run_redis_proxy
from tests.serving import connect_client, run_app
from tests.waiting import wait_until


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[RedisProxy]:
    async with run_redis_proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def client(
    settings: Settings, database: Database, refresher: Refresher, proxy: RedisProxy
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that is connected to Redis by the proxy, with three players."""
    await make_players_with_scores(database, [30, 20, 10])
    await refresher.refresh()
    behind = settings.model_copy(update={"redis_url": proxy.url, "redis_timeout_seconds": 0.3})
    async with run_app(create_app(behind)) as app, connect_client(app) as client:
        yield client


async def is_stale(client: httpx.AsyncClient, path: str) -> bool:
    answer = await client.get(f"/api/leaderboard/{path}")
    assert answer.status_code == 200, answer.text
    return "stale" in answer.json()


@pytest.mark.parametrize(
    ("path", "command"),
    [("around/1", b"HGET"), ("rank/1", b"HSET"), ("around/1", b"HSET"), ("page", b"HSET")],
)
async def test_redis_that_hangs_when_it_is_asked_for_names_is_asked_once(
    client: httpx.AsyncClient,
    proxy: RedisProxy,
    redis: Redis,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    command: bytes,
) -> None:
    async def is_fresh() -> bool:
        return not await is_stale(client, path)

    await wait_until(is_fresh)
    monkeypatch.setattr("service.breaker._REST_SECONDS", 60)
    keys = SeasonKeys.of(await find_global_season(database))
    await redis.delete(keys.names_bucket(1))
    proxy.keeps = lambda data: b"\r\n" + command + b"\r\n" in data
    for _ in range(3):
        await is_stale(client, path)
    assert len(proxy.kept) <= 1
