"""A Redis Cluster as the cache: everything that asks for more than one key finds it in one slot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis, RedisCluster

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import connect_redis, translate_redis_errors
from service.backends.redis_cluster import ping
from service.errors import CacheTimedOut, CacheUnavailable
from service.keys.rate_limit import KeyLimiter
from service.maintenance.audit import audit
from service.maintenance.populate import populate
from service.settings.settings import Settings, load_settings
from service.settings.urls import describe_address
from service.standings.refresh.refresh import Refresher
from tests.support.cluster import find_owner, make_cluster_url, run_cluster
from tests.support.factories import make_players_with_scores
from tests.support.parts import Part
from tests.support.serving import connect_client, run_app
from tests.support.up_process import run_leaderboard
from tests.support.waiting import wait_until


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Redis]:
    redis = connect_redis(settings)
    yield redis
    await redis.aclose()


async def test_cluster_serves_as_cache(
    tmp_path: Path, database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with run_cluster(tmp_path) as (parts, ports):
        settings = load_settings(
            database_url=database_url, redis_url=make_cluster_url(ports), broker_url=redis_url
        )
        # Twice, because the second one drops what the first one left.
        for seed in (1, 2):
            await populate(settings, players=500, sessions=2_000, seed=seed, reset=True)
            assert await audit(settings), capsys.readouterr().out
        await find_hanging_nodes(settings, parts)
        async with connect(settings) as redis:
            await lose_while_connecting(redis)
        await serve_from(settings, parts, ports)
        await limit_a_key(settings)


async def find_hanging_nodes(settings: Settings, parts: list[Part]) -> None:
    async with connect(settings.model_copy(update={"redis_timeout_seconds": 0.2})) as redis:
        await wait_until(lambda: answers(redis))
        for part in parts:
            with part.hanging(), pytest.raises(CacheTimedOut), translate_redis_errors():
                await ping(redis)
        await wait_until(lambda: answers(redis))


async def answers(redis: Redis) -> bool:
    with suppress(CacheUnavailable), translate_redis_errors():
        await ping(redis)
        return True
    return False


async def lose_while_connecting(redis: Redis) -> None:
    """A connection that another caller closes while it is made is tried again, as any lost one."""

    async def lose(connection: Any) -> None:
        connection.redis_connect_func = None
        await connection.disconnect()

    cluster = cast("RedisCluster", redis)
    await ping(redis)
    for node in cluster.get_nodes():
        connection: Any = node.acquire_connection()
        await connection.disconnect()
        connection.redis_connect_func = lose
        node.release(connection)
    await ping(redis)


async def serve_from(settings: Settings, parts: list[Part], ports: list[int]) -> None:
    database = Database(settings, application_name="leaderboard tests")
    await database.open()
    async with (
        connect(settings) as redis,
        run_app(create_app(settings)) as app,
        connect_client(app) as client,
    ):
        refresher = Refresher(database, redis, settings)

        async def read_first(path: str = "top") -> tuple[str, int, bool]:
            answer = (await client.get(f"/api/leaderboard/{path}")).json()
            first = answer["leaderboard"][0]
            return first["username"], first["total_score"], answer.get("stale", False)

        async def become_first(score: int) -> int:
            (user_id,) = await make_players_with_scores(database, [score])
            await refresher.refresh()

            async def is_first() -> bool:
                return await read_first() == (
                    (await client.get(f"/api/players/{user_id}")).json()["username"],
                    score,
                    False,
                )

            await wait_until(is_first)
            rank = (await client.get(f"/api/leaderboard/rank/{user_id}")).json()
            assert (rank["rank"], rank.get("stale")) == (1, None)
            return user_id

        await become_first(2_000_000_000)
        status = (await client.get("/api/ops/status")).json()
        assert status["parts"]["redis"]["state"] == status["parts"]["index"]["state"] == "ok"
        assert status["parts"]["redis"]["memory_bytes"] > 0
        owner = find_owner(parts, ports)
        owner.kill()
        user_id = (await make_players_with_scores(database, [2_100_000_000]))[0]
        await refresher.refresh()

        async def is_stale() -> bool:
            rank = (await client.get(f"/api/leaderboard/rank/{user_id}")).json()
            return (rank["rank"], rank.get("stale")) == (1, True)

        await wait_until(is_stale)
        owner.start()

        async def heals() -> bool:
            await refresher.refresh()
            rank = (await client.get(f"/api/leaderboard/rank/{user_id}")).json()
            return (rank["rank"], rank.get("stale")) == (1, None)

        await wait_until(heals)
        await become_first(2_147_483_647)
    await database.close()


async def limit_a_key(settings: Settings) -> None:
    async with connect(settings) as redis:
        limiter = KeyLimiter(redis, settings.require_redis_url(), 3)
        assert [await limiter.take("game") is None for _ in range(5)] == [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    "program",
    # Not on the usual port, where somebody may be using the service.
    [("up", "--port", "0"), ("api", "--port", "0"), ("worker",), ("scheduler",)],
    ids=lambda program: str(program[0]),
)
def test_cluster_needs_a_broker_beside_it(program: tuple[str, ...], tmp_path: Path) -> None:
    ended = run_leaderboard(
        *program,
        environment={
            "DATABASE_URL": "postgresql://127.0.0.1:1/leaderboard",
            "REDIS_URL": "redis+cluster://one,two",
            "LEADERBOARD_DATA_DIR": str(tmp_path / "data"),
        },
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: BROKER_URL is not set, and Dramatiq cannot use the cluster")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis+cluster://user:secret@one:1,two:2", "one:1,two:2"),
        ("rediss+cluster://one", "one:6379"),
    ],
)
def test_address_of_a_cluster_is_told_without_its_password(url: str, address: str) -> None:
    assert describe_address(url) == address
