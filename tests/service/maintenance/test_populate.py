"""`leaderboard populate`: what it makes, that it makes the same again, and what a kill leaves."""

import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import find_names_bucket
from service.boards.finder import find_board
from service.boards.schemas import BoardRule
from service.boards.service import archive_board, create_board
from service.errors import CacheUnavailable, UsageError
from service.maintenance.audit import audit
from service.maintenance.populate import MAKE_PLAYERS, MAKE_SESSIONS, populate
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import (
    make_player,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.nursery import Forked, find_nursery
from tests.support.up_process import clean_environment, run_leaderboard
from tests.support.waiting import wait_until


async def count(database: Database, table: str) -> int:
    row = await database.fetch_one(f"SELECT count(*) AS rows FROM {table}")
    assert row is not None
    return int(row["rows"])


@contextmanager
def populating(settings: Settings, log: Path, *wanted: str) -> Iterator[Forked]:
    """Run the command until the end of the block, where it is killed."""
    environment = clean_environment() | {
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
    }
    arguments = ["populate", *wanted]
    with log.open("wb") as output:
        program = find_nursery().fork(
            "service.commands.main", arguments, environment, output=output.fileno()
        )
    try:
        yield program
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait(60)


async def count_more(database: Database, players: int) -> bool:
    return await count(database, "player") > players


async def read_population(database: Database, id_before: int, now: datetime) -> list[list[object]]:
    """Return sessions and players in an order and with ids and times that two runs share."""
    sessions = await database.fetch(
        """
        SELECT player_id - $1 AS place, score, game_mode, $2 - submitted_at AS age
        FROM game_session
        WHERE player_id > $1
        ORDER BY player_id, id
        """,
        id_before,
        now,
    )
    players = await database.fetch(
        """
        SELECT id - $1 AS place, rtrim(username, '0123456789') AS name, $2 - joined_at AS age
        FROM player
        WHERE id > $1
        ORDER BY id
        """,
        id_before,
        now,
    )
    return [[tuple(row) for row in sessions], [tuple(row) for row in players]]


async def test_populate_makes_what_was_asked_for(database: Database, settings: Settings) -> None:
    before = datetime.now(UTC)
    await populate(settings, players=2_500, sessions=12_345, seed=1, reset=False)

    assert await count(database, "player") == 2_500
    assert await count(database, "game_session") == 12_345
    assert await count(database, "pending_session") == 0
    sessions = await database.fetch("SELECT * FROM game_session ORDER BY player_id, id")
    assert {row["game_mode"] for row in sessions} == {"solo", "duo", "squad"}
    assert min(row["submitted_at"] for row in sessions) >= before - timedelta(days=30)
    assert max(row["submitted_at"] for row in sessions) <= datetime.now(UTC)
    # Nobody played before joining.
    joined = {row["id"]: row["joined_at"] for row in await database.fetch("SELECT * FROM player")}
    assert all(joined[row["player_id"]] <= row["submitted_at"] for row in sessions)
    # A player's sessions are in the order of their ids.
    order = [(row["player_id"], row["submitted_at"]) for row in sessions]
    assert order == sorted(order)
    # Some play a lot, some a little, some never.
    played = Counter(row["player_id"] for row in sessions)
    assert max(played.values()) > 100
    assert min(played.values()) == 1
    assert 0 < 2_500 - len(played) < 250


async def test_populate_ends_ranked_and_warm(
    client: httpx.AsyncClient, database: Database, settings: Settings, redis: Redis
) -> None:
    await populate(settings, players=300, sessions=3_000, seed=1, reset=False)

    assert await audit(settings)
    rows = await database.fetch("SELECT * FROM ranked_standing JOIN player ON id = player_id")
    assert rows
    for row in rows:
        assert row["rank"] == 1 + sum(other["score"] > row["score"] for other in rows)
        bucket = find_names_bucket(row["player_id"])
        assert await redis.hget(bucket, str(row["player_id"])) == row["username"].encode()
    best = min(rows, key=lambda row: (row["rank"], row["player_id"]))
    top = (await client.get("/api/leaderboard/top?limit=1")).json()
    assert top["players"] == len(rows)
    assert top["leaderboard"][0]["user_id"] == best["player_id"]
    assert top["leaderboard"][0]["total_score"] == best["score"]


async def test_populate_makes_the_same_again_whatever_the_chunks(
    database: Database, settings: Settings
) -> None:
    players, sessions, seed = 2_500, 7_000, -(2**63) + 1
    await populate(settings, players=players, sessions=sessions, seed=seed, reset=False)
    # Every session falls before the moment that the times are reckoned from.
    row = await database.fetch_one("SELECT max(joined_at) AS latest FROM player")
    assert row is not None
    made = await read_population(database, 0, row["latest"])

    await populate(settings, players=1, sessions=0, seed=seed, reset=True)
    now, id_before = datetime.now(UTC), 1
    for first in range(1, players + 1, 700):
        last = min(first + 699, players)
        await database.fetch(MAKE_PLAYERS, id_before, first, last, seed, now)
        await database.fetch(
            *(MAKE_SESSIONS, id_before, first, last, seed, now, players, sessions),
            *(None, 0, 5080, timedelta(days=30)),
        )
    row = await database.fetch_one("SELECT max(joined_at) AS latest FROM player WHERE id > 1")
    assert row is not None
    assert await read_population(database, id_before, row["latest"]) == made


async def test_populate_with_another_seed_makes_other_scores(
    database: Database, settings: Settings
) -> None:
    scores = []
    for seed in (1, 2):
        await populate(settings, players=50, sessions=500, seed=seed, reset=True)
        rows = await database.fetch("SELECT player_id, score FROM game_session ORDER BY id")
        scores.append([tuple(row) for row in rows])
    assert scores[0] != scores[1]


async def test_populate_adds_to_what_is_there(
    database: Database, settings: Settings, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, [10, 20])
    await refresher.refresh()
    await record_scores(database, (user_ids[0], 5))

    await populate(settings, players=40, sessions=200, seed=1, reset=False)

    assert await count(database, "player") == 42
    rows = await database.fetch(
        "SELECT min(id) AS first FROM player WHERE id <> ALL ($1)", user_ids
    )
    assert rows[0]["first"] == max(user_ids) + 1
    assert await count(database, "pending_session") == 1
    assert await audit(settings)
    await refresher.refresh()
    assert await audit(settings)
    # Whoever registers now gets the next id.
    assert await make_player(database) == max(user_ids) + 41


async def test_populate_counts_sessions_where_they_count(
    database: Database, settings: Settings
) -> None:
    now = datetime.now(UTC)
    duo = await make_season(database, "duo", game_mode="duo")
    low = await make_season(database, "low", direction="low", starts_at=now - timedelta(days=10))
    past = await make_season(database, "past", ends_at=now - timedelta(days=60))
    best = await make_season(database, "best", operator="best")

    await populate(settings, players=400, sessions=2_000, seed=3, reset=False)

    assert await audit(settings)
    rows = await database.fetch("SELECT season_id, sum(sessions) AS sum FROM standing GROUP BY 1")
    counted = {row["season_id"]: row["sum"] for row in rows}
    modes = await database.fetch("SELECT count(*) FROM game_session WHERE game_mode = 'duo'")
    assert counted[duo] == modes[0]["count"]
    assert 0 < counted[low] < 2_000
    assert past not in counted
    assert (best, None) in counted.items()


@pytest.mark.parametrize(
    ("rule", "lowest", "highest"),
    [
        ({}, 0, 5_080),
        ({"game_mode": "race", "min_score": 10_000, "max_score": 600_000}, 10_000, 15_080),
        ({"operator": "best", "direction": "low", "max_score": -7}, -5_087, -7),
        ({"game_mode": "solo", "min_score": 40, "max_score": 42}, 40, 42),
        ({"min_score": 5, "max_score": 5}, 5, 5),
        ({"operator": "latest", "min_score": 2**53 - 1}, 2**53 - 1, 2**53 - 1),
        ({"max_score": 1 - 2**53}, 1 - 2**53, 1 - 2**53),
    ],
)
async def test_populate_makes_what_a_board_counts(
    database: Database,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    rule: dict[str, Any],
    lowest: int,
    highest: int,
) -> None:
    await create_board(database, "other", msgspec.convert({"game_mode": "duel"}, BoardRule))
    board, _ = await create_board(database, "laps", msgspec.convert(rule, BoardRule))

    await populate(settings, players=400, sessions=2_000, seed=3, reset=False, board="laps")

    assert await audit(settings)
    sessions = await database.fetch("SELECT * FROM game_session")
    assert len(sessions) == 2_000
    modes = {rule["game_mode"]} if "game_mode" in rule else {"solo", "duo", "squad"}
    assert {row["game_mode"] for row in sessions} == modes
    scores = {row["score"] for row in sessions}
    assert lowest <= min(scores) <= max(scores) <= highest
    # Not all alike, where there is room.
    assert len(scores) >= min(highest - lowest, 20)
    assert min(row["submitted_at"] for row in sessions) >= board["starts_at"]
    counted = await database.fetch(
        "SELECT count(*) FROM counted_session WHERE season_id = $1", board["season_id"]
    )
    assert counted[0]["count"] == 2_000
    players = len({row["player_id"] for row in sessions})
    assert f"laps, season 1, open: {players} players" in capsys.readouterr().out
    assert (await find_board(database, "other"))["players"] == 0


async def test_populate_goes_back_no_further_than_the_season(
    database: Database, settings: Settings
) -> None:
    began_at = datetime.now(UTC) - timedelta(days=10)
    week = await make_season(database, "week", starts_at=began_at)
    await populate(settings, players=100, sessions=500, seed=3, reset=False, board="week")
    await populate(settings, players=100, sessions=500, seed=3, reset=False, board="global")
    rows = await database.fetch(
        """
        SELECT sum(sessions) AS sessions, min(first_at) AS first_at
        FROM standing, LATERAL (
            SELECT min(submitted_at) AS first_at
            FROM game_session
            WHERE player_id = standing.player_id
        ) AS played
        WHERE season_id = $1 AND player_id <= 100
        """,
        week,
    )
    assert rows[0]["sessions"] == 500
    assert began_at <= rows[0]["first_at"] < began_at + timedelta(days=5)
    rows = await database.fetch("SELECT min(submitted_at) AS first_at FROM game_session")
    assert rows[0]["first_at"] < began_at - timedelta(days=10)


async def test_populate_killed_leaves_standings_that_agree_with_the_ledger(
    database: Database, settings: Settings, refresher: Refresher, tmp_path: Path
) -> None:
    await refresher.refresh()
    with populating(settings, tmp_path / "log", "--players=200000", "--sessions=200000"):
        await wait_until(lambda: count(database, "standing"), seconds=60)

    assert 0 < await count(database, "player") < 200_000
    await refresher.refresh()
    assert await audit(settings)


async def test_populate_names_the_boards_that_it_counts_on(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    for slug, rule in (
        ("duo", BoardRule(game_mode="duo")),
        ("race", BoardRule(game_mode="race")),
        ("over", BoardRule(min_score=6_000)),
        ("under", BoardRule(max_score=-1)),
        ("some", BoardRule(min_score=100, max_score=6_000)),
        ("gone", BoardRule()),
    ):
        await create_board(database, slug, rule)
    await archive_board(database, "gone")
    told = "What is made stays for ever and counts on each board whose rule it meets: "
    for board, named in ((None, "duo, global, some"), ("race", "global, race, some")):
        await populate(settings, players=9, sessions=99, seed=1, reset=False, board=board)
        assert f"{told}{named}\n" in capsys.readouterr().out


async def test_populate_that_is_interrupted_says_what_stays(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with populating(settings, log, "--players=9000000", "--sessions=9000000") as program:
        # More than are made side by side, so that some were noted.
        await wait_until(lambda: count_more(database, 40_000))
        program.send_signal(signal.SIGINT)
        assert program.wait(60) == 130
    told = log.read_text()
    pattern = r"^Not finished: (\S+) players and (\S+) sessions were made and stay$"
    found = re.search(pattern, told, re.MULTILINE)
    assert found, told
    players, sessions = [int(number.replace(",", "")) for number in found.groups()]
    # What was being committed just then may stay as well.
    assert await count(database, "player") - players in {0, 20_000, 40_000}
    assert await count(database, "game_session") >= sessions > 0


async def test_populate_says_when_a_name_is_taken(database: Database, settings: Settings) -> None:
    await populate(settings, players=1, sessions=0, seed=1, reset=False)
    rows = await database.fetch("SELECT rtrim(username, '0123456789') AS name FROM player")
    await populate(settings, players=1, sessions=0, seed=1, reset=True)
    await make_player(database, f"{rows[0]['name']}3")

    with pytest.raises(UsageError, match="there is such a player already"):
        await populate(settings, players=1, sessions=0, seed=1, reset=False)


async def test_populate_needs_redis(database: Database, settings: Settings) -> None:
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(CacheUnavailable, match=r"cannot use Redis at 127\.0\.0\.1:1: "):
        await populate(nowhere, players=10, sessions=10, seed=1, reset=False)
    assert await count(database, "player") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--players=0", "--sessions=1"], "--players"),
        (["--players=1", "--sessions=-1"], "--sessions"),
        (["--players=100000001", "--sessions=1"], "--players"),
        (["--players=10", "--sessions=100001"], "too many for 10 players"),
        (["--players=1", "--sessions=1", f"--seed={2**63}"], "--seed"),
        (["--players=1", "--sessions=1", "--board=nowhere"], "There is no board 'nowhere'"),
        (["--players=1", "--sessions=1", "--board=La ps"], "There is no board 'La ps'"),
        (["--players=1", "--sessions=1", "--board=old"], "'old' counts nothing: it is archived"),
        (["--players=1", "--sessions=1", "--board=new"], "'new' is being filled"),
        (["--players=1", "--sessions=1", "--board=new", "--reset"], "'new' is being filled"),
    ],
)
async def test_populate_refuses_impossible_wishes(
    database: Database, settings: Settings, arguments: list[str], message: str
) -> None:
    await make_player(database)
    for slug, count_from in (("old", "now"), ("new", "ever")):
        await create_board(database, slug, BoardRule(count_from=count_from))
    await archive_board(database, "old")
    assert settings.database_url
    assert settings.redis_url
    environment = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    finished = run_leaderboard("populate", *arguments, environment=environment)
    assert finished.returncode == 1
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert await count(database, "player") == 1
