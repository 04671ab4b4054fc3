"""Deletion: nothing is left of who a player was, whatever is under way or was written down."""

import asyncio

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Connection, Database
from service.backends.redis import find_names_bucket
from service.local.embedded import PostgresServer
from service.moderation.service import finish_deletions
from service.settings.settings import Settings
from tests.support.factories import make_player, record_scores
from tests.support.moderating import call
from tests.support.season_work import SeasonWorker
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker, send_sweep

# A deletion waits for who has written a session of the player, and then for who may be about to.
HOW_FAR = {
    "has written": """
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """,
    "is about to write": "SELECT FROM player WHERE deleted_at IS NOT NULL",
}


async def write_session(connection: Connection, user_id: int) -> None:
    """Write as a submit does that found the player before."""
    await connection.execute(
        """
        INSERT INTO game_session (player_id, score, idempotency_key, metadata)
        VALUES ($1, 5, 'match-1', '{"name": "ada"}')
        """,
        user_id,
    )


async def count_traces(database: Database) -> int:
    rows = await database.fetch(
        "SELECT FROM game_session WHERE idempotency_key IS NOT NULL OR metadata IS NOT NULL"
    )
    return len(rows)


@pytest.mark.parametrize("step", ["has written", "is about to write"])
async def test_a_submit_that_is_under_way_leaves_nothing(
    client: httpx.AsyncClient, database: Database, step: str
) -> None:
    one = await make_player(database, "ada")
    async with database.transaction() as connection:
        await connection.fetchval("SELECT ledger_time()")
        if step == "has written":
            await write_session(connection, one)
        deletion = asyncio.create_task(client.delete(f"/api/players/{one}?reason=asked"))
        await wait_until(lambda: database.fetch(HOW_FAR[step]))
        assert not deletion.done()
        if step == "is about to write":
            await write_session(connection, one)
    assert (await deletion).status_code == 204
    assert await count_traces(database) == 0


async def test_what_a_frozen_submit_brings_back_is_erased_once_it_is_done(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    one = await make_player(database, "ada")
    async with database.transaction() as connection:
        await connection.fetchval("SELECT ledger_time()")
        # For which that is not waited.
        assert (await client.delete(f"/api/players/{one}?reason=asked")).status_code == 204
        await write_session(connection, one)
        await finish_deletions(database)
    assert await count_traces(database) == 1

    async def is_all_done() -> bool:
        noted = await database.fetch("SELECT FROM forgotten_player")
        return not noted and await count_traces(database) == 0

    with run_worker(settings):
        send_sweep(settings)
        await wait_until(is_all_done)


async def test_a_deletion_is_finished_also_while_the_cache_is_away(
    database: Database, settings: Settings
) -> None:
    """The broker may be another server."""
    one = await make_player(database, "ada")
    await database.fetch("INSERT INTO forgotten_player (player_id) VALUES ($1)", one)
    nowhere = {"broker_url": settings.require_redis_url(), "redis_url": "redis://127.0.0.1:1"}
    apart = settings.model_copy(update=nowhere)

    async def is_done() -> bool:
        # Whoever reads this database just now keeps it until another sweep.
        send_sweep(apart)
        return not await database.fetch("SELECT FROM forgotten_player")

    with run_worker(apart):
        await wait_until(is_done)


async def test_who_is_at_work_in_another_database_keeps_no_deletion(
    client: httpx.AsyncClient, database: Database, postgres: PostgresServer
) -> None:
    one = await make_player(database, "ada")
    elsewhere = await asyncpg.connect(postgres.url)
    try:
        async with elsewhere.transaction():
            await elsewhere.execute("SELECT")
            assert (await client.delete(f"/api/players/{one}?reason=asked")).status_code == 204

            async def is_all_done() -> bool:
                # Somebody who reads this database just now may keep it once.
                await finish_deletions(database)
                return not await database.fetch("SELECT FROM forgotten_player")

            await wait_until(is_all_done)
    finally:
        await elsewhere.close()


async def test_a_name_that_a_reader_kept_of_one_who_stands_nowhere_goes(
    client: httpx.AsyncClient, database: Database, redis: Redis, worker: SeasonWorker
) -> None:
    one = await make_player(database, "ada")
    await record_scores(database, (one, 5))
    await worker.work()
    await call(client, "PUT", f"/api/players/{one}/state", state="banned")
    await worker.work()
    assert not await redis.hexists(find_names_bucket(one), str(one))
    # As who reads a season that is sealed and not closed does, where the player still stands.
    await redis.hset(find_names_bucket(one), str(one), "ada")
    assert (await client.delete(f"/api/players/{one}?reason=asked")).status_code == 204
    await worker.work()
    assert not await redis.hexists(find_names_bucket(one), str(one))


async def test_a_deletion_is_looked_at_first(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    one = await make_player(database, "ada")
    await record_scores(database, (one, 5))
    await worker.work()
    before = (await client.get(f"/api/players/{one}")).json()
    for scores, entries in (("keep", 0), ("revoke", 1)):
        params = {"reason": "asked", "scores": scores, "dry_run": "true"}
        seen = await client.delete(f"/api/players/{one}", params=params)
        assert (seen.status_code, seen.json()["username"]) == (200, f"deleted-{one}")
        assert [entry["rank_after"] for entry in seen.json()["boards"]] == [None] * entries
    await worker.work()
    assert (await client.get(f"/api/players/{one}")).json() == before
    assert (await client.get("/api/moderation")).json()["entries"] == []
    top = (await client.get("/api/leaderboard/top")).json()["leaderboard"]
    assert [entry["username"] for entry in top] == ["ada"]


async def test_a_name_goes_from_the_reasons_about_others(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    one = await make_player(database, "ada", "steam.1")
    short = await make_player(database, "x+")
    other = await make_player(database)
    assert (await client.put("/api/boards/best", json={})).status_code == 201
    assert (await client.post("/api/boards/best/seasons/current/close")).status_code == 200
    await worker.work()
    await call(client, "PATCH", f"/api/players/{one}", username="Léa", reason="asked")
    reasons = {
        "ADA cheated": True,
        "as (ada) did": True,
        "who is Le\u0301a?": True,
        "steam.1_2": True,
        "adamant that it was not her": False,
        "steam-1 says so": False,
        "all of it, x+": False,
    }
    for reason in reasons:
        await call(client, "POST", "/api/boards/best/seasons/1/correct", reason=reason)
        await call(client, "PUT", f"/api/players/{other}/state", state="hidden", reason=reason)
        await call(client, "PUT", f"/api/players/{other}/state", state="active", reason="x")
    assert (await client.delete(f"/api/players/{one}?reason=asked")).status_code == 204

    async def list_reasons(action: str) -> list[str]:
        log = (await client.get("/api/moderation", params={"limit": "1000"})).json()["entries"]
        return [entry["reason"] for entry in log if entry["action"] == action]

    erased = "(erased with the name in it)"
    kept = [erased if is_erased else reason for reason, is_erased in reasons.items()]
    assert await list_reasons("correct") == kept
    assert (await list_reasons("state"))[::2] == kept
    assert await list_reasons("rename") == ["asked"]
    assert (await client.delete(f"/api/players/{short}?reason=asked")).status_code == 204
    assert await list_reasons("correct") == [*kept[:-1], erased]
