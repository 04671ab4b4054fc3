"""A database that another version made: one line that says so and what to do, and no change.

Where that version is the next one, which has only added, all goes on beside it.
"""

import re
import sys
from pathlib import Path

import asyncpg
import httpx
import pytest

from service.errors import UsageError
from service.local.embedded import PostgresServer, ValkeyServer
from service.schema import version
from service.schema.migrate import migrate
from service.schema.version import name_migration
from service.settings.settings import Settings
from tests.support.databases import THROW_AWAY, Clusters, create_database, flush
from tests.support.programs import run
from tests.support.up_process import clean_environment, run_leaderboard
from tests.support.waiting import wait_until

SCRIPT = Path(__file__).parents[3] / "migrations" / "schema_0001.sql"
NAME = name_migration(SCRIPT)

LEDGER = "CREATE TABLE game_session (id bigint PRIMARY KEY, player_id bigint);"
MIGRATIONS = """
    CREATE TABLE migration (
        id serial PRIMARY KEY, name varchar(200), app_name varchar(200), ran_on timestamp
    );
    INSERT INTO migration (name, app_name)
    SELECT unnest(string_to_array('{}', '|')), 'leaderboard';
"""

OLD = LEDGER + MIGRATIONS.format("2026-11-23T18:25:45:683481|2026-11-25T07:20:00:000000")
FOUND_OLD = "before the first release, made the database (2026-11-25T07:20:00:000000)"

NEWER = """
    INSERT INTO migration (name, app_name) VALUES ('schema_0002 0123456789ab', 'leaderboard');
    CREATE TABLE added (id bigint PRIMARY KEY);
    ALTER TABLE game_session ADD COLUMN added integer NOT NULL DEFAULT 7;
"""
FOUND_NEWER = "a newer version of Leaderboard migrated the database (schema_0002 0123456789ab)"

COMMANDS = [
    ("api", "--port", "0"),
    ("worker",),
    ("scheduler",),
    ("migrate",),
    ("populate", "--players", "1", "--sessions", "1", "--reset"),
    ("audit",),
    ("rebuild",),
    ("keys", "list"),
]


async def read_tables(url: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables ORDER BY relname"
    )
    await connection.close()
    return [tuple(row) for row in rows]


async def fill(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(script)
    await connection.close()


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (OLD, FOUND_OLD),
        (MIGRATIONS.format("2026-11-23T18:25:45:683481"), "another version"),
        (LEDGER, "the database has a table game_session that no migration made"),
        (LEDGER + MIGRATIONS.format(""), "that no migration made"),
        (LEDGER + MIGRATIONS.format("schema_0001 0123456789ab"), "another version"),
        (
            LEDGER + MIGRATIONS.format("schema_0001 0123456789ab|schema_0002 0123456789ab"),
            "another version",
        ),
    ],
    ids=["old", "half made", "not noted", "none noted", "another edition", "another and newer"],
)
async def test_migrate_leaves_what_another_version_made(
    postgres: PostgresServer, script: str, found: str
) -> None:
    async with create_database(postgres, "template0") as url:
        await fill(url, script)
        before = await read_tables(url)
        with pytest.raises(UsageError) as error:
            await migrate(url)
        assert found in str(error.value)
        assert str(error.value).endswith("name an empty database in DATABASE_URL")
        assert await read_tables(url) == before


async def test_migrate_leaves_what_a_newer_version_migrated(settings: Settings) -> None:
    url = settings.require_database_url()
    await fill(url, NEWER)
    answer = run_leaderboard("migrate", environment={"DATABASE_URL": url})
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == f"error: {FOUND_NEWER}: update this one\n"


