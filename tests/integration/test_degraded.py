"""P6: with a server away the service does less, says so, and is whole again by itself."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.app import create_app
from service.cache import SeasonKeys, connect_redis
from service.database import Database
from service.embedded import PostgresServer, ValkeyServer
from service.migrate import migrate
from service.settings import Settings, load_settings
from service.standings.refresh import Refresher
from tests.conftest import THROW_AWAY
from tests.factories import find_global_season, make_players_with_scores
from tests.integration.index_checks import assert_index_follows
from tests.integration.worker_process import run_worker
from tests.serving import connect_client, run_app
from tests.waiting import wait_until

# Reads must be answered in this time even where a server takes connections and is silent.
FEW_SECONDS = 5.0


@dataclass
class Stack:
    """A service with servers of its own, for tests that stop them, and three players."""

    postgres: PostgresServer
    valkey: ValkeyServer
    settings: Settings
    database: Database
    redis: Redis
    client: httpx.AsyncClient
    user_ids: list[int]

    async def refresh(self) -> None:
        await Refresher(self.database, self.redis, self.settings).refresh()

    async def submit(self, user_id: int, score: int) -> httpx.Response:
        body = {"user_id": user_id, "score": score}
        return await self.client.post("/api/leaderboard/submit", json=body)

    async def read(self, path: str) -> dict[str, Any]:
        """Return the answer of a read, which must come within a few seconds."""
        async with asyncio.timeout(FEW_SECONDS):
            response = await self.client.get(f"/api/leaderboard/{path}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def read_scores(self) -> tuple[dict[int, int], set[bool]]:
        """Return everybody's score as each of the three reads has it, and who is stale."""
        top = await self.read("top")
        ranks = [await self.read(f"rank/{user_id}") for user_id in self.user_ids]
        around = await self.read(f"around/{self.user_ids[0]}")
        scores = {entry["user_id"]: entry["total_score"] for entry in top["leaderboard"]}
        for entries in ranks, around["leaderboard"]:
            assert {entry["user_id"]: entry["total_score"] for entry in entries} == scores
        return scores, {answer.get("stale", False) for answer in (top, *ranks, around)}

    async def has_top_in_memory(self) -> bool:
        """Whether the service has a fresh top while Redis has not."""
        key = SeasonKeys.of(await find_global_season(self.database)).top
        stored = await self.redis.getdel(key)
        answer = await self.read("top")
        if stored is not None:
            await self.redis.set(key, stored)
        return "stale" not in answer

    async def wait_until_fresh(self, scores: dict[int, int]) -> None:
        """Wait until every read has these scores, and none is stale."""
        await self._wait_for(scores, stale=False)

    async def wait_until_stale(self, scores: dict[int, int]) -> None:
        """Wait until every read has these scores and says that they may lag."""
        await self._wait_for(scores, stale=True)

    async def _wait_for(self, scores: dict[int, int], *, stale: bool) -> None:
        async def is_so() -> bool:
            assert await self.read_scores() == (scores, {stale})
            return True

        await wait_until(is_so, seconds=30)


@pytest.fixture(scope="module")
def own_postgres(server_directory: Path) -> Iterator[PostgresServer]:
    with PostgresServer(server_directory / "outages", settings=THROW_AWAY) as server:
        yield server


