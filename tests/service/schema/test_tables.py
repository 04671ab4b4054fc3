"""The schema that a database gets: it is what the table classes say, and keeps what it promises."""

import re
from collections.abc import Iterator

import asyncpg
import pytest
from piccolo.columns.base import Column
from piccolo.engine.postgres import PostgresEngine
from redis.asyncio import Redis

from service.backends.database import Database
from service.errors import UsageError
from service.local.embedded import PostgresServer
from service.maintenance.audit import COMPARE_STANDINGS, audit
from service.maintenance.populate import populate
from service.maintenance.rebuild import FIND_WRONG_STANDINGS, rebuild
from service.schema.migrate import migrate
from service.schema.piccolo_app import APP_CONFIG
from service.seasons.closing import CORRECT_STANDINGS
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.support.databases import create_database
from tests.support.factories import (
    make_player,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.index_checks import assert_index_follows

MOST = 2**53 - 1

# Piccolo knows no default like that of outbox.transaction_id.
NO_DEFAULT = re.compile(r"^NULL::.*|^\(\(pg_current_xact_id\(\)\)::text\)::bigint$")

DESCRIBE_COLUMNS = """
    SELECT
        attrelid::regclass::text AS table,
        attname AS column,
        format_type(atttypid, atttypmod) AS type,
        attnotnull AS is_required,
        pg_get_expr(adbin, adrelid) AS default
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped AND relnamespace = $1::regnamespace
        AND relname <> 'migration'
"""
DESCRIBE_FOREIGN_KEYS = """
    SELECT conrelid::regclass::text AS table, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint
    WHERE contype = 'f' AND connamespace = $1::regnamespace
"""


def write_tables() -> Iterator[str]:
    """Write each table as Piccolo would make it from its class."""
    for table in APP_CONFIG.table_classes:
        columns: list[Column] = table._meta.columns
        yield f"CREATE TABLE {table._meta.tablename} ({', '.join(c.ddl for c in columns)})"


async def describe(connection: asyncpg.Connection, query: str, schema: str) -> set[tuple[str, ...]]:
    """Return the query's rows as if their tables were in no schema; no default is a null one."""
    rows = await connection.fetch(query, schema)
    return {
        tuple(NO_DEFAULT.sub("None", str(value)).replace(f"{schema}.", "") for value in row)
        for row in rows
    }


async def test_classes_and_database_agree(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = PostgresEngine(config={"dsn": database_url})
    for table in APP_CONFIG.table_classes:
        monkeypatch.setattr(table._meta, "_db", engine)
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE SCHEMA classes; SET search_path = classes")
    for statement in write_tables():
        await connection.execute(statement)
    await connection.execute("SET search_path = pg_catalog")
    for query in (DESCRIBE_COLUMNS, DESCRIBE_FOREIGN_KEYS):
        classes = await describe(connection, query, "classes")
        assert classes == await describe(connection, query, "public")
        assert classes
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO game_session (player_id, score) VALUES ($1, $2)",
        """
        INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
        VALUES (1, $1, $2, $2, 1, now())
        """,
        "UPDATE rule SET min_score = $2::bigint WHERE $1::bigint > 0",
        "UPDATE rule SET max_score = $2::bigint WHERE $1::bigint > 0",
    ],
)
async def test_number_that_doubles_do_not_hold_is_no_score(
    database: Database, statement: str
) -> None:
    user_id = await make_player(database)
    for score in (MOST + 1, -MOST - 1):
        with pytest.raises(asyncpg.CheckViolationError):
            await database.fetch(statement, user_id, score)
    await database.fetch(statement, user_id, MOST)


async def test_ledger_can_be_partitioned_by_player(database: Database) -> None:
    """PostgreSQL takes the keys only where each of them contains the player."""
    async with database.transaction() as connection:
        await connection.execute(
            "CREATE TABLE parted (LIKE game_session INCLUDING ALL) PARTITION BY HASH (player_id);"
            "DROP TABLE parted"
        )


async def test_folding_goes_on_where_all_tables_are_published(
    database: Database, settings: Settings, refresher: Refresher, redis: Redis
) -> None:
    await database.fetch("CREATE PUBLICATION everything FOR ALL TABLES")
    user_ids = await make_players_with_scores(database, [3, 2, 1])
    assert (await refresher.refresh()).sessions == 3
    await rerank(database)
    await record_scores(database, (user_ids[2], 5))
    assert (await refresher.refresh()).sessions == 1
    await rebuild(settings)
    await assert_index_follows(redis, database)
    await populate(settings, players=10, sessions=20, seed=1, reset=True)
    assert await audit(settings)


async def test_migration_that_fails_leaves_nothing(postgres: PostgresServer) -> None:
    async with create_database(postgres, "template0") as url:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE api_key (id bigint)")
        with pytest.raises(UsageError, match='relation "api_key" already exists'):
            await migrate(url)
        tables = await connection.fetch("SELECT relname FROM pg_stat_user_tables")
        assert [row["relname"] for row in tables] == ["api_key"]
        await connection.execute("DROP TABLE api_key")
        assert len(await migrate(url)) == 1
        assert await migrate(url) == []
        await connection.close()


async def test_standing_is_made_by_the_last_session_that_changed_the_sum(
    database: Database, settings: Settings, refresher: Refresher
) -> None:
    duo = await make_season(database, "duo", game_mode="duo")
    ada, ben, cleo = await make_players_with_scores(database, [5, 0, 7])
    await refresher.refresh()
    (changed, *_) = await record_scores(database, (ada, -5), (ada, 0), (ben, 0))
    (elsewhere,) = await record_scores(database, (cleo, 1), game_mode="duo")
    await refresher.refresh()
    await record_scores(database, (ada, 0), (cleo, 0))
    await refresher.refresh()
    rows = await database.fetch(
        "SELECT player_id, session_id FROM standing WHERE season_id <> $1", duo
    )
    made = {row["player_id"]: row["session_id"] for row in rows}
    assert made == {ada: changed, ben: None, cleo: elsewhere}
    rows = await database.fetch(
        "SELECT player_id, session_id FROM standing WHERE season_id = $1", duo
    )
    assert [tuple(row) for row in rows] == [(cleo, elsewhere)]
    assert await audit(settings)

    await database.fetch("DELETE FROM standing")
    await rebuild(settings)
    rows = await database.fetch(
        "SELECT player_id, session_id FROM standing WHERE season_id <> $1", duo
    )
    assert {row["player_id"]: row["session_id"] for row in rows} == made


@pytest.mark.parametrize("statement", [COMPARE_STANDINGS, FIND_WRONG_STANDINGS, CORRECT_STANDINGS])
async def test_column_of_standings_that_the_ledger_does_not_give_is_not_left_out(
    database: Database, statement: str
) -> None:
    async with database.connect() as connection:
        await connection.execute("ALTER TABLE standing ADD COLUMN level bigint")
        with pytest.raises(asyncpg.PostgresSyntaxError, match="unequal number of entries"):
            await connection.prepare(statement)