async def test_newer_version_that_lacks_a_migration_of_ours_is_refused(
    postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    async with create_database(postgres, "template0") as url:
        await fill(url, LEDGER + MIGRATIONS.format("schema_0002 0123456789ab"))
        environment = {"DATABASE_URL": url, "REDIS_URL": flush(valkey)}
        for command in COMMANDS:
            answer = run_leaderboard(*command, environment=environment)
            assert (answer.returncode, answer.stdout) == (1, "")
            assert answer.stderr == f"error: {FOUND_NEWER}: update this one\n"


async def test_release_before_goes_on_working_beside_the_next(
    settings: Settings, tmp_path: Path
) -> None:
    """It starts anew, counts scores, and says once of each program what has to be done."""
    url = settings.require_database_url()
    await fill(url, NEWER)
    servers = {"DATABASE_URL": url, "REDIS_URL": settings.require_redis_url()}
    warning = f"warning: {FOUND_NEWER}: update this one soon\n"
    leaderboard = [sys.executable, "-m", "service.commands.main"]
    environment = clean_environment() | servers
    rounds = tmp_path / "rounds"
    api = [*leaderboard, "api", "--port", "0", "--processes", "2"]
    scheduler = [*leaderboard, "scheduler", "--rounds", str(rounds)]
    with (
        run("api", api, environment, tmp_path) as serving,
        run("worker", [*leaderboard, "worker"], environment, tmp_path),
        run("scheduler", scheduler, environment, tmp_path),
    ):
        url = serving.wait_for("Ready: ").split()[1]
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.post("/api/players", json={"username": "ada"})).is_success
            score = {"user_id": 1, "score": 7}
            submitted = (await client.post("/api/leaderboard/submit", json=score)).json()
            seen = {"seen": submitted["session_id"]}

            async def counts() -> bool:
                answer = await client.get("/api/leaderboard/rank/1", params=seen)
                return bool(answer.json()["total_score"] == 7 and "pending" not in answer.json())

            await wait_until(counts)
        await wait_until(rounds.exists)
    for name in ("api", "worker", "scheduler"):
        assert (tmp_path / f"{name}.log").read_text().count(warning) == 1
    for command in (
        ("populate", "--players", "1", "--sessions", "1"),
        ("rebuild",),
        ("boards", "list"),
        ("export", "players"),
        ("audit",),
    ):
        answer = run_leaderboard(*command, environment=servers)
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr.count(warning) == 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
async def test_command_says_what_to_do(
    postgres: PostgresServer, valkey: ValkeyServer, command: tuple[str, ...]
) -> None:
    async with create_database(postgres, "template0") as url:
        await fill(url, OLD)
        environment = {"DATABASE_URL": url, "REDIS_URL": flush(valkey)}
        answer = run_leaderboard(*command, environment=environment)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.count("\n") == 1
        assert answer.stderr.startswith("error: another version of Leaderboard, ")
        assert FOUND_OLD in answer.stderr
        assert "name an empty database in DATABASE_URL" in answer.stderr


async def test_up_names_the_folder_that_another_version_made(clusters: Clusters) -> None:
    data_dir = clusters.make("old")
    with PostgresServer(data_dir, settings=THROW_AWAY) as server:
        await fill(server.url, OLD)
    answer = run_leaderboard("up", "--port", "0", "--data-dir", data_dir)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: the migrations failed: another version")
    assert f"move {data_dir} away, or choose another --data-dir" in answer.stderr
    assert answer.stderr.count("\n") == 1


async def test_role_that_may_not_create_the_extension_is_told_who_may(
    postgres: PostgresServer,
) -> None:
    async with create_database(postgres, "template0") as url:
        await fill(
            url,
            """
            DROP ROLE IF EXISTS bare;
            CREATE ROLE bare LOGIN;
            GRANT ALL ON SCHEMA public TO bare;
            """,
        )
        as_bare = url.replace("postgres@", "bare@", 1)
        answer = run_leaderboard("migrate", environment={"DATABASE_URL": as_bare})
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.count("\n") == 1
        assert 'permission denied to create extension "pg_trgm"' in answer.stderr
        assert "have the owner of the database run CREATE EXTENSION pg_trgm in it" in answer.stderr
        assert await read_tables(url) == []
        await fill(url, "CREATE EXTENSION pg_trgm")
        assert await migrate(as_bare) == [NAME]
        await fill(url, "DROP OWNED BY bare CASCADE; DROP ROLE bare")


async def test_server_that_is_too_old_is_told_which_one_is_needed(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = version._LEAST_POSTGRES
    async with create_database(postgres, "template0") as url:
        monkeypatch.setattr(version, "_LEAST_POSTGRES", 1_000)
        with pytest.raises(UsageError) as error:
            await migrate(url)
        assert re.fullmatch(
            rf"this PostgreSQL is {least}\.\d+: Leaderboard needs 1000 or newer", str(error.value)
        )
        assert await read_tables(url) == []


async def test_database_in_another_encoding_is_told_which_one_is_needed(
    postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    async with create_database(postgres, "template0 ENCODING 'LATIN1' LOCALE 'C'") as url:
        environment = {"DATABASE_URL": url, "REDIS_URL": flush(valkey)}
        for command in COMMANDS:
            answer = run_leaderboard(*command, environment=environment)
            assert (answer.returncode, answer.stdout) == (1, "")
            assert answer.stderr == (
                "error: the database is in LATIN1: Leaderboard needs one that was made with "
                "ENCODING 'UTF8' TEMPLATE template0\n"
            )
        assert await read_tables(url) == []


def test_name_of_a_migration_changes_with_its_statements_only(tmp_path: Path) -> None:
    script = tmp_path / SCRIPT.name
    text = SCRIPT.read_text("utf-8")
    script.write_text("-- Another comment.\n\n" + text.replace("\n", "\r\n"), "utf-8")
    assert name_migration(script) == NAME
    script.write_text(text.replace("score bigint", "score integer"), "utf-8")
    assert name_migration(script) != NAME
    assert name_migration(script).startswith("schema_0001 ")
