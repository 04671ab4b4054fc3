"""A large season is re-ranked in slices, which a killed worker does not lose."""

import asyncio

import pytest

from service.backends.database import Database
from service.maintenance.audit import audit
from service.seasons.closing import STOP_RERANK
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import (
    BEGIN_SLICES,
    LIST_SLICES,
    RerankOutcome,
    rerank,
    rerank_if_due,
)
from tests.support.factories import (
    count_players,
    find_global_season,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.lock_waits import count_lock_waits
from tests.support.waiting import wait_until
from tests.support.worker_turn import killed_in_turn

PART = 2**20


async def fetch_ranks(database: Database, season_id: int) -> dict[int, int | None]:
    rows = await database.fetch(
        "SELECT player_id, rank FROM ranked_standing WHERE season_id = $1", season_id
    )
    return {row["player_id"]: row["rank"] for row in rows}


async def compute_ranks(database: Database, season_id: int) -> dict[int, int | None]:
    rows = await database.fetch(
        """
        SELECT player_id, rank() OVER (ORDER BY sort_score, tie_key)
        FROM standing WHERE season_id = $1
        """,
        season_id,
    )
    return {row["player_id"]: row["rank"] for row in rows}


async def make_far_players(database: Database) -> None:
    """Add players, in two further parts and in a block of their own each."""
    await database.fetch(
        f"""
        WITH made AS (
            INSERT INTO player (id, username)
            SELECT {PART} * part + {PART} - 300 * n, 'p' || part || '.' || n
            FROM generate_series(0, 2) part, generate_series(1, 3) n
            RETURNING id
        )
        INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
        SELECT season.id, made.id, made.id % 2, -(made.id % 2), 1, now() FROM season, made
        """
    )
    await count_players(database)


@pytest.mark.parametrize("slice_standings", [1, 2, 3, 7, 20, 21])
async def test_slices_come_to_the_same_ranks(
    refresher: Refresher, database: Database, slice_standings: int
) -> None:
    season_id = await find_global_season(database)
    duo = await make_season(database, "duo", game_mode="duo")
    golf = await make_season(database, "golf", direction="low")
    cup = await make_season(database, "cup", ties="first")
    user_ids = await make_players_with_scores(database, [5, 7, 7, 7, 7, 0, -3, 0, 0, 12, 1, 1])
    await record_scores(database, *((user_id, 4) for user_id in user_ids[::2]), game_mode="duo")
    await refresher.refresh()
    await make_far_players(database)
    for _ in range(2):
        outcome = await rerank(database, slice_standings)
        for season in (season_id, duo, golf, cup):
            assert await fetch_ranks(database, season) == await compute_ranks(database, season)
        assert outcome.number == 1
        # Ranks of a part that nobody stands in any more, and of a block.
        await database.fetch(
            "DELETE FROM standing WHERE player_id >= $1 OR player_id = $2", 2 * PART, PART - 300
        )
        await database.fetch("UPDATE standing SET score = 99, sort_score = 99 WHERE score = 0")
    rows = await database.fetch("SELECT count(*) AS blocks FROM rank_block WHERE block >= 8192")
    assert rows[0]["blocks"] == 0
    for table in ("rank_slice", "rerank_progress"):
        assert await database.fetch(f"SELECT FROM {table}") == []


async def test_standings_that_move_between_slices_keep_a_rank_and_have_one(
    refresher: Refresher, database: Database
) -> None:
    season_id = await find_global_season(database)
    user_ids = await make_players_with_scores(database, [100 - line for line in range(20)])
    await refresher.refresh()
    await rerank(database)
    await record_scores(database, *((user_id, 1) for user_id in user_ids))
    await refresher.refresh()
    # After the first slice, the last one rises past it, and the first one falls behind all.
    await database.fetch(
        """
        CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.slice = 1 THEN
                UPDATE standing SET score = score + 1000, sort_score = sort_score - 1000
                WHERE player_id = (SELECT max(player_id) FROM standing);
                UPDATE standing SET score = score - 1000, sort_score = sort_score + 1000
                WHERE player_id = (SELECT min(player_id) FROM standing);
            END IF;
            RETURN NULL;
        END $$
        """
    )
    await database.fetch(
        "CREATE TRIGGER moves AFTER UPDATE ON rerank_progress FOR EACH ROW EXECUTE FUNCTION move()"
    )
    await rerank(database, 5)
    ranks = await fetch_ranks(database, season_id)
    # He fell to the end of those that were ranked after him, and rose unseen.
    assert ranks[user_ids[0]] == 20
    assert ranks[user_ids[-1]] == 20
    assert [ranks[user_id] for user_id in user_ids[1:-1]] == list(range(2, 20))
    await database.fetch("DROP TRIGGER moves ON rerank_progress")
    await rerank(database, 5)
    assert await fetch_ranks(database, season_id) == await compute_ranks(database, season_id)


async def make_two_boards(refresher: Refresher, database: Database) -> tuple[int, int]:
    """Have three players stand on `global` and on a cup; return the two seasons."""
    season_id = await find_global_season(database)
    cup = await make_season(database, "cup")
    await make_players_with_scores(database, [5, 7, 7])
    await refresher.refresh()
    return season_id, cup


async def rerank_beside_closing(
    database: Database, closed: int, season_ids: list[int]
) -> RerankOutcome | None:
    """Go on with a re-rank of these seasons, of which one is closed meanwhile."""
    await database.fetch(BEGIN_SLICES, season_ids, 1)
    async with database.transaction() as connection:
        await connection.fetch(STOP_RERANK, closed)
        await connection.execute(
            "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1", closed
        )
        ranking = asyncio.create_task(rerank_if_due(database, 2))
        await wait_until(lambda: count_lock_waits(database))
    return await ranking


async def test_season_that_is_closed_before_its_next_slice_is_left_out(
    refresher: Refresher, database: Database
) -> None:
    season_id, cup = await make_two_boards(refresher, database)
    assert await rerank_beside_closing(database, cup, [season_id, cup]) is not None
    assert await fetch_ranks(database, season_id) == await compute_ranks(database, season_id)


async def test_rerank_of_which_all_has_closed_begins_anew(
    refresher: Refresher, database: Database
) -> None:
    season_id, cup = await make_two_boards(refresher, database)
    assert await rerank_beside_closing(database, cup, [cup]) is None
    outcome = await rerank_if_due(database, 2)
    assert outcome is not None
    assert outcome.number > 0
    assert await fetch_ranks(database, season_id) == await compute_ranks(database, season_id)


READ_PROGRESS = "SELECT slice, part FROM rerank_progress"


@pytest.mark.parametrize("reached", ["slice = 0", "slice = 2", "part = -1"])
async def test_killed_rerank_is_gone_on_with_from_where_it_was(
    refresher: Refresher, database: Database, settings: Settings, reached: str
) -> None:
    season_id = await find_global_season(database)
    user_ids = await make_players_with_scores(database, [line % 7 for line in range(25)])
    await refresher.refresh()
    # It waits at that moment for a lock of ours.
    await database.fetch(
        f"""
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF OLD.{reached} THEN PERFORM pg_advisory_xact_lock(4711); END IF;
            RETURN NEW;
        END $$
        """
    )
    await database.fetch(
        "CREATE TRIGGER waits BEFORE UPDATE ON rerank_progress FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(4711)")
        environment = {
            "DATABASE_URL": settings.require_database_url(),
            "REDIS_URL": settings.require_redis_url(),
            "LEADERBOARD_SLICE_STANDINGS": "5",
        }
        with killed_in_turn("rerank", environment):
            await wait_until(
                lambda: database.fetch(
                    "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
                    " AND NOT granted AND database ="
                    " (SELECT oid FROM pg_database WHERE datname = current_database())"
                ),
                seconds=30,
            )
        # The server may only find out when its statement ends.
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'leaderboard worker' AND datname = current_database()"
        )
    await database.fetch("DROP TRIGGER waits ON rerank_progress")
    (before,) = await database.fetch(LIST_SLICES)

    await database.fetch("CREATE TABLE seen AS SELECT 0 AS slice;")
    await database.fetch(
        """
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen VALUES (OLD.slice);
            RETURN NULL;
        END $$
        """
    )
    await database.fetch(
        "CREATE TRIGGER sees AFTER UPDATE ON rerank_progress FOR EACH ROW EXECUTE FUNCTION see()"
    )
    await record_scores(database, (user_ids[0], 0))
    await refresher.refresh()
    outcome = await rerank_if_due(database, 5)
    assert outcome is not None
    assert outcome.number == 1
    rows = await database.fetch("SELECT min(slice) AS slice FROM (SELECT * FROM seen OFFSET 1) s")
    assert rows[0]["slice"] == before["slice"]
    assert await fetch_ranks(database, season_id) == await compute_ranks(database, season_id)


async def test_rerank_of_another_ledger_is_not_gone_on_with(
    refresher: Refresher, database: Database, settings: Settings
) -> None:
    await make_players_with_scores(database, [3, 2, 1])
    await refresher.refresh()
    await database.fetch(
        "INSERT INTO rerank_progress (season_id, epoch, number, rank, ranked, sort_score)"
        " SELECT id, gen_random_uuid(), 0, 9, 9, -1 FROM season"
    )
    assert await rerank_if_due(database, 2) is not None
    season_id = await find_global_season(database)
    assert await fetch_ranks(database, season_id) == await compute_ranks(database, season_id)
    assert await audit(settings)
