"""`leaderboard boards`, and the standings of any board as a file."""

import asyncio
import csv
import io
import os
import pty
import sys
from collections.abc import Mapping

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from service.backends.database import Database
from service.boards.finder import find_board
from service.boards.schemas import BoardRule
from service.boards.service import create_board
from service.seasons.service import end_season
from service.settings.settings import Settings
from tests.support.factories import make_players, record_scores
from tests.support.season_work import SeasonWorker
from tests.support.shared_service import SharedService
from tests.support.up_process import clean_environment, run_leaderboard

LAPS = (
    *("create", "laps", "--title", "Weekly laps", "--operator", "best", "--direction", "low"),
    *("--ties", "first", "--game-mode", "race", "--min-score", "10000", "--format", "duration:ms"),
    *("--cron", "0 0 * * 1", "--timezone", "Europe/Berlin"),
)


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_environment(shared: SharedService) -> dict[str, str]:
    """For commands that come to nothing, where a board `cup` is."""
    await create_board(shared.database, "cup", BoardRule())
    return {
        "DATABASE_URL": shared.settings.require_database_url(),
        "REDIS_URL": shared.settings.require_redis_url(),
    }


def run_boards(environment: Mapping[str, str], *arguments: str) -> list[str]:
    finished = run_leaderboard("boards", *arguments, environment=environment)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.splitlines()


async def test_create_list_show(environment: dict[str, str], client: httpx.AsyncClient) -> None:
    first = run_boards(environment, *LAPS)
    assert first[0] == "laps is there"
    assert run_boards(environment, *LAPS) == ["laps is there already", *first[1:]]
    lines = run_boards(environment, "list")
    assert [line.split()[0] for line in lines] == ["slug", "global", "laps"]
    assert "best low first of race" in lines[2]
    shown = run_boards(environment, "show", "laps")
    assert "schedule   0 0 * * 1 in Europe/Berlin" in shown
    assert shown[-1].split()[:2] == ["1", "open"]
    board = (await client.get("/api/boards/laps")).json()
    assert (board["title"], board["format"]) == (
        "Weekly laps",
        {"kind": "duration", "unit": "ms"},
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("create", "La ps"), "'La ps' is not 1 to 64 of a-z, 0-9 and hyphens"),
        (("create", "x", "--cron", "0 0 * * 1"), "--cron and --timezone go together"),
        (("create", "x", "--cron", "0 0 * *", "--timezone", "UTC"), "--cron: "),
        (
            ("create", "x", "--cron", "0 0 31 2 *", "--timezone", "UTC"),
            "--cron: Expected a time that comes; this one never happens",
        ),
        (("create", "x", "--cron", "0 0 32 2 *", "--timezone", "UTC"), "; bad day-of-month"),
        (("create", "x", "--cron", "0 0 31 13 *", "--timezone", "UTC"), "; bad month"),
        (("create", "x", "--cron", "0 0 * * 1", "--timezone", "Mars/Base"), "--timezone: "),
        *(
            (
                ("create", "x", "--format", wrong),
                f"'--format': {wrong!r} is not integer, decimal:1 to decimal:6, duration:ms or",
            )
            for wrong in ("roman", "decimal:7", "duration", "integer:2")
        ),
        (
            ("create", "x", "--max-score", str(2**53)),
            f"'--max-score': '{2**53}' is not a whole number from -{2**53 - 1} to {2**53 - 1}",
        ),
        (("create", "x", "--operator", "most"), "'most' is not one of 'sum', 'best'"),
        (("change", "global"), "name what is to change"),
        (("create", "x", "--count-from", "yesterday"), "--count-from: Expected `now`, `ever`"),
        (("create", "x", "--min-score", "2", "--max-score", "1"), "--min-score: "),
    ],
)
def test_what_is_wrong_is_one_line(
    shared_environment: dict[str, str], arguments: tuple[str, ...], complaint: str
) -> None:
    finished = run_leaderboard("boards", *arguments, environment=shared_environment)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert complaint in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("create", "global"), "with `leaderboard boards create`."),
        (("change", "global", "--title", "x"), "with `leaderboard boards create`."),
        (("show", "nowhere"), "`leaderboard boards list` lists those that there are."),
        (("change", "nowhere", "--title", "x"), "`leaderboard boards list` lists those"),
        (("close", "nowhere"), "`leaderboard boards list` lists those"),
        (("close", "global"), "The board 'global' sums up"),
        (("close", "cup", "--season", "2"), "`leaderboard boards show cup` lists the last"),
        (("close", "cup", "--season", "0"), "'--season': '0' is not a whole number from 1 to"),
    ],
)
def test_what_cannot_be_done_is_told_in_words_of_the_terminal(
    shared_environment: dict[str, str], arguments: tuple[str, ...], complaint: str
) -> None:
    finished = run_leaderboard("boards", *arguments, environment=shared_environment)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert complaint in finished.stderr
    assert "/api" not in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


