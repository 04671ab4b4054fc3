"""Seasons end exactly once: nothing of one is lost, and nothing comes after its close."""

import asyncio
import itertools
import json
import os
import signal
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys
from service.boards.finder import LIST_OPEN_SEASONS
from service.maintenance.audit import audit
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.event_stream import EventStream, open_stream
from tests.support.factories import make_players, make_season, record_scores
from tests.support.season_work import SeasonWorker, make_hourly, read_season_scores
from tests.support.serving import serve_app
from tests.support.waiting import wait_until

HOUR = timedelta(hours=1)
# Of a season a minute.
SLEPT_DAYS = 3


async def make_board(client: httpx.AsyncClient, **rule: object) -> None:
    made = await client.put("/api/boards/cup", json=rule)
    assert made.status_code == 201, made.text


async def list_seasons(client: httpx.AsyncClient) -> list[tuple[int, str, int]]:
    seasons = (await client.get("/api/boards/cup/seasons")).json()["seasons"]
    return [(one["number"], one["state"], one["players"]) for one in seasons]


async def read_scores(client: httpx.AsyncClient, season: str) -> dict[int, int]:
    page = (await client.get("/api/boards/cup/page", params={"season": season})).json()
    return {entry["user_id"]: entry["score"] for entry in page["entries"]}


async def close(client: httpx.AsyncClient) -> None:
    closed = await client.post("/api/boards/cup/seasons/current/close")
    assert closed.status_code == 200, closed.text


async def put_back(database: Database, by: timedelta) -> None:
    """Let time pass for the board: its seasons are moved into the past."""
    await database.fetch(
        """
        UPDATE season SET starts_at = starts_at - $1::interval, ends_at = ends_at - $1::interval
        FROM board WHERE board.id = board_id AND slug = 'cup'
        """,
        by,
    )
    await database.fetch(
        "UPDATE database_state SET seasons_until = seasons_until - $1::interval", by
    )


async def test_season_closed_by_hand_keeps_its_result(
    client: httpx.AsyncClient,
    database: Database,
    redis: Redis,
    settings: Settings,
    worker: SeasonWorker,
) -> None:
    await make_board(client)
    ada, ben, cleo, dora = await make_players(database, 4)
    await record_scores(database, (ada, 5), (ben, 7), (cleo, 5), (dora, 1))
    # Not folded yet when it ends.
    await close(client)
    assert await list_seasons(client) == [(2, "open", 0), (1, "ending", 0)]
    await record_scores(database, (ada, 100))
    assert await worker.work() == 1
    assert await list_seasons(client) == [(2, "open", 1), (1, "closed", 4)]
    result = {ben: 7, ada: 5, cleo: 5, dora: 1}
    assert await read_scores(client, "1") == result
    assert await read_scores(client, "previous") == result
    assert await read_scores(client, "current") == {ada: 100}
    top = (await client.get("/api/boards/cup/top?season=previous")).json()
    assert [entry["rank"] for entry in top["entries"]] == [1, 2, 2, 4]
    assert top["season"]["state"] == "closed"
    assert "stale" not in top
    rank = (await client.get(f"/api/boards/cup/rank/{cleo}?season=1")).json()
    assert (rank["rank"], rank["players"]) == (2, 4)
    await database.fetch("UPDATE season SET closed_at = closed_at - interval '10 seconds'")
    await worker.work()
    (season_id,) = [
        row["id"]
        for row in await database.fetch("SELECT id FROM season WHERE closed_at IS NOT NULL")
    ]
    assert not await redis.keys(f"{SeasonKeys.of(season_id).index[:-5]}*")
    assert await worker.work() == 0
    assert await audit(settings)


