"""P6: with a server away the service does less, says so, and is whole again by itself."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import BOARD_PREFIX, connect_redis
from service.boards.words import GLOBAL_BOARD
from service.local.embedded import PostgresServer, ValkeyServer
from service.schema.migrate import migrate
from service.settings.settings import load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.databases import THROW_AWAY, Clusters
from tests.support.factories import make_players_with_scores, record_scores
from tests.support.index_checks import NOBODY_LISTENS, assert_index_follows
from tests.support.lock_waits import count_lock_waits
from tests.support.outages import Stack, hanging, stopped
from tests.support.serving import connect_client, run_app
from tests.support.up_process import clean_environment
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker


@pytest.fixture(scope="module")
def own_postgres(clusters: Clusters) -> Iterator[PostgresServer]:
    with PostgresServer(clusters.make("outages"), settings=THROW_AWAY) as server:
        yield server


@pytest.fixture(scope="module")
def own_valkey(server_directory: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(server_directory / "outages") as server:
        yield server


@pytest.fixture
def redis_timeout_seconds() -> float:
    """How long an answer of Redis is waited for; short where it hangs."""
    return 60.0


@pytest.fixture
async def stack(
    own_postgres: PostgresServer,
    own_valkey: ValkeyServer,
    redis_timeout_seconds: float,
    read_seconds: Callable[[], float],
) -> AsyncIterator[Stack]:
    await migrate(own_postgres.url)
    settings = load_settings(
        database_url=own_postgres.url,
        redis_url=own_valkey.url,
        redis_timeout_seconds=redis_timeout_seconds,
        stale_after_seconds=600.0,
    )
    database = Database(settings, application_name="leaderboard tests")
    redis = connect_redis(settings)
    await database.open()
    async with database.connect() as connection:
        await connection.execute(
            "TRUNCATE player, game_session, outbox, standing RESTART IDENTITY;"
            "UPDATE season_refresh SET players = 0"
        )
    await redis.flushall()
    user_ids = await make_players_with_scores(database, [30, 20, 10])
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        stack = Stack(
            own_postgres, own_valkey, settings, database, redis, client, user_ids, read_seconds
        )
        await stack.refresh()
        await stack.wait_until_fresh(dict(zip(user_ids, [30, 20, 10], strict=True)))
        yield stack
    await redis.aclose()
    await database.close()


async def test_redis_stopped(stack: Stack) -> None:
    first, second, third = stack.user_ids
    with stopped(stack.valkey):
        assert (await stack.submit(third, 100)).status_code == 200
        await stack.wait_until_stale({first: 30, second: 20, third: 10})
        await stack.refresh()
        await stack.wait_until_stale({third: 110, first: 30, second: 20})
        assert [entry["rank"] for entry in (await stack.read("top"))["leaderboard"]] == [1, 2, 3]
    await stack.refresh()
    await stack.wait_until_fresh({third: 110, first: 30, second: 20})
    await assert_index_follows(stack.redis, stack.database)


async def test_redis_back_without_its_data_is_warm_again_by_itself(stack: Stack) -> None:
    """Nobody refreshes by hand: a real worker hears of it from those that read."""
    first, second, third = stack.user_ids
    with run_worker(stack.settings):
        with stopped(stack.valkey):
            assert (await stack.submit(second, 1)).status_code == 200
            (stack.valkey.folder / "dump.rdb").unlink(missing_ok=True)
        await stack.wait_until_fresh({first: 30, second: 21, third: 10})
        await assert_index_follows(stack.redis, stack.database)


@pytest.mark.parametrize("redis_timeout_seconds", [1.0])
async def test_redis_hanging(stack: Stack) -> None:
    first, second, third = stack.user_ids
    with hanging(stack.valkey):
        async with stack.answering_soon():
            assert (await stack.submit(third, 100)).status_code == 200
        scores, _ = await stack.read_scores()
        assert scores == {first: 30, second: 20, third: 10}
        assert (await stack.read(f"rank/{third}"))["stale"]
    await stack.refresh()
    await stack.wait_until_fresh({third: 110, first: 30, second: 20})


@pytest.mark.parametrize("redis_timeout_seconds", [1.0])
async def test_many_reads_while_redis_hangs_wait_together(stack: Stack) -> None:
    with hanging(stack.valkey):
        await asyncio.gather(*(stack.read(f"rank/{stack.user_ids[0]}") for _ in range(100)))
    await stack.refresh()


async def test_postgres_stopped(stack: Stack) -> None:
    first, second, third = stack.user_ids
    scores = {first: 30, second: 20, third: 10}
    with stopped(stack.postgres):
        assert await stack.read_scores() == (scores, {False})
        async with stack.answering_soon():
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

    async def submit_again() -> bool:
        return (await stack.submit(third, 100)).status_code == 200

    await wait_until(submit_again)
    await stack.refresh()
    await stack.wait_until_fresh(scores | {third: 110})


async def test_total_at_the_limit_counts_as_saturated_while_postgres_cannot_tell(
    stack: Stack,
) -> None:
    exact = stack.user_ids[0]
    await record_scores(stack.database, (exact, 2**53 - 1 - 30))
    await stack.refresh()
    assert "saturated" not in await stack.read(f"rank/{exact}")
    with stopped(stack.postgres):
        assert (await stack.read(f"rank/{exact}"))["saturated"] is True
        assert "saturated" not in await stack.read(f"rank/{stack.user_ids[1]}")


async def test_both_stopped(stack: Stack) -> None:
    await wait_until(stack.has_top_in_memory)
    with stopped(stack.postgres, stack.valkey):

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
    await stack.refresh()
    await stack.wait_until_fresh(dict(zip(stack.user_ids, [30, 20, 10], strict=True)))


async def test_service_that_starts_while_redis_is_away(stack: Stack) -> None:
    async with AsyncExitStack() as exits:
        with stopped(stack.valkey):
            app = await exits.enter_async_context(run_app(create_app(stack.settings)))
            stack.client = await exits.enter_async_context(connect_client(app))
            await stack.wait_until_stale(dict(zip(stack.user_ids, [30, 20, 10], strict=True)))
            assert (await stack.submit(stack.user_ids[0], 1)).status_code == 200
        await stack.refresh()
        await stack.wait_until_fresh(dict(zip(stack.user_ids, [31, 20, 10], strict=True)))


async def test_worker_that_starts_while_redis_is_away_waits_for_it(stack: Stack) -> None:
    first, second, third = stack.user_ids
    environment = clean_environment() | {
        "DATABASE_URL": stack.settings.require_database_url(),
        "REDIS_URL": stack.settings.require_redis_url(),
    }
    with stopped(stack.valkey):
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "workers"), env=environment, stderr=PIPE
        )
        assert worker.stderr is not None
        log = ""
        async with asyncio.timeout(30):
            while "waiting for the broker" not in log:
                line = await worker.stderr.readline()
                assert line, f"it ended: {log}"
                log += line.decode()
        assert (await stack.submit(third, 100)).status_code == 200
    await stack.wait_until_fresh({third: 110, first: 30, second: 20})
    async with asyncio.timeout(30):
        while "Redis is back" not in log:
            line = await worker.stderr.readline()
            assert line, f"it ended: {log}"
            log += line.decode()
    worker.terminate()
    _, rest = await worker.communicate()
    assert worker.returncode == 0
    log += rest.decode()
    assert log.count("Redis is away") == log.count("Redis is back") == 1
    # One of each of the two queues, and of what is put off in them, however often they tried.
    assert log.count("Consumer encountered") <= 4
    assert log.count("waiting for the broker") == log.count("the broker is there") == 1
    assert "Traceback" not in log


async def test_service_that_starts_while_postgres_is_away(stack: Stack) -> None:
    scores = dict(zip(stack.user_ids, [30, 20, 10], strict=True))
    async with AsyncExitStack() as exits:
        with stopped(stack.postgres):
            app = await exits.enter_async_context(run_app(create_app(stack.settings)))
            stack.client = await exits.enter_async_context(connect_client(app))
            assert (await stack.client.get("/health/live")).status_code == 200
            assert (await stack.client.get("/health/ready")).status_code == 503
            assert await stack.read_scores() == (scores, {False})
            # Whether that needs a key, only PostgreSQL knows.
            status = await stack.client.get("/api/ops/status")
            assert (status.status_code, status.json()["code"]) == (503, "database_unavailable")
        await stack.wait_until_fresh(scores)


async def test_postgres_that_ends_while_it_is_asked_in_the_place_of_an_index_behind_it(
    stack: Stack,
) -> None:
    """A process that has shown nothing takes no such index until there is nothing newer."""
    await record_scores(stack.database, (stack.user_ids[2], 100))
    without_redis = stack.settings.model_copy(update={"redis_url": NOBODY_LISTENS})
    nowhere = connect_redis(without_redis)
    await Refresher(stack.database, nowhere, without_redis).refresh()
    await nowhere.aclose()
    paths = [f"{kind}/{stack.user_ids[2]}" for kind in ("rank", "around")] + ["page"]
    async with AsyncExitStack() as exits:
        app = await exits.enter_async_context(run_app(create_app(stack.settings)))
        stack.client = await exits.enter_async_context(connect_client(app))
        async with stack.database.connect() as holder:
            await holder.execute("BEGIN; LOCK TABLE standing")
            reads = [asyncio.create_task(stack.read(path)) for path in paths]

            async def are_asking() -> bool:
                return await count_lock_waits(stack.database) >= len(reads)

            await wait_until(are_asking)
            exits.enter_context(stopped(stack.postgres))
            rank, around, page = await asyncio.gather(*reads)
    assert (rank["total_score"], rank["rank"]) == (10, 3)
    for answer in around, page:
        assert [entry["user_id"] for entry in answer["leaderboard"]] == stack.user_ids


async def test_service_that_starts_with_neither_season_nor_postgres(stack: Stack) -> None:
    async with AsyncExitStack() as exits:
        with stopped(stack.postgres):
            await stack.redis.delete(f"{BOARD_PREFIX}{GLOBAL_BOARD}")
            app = await exits.enter_async_context(run_app(create_app(stack.settings)))
            stack.client = await exits.enter_async_context(connect_client(app))
            for path in "top", f"rank/{stack.user_ids[0]}", f"around/{stack.user_ids[0]}":
                refused = await stack.client.get(f"/api/leaderboard/{path}")
                assert (refused.status_code, refused.json()["code"]) == (
                    503,
                    "standings_unavailable",
                )
                assert int(refused.headers["retry-after"]) >= 1
        await stack.wait_until_fresh(dict(zip(stack.user_ids, [30, 20, 10], strict=True)))


async def test_submits_behind_a_hanging_postgres_are_refused_together(stack: Stack) -> None:
    hurried = stack.settings.model_copy(
        update={"database_timeout_seconds": 1.0, "submit_batch_limit": 2}
    )
    async with run_app(create_app(hurried)) as app, connect_client(app) as stack.client:
        assert (await stack.submit(stack.user_ids[0], 1)).status_code == 200
        with hanging(stack.postgres):
            async with stack.answering_soon():
                refused = await asyncio.gather(
                    *(stack.submit(stack.user_ids[0], 1) for _ in range(30))
                )
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.json()["code"] for answer in refused} == {"database_unavailable"}


async def test_reads_go_on_beside_many_submits_behind_a_hanging_postgres(stack: Stack) -> None:
    user_id = stack.user_ids[0]
    settings = load_settings()
    # The defaults, each a hundredth.
    scaled = stack.settings.model_copy(
        update={
            "database_timeout_seconds": 2.0,
            "submit_batch_limit": settings.submit_batch_limit // 100,
            "submit_queue_limit": settings.submit_queue_limit // 100,
            "request_limit": settings.request_limit // 100,
        }
    )
    async with run_app(create_app(scaled)) as app, connect_client(app) as stack.client:
        assert (await stack.submit(user_id, 1)).status_code == 200
        await wait_until(stack.has_top_in_memory)
        with hanging(stack.postgres):
            submitting = [asyncio.create_task(stack.submit(user_id, 1)) for _ in range(100)]
            # Half of them find no place; the others wait for PostgreSQL.
            await asyncio.wait(submitting, return_when=asyncio.FIRST_COMPLETED)
            assert (await stack.read("top"))["players"] == 3
            assert (await stack.read(f"rank/{user_id}"))["total_score"] >= 30
            refused = await asyncio.gather(*submitting)
        assert {answer.json()["code"] for answer in refused} == {
            "database_unavailable",
            "overloaded",
        }


async def test_many_neighbourhoods_at_once_are_fresh(stack: Stack) -> None:
    path = f"/api/leaderboard/around/{stack.user_ids[0]}"
    answers = await asyncio.gather(*(stack.client.get(path) for _ in range(300)))
    around = [answer.json() for answer in answers]
    assert {answer.get("stale", False) for answer in around} == {False}
