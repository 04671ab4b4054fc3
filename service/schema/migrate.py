"""Brings a database's schema up to date with Piccolo's migrations, one process at a time."""

import contextlib
import io
import os
from typing import TYPE_CHECKING

import asyncpg
from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine.finder import engine_finder
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from service.errors import UsageError

if TYPE_CHECKING:
    from piccolo.apps.migrations.tables import Migration

# Any number will do, as long as nothing else in this database locks the same one.
_MIGRATION_LOCK = 0x6C656164_6D696772


class _Transaction(PostgresTransaction):
    """One that cannot get its table lock gives way to the traffic that queues behind it.

    It does so before requests run out of patience (LEADERBOARD_DATABASE_TIMEOUT_SECONDS); the
    migration is run again then.
    """

    async def begin(self) -> None:
        await super().begin()  # type: ignore[no-untyped-call]
        await self.connection.execute("SET LOCAL lock_timeout = '3s'")


class _Engine(PostgresEngine):
    """Piccolo's, with our transactions."""

    def transaction(self, allow_nested: bool = True) -> PostgresTransaction:  # noqa: FBT001, FBT002
        return _Transaction(engine=self, allow_nested=allow_nested)


async def migrate(database_url: str) -> list[str]:
    """Apply every migration that the database has not seen; return their names, oldest first.

    Any number of processes may call this at once: an advisory lock lets one work while the rest
    wait and then find nothing left to do. Raises `UsageError` where a migration fails; the
    database then stands as the last complete migration left it.
    """
    lock = await asyncpg.connect(database_url, timeout=30, statement_cache_size=0)
    try:
        # A transaction's lock: a pooler would keep a session's for ever.
        async with lock.transaction():
            await lock.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await lock.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            return await _run_forwards(database_url)
    finally:
        await lock.close()


async def _run_forwards(database_url: str) -> list[str]:
    os.environ["PICCOLO_CONF"] = "service.schema.piccolo_conf"
    # Piccolo looks its tables up when these modules are imported, so the name above comes first.
    from piccolo.apps.migrations.commands.forwards import run_forwards  # noqa: PLC0415
    from piccolo.apps.migrations.tables import Migration  # noqa: PLC0415

    from service.schema import piccolo_conf  # noqa: PLC0415

    # Without a cache of statements, which a pooler would not keep.
    engine = _Engine(config={"dsn": database_url, "statement_cache_size": 0})
    piccolo_conf.DB = engine
    Migration._meta.db = engine  # noqa: SLF001 - Piccolo offers no other way to bind a table
    # Without a pool Piccolo opens a connection for every statement.
    await engine.start_connection_pool(min_size=1, max_size=1)
    try:
        before = await _list_applied(Migration)
        report = io.StringIO()
        # Piccolo tells of its progress by print(); only the outcome is of interest here.
        with contextlib.redirect_stdout(report):
            result = await run_forwards(app_name="leaderboard")
        if not result.success:
            raise UsageError(f"a migration failed: {result.message}")
        return [name for name in await _list_applied(Migration) if name not in before]
    except asyncpg.PostgresError as error:
        raise UsageError(f"a migration failed: {error}") from error
    finally:
        await engine.close_connection_pool()


async def _list_applied(migration: "type[Migration]") -> list[str]:
    if not await migration.table_exists().run():
        return []
    return await migration.get_migrations_which_ran(app_name="leaderboard")


def make_script_migration(
    migration_id: str, description: str, forwards: str, backwards: str
) -> MigrationManager:
    """Return a migration that runs a script of SQL, for what Piccolo's tables cannot express."""
    manager = MigrationManager(
        migration_id=migration_id, app_name="leaderboard", description=description
    )

    async def run_forwards() -> None:
        await _run_script(forwards)

    async def run_backwards() -> None:
        await _run_script(backwards)

    manager.add_raw(run_forwards)
    manager.add_raw_backwards(run_backwards)
    return manager


async def _run_script(script: str) -> None:
    # The asyncpg connection of the migration's own transaction: Piccolo's raw() parses braces and
    # takes one statement only.
    engine = engine_finder()
    assert isinstance(engine, PostgresEngine)
    transaction = engine.current_transaction.get()
    assert transaction is not None
    await transaction.connection.execute(script)