async def test_season_closed_by_its_number_is_closed_once(
    client: httpx.AsyncClient, worker: SeasonWorker
) -> None:
    await make_board(client)
    address = "/api/boards/cup/seasons/1/close"
    answers = await asyncio.gather(*(client.post(address) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.json()["state"] for answer in answers} == {"ending"}
    assert len({answer.json()["ends_at"] for answer in answers}) == 1
    assert await list_seasons(client) == [(2, "open", 0), (1, "ending", 0)]
    await worker.work()
    again = await client.post(address)
    assert (again.status_code, again.json()["state"]) == (200, "closed")
    assert again.json() == (await client.get("/api/boards/cup/seasons/1")).json()
    assert await list_seasons(client) == [(2, "open", 0), (1, "closed", 0)]
    missing = await client.post("/api/boards/cup/seasons/3/close")
    assert (missing.status_code, missing.json()["code"]) == (404, "season_not_found")


async def test_archived_board_closes_no_season(client: httpx.AsyncClient) -> None:
    await make_board(client)
    await client.post("/api/boards/cup/seasons/1/close")
    await client.post("/api/boards/cup/archive")
    refused = await client.post("/api/boards/cup/seasons/2/close")
    assert (refused.status_code, refused.json()["code"]) == (409, "board_archived")
    assert (await client.post("/api/boards/cup/seasons/1/close")).json()["state"] == "ending"


async def test_submit_that_is_under_way_at_the_end_counts_before_it(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    ada, ben = await make_players(database, 2)
    async with database.transaction() as connection:
        at = await connection.fetchval("SELECT ledger_time()")
        await close(client)
        await record_scores(database, (ben, 9))
        assert await worker.work() == 0
        assert (await list_seasons(client))[-1][1] == "ending"
        # It took its time first and writes only now.
        await connection.execute(
            """
            WITH recorded AS (
                INSERT INTO game_session (player_id, score, submitted_at) VALUES ($1, 5, $2)
                RETURNING id
            )
            INSERT INTO outbox (player_ids, session_ids) SELECT ARRAY[$1], ARRAY[id] FROM recorded
            """,
            ada,
            at,
        )
    assert await worker.work() == 1
    assert await read_scores(client, "1") == {ada: 5}
    assert await read_scores(client, "2") == {ben: 9}


async def test_frozen_submit_holds_up_the_close_and_not_the_scores(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    async with database.transaction() as connection:
        await connection.fetchval("SELECT ledger_time()")
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        os.kill(pid, signal.SIGSTOP)
        try:
            await close(client)
            await record_scores(database, (ada, 9))
            assert await worker.work() == 0
            assert await list_seasons(client) == [(2, "open", 1), (1, "ending", 0)]
        finally:
            os.kill(pid, signal.SIGCONT)
    assert await worker.work() == 1


async def test_dump_holds_up_no_close(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    async with database.snapshot() as dump:
        await dump.execute("LOCK TABLE game_session, standing, season, outbox IN ACCESS SHARE MODE")
        await close(client)
        assert await worker.work() == 1


async def test_service_that_slept_makes_every_season(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly())
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 3))
    await worker.work()
    await put_back(database, 3 * HOUR)
    await database.fetch("UPDATE game_session SET submitted_at = submitted_at - interval '3 hours'")
    await record_scores(database, (ada, 4))
    # The third is closed as it is made.
    assert await worker.work() == 2
    assert await list_seasons(client) == [
        (4, "open", 1),
        (3, "closed", 0),
        (2, "closed", 0),
        (1, "closed", 1),
    ]
    assert await read_scores(client, "current") == {ada: 4}
    seasons = (await client.get("/api/boards/cup/seasons")).json()["seasons"]
    for later, earlier in itertools.pairwise(seasons):
        assert later["starts_at"] == earlier["ends_at"]
    assert await audit(settings)


@pytest.fixture
async def sleeper(client: httpx.AsyncClient, database: Database, worker: SeasonWorker) -> int:
    """Make a board that slept through two ends, and a player with scores in its seasons 1 and 4."""
    await make_board(client, schedule=make_hourly())
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 3))
    await worker.work()
    await put_back(database, 3 * HOUR)
    await database.fetch("UPDATE game_session SET submitted_at = submitted_at - interval '3 hours'")
    await record_scores(database, (ada, 4), (ada, 2))
    assert await list_seasons(client) == [(2, "ending", 0), (1, "ending", 1)]
    return ada


async def read_ends(client: httpx.AsyncClient) -> list[datetime]:
    """Return when the seasons end, the first one first; each begins where one ends."""
    seasons = (await client.get("/api/boards/cup/seasons")).json()["seasons"][::-1]
    for earlier, later in itertools.pairwise(seasons):
        assert later["starts_at"] == earlier["ends_at"]
    return [datetime.fromisoformat(season["ends_at"]) for season in seasons]


