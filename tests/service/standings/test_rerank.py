"""Re-rank: competition ranks, stored where they changed, when it is due."""

import asyncio

import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.locks import WriterBusy, hold_rerank_lock
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank, rerank_if_due
from tests.support.factories import (
    find_global_season,
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.index_checks import assert_index_follows
from tests.support.waiting import wait_until


async def fetch_ranks(database: Database, season_id: int) -> dict[int, int | None]:
    rows = await database.fetch(
        "SELECT player_id, rank FROM ranked_standing WHERE season_id = $1", season_id
    )
    return {row["player_id"]: row["rank"] for row in rows}


async def test_rerank_gives_those_that_tie_one_rank(
    refresher: Refresher, database: Database
) -> None:
    a, b, c, d, e = await make_players_with_scores(database, [5, 9, 5, -1, 0])
    await refresher.refresh()
    season_id = await find_global_season(database)
    assert set((await fetch_ranks(database, season_id)).values()) == {None}
    outcome = await rerank(database)
    assert outcome.ranks == 5
    assert await fetch_ranks(database, season_id) == {b: 1, a: 2, c: 2, e: 4, d: 5}


async def test_rerank_ranks_every_open_season_by_its_own_order(
    refresher: Refresher, database: Database
) -> None:
    golf = await make_season(database, "golf", direction="low")
    closed = await make_season(database, "closed")
    a, b, c = await make_players_with_scores(database, [3, 1, 3])
    await refresher.refresh()
    await database.fetch(
        "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1", closed
    )
    await rerank(database)
    assert await fetch_ranks(database, golf) == {b: 1, a: 2, c: 2}
    assert await fetch_ranks(database, closed) == {a: None, b: None, c: None}


async def test_rerank_writes_only_blocks_with_a_change(
    refresher: Refresher, database: Database
) -> None:
    # The last three are of a block of their own.
    user_ids = await make_players_with_scores(database, [1000 - n for n in range(258)])
    assert [user_id >> 8 for user_id in user_ids[-4:]] == [0, 1, 1, 1]
    b, c = user_ids[-2:]
    await refresher.refresh()
    assert (await rerank(database)).ranks == 258
    # What was stored, as the status tells it: all ranks of each block that was written.
    assert (await rerank(database)).ranks == 0
    await record_scores(database, (c, 1))
    await refresher.refresh()
    assert (await rerank(database)).ranks == 3
    ranks = await fetch_ranks(database, await find_global_season(database))
    assert (ranks[b], ranks[c]) == (257, 257)
    assert [ranks[user_id] for user_id in user_ids[:-2]] == list(range(1, 257))


async def test_rerank_forgets_blocks_in_which_nobody_stands(
    refresher: Refresher, database: Database
) -> None:
    await make_players_with_scores(database, [1000 - n for n in range(258)])
    await refresher.refresh()
    await rerank(database)
    await database.fetch("DELETE FROM standing WHERE player_id < 256")
    await rerank(database)
    blocks = await database.fetch("SELECT block, ranks FROM rank_block")
    assert [tuple(row) for row in blocks] == [(1, [1, 2, 3])]


async def test_rerank_is_due_once_standings_have_changed_and_some_time_has_passed(
    refresher: Refresher, database: Database
) -> None:
    assert await rerank_if_due(database) is None
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    first = await rerank_if_due(database)
    assert first is not None
    assert first.ranks == 1
    await record_scores(database, (user_id, 1))
    await refresher.refresh()
    assert await rerank_if_due(database) is None
    await database.fetch(
        "UPDATE database_state SET reranked_at = reranked_at - interval '1 minute'"
    )
    assert await rerank_if_due(database) is not None
    await database.fetch(
        "UPDATE database_state SET reranked_at = reranked_at - interval '1 minute'"
    )
    assert await rerank_if_due(database) is None


async def test_two_that_find_a_rerank_due_make_one(
    refresher: Refresher, database: Database, settings: Settings
) -> None:
    await make_players_with_scores(database, [1, 2])
    await refresher.refresh()
    # As two workers do, each with connections of its own.
    workers = [Database(settings, application_name="leaderboard tests") for _ in range(2)]
    for worker in workers:
        await worker.open()
    async with hold_rerank_lock(database, wait_seconds=1):
        both = [asyncio.create_task(rerank_if_due(worker)) for worker in workers]

        async def both_wait() -> bool:
            row = await database.fetch_one(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            return row is not None and row["count"] == 2

        await wait_until(both_wait)
    outcomes = await asyncio.gather(*both)
    assert sorted(outcome.ranks for outcome in outcomes if outcome is not None) == [2]
    for worker in workers:
        await worker.close()


async def test_lock_is_not_waited_for_without_end_and_outlives_idle_time_outs(
    database: Database, settings: Settings
) -> None:
    row = await database.fetch_one("SELECT current_database() AS name")
    assert row is not None
    await database.fetch(
        f"ALTER DATABASE {row['name']} SET idle_in_transaction_session_timeout = 100"
    )
    fresh = Database(settings, application_name="leaderboard tests")
    await fresh.open()
    async with hold_rerank_lock(fresh, wait_seconds=0):
        await fresh.fetch("SELECT pg_sleep(0.5)")
        async with asyncio.timeout(30):
            with pytest.raises(WriterBusy):
                async with hold_rerank_lock(fresh, wait_seconds=0):
                    pytest.fail("two hold the lock")
    await fresh.close()


async def test_rerank_takes_no_more_than_a_twentieth_of_the_time(
    refresher: Refresher, database: Database
) -> None:
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    await rerank(database)
    await record_scores(database, (user_id, 1))
    await refresher.refresh()
    # The last one took ten seconds and ended three minutes ago.
    await database.fetch(
        "UPDATE database_state SET rerank_ms = 10000, reranked_at = now() - interval '3 minutes'"
    )
    assert await rerank_if_due(database) is None
    await database.fetch("UPDATE database_state SET reranked_at = now() - interval '4 minutes'")
    assert await rerank_if_due(database) is not None


async def test_rerank_and_refresh_at_once_lose_no_score(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    user_ids = await make_players(database, 30)
    submitting = True

    async def rerank_again_and_again() -> None:
        while submitting:
            await rerank(database)

    reranking = asyncio.create_task(rerank_again_and_again())
    for line in range(30):
        await record_scores(database, *((user_id, user_id * line) for user_id in user_ids))
        await refresher.refresh()
    submitting = False
    await reranking
    await rerank(database)
    rows = await database.fetch("SELECT player_id, score FROM standing")
    assert {row["player_id"]: row["score"] for row in rows} == {
        user_id: user_id * sum(range(30)) for user_id in user_ids
    }
    ranks = await fetch_ranks(database, await find_global_season(database))
    assert [ranks[user_id] for user_id in reversed(user_ids)] == list(range(1, 31))
    await assert_index_follows(redis, database)


async def test_clock_that_was_set_back_holds_up_no_rerank(
    database: Database, refresher: Refresher
) -> None:
    await make_players_with_scores(database, [3, 1])
    await refresher.refresh()
    await database.fetch("UPDATE database_state SET reranked_at = now() + interval '1 hour'")
    assert await rerank_if_due(database) is not None
