"""`DATABASE_URL` of a PgBouncer in transaction mode: the main path over it.

Needs Debian's `pgbouncer`, of any release.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from service.backends.database import Database
from service.backends.redis import connect_redis
from service.errors import DatabaseUnavailable
from service.local.embedded import PostgresServer
from service.local.embedded.data_directory import Account
from service.schema.migrate import migrate
from service.settings.settings import load_settings
from service.standings.index.writer import Index
from tests.support.factories import find_global_season
from tests.support.main_path import walk_main_path
from tests.support.parts import Part, create_database, find_ports
from tests.support.waiting import wait_until

IGNORING = (
    "ignore_startup_parameters = synchronous_commit,jit,"
    "tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count"
)


@pytest.fixture(params=["", IGNORING], ids=["as it comes", "ignoring parameters"])
def pgbouncer(
    request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path: Path
) -> Iterator[tuple[Part, str]]:
    """A PgBouncer with few connections, so that every transaction gets another one."""
    (port,) = find_ports(1)
    address = parse_qs(urlsplit(postgres.url).query)
    users = tmp_path / "users.txt"
    users.write_text('"postgres" ""\n')
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(
        f"""
        [databases]
        * = host={address["host"][0]} port={address["port"][0]} user=postgres
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = 8
        server_round_robin = 1
        {request.param}
        """.replace("        ", "")
    )
    account = Account.for_postgres()
    command = ["pgbouncer", *(["-u", account.name] if account else []), str(settings)]
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    with ExitStack() as stack:
        part = Part("pgbouncer", command, tmp_path, ready="process up")
        stack.callback(part.kill)
        part.start()
        yield part, f"postgresql://postgres@127.0.0.1:{port}"


def test_main_path_over_pgbouncer(
    pgbouncer: tuple[Part, str],
    postgres: PostgresServer,
    redis_url: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    part, url = pgbouncer
    name = f"over_pgbouncer_{'ignoring' in request.node.name:d}"
    create_database(postgres.url, name)
    environment = {"DATABASE_URL": f"{url}/{name}", "REDIS_URL": redis_url}
    walk_main_path(environment, tmp_path, choose=lambda: part, must_accept=False)


async def test_rebuild_does_not_meet_what_another_process_left_on_the_connection(
    pgbouncer: tuple[Part, str],
    postgres: PostgresServer,
    redis_url: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It reads by cursors, whose statements the pooler's connections keep."""
    _, url = pgbouncer
    name = f"by_turns_{'ignoring' in request.node.name:d}"
    create_database(postgres.url, name)
    settings = load_settings(database_url=f"{url}/{name}", redis_url=redis_url)
    await migrate(settings.require_database_url())
    other = await asyncpg.connect(settings.require_database_url(), statement_cache_size=0)
    for _ in range(8):
        # Each on the connection whose turn it is, until all have it.
        with suppress(asyncpg.DuplicatePreparedStatementError):
            await other.execute('PREPARE "__asyncpg_stmt_1__" AS SELECT 1')
    await other.close()
    # As in a process that has just begun.
    monkeypatch.setattr("asyncpg.connection._uid", 0)
    database = Database(settings, application_name="leaderboard tests")
    await database.open()
    redis = connect_redis(settings)
    await Index(redis, database).rebuild(await find_global_season(database))
    await redis.aclose()
    await database.close()


async def test_pooler_whose_commits_do_not_wait_for_the_disk_is_refused(
    pgbouncer: tuple[Part, str], postgres: PostgresServer, request: pytest.FixtureRequest
) -> None:
    _, url = pgbouncer
    name = f"hasty_{'ignoring' in request.node.name:d}"
    create_database(postgres.url, name)
    database = Database(
        load_settings(database_url=f"{url}/{name}"), application_name="leaderboard tests"
    )
    await database.open()
    assert await database.fetch("SELECT 1 AS one")
    await database.fetch(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await database.close()
    await database.open()

    async def is_refused() -> bool:
        # Connections that PgBouncer has kept are as they were.
        try:
            await database.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        except DatabaseUnavailable as error:
            return "synchronous_commit is off" in error.reason
        return False

    await wait_until(is_refused)
    await database.close()
