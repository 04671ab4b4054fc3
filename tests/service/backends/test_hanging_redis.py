"""A Redis that takes connections and never answers costs its time-out once, not each time."""

from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import find_names_bucket
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players_with_scores
from tests.support.redis_proxy import RedisProxy, is_question, keep_none, run_redis_proxy
from tests.support.serving import connect_client, run_app
from tests.support.waiting import wait_until


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
    behind = settings.model_copy(
        update={
            "redis_url": proxy.url,
            "redis_timeout_seconds": 0.3,
            "broker_url": settings.redis_url,
        }
    )
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
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    command: bytes,
) -> None:
    async def is_fresh() -> bool:
        return not await is_stale(client, path)

    await wait_until(is_fresh)
    monkeypatch.setattr("service.backends.circuit_breaker._PROBE_INTERVAL_SECONDS", 60)
    await redis.delete(find_names_bucket(1))
    asked = b"\r\n" + command + b"\r\n"
    proxy.keeps = lambda data: asked in data or b"PING" in data
    for _ in range(3):
        await is_stale(client, path)
    assert sum(asked in question for question in proxy.kept) <= 1


async def test_one_answer_that_is_lost_is_told_and_forgotten_at_once(
    client: httpx.AsyncClient,
    proxy: RedisProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def is_fresh() -> bool:
        return not await is_stale(client, "rank/1")

    await wait_until(is_fresh)
    monkeypatch.setattr("service.backends.circuit_breaker._PROBE_INTERVAL_SECONDS", 60)
    proxy.keeps = lambda data: b":index" in data and not proxy.kept
    assert await is_stale(client, "rank/1")
    await wait_until(is_fresh)
    assert len(proxy.kept) == 1
    assert "Redis is left alone until it answers: Timeout reading" in caplog.text


@pytest.mark.parametrize(("path", "key"), [("rank/1", b":index"), ("top", b":top")])
async def test_hanging_redis_costs_its_time_out_once(
    client: httpx.AsyncClient,
    proxy: RedisProxy,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    key: bytes,
) -> None:
    monkeypatch.setattr("service.backends.circuit_breaker._PROBE_INTERVAL_SECONDS", 0.05)

    async def is_fresh() -> bool:
        return not await is_stale(client, path)

    async def has_breaker_asked_again() -> bool:
        assert await is_stale(client, path)
        return sum(b"PING" in question for question in proxy.kept) >= 2

    await wait_until(is_fresh)
    proxy.keeps = is_question
    # The top is answered from memory until the subscription, asked, has not answered.
    await wait_until(lambda: is_stale(client, path))
    proxy.kept.clear()
    await wait_until(has_breaker_asked_again)
    assert not [question for question in proxy.kept if key in question]
    proxy.keeps = keep_none
    await wait_until(is_fresh)
