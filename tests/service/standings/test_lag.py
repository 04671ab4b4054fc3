"""Whatever stops the index is told by reads, readiness and status, and mends itself."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis as blocking_redis
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import DIRTY_KEY, MUTEX_KEY, connect_redis
from service.local.embedded import ValkeyServer
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.event_stream import open_stream
from tests.support.factories import (
    find_global_season,
    make_player,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.fresh_reads import read_fresh_top
from tests.support.moderating import call
from tests.support.nursery import Forked
from tests.support.outages import stopped
from tests.support.serving import connect_client, run_app, serve_app
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

STALE_AFTER_SECONDS = 0.5
# Then it is seen by the next look; the rest is for a busy machine.
SECONDS_UNTIL_SEEN = 10.0
# No scheduler runs, so nothing would mend it later. A worker that had a message when its broker
# went away looks for it every five seconds.
SECONDS_UNTIL_MENDED = 25.0

FAIL = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no room for standings'; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON standing FOR EACH ROW EXECUTE FUNCTION fail()
"""


@pytest.fixture(scope="module")
def own_valkey(server_directory: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(server_directory / "lag") as server:
        yield server


@dataclass
class Service:
    """An API process with a Valkey of its own, and a player who has a score."""

    client: httpx.AsyncClient
    settings: Settings
    database: Database
    valkey: ValkeyServer
    user_id: int
    total: int = 0

    async def submit(self) -> None:
        body = {"user_id": self.user_id, "score": 5}
        answer = await self.client.post("/api/leaderboard/submit", json=body)
        assert answer.status_code == 200, answer.text
        self.total += 5

    async def read(self, path: str) -> dict[str, Any]:
        answer = await self.client.get(path)
        body: dict[str, Any] = answer.json()
        return body

    async def read_all(self) -> list[dict[str, Any]]:
        return [
            await self.read(f"/api/leaderboard/{path}")
            for path in ("top", f"rank/{self.user_id}", f"around/{self.user_id}", "page")
        ]

    async def wait_until_told(self, *, part: str, reason: str, cause: str) -> None:
        """Wait until reads, readiness and status say that and why ranks stand still."""

        async def is_told() -> bool:
            reads = await self.read_all()
            assert [answer.get("stale") for answer in reads] == [True] * 4
            ready = await self.client.get("/health/ready")
            assert reason in ready.json()["parts"][part], ready.text
            parts = (await self.read("/api/ops/status"))["parts"]
            index, redis = parts["index"], parts["redis"]
            assert index["state"] != "ok"
            assert index["lag_seconds"] > 0
            assert cause in index["cause"], index
            is_redis = part == "redis"
            assert (redis["state"] != "ok", redis["cause"] is not None) == (is_redis, is_redis)
            return True

        await wait_until(is_told, seconds=SECONDS_UNTIL_SEEN)

    async def wait_until_mended(self) -> None:
        """Wait until every score shows and nothing is said any more."""

        async def is_mended() -> bool:
            top, rank, around, page = await self.read_all()
            assert {answer.get("stale", False) for answer in (top, rank, around, page)} == {False}
            assert rank["total_score"] == self.total
            assert top["leaderboard"] == around["leaderboard"] == page["leaderboard"]
            ready = await self.client.get("/health/ready")
            assert set(ready.json()["parts"].values()) == {"ok"}, ready.text
            index = (await self.read("/api/ops/status"))["parts"]["index"]
            assert (index["state"], index["lag_seconds"], index["cause"]) == ("ok", 0, None)
            return True

        await wait_until(is_mended, seconds=SECONDS_UNTIL_MENDED)

    @contextmanager
    def administer(self, password: str | None = None) -> Iterator[Any]:
        with blocking_redis.Redis.from_url(self.valkey.url, password=password) as client:
            yield client


@asynccontextmanager
async def serve(
    settings: Settings, database: Database, valkey: ValkeyServer
) -> AsyncIterator[Service]:
    with blocking_redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    user_id = await make_player(database)
    async with run_app(create_app(settings)) as app, connect_client(app) as client_of_app:
        yield Service(client_of_app, settings, database, valkey, user_id)


@pytest.fixture
async def service(
    database_url: str, own_valkey: ValkeyServer, database: Database
) -> AsyncIterator[Service]:
    settings = load_settings(
        database_url=database_url, redis_url=own_valkey.url, stale_after_seconds=STALE_AFTER_SECONDS
    )
    async with serve(settings, database, own_valkey) as service:
        yield service


@pytest.fixture
async def working(service: Service) -> AsyncIterator[Forked]:
    """The worker, which has folded a first score."""
    with run_worker(service.settings) as worker:
        await service.submit()
        await service.wait_until_mended()
        yield worker


@pytest.mark.usefixtures("working")
async def test_redis_that_is_full(service: Service, capfd: pytest.CaptureFixture[str]) -> None:
    with service.administer() as client:
        client.config_set("maxmemory", "1mb")
        await service.submit()
        await service.wait_until_told(
            part="redis", reason="its memory is full", cause="used memory"
        )
        client.config_set("maxmemory", "0")
        await service.wait_until_mended()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.usefixtures("working")
async def test_redis_that_became_a_read_only_replica(
    service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    with service.administer() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        await service.submit()
        await service.wait_until_told(
            part="redis", reason="it is a read-only replica", cause="read only replica"
        )
        client.execute_command("REPLICAOF", "NO", "ONE")
        await service.wait_until_mended()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.usefixtures("working")
async def test_redis_whose_password_is_another_one(service: Service) -> None:
    with service.administer() as client:
        client.config_set("requirepass", "rotated")
    try:
        with service.administer("rotated") as client:
            for kind in ("normal", "pubsub"):
                client.execute_command("CLIENT", "KILL", "TYPE", kind)
            await service.submit()
            await service.wait_until_told(
                part="redis", reason="it refuses our user or password", cause="Redis is away"
            )
    finally:
        with service.administer("rotated") as client:
            client.config_set("requirepass", "")
    await service.wait_until_mended()


async def test_no_worker(service: Service) -> None:
    with run_worker(service.settings):
        await service.submit()
        await service.wait_until_mended()
    await service.submit()
    await service.wait_until_told(part="worker", reason="away", cause="no worker")
    with run_worker(service.settings):
        await service.wait_until_mended()


async def test_worker_that_stands_still(service: Service, working: Forked) -> None:
    process = psutil.Process(working.pid)
    process.suspend()
    try:
        await service.submit()
        await service.wait_until_told(part="worker", reason="ranks stand still", cause="worker")
    finally:
        process.resume()
    await service.wait_until_mended()


@pytest.mark.usefixtures("working")
async def test_refresh_that_fails_again_and_again(service: Service) -> None:
    async with service.database.connect() as connection:
        await connection.execute(FAIL)
    await service.submit()
    await service.wait_until_told(
        part="worker", reason="its refreshes fail", cause="no room for standings"
    )
    async with service.database.connect() as connection:
        await connection.execute("DROP FUNCTION fail CASCADE")
    await service.wait_until_mended()


async def wait_until_no_message_is_under_way(broker: ValkeyServer) -> None:
    """Wait until the worker has acknowledged whatever it was sent."""
    with blocking_redis.Redis.from_url(broker.url) as client:
        await wait_until(
            lambda: not client.keys("dramatiq:standings*") and not client.keys("dramatiq:__acks__*")
        )


async def test_broker_that_is_away(
    database_url: str, own_valkey: ValkeyServer, server_directory: Path, database: Database
) -> None:
    with ValkeyServer(server_directory / "lag-broker") as broker:
        settings = load_settings(
            database_url=database_url,
            redis_url=own_valkey.url,
            broker_url=broker.url,
            stale_after_seconds=STALE_AFTER_SECONDS,
        )
        async with serve(settings, database, own_valkey) as service:
            with run_worker(settings):
                await service.submit()
                await service.wait_until_mended()
                # A refresh that is still under way would fold the next score without a message.
                await wait_until_no_message_is_under_way(broker)
                with stopped(broker):
                    await service.submit()
                    await service.wait_until_told(
                        part="worker", reason="the broker takes no messages", cause="the broker"
                    )
                await service.wait_until_mended()


async def test_stream_tells_that_the_top_is_stale_and_that_it_is_not_any_more(
    settings: Settings, database: Database, refresher: Refresher
) -> None:
    user_id = await make_player(database)
    await record_scores(database, (user_id, 1))
    await refresher.refresh()
    hurried = settings.model_copy(update={"stale_after_seconds": STALE_AFTER_SECONDS})
    async with serve_app(hurried) as (_, client):
        await read_fresh_top(client, database)
        async with open_stream(client) as stream:
            first = await stream.read_top()
            assert "stale" not in first
            await record_scores(database, (user_id, 1))
            second = await stream.read_top()
            assert second == first | {"stale": True}
            await refresher.refresh()
            # It may be told of the new top first, and that nothing is left behind it after that.
            while (top := await stream.read_top()).get("stale"):
                pass
            assert top["leaderboard"][0]["total_score"] == 2


async def test_service_whose_scores_all_show_lags_at_no_rate(
    settings: Settings, database: Database, refresher: Refresher
) -> None:
    """What is pending at each look is a younger score than at the one before."""
    user_id = await make_player(database)
    soon = settings.model_copy(update={"stale_after_seconds": 1.0})
    async with run_app(create_app(soon)) as app, connect_client(app) as client:
        began_at = recorded_at = time.monotonic()
        longest = 0.0
        stale = []
        while time.monotonic() < began_at + 2.0:
            await record_scores(database, (user_id, 1))
            await refresher.refresh()
            longest = max(longest, time.monotonic() - recorded_at)
            recorded_at = time.monotonic()
            await record_scores(database, (user_id, 1))
            rank = await client.get(f"/api/leaderboard/rank/{user_id}")
            stale.append(rank.json().get("stale", False))
        # On a busy machine a score may be that old.
        assert not any(stale) or max(longest, time.monotonic() - recorded_at) >= 1.0


async def test_a_board_that_is_behind_says_so_and_others_do_not(
    database: Database, redis: Redis, settings: Settings
) -> None:
    settings = settings.model_copy(update={"stale_after_seconds": STALE_AFTER_SECONDS})
    await make_season(database, "laps")
    cheat, other = await make_players_with_scores(database, [60, 50])
    await Refresher(database, redis, settings).refresh()
    shared = [f"leaderboard:{{{await find_global_season(database)}}}:*", "leaderboard:{names}:*"]

    async def let_worker_write(*keys: str) -> None:
        await redis.acl_setuser(
            "partly", enabled=True, nopass=True, channels=["*"], commands=["+@all"], keys=keys
        )

    # As where the node of a cluster that has one board takes no writes.
    await let_worker_write(*shared, DIRTY_KEY, MUTEX_KEY)
    url = settings.require_redis_url().replace("unix://", "unix://partly:any@")
    partly = connect_redis(settings.model_copy(update={"redis_url": url}))
    worker = Refresher(database, partly, settings)
    async with run_app(create_app(settings)) as app, connect_client(app) as client:

        async def read_stale(slug: str) -> set[bool]:
            paths = (f"rank/{other}", "top", "page", f"around/{other}", "movers", "place?score=1")
            answers = [await client.get(f"/api/boards/{slug}/{path}") for path in paths]
            return {answer.json().get("stale", False) for answer in answers}

        async def is_told() -> bool:
            stale = [await read_stale(slug) for slug in ("laps", "global")]
            return stale == [{True}, {False}]

        assert [await read_stale(slug) for slug in ("laps", "global")] == [{False}] * 2
        await call(client, "PUT", f"/api/players/{cheat}/state", state="banned")
        await worker.refresh()
        await wait_until(is_told)
        index = (await client.get("/api/ops/status")).json()["parts"]["index"]
        assert index["state"] == "behind"
        assert index["cause"].startswith("board laps: ")
        await let_worker_write("*")
        await worker.refresh()

        async def is_mended() -> bool:
            return [await read_stale(slug) for slug in ("laps", "global")] == [{False}] * 2

        await wait_until(is_mended)
        rank = (await client.get(f"/api/boards/laps/rank/{other}")).json()
        assert (rank["rank"], rank["players"]) == (1, 1)
    await partly.aclose()
    await redis.acl_deluser("partly")
