"""Promises P1 and P2 when something ends at exactly the wrong moment.

Each test stops a program where it hurts most: a lock that the test holds stops it in PostgreSQL, a
gate in front of Valkey.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import DIRTY_KEY, MUTEX_KEY
from service.local.embedded.child_logs import Log
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.commits import wait_until_commits_wait
from tests.support.factories import record_scores
from tests.support.fire.board import (
    check_board,
    make_board,
    score_again,
    start_app,
    terminate_lock_holder,
)
from tests.support.fire.deployment import make_environment, run_api_program
from tests.support.fire.gate import Gate
from tests.support.fire.programs import ForkedProgram
from tests.support.fire.truth import (
    check_standings,
    wait_until_drained,
)
from tests.support.lock_waits import count_lock_waits, terminate_lock_waits
from tests.support.waiting import wait_until

FIND_COMMITTED = """
SELECT FROM pg_stat_activity
WHERE wait_event = 'SyncRep' AND datname = current_database()
"""

SLOW_COMMIT_LOCK = 42
MAKE_COMMITS_SLOW = f"""
CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_advisory_xact_lock({SLOW_COMMIT_LOCK}); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT OR UPDATE ON standing
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_the_test();
"""


@pytest.fixture
async def gate(redis_url: str, server_directory: Path) -> AsyncIterator[Gate]:
    gate = Gate(redis_url, server_directory / "gate.sock")
    async with gate.running():
        yield gate


@pytest.fixture
def gated_settings(settings: Settings, gate: Gate) -> Settings:
    """Settings of a program that reaches the index through the gate, and its broker directly."""
    return load_settings(
        database_url=settings.database_url, redis_url=gate.url, broker_url=settings.redis_url
    )


@pytest.fixture
def worker(gated_settings: Settings, server_directory: Path) -> Iterator[ForkedProgram]:
    """A worker behind the gate, not started yet; it refreshes as soon as it is."""
    with closing(
        ForkedProgram(
            "worker",
            "workers",
            environment=make_environment(gated_settings),
            log=Log(server_directory / "moments-worker.log"),
        )
    ) as worker:
        yield worker


@pytest.fixture
async def board(database: Database, refresher: Refresher) -> list[int]:
    return await make_board(database, refresher)


@asynccontextmanager
async def hold_open(database: Database, statement: str, *parameters: object) -> AsyncIterator[None]:
    """Keep a transaction open that ran a statement, and undo it at the end of the block."""
    async with database.connect() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(statement, *parameters)
            yield
        finally:
            await transaction.rollback()


@asynccontextmanager
async def hold_answers(database: Database, url: str) -> AsyncIterator[None]:
    """Have every commit be on disk and say nothing: it waits for a standby that does not exist."""
    async with database.connect() as connection:
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await connection.execute("SELECT pg_reload_conf()")
        try:
            await wait_until_commits_wait(url)
            yield
        finally:
            await connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await connection.execute("SELECT pg_reload_conf()")


async def wait_for_lock_waits(database: Database, number: int) -> None:
    """Wait until so many statements wait for locks."""

    async def count_waits() -> bool:
        return await count_lock_waits(database) == number

    await wait_until(count_waits, seconds=60)


async def test_worker_killed_before_it_commits(
    database: Database,
    redis: Redis,
    refresher: Refresher,
    worker: ForkedProgram,
    board: list[int],
) -> None:
    await score_again(database, board)
    async with hold_open(database, "SELECT FROM latest_refresh FOR UPDATE"):
        await worker.start()
        await wait_for_lock_waits(database, 1)
        await worker.end()
    await refresher.refresh()
    await check_board(database, redis)


async def test_worker_killed_between_commit_and_publish(
    database: Database,
    redis: Redis,
    refresher: Refresher,
    worker: ForkedProgram,
    gate: Gate,
    board: list[int],
) -> None:
    await record_scores(database, *((user_id, 3) for user_id in board))
    gate.close_before_script("publish_standings", "tie_keys", "put_standings")
    await worker.start()
    await gate.wait_until_reached()
    assert not await database.fetch("SELECT FROM pending_session")
    await worker.end()
    # What comes next touches one only of the standings whose changes were never published.
    await record_scores(database, (board[0], 3))
    await refresher.refresh()
    await check_board(database, redis)


@pytest.mark.parametrize("scores_meanwhile", [False, True])
async def test_commit_that_outlives_its_worker(
    database: Database,
    redis: Redis,
    refresher: Refresher,
    worker: ForkedProgram,
    board: list[int],
    *,
    scores_meanwhile: bool,
) -> None:
    await score_again(database, board)
    async with database.connect() as connection:
        await connection.execute(MAKE_COMMITS_SLOW)
    async with hold_open(database, f"SELECT pg_advisory_xact_lock({SLOW_COMMIT_LOCK})"):
        await worker.start()
        await wait_for_lock_waits(database, 1)
        await worker.end()
        # Its commit goes on. The next refresh finds the same sessions, waits for the outcome, and
        # then adds to what that was.
        if scores_meanwhile:
            await score_again(database, board)
        await redis.delete(MUTEX_KEY)
        refreshing = asyncio.create_task(refresher.refresh())
        await wait_for_lock_waits(database, 2)
    await refreshing
    await check_board(database, redis)


async def test_failed_refresh_is_tried_again(
    database: Database, redis: Redis, worker: ForkedProgram, board: list[int]
) -> None:
    await score_again(database, board)
    async with hold_open(database, "SELECT FROM latest_refresh FOR UPDATE"):
        await worker.start()
        await wait_for_lock_waits(database, 1)
        await terminate_lock_holder(database)
        await terminate_lock_waits(database)
    # Nobody submits any more, and there is no scheduler.
    await wait_until_drained(database, redis, seconds=30)
    await check_standings(database, redis)


async def test_starting_api_asks_for_what_a_killed_one_did_not(
    database: Database, redis: Redis, settings: Settings, worker: ForkedProgram, board: list[int]
) -> None:
    await score_again(database, board)
    await worker.start()
    await wait_until_drained(database, redis)
    await wait_until(partial(is_gone, redis, MUTEX_KEY))
    # One that is killed after it has raised the flag and before it sends the message.
    await redis.set(DIRTY_KEY, b"1")
    await score_again(database, board)
    async with start_app(settings):
        await wait_until_drained(database, redis, seconds=30)
    await check_standings(database, redis)


async def is_gone(redis: Redis, key: str) -> bool:
    """Tell whether Redis holds nothing under this key."""
    return not await redis.exists(key)


async def test_api_killed_between_commit_and_answer(
    database: Database,
    redis: Redis,
    refresher: Refresher,
    settings: Settings,
    server_directory: Path,
    client: httpx.AsyncClient,
    board: list[int],
) -> None:
    score = {"user_id": board[0], "score": 11}
    headers = {"Idempotency-Key": "once"}
    async with (
        run_api_program(settings, server_directory / "moments-api.log") as (api, url),
        hold_answers(database, settings.require_database_url()),
        httpx.AsyncClient(base_url=url) as doomed,
    ):
        posting = asyncio.create_task(
            doomed.post("/api/leaderboard/submit", json=score, headers=headers)
        )
        await wait_until(partial(database.fetch, FIND_COMMITTED), seconds=60)
        await api.end()
        with pytest.raises(httpx.TransportError):
            await posting
    (kept,) = await wait_until(
        lambda: database.fetch("SELECT id FROM game_session WHERE idempotency_key = 'once'")
    )
    answer = await client.post("/api/leaderboard/submit", json=score, headers=headers)
    assert answer.json() == {"status": "success", "session_id": kept["id"]}
    await refresher.refresh()
    await check_board(database, redis)