async def test_season_that_nobody_made_in_time_is_the_one_that_is_ended(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    sleeper: int,
) -> None:
    first, second = await read_ends(client)
    await close(client)
    await record_scores(database, (sleeper, 1))
    assert await worker.work() == 3
    assert await list_seasons(client) == [
        (5, "open", 1),
        (4, "closed", 1),
        (3, "closed", 0),
        (2, "closed", 0),
        (1, "closed", 1),
    ]
    ends = await read_ends(client)
    assert ends[:3] == [first, second, second + HOUR]
    assert second + HOUR < ends[3] < ends[4] == second + 2 * HOUR
    assert await read_scores(client, "4") == {sleeper: 6}
    assert await read_scores(client, "current") == {sleeper: 1}
    assert await audit(settings)


async def test_season_that_nobody_made_in_time_is_the_one_that_is_counted_anew(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    sleeper: int,
) -> None:
    before = await read_ends(client)
    changed = await client.patch(
        "/api/boards/cup",
        json={"operator": "best", "apply": "recount"},
        headers={"If-Match": "*"},
    )
    assert (changed.status_code, changed.json()["season"]["number"]) == (200, 4)
    await worker.work()
    await worker.work()
    assert await list_seasons(client) == [
        (4, "open", 1),
        (3, "closed", 0),
        (2, "closed", 0),
        (1, "closed", 1),
    ]
    ends = await read_ends(client)
    assert ends == [*before, before[1] + HOUR, before[1] + 2 * HOUR]
    assert await read_operators(database) == ["sum", "sum", "sum", "best", "best"]
    assert await read_season_scores(database, 4) == {sleeper: 4}
    assert await audit(settings)


@pytest.mark.parametrize("change", ["change", "archive"])
async def test_seasons_that_nobody_made_in_time_have_the_rule_of_their_time(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    sleeper: int,
    change: str,
) -> None:
    if change == "archive":
        await client.post("/api/boards/cup/archive")
    changed = await client.patch(
        "/api/boards/cup", json={"operator": "best"}, headers={"If-Match": "*"}
    )
    assert changed.json()["applies_from_season"] == 5
    if change == "archive":
        await client.post("/api/boards/cup/unarchive")
    for _ in range(3):
        await worker.work()
    assert await read_operators(database) == ["sum"] * 4 + ["best"]
    assert await read_season_scores(database, 4) == {sleeper: 6}
    assert await audit(settings)


async def read_operators(database: Database) -> list[str]:
    """Return by which operators the seasons of the board count, the first one first."""
    rows = await database.fetch(
        """
        SELECT operator FROM season JOIN board ON board.id = board_id
        JOIN rule ON rule.id = season.rule_id WHERE slug = 'cup' AND number > 0 ORDER BY number
        """
    )
    return [row["operator"] for row in rows]


async def test_season_ended_by_hand_ends_no_later_than_it_was_to(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly())
    (ada,) = await make_players(database, 1)
    ends_at = (await client.get("/api/boards/cup")).json()["season"]["ends_at"]
    await record_scores(database, (ada, 7))
    # The clock was ahead, and the next season had begun.
    await database.fetch(
        "UPDATE game_session SET submitted_at = $1", datetime.fromisoformat(ends_at)
    )
    await worker.work()
    await close(client)
    await worker.work()
    assert (await client.get("/api/boards/cup/seasons/1")).json()["ends_at"] == ends_at
    assert await read_scores(client, "current") == {ada: 7}
    assert await audit(settings)


