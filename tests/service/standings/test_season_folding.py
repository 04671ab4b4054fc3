"""Which sessions a season counts, and how a board turns them into an order."""

from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from service.backends.database import Database
from service.standings.refresh.refresh import Refresher
from service.standings.top import select_top
from tests.support.factories import (
    find_global_season,
    make_player,
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.index_checks import (
    assert_index_follows,
    read_index,
    read_offset,
    read_standings,
)


async def test_season_counts_its_game_mode_only(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    duo = await make_season(database, "duo", game_mode="duo")
    first, second = await make_players(database, 2)
    await record_scores(database, (first, 1), (second, 2))
    await record_scores(database, (first, 10), game_mode="duo")
    await record_scores(database, (first, 100), game_mode="Duo")
    await refresher.refresh()
    assert await read_standings(database, duo) == {first: -10}
    everything = await read_standings(database, await find_global_season(database))
    assert everything == {first: -111, second: -2}
    await assert_index_follows(redis, database)


async def test_season_counts_its_own_time_only(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    past = await make_season(database, "past", ends_at=noon)
    now = await make_season(database, "now", starts_at=noon, ends_at=noon + hour)
    future = await make_season(database, "future", starts_at=noon + hour)
    user_id = await make_player(database)
    moments = [noon - hour, noon, noon + hour / 2, noon + hour, noon + 2 * hour]
    session_ids = await record_scores(database, *((user_id, 10**line) for line in range(5)))
    for session_id, moment in zip(session_ids, moments, strict=True):
        await database.fetch(
            "UPDATE game_session SET submitted_at = $2 WHERE id = $1", session_id, moment
        )
    await refresher.refresh()
    assert await read_standings(database, past) == {user_id: -1}
    assert await read_standings(database, now) == {user_id: -110}
    assert await read_standings(database, future) == {user_id: -11_000}
    await assert_index_follows(redis, database)


async def test_closed_season_counts_nothing_any_more(
    refresher: Refresher, database: Database
) -> None:
    season_id = await make_season(database, "closed")
    (user_id,) = await make_players_with_scores(database, [5])
    await refresher.refresh()
    await database.fetch(
        "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1", season_id
    )
    await record_scores(database, (user_id, 5))
    await refresher.refresh()
    assert await read_standings(database, season_id) == {user_id: -5}
    assert await database.fetch("SELECT session_id FROM pending_session") == []


async def test_season_that_a_refresh_did_not_change_keeps_its_offset(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    duo = await make_season(database, "duo", game_mode="duo")
    user_id = await make_player(database)
    await record_scores(database, (user_id, 1), game_mode="duo")
    await refresher.refresh()
    for _ in range(3):
        await record_scores(database, (user_id, 1))
        await refresher.refresh()
    offset = await read_offset(redis, duo)
    assert offset is not None
    assert offset.number == 1
    await record_scores(database, (user_id, 1), game_mode="duo")
    await refresher.refresh()
    await assert_index_follows(redis, database)


async def test_low_board_ranks_the_lowest_first(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    golf = await make_season(database, "golf", direction="low")
    first, second, third = await make_players_with_scores(database, [70, -1, 70])
    await refresher.refresh()
    assert await read_standings(database, golf) == {first: 70, second: -1, third: 70}
    assert list(await read_index(redis, golf)) == [second, first, third]
    async with database.connect() as connection:
        top = await select_top(connection, golf, players=3, as_of=datetime.now(UTC))
    assert list(zip(top.user_ids, top.sort_scores, top.ranks, strict=True)) == [
        (second, -1, 1),
        (first, 70, 2),
        (third, 70, 2),
    ]
    await assert_index_follows(redis, database)
