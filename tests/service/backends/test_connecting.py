"""Connections to PostgreSQL that cannot be made, end while they are made, or find no schema."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from redis.asyncio.connection import Connection

from service.api.app import create_app
from service.backends.database import Database
from service.backends.pgbouncer import Connector
from service.backends.redis import connect_redis, translate_redis_errors
from service.errors import CacheUnavailable, DatabaseUnavailable
from service.local.embedded import PostgresServer, ValkeyServer
from service.settings.settings import Settings, load_settings
from tests.support.databases import create_database, flush
from tests.support.serving import connect_client, run_app

_SERVICE = Path(__file__).parents[3] / "service"
# One has several commands; the others are about tables that a command makes for itself.
_UNPREPARED = {"empty_database.sql", "mend_standings.sql", "store_ranks.sql"}
_READY_FOR_A_STATEMENT = b"Z\0\0\0\5I"


@asynccontextmanager
async def stand_before(database: Database, url: str) -> AsyncIterator[str]:
    """A server that is told to end each connection just when its first statement comes."""
    address = urlsplit(url)
    place = parse_qs(address.query)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}"
        from_server, to_server = await asyncio.open_unix_connection(path)
        to_server.write(await reader.read(65_536))
        writer.write(await from_server.readuntil(_READY_FOR_A_STATEMENT))
        await reader.read(1)
        await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'doomed'"
        )
        writer.write(await from_server.read())
        writer.close()
        to_server.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://postgres@127.0.0.1:{port}{address.path}?sslmode=disable"


async def test_server_that_goes_away_is_no_pooler(database: Database, database_url: str) -> None:
    connector = Connector()
    async with stand_before(database, database_url) as url, asyncio.timeout(15):
        with pytest.raises(DatabaseUnavailable) as error:
            await connector.connect(url, server_settings={"application_name": "doomed"})
    assert "administrator command" in error.value.reason
    assert not connector.is_pooled


@pytest.mark.parametrize("is_pooled", [False, True])
async def test_who_stands_still_in_a_transaction_loses_it(
    settings: Settings, *, is_pooled: bool
) -> None:
    database = Database(settings, application_name="leaderboard tests")
    # As behind a pooler: what is set for a session is another client's by now.
    database._connector.is_pooled = is_pooled
    await database.open()
    async with (
        database.transaction() as one,
        database.snapshot() as two,
        database.snapshot(readonly=False) as three,
    ):
        for connection in (one, two, three):
            limit = await connection.fetchval("SHOW idle_in_transaction_session_timeout")
            assert limit == "20s"
    await database.close()


async def test_option_that_the_server_does_not_know_is_no_error_of_ours(
    settings: Settings,
) -> None:
    url = f"{settings.database_url}&colour=red"
    app = create_app(settings.model_copy(update={"database_url": url}))
    async with run_app(app), connect_client(app) as client:
        answer: httpx.Response = await client.get("/api/players/1")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        body = {"user_id": 1, "score": 1}
        assert (await client.post("/api/leaderboard/submit", json=body)).status_code == 503


async def test_operators_are_told_why_and_senders_what_to_do(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/x"})
    database = Database(away, application_name="leaderboard tests")
    await database.open()
    with pytest.raises(DatabaseUnavailable) as error:
        await database.fetch("SELECT 1")
    await database.close()
    assert error.value.explain() == (
        "cannot use the database at 127.0.0.1:1: Connection refused "
        "(check the server, and DATABASE_URL)"
    )
    assert "send the same request again" in error.value.message
    assert "Connection" not in error.value.message


async def test_database_without_schema_is_said_so(
    postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    async with create_database(postgres, "template0") as database_url:
        settings = load_settings(database_url=database_url, redis_url=flush(valkey))
        async with run_app(create_app(settings)) as app, connect_client(app) as client:
            score = {"user_id": 1, "score": 1}
            answers = [
                await client.post("/api/leaderboard/submit", json=score),
                await client.post("/api/leaderboard/submit/bulk", json=[score]),
                await client.post("/api/players", json={"username": "ada"}),
                await client.get("/api/players/1"),
                await client.get("/api/leaderboard/rank/1"),
                await client.get("/api/leaderboard/around/1"),
                await client.get("/api/leaderboard/page"),
            ]
            for answer in answers:
                assert (answer.status_code, answer.json()["code"]) == (503, "schema_missing")
                assert "run `leaderboard migrate`" in answer.json()["error"]
                assert int(answer.headers["retry-after"]) >= 1
            status = await client.get("/api/ops/status")
            assert (status.status_code, status.json()["code"]) == (503, "schema_missing")


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT $1::bigint", []),
        ("SELECT $1::bigint", [1, 2]),
        ("SELECT 1", [1]),
        ("SELECT $1::bigint", ["one"]),
        ("SELECT $1::bigint", [2**63]),
    ],
)
async def test_parameters_that_do_not_fit_their_statement_are_no_outage(
    database: Database, statement: str, parameters: list[object]
) -> None:
    with pytest.raises((asyncpg.InterfaceError, asyncpg.DataError)):
        await database.fetch(statement, *parameters)


async def test_server_lets_go_of_a_machine_that_vanished(database: Database) -> None:
    rows = await database.fetch(
        # What counts for a connection by TCP; ours is by a socket.
        "SELECT reset_val::int FROM pg_settings WHERE name LIKE 'tcp_keepalives_%' ORDER BY name"
    )
    count, idle_seconds, interval_seconds = (row["reset_val"] for row in rows)
    assert 0 < idle_seconds + count * interval_seconds <= 60
    assert min(count, idle_seconds, interval_seconds) > 0


async def test_redis_connection_closed_while_it_is_made_is_a_loss(redis_url: str) -> None:
    async def lose(connection: Connection) -> None:
        await connection.disconnect()

    redis = connect_redis(load_settings(redis_url=redis_url))
    pool: Any = redis.connection_pool
    pool.connection_kwargs["redis_connect_func"] = lose
    connection = pool.make_connection()
    with pytest.raises(CacheUnavailable), translate_redis_errors():
        await connection.send_command("PING")
    await redis.aclose()


async def test_no_statement_has_its_types_asked_for(database: Database) -> None:
    asked: list[asyncpg.connection.LoggedQuery] = []
    unprepared = set()
    async with database.connect() as connection:
        with connection.query_logger(asked.append):
            for file in _SERVICE.rglob("*/sql/*.sql"):
                try:
                    await connection.prepare(file.read_text())
                except asyncpg.PostgresError:
                    unprepared.add(file.name)
    assert asked == []
    assert unprepared == _UNPREPARED


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("smallint[]", [-1, 32_767]),
        ("integer[]", [[1, 2], [3, None]]),
        ("bigint[]", [2**62, -1]),
        ("varchar[]", ["a, {b}", None, ""]),
        ("timestamptz[]", [datetime(2026, 11, 23, tzinfo=UTC)]),
        ("jsonb[]", ['{"a": 1}', None]),
    ],
)
async def test_array_comes_back_as_it_was_sent(
    database: Database, kind: str, value: list[Any]
) -> None:
    asked: list[asyncpg.connection.LoggedQuery] = []
    statement = f"SELECT $1::{kind} AS value"
    async with database.connect() as connection:
        with connection.query_logger(asked.append):
            assert await connection.fetchval(statement, value) == value
    assert [each.query for each in asked] == [statement]