async def test_what_was_revoked_before_the_end_is_not_in_the_result(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    ada, ben = await make_players(database, 2)
    cheat, _ = await record_scores(database, (ada, 5), (ben, 7))
    await worker.work()
    revoked = await client.post(f"/api/sessions/{cheat}/revoke", json={"reason": "speedhack"})
    assert revoked.status_code == 200
    await close(client)
    assert await worker.work() == 1
    assert await read_scores(client, "1") == {ben: 7}
    assert await audit(settings)


async def test_no_score_is_folded_for_which_the_season_is_not_there_yet(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    settings: Settings,
    worker: SeasonWorker,
) -> None:
    await make_board(client, schedule=make_hourly())
    (ada,) = await make_players(database, 1)
    await worker.work()
    await put_back(database, 3 * HOUR)
    await record_scores(database, (ada, 5))
    # Between the look at the seasons and the fold, time has passed.
    assert (await refresher.refresh()).sessions == 0
    await worker.work()
    assert await read_scores(client, "current") == {ada: 5}
    assert await audit(settings)


async def sleep_through(database: Database, slept: timedelta, dated: timedelta) -> int:
    """Have a board of a season a minute made, a score in its third, and one dated back."""
    (ada,) = await make_players(database, 1)
    await put_back(database, slept)
    (session_id,) = await record_scores(database, (ada, 4))
    await database.fetch(
        "UPDATE game_session SET submitted_at = submitted_at - $2::interval WHERE id = $1",
        session_id,
        dated,
    )
    return ada


async def check_missed(
    client: httpx.AsyncClient, database: Database, ada: int, slept: timedelta, dated: timedelta
) -> None:
    minutes = slept // timedelta(minutes=1)
    rows = await database.fetch(
        """
        SELECT number, starts_at, ends_at, closed_at IS NOT NULL AS is_closed, players, has_index
        FROM season_with_refresh JOIN board ON board.id = board_id WHERE slug = 'cup'
        ORDER BY number
        """
    )
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    for earlier, later in itertools.pairwise(rows):
        assert earlier["ends_at"] == later["starts_at"]
    assert minutes + 2 <= len(rows) <= minutes + 4
    *over, _, _ = rows
    assert all(row["is_closed"] for row in over)
    (counted,) = [row for row in rows if row["players"]]
    moment = datetime.now(UTC) - dated
    assert abs(counted["starts_at"] - moment) < timedelta(minutes=3)
    assert await read_scores(client, str(counted["number"])) == {ada: 4}
    empty = counted["number"] - 5
    answer = await client.get(f"/api/boards/cup/page?season={empty}")
    assert (answer.status_code, answer.json()["entries"]) == (200, [])
    assert answer.json()["season"]["state"] == "closed"


async def test_long_sleep_costs_seconds(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    slept, dated = timedelta(days=SLEPT_DAYS), timedelta(hours=5)
    await make_board(client, schedule={"cron": "* * * * *", "timezone": "UTC"})
    ada = await sleep_through(database, slept, dated)
    async with asyncio.timeout(60):
        await worker.work()
    await check_missed(client, database, ada, slept, dated)


async def test_long_archive_costs_seconds(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    slept, dated = timedelta(days=SLEPT_DAYS), timedelta(hours=5)
    await make_board(client, schedule={"cron": "* * * * *", "timezone": "UTC"})
    await client.post("/api/boards/cup/archive")
    await database.fetch("UPDATE board SET archived_at = archived_at - $1::interval", slept)
    ada = await sleep_through(database, slept, dated)
    await worker.work()
    async with asyncio.timeout(60):
        assert (await client.post("/api/boards/cup/unarchive")).status_code == 200
        await worker.work()
        await worker.work()
    await check_missed(client, database, ada, slept, dated)


async def test_frozen_writer_leaves_missed_seasons_to_be_sealed(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly())
    await worker.work()
    await put_back(database, 3 * HOUR)
    async with database.transaction() as connection:
        await connection.fetch("SELECT ledger_time()")
        assert await worker.work() == 0
        assert [state for _, state, _ in await list_seasons(client)] == ["open", *["ending"] * 3]
    assert await worker.work() == 3


async def test_many_seasons_that_a_frozen_writer_held_up_end_together(
    client: httpx.AsyncClient, database: Database, redis: Redis, worker: SeasonWorker
) -> None:
    await make_board(client, schedule={"cron": "* * * * *", "timezone": "UTC"})
    await worker.work()
    slept = timedelta(hours=2)
    await put_back(database, slept)
    async with database.transaction() as connection:
        await connection.fetch("SELECT ledger_time()")
        assert await worker.work() == 0
    before = await count_writes(database)
    assert await worker.work() >= slept // timedelta(minutes=1)
    await database.fetch("UPDATE season SET closed_at = closed_at - interval '1 minute'")
    await worker.work()
    # Some for all, and none for each.
    assert await count_writes(database) - before < 50
    left = await database.fetch("SELECT FROM season WHERE closed_at IS NOT NULL AND has_index")
    assert left == []
    kept = {
        SeasonKeys.of(season["season_id"]).offset
        for season in await database.fetch(LIST_OPEN_SEASONS)
    }
    assert {key.decode() async for key in redis.scan_iter("*:offset", 10_000)} <= kept


async def count_writes(database: Database) -> int:
    """Return how many transactions there were that wrote something."""
    row = await database.fetch_one("SELECT pg_current_xact_id()::text::bigint AS count")
    assert row is not None
    return int(row["count"])


async def test_clock_that_is_set_back_puts_nothing_into_a_closed_season(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 1))
    # The clock was an hour ahead until now.
    await database.fetch("UPDATE game_session SET submitted_at = submitted_at + interval '1 hour'")
    await worker.work()
    await close(client)
    await record_scores(database, (ada, 2))
    assert await worker.work() == 1
    assert await read_scores(client, "1") == {ada: 1}
    assert await read_scores(client, "2") == {ada: 2}
    assert (await list_seasons(client))[0] == (2, "open", 1)
    assert await audit(settings)


@pytest.fixture
async def past(database: Database) -> list[int]:
    """Three players with scores from before there is any board but `global`."""
    user_ids = await make_players(database, 3)
    ada, ben, cleo = user_ids
    await record_scores(database, (ada, 5), (ben, 7), (ada, 1), (cleo, 2))
    return user_ids


@pytest.mark.parametrize("operator", ["sum", "best", "latest"])
async def test_board_is_filled_from_the_past(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    past: list[int],
    operator: str,
) -> None:
    ada, ben, cleo = past
    await make_board(client, operator=operator, count_from="ever")
    filling = await client.get("/api/boards/cup/top")
    assert (filling.status_code, filling.json()["code"]) == (503, "board_filling")
    assert (await client.get("/api/boards/cup")).json()["state"] == "filling"
    await record_scores(database, (cleo, 1))
    await worker.work()
    of_ada = {"sum": 6, "best": 5, "latest": 1}[operator]
    of_cleo = {"sum": 3, "best": 2, "latest": 1}[operator]
    assert await read_scores(client, "current") == {ada: of_ada, ben: 7, cleo: of_cleo}
    assert (await client.get("/api/boards/cup")).json()["state"] == "open"
    assert await audit(settings)


async def test_board_counts_from_now_unless_told(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, past: list[int]
) -> None:
    await worker.work()
    await make_board(client)
    await record_scores(database, (past[0], 3))
    await worker.work()
    assert await read_scores(client, "current") == {past[0]: 3}


async def test_recount_swaps_the_standings(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    past: list[int],
) -> None:
    ada, ben, cleo = past
    await make_board(client, count_from="ever")
    await worker.work()
    cursor = (await client.get("/api/boards/cup/page?limit=1")).json()["next"]
    changed = await client.patch(
        "/api/boards/cup",
        json={"operator": "best", "direction": "low", "apply": "recount"},
        headers={"If-Match": "*"},
    )
    assert changed.status_code == 200
    assert await read_scores(client, "current") == {ada: 6, ben: 7, cleo: 2}
    await record_scores(database, (cleo, 9))
    await worker.work()

    async def is_swapped() -> bool:
        return await read_scores(client, "1") == {ada: 1, cleo: 2, ben: 7}

    # Other processes ask for the season anew each second.
    await wait_until(is_swapped)
    expired = await client.get("/api/boards/cup/page", params={"after": cursor})
    assert (expired.status_code, expired.json()["code"]) == (400, "cursor_expired")
    assert await audit(settings)
    await database.fetch(
        "UPDATE dropped_season SET dropped_at = dropped_at - interval '10 seconds'"
    )
    await worker.work()
    assert await database.fetch("SELECT season_id FROM dropped_season") == []


async def test_change_of_a_rule_waits_for_the_next_season(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await client.patch("/api/boards/cup", json={"operator": "best"}, headers={"If-Match": "*"})
    await record_scores(database, (ada, 5), (ada, 3))
    await worker.work()
    assert await read_scores(client, "current") == {ada: 8}
    await close(client)
    await record_scores(database, (ada, 5), (ada, 3))
    await worker.work()
    assert await read_scores(client, "current") == {ada: 5}
    assert await read_scores(client, "1") == {ada: 8}


async def test_archived_board_catches_up_when_it_is_back(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly())
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 1))
    await worker.work()
    archived = await client.post("/api/boards/cup/archive")
    assert (archived.status_code, archived.json()["state"]) == (200, "archived")
    await record_scores(database, (ada, 10))
    await worker.work()
    assert await read_scores(client, "current") == {ada: 1}
    assert await audit(settings)
    await put_back(database, 2 * HOUR)
    await database.fetch("UPDATE game_session SET submitted_at = submitted_at - interval '2 hours'")
    await database.fetch("UPDATE board SET archived_at = archived_at - interval '2 hours'")
    await record_scores(database, (ada, 100))
    back = await client.post("/api/boards/cup/unarchive")
    assert back.status_code == 200
    await worker.work()
    await worker.work()
    assert await read_scores(client, "1") == {ada: 11}
    assert await read_scores(client, "current") == {ada: 100}
    assert [state for _, state, _ in await list_seasons(client)] == ["open", "closed", "closed"]
    assert await audit(settings)


async def test_rule_of_a_season_that_ended_in_the_archive_is_one_too_many_for_nothing(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly())
    await worker.work()
    await client.post("/api/boards/cup/archive")
    changed = await client.patch(
        "/api/boards/cup", json={"game_mode": "duo"}, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200, changed.text
    for number in range(19):
        made = await client.put(f"/api/boards/b{number}", json={"game_mode": "solo"})
        assert made.status_code == 201
    # The season of that time counted solo, too.
    refused = await client.post("/api/boards/cup/unarchive")
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_boards")
    await put_back(database, 2 * HOUR)
    await database.fetch("UPDATE board SET archived_at = archived_at - interval '2 hours'")
    back = await client.post("/api/boards/cup/unarchive")
    assert back.status_code == 200, back.text


async def test_stream_waits_for_a_season_that_is_being_filled(
    settings: Settings, database: Database, worker: SeasonWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.standings.reads.top_feed._LOOK_AGAIN_SECONDS", 0.01)
    impatient = settings.model_copy(update={"stream_heartbeat_seconds": 0.1})
    stream_path = "/api/boards/cup/stream"
    async with serve_app(impatient) as (_, client):
        await make_board(client, count_from="ever", schedule=make_hourly())
        refused = await client.get(stream_path)
        assert (refused.status_code, refused.json()["code"]) == (503, "board_filling")
        assert int(refused.headers["retry-after"]) > 0
        await worker.work()
        async with open_stream(client, stream_path) as stream:
            assert (await stream.read_top())["season"]["number"] == 1
            await client.post("/api/boards/cup/archive")
            await put_back(database, 2 * HOUR)
            await database.fetch("UPDATE board SET archived_at = archived_at - interval '2 hours'")
            (ada,) = await make_players(database, 1)
            await record_scores(database, (ada, 1))
            assert (await client.post("/api/boards/cup/unarchive")).status_code == 200
            # The process asks for the season several times meanwhile.
            for _ in range(20):
                assert await stream.read_comment() == "still here"
            refused = await client.get("/api/boards/cup/top")
            assert (refused.status_code, refused.json()["code"]) == (503, "board_filling")
            await worker.work()
            while not (top := await stream.read_top())["entries"]:
                pass
            assert (top["season"]["number"], top["entries"][0]["user_id"]) == (3, ada)


async def test_all_seasons_that_an_archive_missed_are_counted_in_one_pass(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client, operator="best", schedule=make_hourly())
    await client.post("/api/boards/cup/archive")
    hours = 120
    await put_back(database, hours * HOUR)
    await database.fetch("UPDATE board SET archived_at = archived_at - $1::interval", hours * HOUR)
    user_ids = await make_players(database, 3)
    await record_scores(database, *((user_ids[n % 3], n) for n in range(2 * hours)))
    await database.fetch(
        "UPDATE game_session SET submitted_at = submitted_at - score * interval '30 minutes'"
    )
    await worker.work()
    await client.post("/api/boards/cup/unarchive")
    slices = 0
    while await worker.keep():
        slices += 1
    # The season that goes on, those that were missed, and the one of before, counted anew.
    assert slices <= 5
    await worker.work()
    seasons = (await client.get("/api/boards/cup/seasons?limit=1000")).json()["seasons"]
    assert sum(season["players"] for season in seasons) >= 2 * hours - 3
    # Two sessions an hour, of two players; the season that was archived began an hour ago.
    for season in seasons[1:-1]:
        assert (season["state"], season["players"]) == ("closed", 2)
    assert len(await read_scores(client, "60")) == 2
    assert await audit(settings)


async def test_import_dated_into_a_closed_season_is_kept_and_not_counted_there(
    client: httpx.AsyncClient, database: Database, redis: Redis, settings: Settings
) -> None:
    worker = SeasonWorker(database, redis, settings)
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    await make_season(database, "cup", starts_at=begin, ends_at=begin + timedelta(days=7))
    (user_id,) = await make_players(database, 1)
    await worker.work()
    before = (await client.get("/api/boards/cup/top?season=1")).json()
    assert before["season"]["state"] == "closed"
    line = {
        "user_id": user_id,
        "score": 5,
        "idempotency_key": "k",
        "submitted_at": (begin + timedelta(days=1)).isoformat(),
    }
    imported = await client.post(
        "/api/import/sessions",
        content=json.dumps(line),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert imported.json()["imported"] == 1
    await worker.work()
    assert (await client.get("/api/boards/cup/top?season=1")).json() == before
    assert (await client.get(f"/api/boards/cup/rank/{user_id}")).json()["rank"] is None
    assert (await client.get(f"/api/leaderboard/rank/{user_id}")).json()["total_score"] == 5
    exported = await client.get("/api/export/sessions?format=ndjson")
    assert json.loads(exported.text)["idempotency_key"] == "k"


async def test_stream_of_any_season_shows_its_end_and_its_correction(
    settings: Settings, database: Database, worker: SeasonWorker
) -> None:
    stream_path = "/api/boards/cup/stream"
    async with serve_app(settings) as (_, client):
        await make_board(client)
        ada, ben = await make_players(database, 2)
        (cheat,) = await record_scores(database, (ada, 9))
        await record_scores(database, (ben, 7))
        await worker.work()
        for season, code in ("2", "season_not_found"), ("previous", "season_not_found"):
            refused = await client.get(stream_path, params={"season": season})
            assert (refused.status_code, refused.json()["code"]) == (404, code)
        assert (await client.get(stream_path, params={"season": "last"})).status_code == 400

        async def read(stream: EventStream) -> tuple[int, str, int, list[int]]:
            top = await stream.read_top()
            season = top["season"]
            players = [entry["user_id"] for entry in top["entries"]]
            return season["number"], season["state"], season["revision"], players

        async with (
            open_stream(client, stream_path, season="1") as first,
            open_stream(client, stream_path) as current,
        ):
            assert await read(first) == await read(current) == (1, "open", 1, [ada, ben])
            await close(client)
            assert (await read(current))[:2] == (2, "open")
            await worker.work()
            while (shown := await read(first))[1] == "ending":
                pass
            assert shown == (1, "closed", 1, [ada, ben])
            async with open_stream(client, stream_path, season="previous") as previous:
                assert await read(previous) == shown
                await client.post(f"/api/sessions/{cheat}/revoke", json={"reason": "aimbot"})
                await worker.work()
                corrected = await client.post(
                    "/api/boards/cup/seasons/1/correct", json={"reason": "aimbot"}
                )
                assert corrected.status_code == 200, corrected.text
                assert await read(first) == await read(previous) == (1, "closed", 2, [ben])
                await client.patch(
                    f"/api/players/{ben}", json={"username": "benjamin", "reason": "asked"}
                )
                top = await previous.read_top()
                assert top["entries"][0]["username"] == "benjamin"
                await close(client)
                assert (await read(previous))[0] == 2


async def test_watched_result_is_read_again_after_acts_of_moderators_only(
    settings: Settings, database: Database, worker: SeasonWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.standings.reads.top_feed._LOOK_AGAIN_SECONDS", 0.01)
    async with serve_app(settings) as (_, client):
        await make_board(client)
        (ada,) = await make_players(database, 1)
        await record_scores(database, (ada, 9))
        await worker.work()
        await close(client)
        await worker.work()
        looks: set[datetime] = set()

        async def count_looks() -> int:
            """Count the looks at the log, none of which may lead to one at the standings."""
            rows = await database.fetch(
                """
                SELECT query_start, wait_event_type = 'Lock' AS is_waiting, query
                FROM pg_stat_activity
                WHERE datname = current_database() AND backend_type = 'client backend'
                """
            )
            assert not [row["query"] for row in rows if row["is_waiting"]]
            newest = [row for row in rows if row["query"].startswith("-- The newest acts")]
            looks.update(row["query_start"] for row in newest)
            return len(looks)

        async with open_stream(client, "/api/boards/cup/stream", season="previous") as stream:
            shown = await stream.read_top()
            assert shown["season"]["state"] == "closed"
            async with database.transaction() as connection, asyncio.timeout(15):
                await connection.execute("LOCK TABLE standing")
                while await count_looks() < 5:
                    pass
            await client.patch(f"/api/players/{ada}", json={"username": "eve", "reason": "asked"})
            assert (await stream.read_top())["entries"][0]["username"] == "eve"
