"""P1: every session is folded into every matching season once, and the index follows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import DIRTY_KEY, MUTEX_KEY, connect_redis
from service.settings.settings import Settings
from service.standings.refresh.refresh import FOLD_SESSIONS, Refresher
from tests.support.factories import (
    find_global_season,
    make_players,
    make_players_with_scores,
    record_scores,
)
from tests.support.index_checks import (
    assert_index_follows,
    read_offset,
    read_standings,
)

NOBODY_LISTENS = "redis://127.0.0.1:1"


@asynccontextmanager
async def connect_refresher(settings: Settings, **changes: object) -> AsyncIterator[Refresher]:
    """Another worker: a refresher with connections of its own."""
    settings = settings.model_copy(update=changes)
    database = Database(settings, application_name="leaderboard tests")
    redis = connect_redis(settings)
    await database.open()
    try:
        yield Refresher(database, redis, settings)
    finally:
        await redis.aclose()
        await database.close()


async def fetch_number(database: Database) -> int:
    row = await database.fetch_one("SELECT number FROM refresh_state")
    assert row is not None
    number = row["number"]
    assert isinstance(number, int)
    return number


async def count_pending(database: Database) -> int:
    return len(await database.fetch("SELECT session_id FROM pending_session"))


async def test_refresh_folds_what_is_pending_and_publishes_it(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    first, second = await make_players(database, 2)
    await record_scores(database, (first, 5), (second, -3), (first, 10))
    outcome = await refresher.refresh()
    assert (outcome.sessions, outcome.more) == (3, False)
    assert await count_pending(database) == 0
    season_id = await find_global_season(database)
    assert await read_standings(database, season_id) == {first: -15, second: 3}
    rows = await database.fetch("SELECT player_id, score, sessions FROM standing")
    assert {tuple(row) for row in rows} == {(first, 15, 2), (second, -3, 1)}
    await assert_index_follows(redis, database)


async def test_refresh_of_nothing_changes_nothing(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    await make_players_with_scores(database, [1])
    await refresher.refresh()
    number = await fetch_number(database)
    outcome = await refresher.refresh()
    assert (outcome.sessions, outcome.more) == (0, False)
    assert await fetch_number(database) == number
    await assert_index_follows(redis, database)


async def test_reached_at_is_the_time_of_the_last_session(
    refresher: Refresher, database: Database
) -> None:
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    await record_scores(database, (user_id, 1))
    await refresher.refresh()
    row = await database.fetch_one(
        "SELECT reached_at, (SELECT max(submitted_at) FROM game_session) AS last FROM standing"
    )
    assert row is not None
    assert row["reached_at"] == row["last"]


async def test_refresh_works_off_more_than_one_batch(
    settings: Settings, database: Database, redis: Redis
) -> None:
    user_ids = await make_players(database, 10)
    await record_scores(database, *((user_id, 1) for user_id in user_ids * 10))
    async with connect_refresher(settings, refresh_batch_limit=7, refresh_interval_ms=0) as small:
        outcome = await small.refresh()
    assert (outcome.sessions, outcome.more) == (100, False)
    assert await fetch_number(database) == 15
    await assert_index_follows(redis, database)


async def test_offset_moves_with_every_refresh(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    (user_id,) = await make_players_with_scores(database, [1])
    season_id = await find_global_season(database)
    for number in range(1, 5):
        await refresher.refresh()
        offset = await read_offset(redis, season_id)
        row = await database.fetch_one("SELECT epoch, refreshed_at FROM refresh_state")
        assert offset is not None
        assert row is not None
        assert (offset.epoch, offset.number) == (str(row["epoch"]), number)
        assert abs(offset.as_of - row["refreshed_at"]) <= timedelta(milliseconds=1)
        await record_scores(database, (user_id, 1))


async def test_racing_refreshers_fold_each_session_once(
    settings: Settings, database: Database, redis: Redis
) -> None:
    user_ids = await make_players(database, 20)
    sessions = 0
    recording = True

    async def record() -> None:
        nonlocal sessions
        for line in range(60):
            await record_scores(database, *((user_id, line + 1) for user_id in user_ids))
            sessions += len(user_ids)

    async def refresh(refresher: Refresher) -> int:
        folded = 0
        while recording or await count_pending(database):
            folded += (await refresher.refresh()).sessions
        return folded

    # Small batches and no Redis for one of the three: only the advisory lock is between them.
    async with (
        connect_refresher(settings, refresh_batch_limit=13, refresh_interval_ms=0) as one,
        connect_refresher(settings, refresh_batch_limit=17, refresh_interval_ms=0) as other,
        connect_refresher(settings, redis_url=NOBODY_LISTENS, refresh_interval_ms=0) as blind,
    ):
        refreshing = [asyncio.create_task(refresh(each)) for each in (one, other, blind)]
        await asyncio.gather(record(), record())
        recording = False
        assert sum(await asyncio.gather(*refreshing)) == sessions
        await one.refresh()
    rows = await database.fetch("SELECT score, sessions FROM standing")
    assert [tuple(row) for row in rows] == [(2 * sum(range(1, 61)), 120)] * 20
    await assert_index_follows(redis, database)


async def test_folds_at_once_lose_nothing_even_without_the_lock(database: Database) -> None:
    user_ids = await make_players(database, 5)
    await record_scores(database, *((user_id, 3) for user_id in user_ids * 40))

    async def fold() -> int:
        folded = 0
        while await count_pending(database):
            row = await database.fetch_one(FOLD_SESSIONS, 7)
            assert row is not None
            folded += row["sessions"]
        return folded

    assert sum(await asyncio.gather(*(fold() for _ in range(4)))) == 200
    rows = await database.fetch("SELECT score, sessions FROM standing")
    assert [tuple(row) for row in rows] == [(120, 40)] * 5


async def test_fold_that_fails_leaves_everything_pending(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    (user_id,) = await make_players_with_scores(database, [5])
    await database.fetch("ALTER TABLE standing ADD CONSTRAINT broken CHECK (score < 5)")
    with pytest.raises(Exception, match="broken"):
        await refresher.refresh()
    assert await count_pending(database) == 1
    assert await fetch_number(database) == 0
    await database.fetch("ALTER TABLE standing DROP CONSTRAINT broken")
    await refresher.refresh()
    season_id = await find_global_season(database)
    assert await read_standings(database, season_id) == {user_id: -5}
    await assert_index_follows(redis, database)


async def test_refresh_leaves_no_flag_and_no_mutex(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    await make_players_with_scores(database, [5])
    await redis.set(DIRTY_KEY, b"1")
    await refresher.refresh()
    assert await redis.exists(DIRTY_KEY, MUTEX_KEY) == 0


async def test_mutex_of_a_dead_worker_delays_a_refresh_but_does_not_stop_it(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    await make_players_with_scores(database, [5])
    await redis.set(MUTEX_KEY, b"somebody", px=1_000)
    outcome = await refresher.refresh()
    assert outcome.sessions == 1
    await assert_index_follows(redis, database)


async def test_refresh_passes_over_what_the_ledger_does_not_have(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    (user_id,) = await make_players_with_scores(database, [5])
    await database.fetch("INSERT INTO pending_session VALUES ($1, 999999)", user_id)
    assert (await refresher.refresh()).sessions == 2
    await database.fetch("INSERT INTO pending_session VALUES ($1, 999999)", user_id)
    assert (await refresher.refresh()).sessions == 1
    rows = await database.fetch("SELECT player_id, score FROM standing")
    assert [tuple(row) for row in rows] == [(user_id, 5)]
    await assert_index_follows(redis, database)
