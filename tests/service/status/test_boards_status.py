"""What status and metrics tell of boards: how many, and what seasons at work wait for."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.settings.settings import Settings
from service.status.status import READ_PENDING
from tests.support.factories import make_players, make_season, record_scores
from tests.support.season_work import SeasonWorker


async def read_boards(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/api/ops/status")
    assert response.status_code == 200, response.text
    boards: dict[str, Any] = response.json()["boards"]
    return boards


async def test_season_that_is_over_tells_what_it_waits_for(
    client: httpx.AsyncClient, database: Database, redis: Redis, settings: Settings
) -> None:
    worker = SeasonWorker(database, redis, settings)
    await client.put("/api/boards/cup", json={})
    async with database.transaction() as frozen:
        pid = await frozen.fetchval("SELECT pg_backend_pid() FROM ledger_time()")
        await client.post("/api/boards/cup/seasons/current/close")
        async with database.transaction() as later:
            await later.execute("SELECT ledger_time()")
            await worker.refresher.refresh()
            (ending,) = (await read_boards(client))["ending"]
    assert (ending["board"], ending["season"], ending["waits_for"]) == ("cup", 1, "writers")
    assert [writer["pid"] for writer in ending["writers"]] == [pid]
    (ending,) = (await read_boards(client))["ending"]
    assert (ending["waits_for"], ending["writers"]) == ("folds", [])
    await worker.refresher.refresh()
    (ending,) = (await read_boards(client))["ending"]
    assert ending["waits_for"] == "closing"
    await worker.work()
    assert (await read_boards(client))["ending"] == []


async def test_season_that_is_filled_tells_how_far_it_is(
    client: httpx.AsyncClient, database: Database
) -> None:
    players = await make_players(database, 4)
    await record_scores(database, *((user_id, 1) for user_id in players))
    await client.put("/api/boards/cup", json={"count_from": "ever"})
    boards = await read_boards(client)
    assert boards["count"] == 2
    assert [(one["board"], one["season"]) for one in boards["filling"]] == [("cup", 1)]
    assert 0 <= boards["filling"][0]["percent"] <= 100


async def test_what_waits_is_told_of_each_board_where_it_will_count(
    client: httpx.AsyncClient, database: Database, redis: Redis, settings: Settings
) -> None:
    for slug, rule in {"duos": {"game_mode": "duo"}, "big": {"min_score": 10}}.items():
        assert (await client.put(f"/api/boards/{slug}", json=rule)).status_code == 201
    assert (await client.put("/api/boards/old", json={})).status_code == 201
    assert (await client.post("/api/boards/old/archive")).status_code == 200
    one, two = await make_players(database, 2)
    await record_scores(database, (one, 9), (two, 10))
    await record_scores(database, (one, 3), game_mode="duo")
    boards = await read_boards(client)
    assert boards["pending_limit"] == 1_000
    assert {board["board"]: board["sessions"] for board in boards["pending"]} == {
        "big": 1,
        "duos": 1,
        "global": 3,
    }
    waits = {board["board"]: board["oldest_seconds"] for board in boards["pending"]}
    assert 0 < waits["duos"] < waits["big"] == waits["global"]
    await SeasonWorker(database, redis, settings).work()
    assert (await read_boards(client))["pending"] == []


async def test_of_many_that_wait_the_oldest_are_looked_at(database: Database) -> None:
    (player,) = await make_players(database, 1)
    await record_scores(database, *((player, 1) for _ in range(5)))
    await record_scores(database, (player, 1))
    rows = await database.fetch(READ_PENDING, 3)
    assert [(row["board"], row["sessions"]) for row in rows] == [("global", 3)]


@pytest.mark.parametrize("others", [0, 3])
async def test_metrics_have_a_label_for_no_more_than_twenty_boards(
    client: httpx.AsyncClient, database: Database, redis: Redis, settings: Settings, others: int
) -> None:
    for number in range(19 + others):
        await make_season(database, f"b-{number:02}", game_mode="duo")
    players = await make_players(database, 2)
    await record_scores(database, (players[0], 1), game_mode="duo")
    await record_scores(database, (players[1], 1))
    await SeasonWorker(database, redis, settings).work()
    lines = (await client.get("/metrics")).text.splitlines()
    labelled = [line for line in lines if line.startswith("leaderboard_board_players{")]
    assert labelled[0] == 'leaderboard_board_players{board="global"} 2.0'
    assert labelled[-1] == f'leaderboard_board_players{{board="OTHERS"}} {others}.0'
    assert len(labelled) == 21
