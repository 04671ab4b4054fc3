"""`rebuild` and `populate` beside seasons that are still to be filled, or to be made."""

from datetime import timedelta

import httpx
import pytest

from service.backends.database import Database
from service.maintenance.audit import audit
from service.maintenance.populate import populate
from service.maintenance.rebuild import rebuild
from service.settings.settings import Settings
from tests.support.factories import make_player, record_scores
from tests.support.season_work import SeasonWorker, make_hourly, read_season_scores

# A fill takes a thousand at first.
PLAYERS_BETWEEN = 1_500


async def make_board(client: httpx.AsyncClient, **rule: object) -> None:
    made = await client.put("/api/boards/cup", json=rule)
    assert made.status_code == 201, made.text


async def begin_again(client: httpx.AsyncClient, begin: str) -> None:
    """Have the board counted from the ledger."""
    if begin == "recount":
        await make_board(client)
        recounted = await client.patch(
            "/api/boards/cup",
            json={"operator": "latest", "apply": "recount"},
            headers={"If-Match": "*"},
        )
        assert recounted.status_code == 200, recounted.text
    else:
        await make_board(client, operator="latest", count_from="ever")


@pytest.mark.parametrize("begin", ["create", "recount"])
async def test_rebuild_folds_into_a_season_that_is_being_filled(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    begin: str,
) -> None:
    ada = await make_player(database)
    await database.fetch(
        "INSERT INTO player (username) SELECT 'between ' || n FROM generate_series(1, $1::int) n",
        PLAYERS_BETWEEN,
    )
    ben = await make_player(database)
    await begin_again(client, begin)
    assert await worker.keep()
    (season,) = await database.fetch(
        "SELECT fill_from_player FROM season WHERE fill_from_player IS NOT NULL"
    )
    assert ada < season["fill_from_player"] < ben
    await record_scores(database, (ada, 5), (ben, 7))
    await rebuild(settings)
    await worker.work()
    await worker.work()
    assert await read_season_scores(database, 1) == {ada: 5, ben: 7}
    assert await audit(settings)


@pytest.fixture
async def sleeper(client: httpx.AsyncClient, database: Database, worker: SeasonWorker) -> int:
    """Make a board that slept through two ends, and a player with scores in its seasons 3 and 4."""
    await make_board(client, schedule=make_hourly())
    ada = await make_player(database)
    await worker.work()
    slept = timedelta(hours=3)
    await database.fetch(
        """
        UPDATE season SET starts_at = starts_at - $1::interval, ends_at = ends_at - $1::interval
        FROM board WHERE board.id = board_id AND slug = 'cup'
        """,
        slept,
    )
    await database.fetch(
        "UPDATE database_state SET seasons_until = seasons_until - $1::interval", slept
    )
    earlier, _ = await record_scores(database, (ada, 4), (ada, 2))
    await database.fetch(
        "UPDATE game_session SET submitted_at = submitted_at - interval '1 hour' WHERE id = $1",
        earlier,
    )
    return ada


async def test_rebuild_makes_the_seasons_first_that_nobody_made_in_time(
    database: Database, settings: Settings, worker: SeasonWorker, sleeper: int
) -> None:
    await rebuild(settings)
    assert await read_season_scores(database, 3) == {sleeper: 4}
    assert await read_season_scores(database, 4) == {sleeper: 2}
    await worker.work()
    assert await read_season_scores(database, 3) == {sleeper: 4}
    assert await read_season_scores(database, 4) == {sleeper: 2}
    assert await audit(settings)


async def test_populate_makes_the_seasons_first_that_nobody_made_in_time(
    database: Database, settings: Settings, worker: SeasonWorker, sleeper: int
) -> None:
    await populate(settings, players=20, sessions=200, seed=1, reset=False, board="cup")
    await worker.work()
    scores = await read_season_scores(database, 4)
    assert scores.pop(sleeper) == 2
    assert scores
    assert await audit(settings)
