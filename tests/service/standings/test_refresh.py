"""P1: every session is folded into every matching season once, and the index follows."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.locks import Lease, LeaseLost, hold_writer_lock
from service.backends.redis import DIRTY_KEY, MUTEX_KEY, SeasonKeys, connect_redis
from service.boards.finder import LIST_OPEN_SEASONS
from service.errors import DatabaseUnavailable
from service.settings.settings import Settings
from service.standings.reads.lag import READ_PROGRESS
from service.standings.reads.stored import READ_FACTS
from service.standings.refresh.refresh import (
    FIND_PENDING,
    FOLD_SESSIONS,
    NUMBER_REFRESH,
    NUMBER_SEASONS,
    RECORD_REFRESH_TIME,
    Refresher,
    RefreshOutcome,
)
from tests.support.factories import (
    find_global_season,
    make_player,
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.fire.board import terminate_lock_holder
from tests.support.index_checks import (
    NOBODY_LISTENS,
    assert_index_follows,
    read_offset,
    read_standings,
)
from tests.support.lock_waits import count_lock_waits
from tests.support.waiting import wait_until


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
    for _ in range(10):
        await record_scores(database, *((user_id, 1) for user_id in user_ids))
    async with connect_refresher(settings, refresh_batch_limit=7, refresh_interval_ms=0) as small:
        outcome = await small.refresh()
    assert (outcome.sessions, outcome.more) == (100, False)
    # What one commit put into the outbox is claimed as a whole.
    assert await fetch_number(database) == 10
    await assert_index_follows(redis, database)


async def test_few_sessions_are_not_waited_with_for_long(
    database: Database, settings: Settings
) -> None:
    user_ids = await make_players(database, 1)
    async with connect_refresher(settings, refresh_interval_ms=60_000) as slow:
        await record_scores(database, (user_ids[0], 1))
        async with asyncio.timeout(30):
            assert await slow.refresh() == RefreshOutcome(sessions=1, more=False)


async def test_many_sessions_are_waited_with_for_the_interval(
    database: Database, settings: Settings
) -> None:
    user_ids = await make_players(database, 50)
    async with connect_refresher(settings, refresh_interval_ms=500) as slow:
        await record_scores(database, *((user_id, 1) for user_id in user_ids))
        began_at = time.monotonic()
        assert await slow.refresh() == RefreshOutcome(sessions=50, more=False)
        assert time.monotonic() - began_at >= 0.5


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


async def test_of_two_folds_at_once_the_first_session_of_equal_scores_stays(
    database: Database,
) -> None:
    season_id = await make_season(database, "laps", operator="best", ties="first")
    user_id = await make_player(database)
    (first,) = await record_scores(database, (user_id, 5))
    await record_scores(database, (user_id, 5))
    async with database.transaction() as connection:
        await connection.fetch(FOLD_SESSIONS, 1)
        # It sees no standing of the player, and waits for this one.
        later = asyncio.create_task(database.fetch(FOLD_SESSIONS, 10))
        await wait_until(lambda: database.fetch("SELECT FROM pg_locks WHERE NOT granted"))
    await later
    assert await count_pending(database) == 0
    rows = await database.fetch(
        "SELECT session_id, tie_key FROM standing WHERE season_id = $1", season_id
    )
    assert [tuple(row) for row in rows] == [(first, first)]


async def test_find_pending_sees_what_a_fold_has_claimed_until_it_commits(
    database: Database,
) -> None:
    assert not await database.fetch_value(FIND_PENDING)
    await make_players_with_scores(database, [5])
    async with database.transaction() as connection:
        await connection.fetch(FOLD_SESSIONS, 10)
        assert await database.fetch_value(FIND_PENDING)
    assert not await database.fetch_value(FIND_PENDING)


async def test_writer_that_lost_its_lock_folds_no_more(
    database: Database, redis: Redis, settings: Settings
) -> None:
    calls = 0

    async def lose_lock(_: Lease) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            await terminate_lock_holder(database)
        # Between two of these it takes in that its connection is gone.
        return calls < 20

    refresher = Refresher(database, redis, settings, between_folds=lose_lock)
    with pytest.raises(LeaseLost):
        await refresher.refresh()
    assert calls < 20, "it went on for as long as there was something to do"


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
    await database.fetch(
        "INSERT INTO outbox (player_ids, session_ids) VALUES (ARRAY[$1::bigint], '{999999}')",
        user_id,
    )
    assert (await refresher.refresh()).sessions == 2
    await database.fetch(
        "INSERT INTO outbox (player_ids, session_ids) VALUES (ARRAY[$1::bigint], '{999999}')",
        user_id,
    )
    assert (await refresher.refresh()).sessions == 1
    rows = await database.fetch("SELECT player_id, score FROM standing")
    assert [tuple(row) for row in rows] == [(user_id, 5)]
    await assert_index_follows(redis, database)


async def test_commit_that_began_before_what_was_folded_is_folded_too(
    refresher: Refresher, database: Database, settings: Settings
) -> None:
    first, second = await make_players(database, 2)
    late = await asyncpg.connect(settings.require_database_url())
    async with late.transaction():
        await late.execute(
            """
            WITH recorded AS (
                INSERT INTO game_session (player_id, score) VALUES ($1, 7) RETURNING player_id, id
            )
            INSERT INTO outbox (player_ids, session_ids)
            SELECT ARRAY[player_id], ARRAY[id] FROM recorded
            """,
            first,
        )
        await record_scores(database, (second, 5))
        assert (await refresher.refresh()).sessions == 1
    await late.close()
    assert (await refresher.refresh()).sessions == 1
    rows = await database.fetch("SELECT score FROM standing ORDER BY player_id")
    assert [row["score"] for row in rows] == [7, 5]


async def test_season_that_somebody_else_changes_meanwhile_is_not_skipped(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    await record_scores(database, (user_id, 2))
    async with database.transaction() as other:
        await other.execute("UPDATE season_refresh SET players = players")
        refresh = asyncio.create_task(refresher.refresh())
        await wait_until(lambda: count_lock_waits(database))
    # By the version of PostgreSQL it is counted with the other's change, or tried again.
    with suppress(DatabaseUnavailable):
        await refresh
    await refresher.refresh()
    await assert_index_follows(redis, database)
    assert [row["score"] for row in await database.fetch("SELECT score FROM standing")] == [3]


async def explain(database: Database, statement: str, *values: object) -> dict[str, Any]:
    """Run a statement and take it back; return the plan with what each node of it looked at."""
    async with database.connect() as connection:
        transaction = connection.transaction()
        await transaction.start()
        explained = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values
        )
        await transaction.rollback()
    plan: dict[str, Any] = json.loads(explained)[0]["Plan"]
    return plan


def count_pages(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


async def count_pages_of_claim(database: Database) -> int:
    """Return how many pages of outbox and index a fold looks at to find what to claim."""
    nodes = [await explain(database, FOLD_SESSIONS, 10_000)]
    for node in nodes:
        nodes.extend(node.get("Plans", ()))
    (claim,) = [node for node in nodes if node.get("Index Name") == "outbox_transaction_id"]
    return count_pages(claim)


async def test_season_that_closes_before_its_fold_is_published_is_left_out(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    cup = await make_season(database, "cup")
    await make_players_with_scores(database, [5])
    async with hold_writer_lock(database, wait_seconds=1) as lease:
        fold = await refresher._fold(lease)
    # By who took the lock of a worker that stood still.
    await database.fetch(
        "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1", cup
    )
    await refresher._publish(fold, 0.0)
    assert not await redis.exists(SeasonKeys.of(cup).offset)
    assert (await refresher.refresh()).sessions == 0


async def test_rows_that_each_refresh_changes_cost_as_much_under_a_snapshot(
    refresher: Refresher, database: Database, settings: Settings
) -> None:
    await make_players_with_scores(database, [1])
    await refresher.refresh()
    season_id = await find_global_season(database)
    statements = (
        (FIND_PENDING,),
        (FOLD_SESSIONS, 10_000),
        (NUMBER_REFRESH, 0, None, None),
        (NUMBER_SEASONS, [season_id], [0], 1_000_000, 0),
        (RECORD_REFRESH_TIME, 5.0),
        (READ_PROGRESS, [season_id]),
        (READ_FACTS, season_id),
        (LIST_OPEN_SEASONS,),
    )
    before = [count_pages(await explain(database, *statement)) for statement in statements]
    snapshot = await asyncpg.connect(settings.require_database_url())
    async with snapshot.transaction(isolation="repeatable_read"):
        await snapshot.execute("SELECT FROM board")
        async with database.connect() as connection:
            for _ in range(3_000):
                numbered = await connection.fetchrow(NUMBER_REFRESH, 0, None, None)
                assert numbered is not None
                await connection.fetch(NUMBER_SEASONS, [season_id], [0], numbered["number"], 0)
                await connection.fetch(RECORD_REFRESH_TIME, 5.0)
            # As autovacuum does once a minute.
            await connection.execute("ANALYZE latest_refresh, season_refresh")
        after = [count_pages(await explain(database, *statement)) for statement in statements]
    await snapshot.close()
    assert all(now < then + 20 for then, now in zip(before, after, strict=True)), (before, after)


async def test_what_a_snapshot_pins_costs_no_fold_anything(
    refresher: Refresher, database: Database, settings: Settings
) -> None:
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    snapshot = await asyncpg.connect(settings.require_database_url())
    async with snapshot.transaction(isolation="repeatable_read"):
        await snapshot.execute("SELECT FROM outbox")
        await database.fetch(
            "INSERT INTO outbox (player_ids, session_ids)"
            " SELECT ARRAY[$1::bigint], ARRAY[1000 + number] FROM generate_series(1, 5000) number",
            user_id,
        )
        assert (await refresher.refresh()).sessions == 5_000
        await record_scores(database, (user_id, 1))
        assert await count_pages_of_claim(database) < 10
        # What it would be without the place to begin at.
        await database.fetch("UPDATE latest_refresh SET outbox_from = 0")
        assert await count_pages_of_claim(database) > 50
    await snapshot.close()


async def test_database_with_another_clusters_transactions_is_folded(
    refresher: Refresher, database: Database
) -> None:
    """A dump that was restored: what it says of transactions lies in the future, or in the past."""
    (user_id,) = await make_players_with_scores(database, [1])
    await database.fetch("UPDATE latest_refresh SET outbox_from = 1000000000000")
    assert (await refresher.refresh()).sessions == 1

    await record_scores(database, (user_id, 1))
    await database.fetch("UPDATE outbox SET transaction_id = 1")
    assert (await refresher.refresh()).sessions == 0
    await refresher.recheck_outbox()
    assert (await refresher.refresh()).sessions == 1


async def test_index_of_refreshes_that_a_promoted_standby_lacks_is_not_added_to(
    refresher: Refresher, database: Database, settings: Settings, redis: Redis
) -> None:
    """It counts their numbers again, with as many players, while Redis is away."""
    first, second = await make_players_with_scores(database, [10, 20])
    await refresher.refresh()
    tables = ("game_session", "standing", "season_refresh", "latest_refresh")
    for table in tables:
        await database.fetch(f"CREATE TABLE standby_{table} AS TABLE {table}")
    await record_scores(database, (first, 100))
    await refresher.refresh()

    for table in tables:
        await database.fetch(f"DELETE FROM {table}")
        await database.fetch(f"INSERT INTO {table} TABLE standby_{table}")
    await record_scores(database, (second, 5))
    async with connect_refresher(settings, redis_url=NOBODY_LISTENS) as blind:
        assert (await blind.refresh()).sessions == 1
    await record_scores(database, (second, 1))
    assert (await refresher.refresh()).sessions == 1
    await assert_index_follows(redis, database)
