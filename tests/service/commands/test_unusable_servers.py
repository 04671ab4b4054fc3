"""Servers that a command cannot use: one line says which, which variable names it, and why."""

import pytest

from service.local.embedded import PostgresServer
from tests.support.databases import create_database
from tests.support.parts import find_ports
from tests.support.up_process import run_leaderboard

COMMANDS = [("audit",), ("keys", "list"), ("boards", "list"), ("migrate",)]
PROGRAMS = [
    *(("api", "--port", "0"), ("worker",), ("scheduler",)),
    *(("populate", "--players", "1", "--sessions", "1"), ("export", "players")),
]


def run(*command: str, database_url: str, redis_url: str = "redis://127.0.0.1:1") -> str:
    """Return the one line with which a command fails."""
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    answer = run_leaderboard(*command, environment=environment)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1
    return answer.stderr.removeprefix("error: ").rstrip()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_database_that_is_away_is_named(command: tuple[str, ...]) -> None:
    (port,) = find_ports(1)
    assert run(*command, database_url=f"postgresql://me:secret@127.0.0.1:{port}/x") == (
        f"cannot use the database at 127.0.0.1:{port}: Connection refused "
        "(check the server, and DATABASE_URL)"
    )


def test_host_that_nobody_knows_is_named() -> None:
    told = run("keys", "list", database_url="postgresql://nowhere.invalid/x")
    assert told.startswith("cannot use the database at nowhere.invalid:5432: ")
    assert "Error" not in told


@pytest.mark.parametrize("command", [*COMMANDS, *PROGRAMS], ids=lambda command: command[0])
async def test_refusal_that_no_waiting_mends_ends_the_start(
    postgres: PostgresServer, command: tuple[str, ...]
) -> None:
    """Else an API process would pass for one that is ready, and answer 503 for ever."""
    async with create_database(postgres, "template0") as url:
        for wrong, reason in (
            (url.replace("?", "x?"), "does not exist"),
            (url.replace("postgres@", "stranger@", 1), 'role "stranger" does not exist'),
            (f"{url}&colour=red", 'unrecognized configuration parameter "colour"'),
            (f"{url}&work_mem=much", 'invalid value for parameter "work_mem": "much"'),
        ):
            told = run(*command, database_url=wrong)
            assert told.startswith("cannot use the database at ")
            assert f"{reason} (check the server, and DATABASE_URL)" in told


def test_redis_that_is_away_is_named(database_url: str) -> None:
    (port,) = find_ports(1)
    told = run(
        *("populate", "--players", "1", "--sessions", "1"),
        database_url=database_url,
        redis_url=f"redis://me:secret@127.0.0.1:{port}",
    )
    assert told.startswith(f"cannot use Redis at 127.0.0.1:{port}: ")
    assert told.endswith("(check the server, and REDIS_URL)")
    assert "secret" not in told