@pytest.fixture(scope="module")
def own_valkey(server_directory: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(server_directory / "outages") as server:
        yield server


@pytest.fixture
async def stack(own_postgres: PostgresServer, own_valkey: ValkeyServer) -> AsyncIterator[Stack]:
    await migrate(own_postgres.url)
    settings = load_settings(
        database_url=own_postgres.url, redis_url=own_valkey.url, redis_timeout_seconds=0.3
    )
    database = Database(settings, application_name="leaderboard tests")
    redis = connect_redis(settings)
    await database.open()
    async with database.connect() as connection:
        await connection.execute(
            "TRUNCATE player, game_session, pending_session, standing RESTART IDENTITY;"
            "UPDATE season SET players = 0"
        )
    await redis.flushall()
    user_ids = await make_players_with_scores(database, [30, 20, 10])
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        stack = Stack(own_postgres, own_valkey, settings, database, redis, client, user_ids)
        await stack.refresh()
        await stack.wait_until_fresh(dict(zip(user_ids, [30, 20, 10], strict=True)))
        yield stack
    await redis.aclose()
    await database.close()


async def test_redis_stopped(stack: Stack) -> None:
    first, second, third = stack.user_ids
    stack.valkey.stop()
    response = await stack.submit(third, 100)
    assert response.status_code == 200
    await stack.wait_until_stale({first: 30, second: 20, third: 10})
    await stack.refresh()
    await stack.wait_until_stale({third: 110, first: 30, second: 20})
    assert [entry["rank"] for entry in (await stack.read("top"))["leaderboard"]] == [1, 2, 3]
    stack.valkey.start()
    await stack.refresh()
    await stack.wait_until_fresh({third: 110, first: 30, second: 20})
    await assert_index_follows(stack.redis, stack.database)


async def test_redis_back_without_its_data_is_warm_again_by_itself(stack: Stack) -> None:
    """Nobody refreshes by hand: a real worker hears of it from those that read."""
    first, second, third = stack.user_ids
    with run_worker(stack.settings):
        stack.valkey.stop()
        assert (await stack.submit(second, 1)).status_code == 200
        (stack.valkey.folder / "dump.rdb").unlink(missing_ok=True)
        stack.valkey.start()
        await stack.wait_until_fresh({first: 30, second: 21, third: 10})
        await assert_index_follows(stack.redis, stack.database)


async def test_redis_hanging(stack: Stack) -> None:
    first, second, third = stack.user_ids
    process = stack.valkey.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        response = await stack.submit(third, 100)
        assert response.status_code == 200
        assert time.monotonic() - started < FEW_SECONDS
        scores, _ = await stack.read_scores()
        assert scores == {first: 30, second: 20, third: 10}
        assert (await stack.read(f"rank/{third}"))["stale"]
    finally:
        process.send_signal(signal.SIGCONT)
    await stack.refresh()
    await stack.wait_until_fresh({third: 110, first: 30, second: 20})


async def test_many_reads_while_redis_hangs_wait_once(stack: Stack) -> None:
    process = stack.valkey.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.gather(*(stack.read(f"rank/{stack.user_ids[0]}") for _ in range(100)))
    finally:
        process.send_signal(signal.SIGCONT)
    await stack.refresh()


async def test_postgres_stopped(stack: Stack) -> None:
    first, second, third = stack.user_ids
    scores = {first: 30, second: 20, third: 10}
    stack.postgres.stop()
    try:
        assert await stack.read_scores() == (scores, {False})
        async with asyncio.timeout(FEW_SECONDS):
            response = await stack.submit(third, 100)
        assert response.status_code == 503
        assert response.json().keys() == {"error", "code"}
        assert response.json()["code"] == "database_unavailable"
        assert int(response.headers["retry-after"]) >= 1
        for path in "/api/players/1", "/api/leaderboard/rank/777":
            unknown = await stack.client.get(path)
            assert unknown.status_code == 503
            assert int(unknown.headers["retry-after"]) >= 1
        ready = await stack.client.get("/health/ready")
        assert ready.status_code == 503
        assert "postgresql" in ready.json()["error"]
        assert (await stack.client.get("/health/live")).status_code == 200
        status = (await stack.client.get("/api/ops/status")).json()
        assert status["parts"]["postgresql"]["state"] == "away"
    finally:
        stack.postgres.start()

    async def submit_again() -> bool:
        return (await stack.submit(third, 100)).status_code == 200

    await wait_until(submit_again)
    await stack.refresh()
    await stack.wait_until_fresh(scores | {third: 110})


async def test_both_stopped(stack: Stack) -> None:
    await wait_until(stack.has_top_in_memory)
    stack.valkey.stop()
    stack.postgres.stop()
    try:

        async def read_stale_top() -> dict[str, Any]:
            top = await stack.read("top")
            assert top.get("stale"), "the service has not noticed yet"
            return top

        top = await wait_until(read_stale_top)
        assert [entry["user_id"] for entry in top["leaderboard"]] == stack.user_ids
        rank = await stack.client.get(f"/api/leaderboard/rank/{stack.user_ids[0]}")
        assert (rank.status_code, rank.json()["code"]) == (503, "standings_unavailable")
        assert int(rank.headers["retry-after"]) >= 1
        ready = await stack.client.get("/health/ready")
        assert ready.status_code == 503
        assert "postgresql and redis" in ready.json()["error"]
    finally:
        stack.postgres.start()
        stack.valkey.start()
    await stack.refresh()
    await stack.wait_until_fresh(dict(zip(stack.user_ids, [30, 20, 10], strict=True)))


async def test_service_that_starts_while_redis_is_away(stack: Stack) -> None:
    stack.valkey.stop()
    try:
        async with run_app(create_app(stack.settings)) as app, connect_client(app) as client:
            stack.client = client
            await stack.wait_until_stale(dict(zip(stack.user_ids, [30, 20, 10], strict=True)))
            assert (await stack.submit(stack.user_ids[0], 1)).status_code == 200
            stack.valkey.start()
            await stack.refresh()
            await stack.wait_until_fresh(dict(zip(stack.user_ids, [31, 20, 10], strict=True)))
    finally:
        if stack.valkey.process is None:
            stack.valkey.start()


async def test_service_that_starts_while_postgres_is_away(stack: Stack) -> None:
    stack.postgres.stop()
    try:
        async with run_app(create_app(stack.settings)) as app, connect_client(app) as client:
            assert (await client.get("/health/live")).status_code == 200
            refused = await client.get("/api/leaderboard/top")
            assert (refused.status_code, refused.json()["code"]) == (503, "standings_unavailable")
            stack.postgres.start()
            stack.client = client
            await stack.wait_until_fresh(dict(zip(stack.user_ids, [30, 20, 10], strict=True)))
    finally:
        if stack.postgres.process is None:
            stack.postgres.start()