async def test_another_rule_for_a_board_that_exists(environment: dict[str, str]) -> None:
    run_boards(environment, *LAPS)
    finished = run_leaderboard("boards", *LAPS, "--direction", "high", environment=environment)
    assert finished.returncode == 1
    assert '--direction: It is "low"' in finished.stderr
    assert "`leaderboard boards change` changes it" in finished.stderr
    assert "PATCH" not in finished.stderr


async def test_change_leaves_what_is_not_named(
    environment: dict[str, str], client: httpx.AsyncClient
) -> None:
    run_boards(environment, *LAPS)
    before = (await client.get("/api/boards/laps")).json()
    lines = run_boards(environment, "change", "laps", "--title", "Laps", "--max-score", "600000")
    assert lines[0] == "laps counts by this from its next season on"
    after = (await client.get("/api/boards/laps")).json()
    changed = {"title": "Laps", "max_score": 600_000, "applies_from_season": 2}
    assert after == before | changed
    assert "rule counts  from season 2 on" in run_boards(environment, "show", "laps")
    lines = run_boards(environment, "change", "laps", "--operator", "sum", "--recount")
    assert lines[0] == "laps counts by this now"
    assert (await client.get("/api/boards/laps")).json()["operator"] == "sum"


async def test_season_is_closed_by_hand_and_exported(
    environment: dict[str, str], database: Database, redis: Redis, settings: Settings
) -> None:
    worker = SeasonWorker(database, redis, settings)
    run_boards(environment, *LAPS)
    ada, grace = await make_players(database, 2)
    await record_scores(database, (ada, 90_000), (grace, 83_456), game_mode="race")
    await worker.work()
    closed = run_boards(environment, "close", "laps")
    assert closed == ["season 1 of laps is over; 2 has begun"]
    again = run_boards(environment, "close", "laps", "--season", "1", "--yes")
    assert again == ["season 1 of laps is over already"]
    await record_scores(database, (ada, 70_000), game_mode="race")
    await worker.work()
    assert export(environment, "--board", "laps", "--season", "previous") == [
        ("1", str(grace), "83456"),
        ("2", str(ada), "90000"),
    ]
    assert export(environment, "--board", "laps") == [("1", str(ada), "70000")]
    assert len(export(environment)) == 2


async def test_season_that_is_closed_is_the_one_that_was_asked_about(
    environment: dict[str, str], database: Database
) -> None:
    run_boards(environment, *LAPS)
    terminal, inside = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.commands.main", "boards", "close", "laps"),
        env=clean_environment() | environment,
        stdin=inside,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    question = await process.stderr.readuntil(b"?")
    assert question == b"End season 1 of laps now, for good?"
    # Somebody else is faster.
    await end_season(database, "laps", 1)
    os.write(terminal, b"y\n")
    told, _ = await process.communicate()
    os.close(inside)
    os.close(terminal)
    assert (process.returncode, told) == (0, b"season 1 of laps is over; 2 has begun\n")
    board = await find_board(database, "laps")
    assert (board["number"], board["is_over"]) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("standings", "--board", "nowhere"), "There is no board 'nowhere'"),
        (("standings", "--season", "7"), "has no season '7'; `leaderboard boards show global`"),
        (("standings", "--season", "last"), "--season: 'last' is not current, previous or"),
        (("players", "--board", "global"), "--board and --season are for standings"),
    ],
)
def test_export_of_what_is_not_there(
    shared_environment: dict[str, str], arguments: tuple[str, ...], complaint: str
) -> None:
    finished = run_leaderboard("export", *arguments, environment=shared_environment)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert complaint in finished.stderr


async def test_export_of_a_board_over_http(
    client: httpx.AsyncClient, environment: dict[str, str]
) -> None:
    run_boards(environment, *LAPS)
    found = await client.get("/api/export/standings?board=laps&format=ndjson")
    assert (found.status_code, found.text) == (200, "")
    for query, status in (
        ("board=nowhere", 404),
        ("board=laps&season=9", 404),
        ("board=laps&season=0", 400),
        ("board=La+ps", 400),
    ):
        refused = await client.get(f"/api/export/standings?{query}")
        assert refused.status_code == status, refused.text


def export(environment: dict[str, str], *arguments: str) -> list[tuple[str, ...]]:
    finished = run_leaderboard("export", "standings", *arguments, environment=environment)
    assert finished.returncode == 0, finished.stderr
    rows = csv.DictReader(io.StringIO(finished.stdout))
    return [(row["rank"], row["user_id"], row["score"]) for row in rows]
