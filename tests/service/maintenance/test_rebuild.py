"""`leaderboard rebuild`: standings, ranks and index again from the ledger."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.locks import hold_writer_lock
from service.errors import CacheUnavailable
from service.maintenance.audit import audit
from service.maintenance.rebuild import FIND_WRONG_STANDINGS, _mend_players, rebuild
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.validation import MAX_ID, MAX_SCORE
from tests.support.explaining import walk
from tests.support.factories import (
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.index_checks import assert_index_follows
from tests.support.waiting import wait_until

# As small boards are rebuilt, and in slices as large ones are.
AT_ONCE_AND_IN_SLICES = pytest.mark.parametrize("slice_standings", [1_000_000, 10])


async def read_standings(database: Database) -> list[tuple[object, ...]]:
    """Return all standings in all columns, and their stored ranks at the end."""
    rows = await database.fetch("SELECT * FROM ranked_standing ORDER BY season_id, player_id")
    return [tuple(row) for row in rows]


async def count_pending(database: Database) -> int:
    rows = await database.fetch("SELECT count(*) FROM pending_session")
    return int(rows[0]["count"])


DAMAGES = [
    "DELETE FROM standing",
    "UPDATE standing SET score = -score, sort_score = -sort_score WHERE player_id % 3 = 0",
    "UPDATE standing SET sessions = sessions + 1, reached_at = now()",
    "UPDATE rank_block SET ranks[1] = ranks[1] + 1",
    "DELETE FROM rank_block",
    "UPDATE season_refresh SET players = players + 5",
    """
    INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
    SELECT id, 999, 1, -1, 1, now() FROM season
    """,
    "INSERT INTO outbox (player_ids, session_ids) VALUES (ARRAY[1], ARRAY[999999])",
    "UPDATE standing SET session_id = session_id - 1 WHERE player_id % 2 = 0",
    "UPDATE standing SET session_id = NULL",
    "UPDATE standing SET reached_at = now() WHERE player_id = 2",
    "UPDATE standing SET tie_key = 1 WHERE player_id = 2",
    "UPDATE standing SET exact_total = exact_total + 1",
]


@AT_ONCE_AND_IN_SLICES
async def test_rebuild_mends(
    database: Database, settings: Settings, refresher: Refresher, slice_standings: int
) -> None:
    settings = settings.model_copy(update={"slice_standings": slice_standings})
    user_ids = await make_players_with_scores(database, [5, 7, 7, 0, -3, 12] * 5)
    await make_season(database, "low", direction="low")
    await record_scores(database, *((user_id, 4) for user_id in user_ids[::2]), game_mode="duo")
    await record_scores(database, (user_ids[0], MAX_SCORE))
    await refresher.refresh()
    await rebuild(settings)
    right = await read_standings(database)

    for damage in DAMAGES:
        await database.fetch(damage)
        assert not await audit(settings), damage
        await rebuild(settings)

        assert await read_standings(database) == right, damage
        assert await audit(settings), damage


@pytest.mark.parametrize("command", [rebuild, audit])
async def test_planner_knows_how_much_of_the_ledger_counts(
    database: Database,
    settings: Settings,
    command: Callable[[Settings], Coroutine[Any, Any, object]],
) -> None:
    user_ids = await make_players_with_scores(database, [1] * 1_000)
    await record_scores(database, *((user_id, 2) for user_id in user_ids * 4))
    await database.fetch("ANALYZE game_session, standing, player")

    await command(settings)

    query = FIND_WRONG_STANDINGS.partition(" AS\n")[2]
    plan = await database.fetch_value(f"EXPLAIN (FORMAT JSON) {query}", 0, MAX_ID, None)
    (earned,) = (
        node for node in walk(json.loads(plan)[0]["Plan"]) if node["Node Type"] == "Append"
    )
    assert earned["Plan Rows"] >= len(user_ids) / 2


@AT_ONCE_AND_IN_SLICES
async def test_rebuild_counts_sessions_where_they_count(
    database: Database, settings: Settings, refresher: Refresher, slice_standings: int
) -> None:
    settings = settings.model_copy(update={"slice_standings": slice_standings})
    now = datetime.now(UTC)
    await make_season(database, "duo", game_mode="duo")
    await make_season(database, "low", direction="low")
    await make_season(database, "past", ends_at=now - timedelta(days=1))
    await make_season(database, "to come", starts_at=now + timedelta(days=1))
    await make_season(database, "best", operator="best")
    user_ids = await make_players_with_scores(database, [5, 7, 7, 0, -3])
    await record_scores(database, *((user_id, 4) for user_id in user_ids[:3]), game_mode="duo")
    await refresher.refresh()
    folded = [row[:-1] for row in await read_standings(database)]

    await database.fetch("DELETE FROM standing")
    await rebuild(settings)

    assert [row[:-1] for row in await read_standings(database)] == folded
    assert await audit(settings)


@pytest.mark.parametrize("slice_standings", [1_000_000, 2])
async def test_rebuild_folds_what_is_pending_and_right(
    database: Database, settings: Settings, refresher: Refresher, slice_standings: int
) -> None:
    user_ids = await make_players_with_scores(database, [1, 2, 3, 4, 5])
    await refresher.refresh()
    # One commit whose sessions are right, in there twice, and not in the ledger.
    await record_scores(database, (user_ids[0], 10), (user_ids[4], 20))
    await database.fetch(
        """
        UPDATE outbox SET
            player_ids = player_ids || player_ids[1] || 1::bigint,
            session_ids = session_ids || session_ids[1] || 999::bigint
        """
    )
    await database.fetch("UPDATE standing SET score = 9, sort_score = -9 WHERE score = 5")

    await rebuild(settings.model_copy(update={"slice_standings": slice_standings}))

    assert await count_pending(database) == 0
    assert (await refresher.refresh()).sessions == 0
    rows = await database.fetch("SELECT score FROM standing ORDER BY player_id")
    assert [row["score"] for row in rows] == [11, 2, 3, 4, 25]
    assert await audit(settings)


async def test_rebuild_leaves_closed_seasons_alone(
    database: Database, settings: Settings, refresher: Refresher
) -> None:
    closed = await make_season(database, "closed")
    await make_players_with_scores(database, [1, 2, 3])
    await refresher.refresh()
    await rebuild(settings)
    await database.fetch(
        "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1", closed
    )
    await database.fetch("UPDATE rank_block SET ranks = '{77, 77, 77}'")

    await rebuild(settings)

    rows = await database.fetch("SELECT rank FROM ranked_standing WHERE season_id = $1", closed)
    assert [row["rank"] for row in rows] == [77, 77, 77]
    rows = await database.fetch("SELECT rank FROM ranked_standing WHERE season_id <> $1", closed)
    assert sorted(row["rank"] for row in rows) == [1, 2, 3]


async def test_rebuild_writes_only_what_is_wrong(
    database: Database, settings: Settings, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, [50, 40, 30, 20])
    await refresher.refresh()
    await rebuild(settings)
    before = await database.fetch("SELECT player_id, xmin FROM standing")
    await database.fetch("UPDATE standing SET sessions = 9 WHERE player_id = $1", user_ids[2])

    await rebuild(settings)

    after = await database.fetch("SELECT player_id, xmin FROM standing")
    untouched = {row["player_id"] for row in before} - {user_ids[2]}
    assert {tuple(row) for row in before if row["player_id"] in untouched} == {
        tuple(row) for row in after if row["player_id"] in untouched
    }


async def test_rebuild_is_of_a_whole_millisecond_as_every_refresh(
    database: Database, settings: Settings
) -> None:
    await make_players_with_scores(database, [5])
    await rebuild(settings)
    row = await database.fetch_one("SELECT refreshed_at FROM refresh_state")
    assert row is not None
    assert row["refreshed_at"].microsecond % 1_000 == 0


async def test_rebuild_leaves_what_is_committed_meanwhile_to_the_next_refresh(
    database: Database, settings: Settings, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, [1, 2, 3])
    await refresher.refresh()
    await database.fetch("DELETE FROM standing")
    await record_scores(database, (user_ids[0], 10))
    async with (
        hold_writer_lock(database, wait_seconds=5),
        database.snapshot(readonly=False) as connection,
    ):
        # Its snapshot is taken here.
        assert await connection.fetchval("SELECT count(*) FROM pending_session") == 1
        await record_scores(database, (user_ids[0], 100), (user_ids[1], 200))
        assert await _mend_players(connection, 0, MAX_ID, None) == 3

    assert await count_pending(database) == 3
    rows = await database.fetch("SELECT score FROM standing ORDER BY player_id")
    assert [row["score"] for row in rows] == [1, 2, 3]
    assert (await refresher.refresh()).sessions == 3
    rows = await database.fetch("SELECT score FROM standing ORDER BY player_id")
    assert [row["score"] for row in rows] == [111, 202, 3]
    assert await audit(settings)


@AT_ONCE_AND_IN_SLICES
async def test_rebuild_under_traffic_loses_and_doubles_nothing(
    database: Database, settings: Settings, redis: Redis, slice_standings: int
) -> None:
    changes = {"slice_standings": slice_standings, "refresh_interval_ms": 0}
    settings = settings.model_copy(update=changes)
    refresher = Refresher(database, redis, settings)
    user_ids = await make_players(database, 20)
    ended = asyncio.Event()
    submitted = 0

    async def submit() -> None:
        nonlocal submitted
        await record_scores(database, *((user_id, 1) for user_id in user_ids))
        submitted += len(user_ids)

    async def play() -> None:
        while not ended.is_set():
            # Nobody folds, so that the rebuild gets its turn to fold what is pending.
            await asyncio.gather(submit(), submit())
            await asyncio.gather(submit(), refresher.refresh())

    playing = asyncio.create_task(play())
    for _ in range(5):
        await rebuild(settings)
    assert await audit(settings)
    assert submitted > 0
    ended.set()
    await playing

    async def has_folded_all() -> bool:
        await refresher.refresh()
        return await count_pending(database) == 0

    await wait_until(has_folded_all)
    rows = await database.fetch(
        "SELECT sum(sessions) AS sessions, sum(score) AS score FROM standing"
    )
    assert tuple(rows[0]) == (submitted, submitted)
    assert await audit(settings)


async def test_rebuild_without_redis_mends_the_standings_and_says_so(
    database: Database, settings: Settings, refresher: Refresher
) -> None:
    await make_players_with_scores(database, [1, 2, 3])
    await refresher.refresh()
    await database.fetch("DELETE FROM standing")
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})

    with pytest.raises(CacheUnavailable, match="the standings are right"):
        await rebuild(nowhere)

    await refresher.refresh()
    assert await audit(settings)


async def test_rebuild_makes_the_index_again(
    database: Database, settings: Settings, refresher: Refresher, redis: Redis
) -> None:
    await make_players_with_scores(database, [1, 2, 3])
    await refresher.refresh()
    await redis.flushall()
    await rebuild(settings)
    assert await audit(settings)


async def test_refresh_tells_what_to_do_where_standings_were_changed_past_it(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    redis: Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, *_ = await make_players_with_scores(database, [30, 20, 10])
    await refresher.refresh()
    await database.fetch("DELETE FROM standing WHERE player_id = $1", first)
    await redis.flushall()
    await refresher.refresh()
    assert "`leaderboard rebuild` mends it" in caplog.text
    assert not await audit(settings)

    await rebuild(settings)

    assert await audit(settings)


@AT_ONCE_AND_IN_SLICES
async def test_rebuild_of_a_database_that_went_back_makes_the_index_again(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    redis: Redis,
    slice_standings: int,
) -> None:
    settings = settings.model_copy(update={"slice_standings": slice_standings})
    user_ids = await make_players_with_scores(database, [5, 7] * 6)
    await refresher.refresh()
    (backup,) = await database.fetch("SELECT epoch, number FROM refresh_state")
    (lost,) = await record_scores(database, (user_ids[0], 10))
    await rebuild(settings)
    # A backup of before is restored, which counts the same numbers again.
    await database.fetch("DELETE FROM game_session WHERE id = $1", lost)
    await database.fetch("UPDATE season_refresh SET number = $1", backup["number"])
    await database.fetch("UPDATE latest_refresh SET number = $1", backup["number"])
    await database.fetch("UPDATE database_state SET epoch = $1", backup["epoch"])
    await rebuild(settings)
    assert await audit(settings)
    await assert_index_follows(redis, database)
