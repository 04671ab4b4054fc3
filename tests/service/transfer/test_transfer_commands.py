"""`leaderboard import` and `leaderboard export`: files, exit statuses, and a kill in between."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.backends.database import Database
from service.maintenance.audit import audit
from service.output import OUTPUT_LOST
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_player, make_players
from tests.support.up_process import clean_environment, run_leaderboard
from tests.support.waiting import wait_until

PAST = "2020-01-01T12:00:00Z"
ADVICE = "mend them and import the file again, in which the others are present"


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


def write_sessions(file: Path, user_ids: list[int], number: int) -> None:
    file.write_text(
        "".join(
            json.dumps(
                {
                    "user_id": user_ids[line % len(user_ids)],
                    "score": line % 100,
                    "idempotency_key": f"match-{line}",
                    "submitted_at": PAST,
                }
            )
            + "\n"
            for line in range(number)
        )
    )


def start(*arguments: str, environment: dict[str, str], output: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "service.commands.main", *arguments],
        env=clean_environment() | environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        text=True,
    )


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def count_sessions(database: Database) -> int:
    row = await database.fetch_one("SELECT count(*) AS sessions FROM game_session")
    assert row is not None
    return int(row["sessions"])


async def test_import_that_is_killed_is_run_again_without_a_double(
    environment: dict[str, str],
    database: Database,
    settings: Settings,
    refresher: Refresher,
    tmp_path: Path,
) -> None:
    user_ids = await make_players(database, 50)
    file = tmp_path / "sessions.ndjson"
    write_sessions(file, user_ids, 20_000)
    importing = start("import", str(file), environment=environment, output=subprocess.DEVNULL)

    async def has_begun() -> bool:
        return await count_sessions(database) > 0

    await wait_until(has_begun, seconds=60)
    importing.send_signal(signal.SIGKILL)
    importing.wait(10)
    await refresher.refresh()
    again = run_leaderboard("import", str(file), environment=environment)
    assert again.returncode == 0, again.stderr
    assert await count_sessions(database) == 20_000
    again = run_leaderboard("import", str(file), environment=environment)
    assert "0 imported, 20,000 present, 0 refused" in again.stdout
    await refresher.refresh()
    assert await audit(settings)


def test_wrong_lines_are_told_and_the_others_imported(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "anything.txt"
    file.write_text("username,user_id\nada,7\n\u3164,8\ngrace,x\nlinus,\n")
    told = run_leaderboard("import", str(file), environment=environment)
    assert told.returncode == 1
    assert "2 imported, 0 present, 2 refused" in told.stdout
    assert told.stderr.splitlines() == [
        "line 3: username: Expected something to see, got only blanks",
        "line 4: user_id: Expected `int | null`, got `str`",
        f"error: 2 of 4 lines were refused; {ADVICE}",
    ]


@pytest.mark.parametrize(
    "content", ["username\nada\nZo\u00e9\n", '{"username":"ada"}\n{"username":"Zo\u00e9"}\n']
)
def test_line_in_latin_1_says_how_to_save_the_file(
    environment: dict[str, str], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "players"
    file.write_bytes(content.encode("latin-1"))
    told = run_leaderboard("import", str(file), environment=environment)
    number = 1 + content.splitlines().index(next(x for x in content.splitlines() if "Zo" in x))
    assert told.stderr.splitlines()[0] == (
        f"line {number}: line: Expected UTF-8, got the byte 0xe9; save the file as UTF-8"
    )
    assert "1 imported, 0 present, 1 refused" in told.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "Line 1 has no header that can be read: there is none, the file is empty. Nothing"),
        (
            "username;external_id\nada;1\n",
            "header that can be read: the cells are separated by ';'; expected commas. Nothing",
        ),
        ("username\texternal_id\nada\t1\n", "separated by '\\t'; expected commas."),
        (
            "name\nada\n",
            "'name' is none of external_id, joined_at, state, state_until, user_id, username",
        ),
        ("score\n1\n", "'idempotency_key' is missing"),
    ],
)
def test_file_that_cannot_be_read_is_one_line(
    environment: dict[str, str], tmp_path: Path, content: str, words: str
) -> None:
    file = tmp_path / "players.csv"
    file.write_text(content)
    told = run_leaderboard("import", str(file), environment=environment)
    assert told.returncode == 1
    (line,) = told.stderr.splitlines()
    assert words in line
    missing = run_leaderboard("import", str(tmp_path / "nothing.csv"), environment=environment)
    assert missing.returncode == 1
    assert len(missing.stderr.splitlines()) == 1


def test_file_that_breaks_off_is_one_line(environment: dict[str, str]) -> None:
    # It can be opened, and its first byte cannot be read.
    told = run_leaderboard("import", "/proc/self/mem", environment=environment)
    assert told.returncode == 1
    *_, line = told.stderr.splitlines()
    assert line == "error: cannot read /proc/self/mem: Input/output error"
    assert "Traceback" not in told.stderr


async def test_file_is_there_once_it_is_whole(
    environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    await make_player(database, "=1+1")
    file = tmp_path / "players.csv"
    written = run_leaderboard("export", "players", "--output", str(file), environment=environment)
    assert (written.returncode, written.stdout) == (0, "")
    assert "1 players" in written.stderr
    assert list_names(tmp_path) == ["players.csv"]
    printed = run_leaderboard("export", "players", environment=environment)
    assert printed.stdout.splitlines() == file.read_bytes().decode().splitlines()
    assert printed.stdout.splitlines()[1].startswith("1,'=1+1,,")
    lines = run_leaderboard("export", "players", "--format", "ndjson", environment=environment)
    assert json.loads(lines.stdout)["username"] == "=1+1"

    nowhere = tmp_path / "no" / "players.csv"
    told = run_leaderboard("export", "players", "--output", str(nowhere), environment=environment)
    assert told.returncode == 1
    assert told.stderr.startswith("error: cannot write")
    missing = {
        **environment,
        "DATABASE_URL": environment["DATABASE_URL"].replace("/test_", "/gone_"),
    }
    told = run_leaderboard("export", "players", "--output", str(file), environment=missing)
    assert (told.returncode, len(told.stderr.splitlines())) == (1, 1)
    assert list_names(tmp_path) == ["players.csv"]


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", "Is a directory"),
        ("players.csv/x.csv", "Not a directory"),
        ("x" * 252, "File name too long"),
        ("no/x.csv", "No such file or directory"),
        ("full", "No space left on device"),
    ],
)
async def test_output_that_cannot_be_written_is_one_line(
    environment: dict[str, str], database: Database, tmp_path: Path, output: str, reason: str
) -> None:
    await make_player(database, "ada")
    (tmp_path / "players.csv").write_text("kept")
    (tmp_path / "full").symlink_to("/dev/full")
    told = run_leaderboard(
        *("export", "players", "--output", output and str(tmp_path / output)),
        environment=environment,
    )
    assert told.returncode == 1
    *_, line = told.stderr.splitlines()
    assert line.startswith("error: cannot write")
    assert line.endswith(reason)
    assert "Traceback" not in told.stderr
    assert sorted(list_names(tmp_path)) == ["full", "players.csv"]
    assert (tmp_path / "full").is_symlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["standings", "--board", ""], "There is no board ''"),
        (["standings", "--season", ""], "'' is not current, previous or a number"),
        (["players", "--board", ""], "are for standings"),
    ],
)
def test_empty_name_is_not_the_usual_one(
    environment: dict[str, str], arguments: list[str], words: str
) -> None:
    told = run_leaderboard("export", *arguments, environment=environment)
    assert (told.returncode, told.stdout) == (1, "")
    (line,) = told.stderr.splitlines()
    assert words in line


async def test_export_to_a_full_disk_says_so(
    environment: dict[str, str], database: Database
) -> None:
    await database.fetch("INSERT INTO player (username) VALUES ('ada')")
    full = os.open("/dev/full", os.O_WRONLY)
    exporting = start("export", "players", environment=environment, output=full)
    os.close(full)
    assert exporting.wait(30) == OUTPUT_LOST


async def test_reader_that_goes_away_ends_the_export(
    environment: dict[str, str], database: Database
) -> None:
    await database.fetch(
        "INSERT INTO player (username) SELECT 'p' || n FROM generate_series(1, 50000) n"
    )
    exporting = start("export", "players", environment=environment, output=subprocess.PIPE)
    assert exporting.stdout is not None
    assert exporting.stderr is not None
    assert (
        exporting.stdout.readline() == "user_id,username,external_id,state,state_until,joined_at\n"
    )
    exporting.stdout.close()
    assert exporting.stderr.read() == ""
    exporting.stderr.close()
    assert exporting.wait(30) == 0
