"""Reads that may lag come from the replica, while it keeps up; nothing else does."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from service.api.app import create_app
from service.backends.database import Database
from service.local.embedded import PostgresServer
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.support.factories import make_player, record_scores
from tests.support.serving import connect_client, run_app
from tests.support.standby import Standby
from tests.support.waiting import wait_until

FOR_EVER = 60.0
LAG_SECONDS = 1.0


@pytest.fixture(scope="module")
def standby(server_directory: Path, postgres: PostgresServer) -> Iterator[Standby]:
    with Standby(server_directory / "standby", postgres) as server:
        yield server


@pytest.fixture
def replica_url(standby: Standby, database_url: str) -> str:
    """The test's own database, as the standby has it."""
    return urlsplit(standby.url)._replace(path=urlsplit(database_url).path).geturl()


@asynccontextmanager
async def run_client(settings: Settings, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        run_app(create_app(settings.model_copy(update=changed))) as app,
        connect_client(app) as client,
    ):
        yield client


@asynccontextmanager
async def pause_replay(url: str, primary: Database) -> AsyncIterator[None]:
    """Keep the standby as the primary is now."""
    row = await primary.fetch_one("SELECT pg_current_wal_lsn()::text AS position")
    assert row is not None
    connection = await asyncpg.connect(url)

    async def has_all() -> bool:
        statement = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"
        return bool(await connection.fetchval(statement, row["position"]))

    try:
        await wait_until(has_all)
        await connection.execute("SELECT pg_wal_replay_pause()")
        await wait_until(lambda: is_paused(connection))
        yield
    finally:
        await connection.execute("SELECT pg_wal_replay_resume()")
        await connection.close()


async def is_paused(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return bool(await connection.fetchval("SELECT pg_get_wal_replay_pause_state() = 'paused'"))


async def read_sessions(client: httpx.AsyncClient, user_id: int) -> tuple[list[int], bool]:
    answer = (await client.get(f"/api/players/{user_id}/sessions")).json()
    return [session["score"] for session in answer["sessions"]], answer.get("stale", False)


async def test_reads_that_may_lag_come_from_a_replica_and_say_so(
    settings: Settings, replica_url: str, database: Database
) -> None:
    user_id = await make_player(database, "ada")
    await record_scores(database, (user_id, 1))
    async with run_client(
        settings, database_replica_url=replica_url, replica_lag_seconds=FOR_EVER
    ) as client:

        async def shows_the_first() -> bool:
            return await read_sessions(client, user_id) == ([1], True)

        await wait_until(shows_the_first)
        async with pause_replay(replica_url, database):
            await record_scores(database, (user_id, 2))
            assert await read_sessions(client, user_id) == ([1], True)
            # Who is not there yet is looked for where everybody is.
            newcomer = await make_player(database, "grace")
            by_id = await client.get(f"/api/players/{newcomer}")
            by_name = await client.get("/api/players?username=grace")
            assert by_id.json() == by_name.json()
            assert by_id.json()["user_id"] == newcomer
            assert (await client.get(f"/api/players/{newcomer + 1}")).status_code == 404
            await record_scores(database, (newcomer, 3))
            assert await read_sessions(client, newcomer) == ([3], False)


async def test_movers_by_the_ranks_of_a_replica_say_so(
    settings: Settings, replica_url: str, database: Database, refresher: Refresher
) -> None:
    await record_scores(database, (await make_player(database), 1))
    await refresher.refresh()
    await rerank(database)
    async with run_client(
        settings, database_replica_url=replica_url, replica_lag_seconds=FOR_EVER
    ) as client:

        async def are_stale() -> bool:
            answer = (await client.get("/api/boards/global/movers")).json()
            return bool(answer.get("stale", False))

        await wait_until(are_stale)


async def test_replica_too_far_behind_is_not_asked_until_it_keeps_up_again(
    settings: Settings, replica_url: str, database: Database
) -> None:
    user_id = await make_player(database)
    await record_scores(database, (user_id, 1))
    async with run_client(
        settings, database_replica_url=replica_url, replica_lag_seconds=LAG_SECONDS
    ) as client:

        async def read() -> tuple[list[int], bool]:
            return await read_sessions(client, user_id)

        async def is_asked() -> bool:
            return (await read())[1]

        await wait_until(is_asked)
        async with pause_replay(replica_url, database):
            await record_scores(database, (user_id, 2))

            async def shows_both() -> bool:
                return await read() == ([2, 1], False)

            await wait_until(shows_both)

        async def shows_both_again() -> bool:
            return await read() == ([2, 1], True)

        await wait_until(shows_both_again)


async def test_without_redis_ranks_come_from_the_replica_as_stale(
    settings: Settings, replica_url: str, database: Database, refresher: Refresher
) -> None:
    user_id = await make_player(database)
    await record_scores(database, (user_id, 5))
    await refresher.refresh()
    async with run_client(
        settings,
        database_replica_url=replica_url,
        replica_lag_seconds=FOR_EVER,
        redis_url="redis://127.0.0.1:1",
    ) as client:

        async def read_total(path: str) -> tuple[int | None, bool]:
            answer = (await client.get(f"/api/leaderboard/{path}")).json()
            line = answer["leaderboard"][0] if "leaderboard" in answer else answer
            return line.get("total_score"), answer["stale"]

        async def is_asked() -> bool:
            return (await read_sessions(client, user_id))[1]

        await wait_until(is_asked)
        async with pause_replay(replica_url, database):
            await record_scores(database, (user_id, 5))
            await refresher.refresh()
            for path in ("top", f"rank/{user_id}", f"around/{user_id}"):
                assert await read_total(path) == (5, True)
            # One whom the replica does not know has a rank all the same, from the ledger.
            newcomer = await make_player(database)
            await record_scores(database, (newcomer, 100))
            assert await read_total(f"rank/{newcomer}") == (100, True)


async def test_standby_of_another_database_is_not_asked(
    settings: Settings, standby: Standby, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    user_id = await make_player(database)
    await record_scores(database, (user_id, 1))
    # The one it is copied from has the same epoch, as no other database has.
    await database.fetch("UPDATE database_state SET epoch = gen_random_uuid()")
    async with run_client(
        settings, database_replica_url=standby.url, replica_lag_seconds=FOR_EVER
    ) as client:
        await wait_until(lambda: "it shows another database" in caplog.text)
        assert await read_sessions(client, user_id) == ([1], False)
