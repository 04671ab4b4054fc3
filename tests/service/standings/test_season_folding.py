"""Which sessions a season counts, and how a board turns them into an order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations, product

from redis.asyncio import Redis

from service.backends.database import Database
from service.maintenance.audit import audit
from service.settings.settings import Settings
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


async def test_sessions_come_to_what_the_ledger_says_in_whatever_order_they_are_folded(
    refresher: Refresher, database: Database, redis: Redis, settings: Settings
) -> None:
    """A commit that began first may end last, and an import is of the past: no order is the rule.

    Every player has the same sessions, or those of the other sign, and another order of folding.
    """
    rules = product(("sum", "best", "latest"), ("high", "low"), ("shared", "first"))
    for operator, direction, ties in rules:
        slug = f"{operator}-{direction}-{ties}"
        await make_season(database, slug, operator=operator, direction=direction, ties=ties)
    await make_season(database, "bounded")
    await database.fetch(
        """
        UPDATE rule SET min_score = -2, max_score = 3
        WHERE id = (SELECT rule_id FROM board WHERE slug = 'bounded')
        """
    )
    # Scores and minutes: equal scores, equal times, no points, and the newest not the last.
    sessions = [(0, 1), (3, 1), (3, 2), (0, 2), (-2, 0)]
    orders = list(permutations(range(len(sessions))))
    user_ids = await make_players(database, 2 * len(orders))
    for begin, end in ((0, 1), (1, 3), (3, 5)):
        committed = [
            (user_id, len(sessions) * place + number + 1, (-1) ** place * score, minutes)
            for place, user_id in enumerate(user_ids)
            for number in orders[place // 2][begin:end]
            for score, minutes in [sessions[number]]
        ]
        await database.fetch(
            """
            WITH committed AS (
                SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
                    AS given (player_id, id, score, minutes)
            ),
            recorded AS (
                INSERT INTO game_session (player_id, id, score, submitted_at)
                SELECT player_id, id, score, '2026-11-23Z'::timestamptz + minutes * interval '1 m'
                FROM committed
            )
            INSERT INTO outbox (player_ids, session_ids)
            SELECT array_agg(player_id), array_agg(id) FROM committed
            """,
            *map(list, zip(*committed, strict=True)),
        )
        await refresher.refresh()
        assert await audit(settings)
    await assert_index_follows(redis, database)
