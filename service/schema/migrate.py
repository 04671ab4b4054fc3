"""Brings a database's schema up to date with Piccolo's migrations, one process at a time."""

import contextlib
import io
import os
from typing import Final

import asyncpg

from service.backends.database import Connection
from service.errors import UsageError
from service.schema.version import describe_newer, list_applied, refuse_other_schema

# Any number will do, as long as nothing else in this database locks the same one.
_MIGRATION_LOCK: Final = 0x6C656164_6D696772

# One that cannot get its table lock gives way to the traffic that queues behind it, before requests
# run out of patience (LEADERBOARD_DATABASE_TIMEOUT_SECONDS); it is run again then.
_GIVE_WAY: Final = "SET LOCAL lock_timeout = '3s'"

# What finds a part of a name (migrations/schema_0001.sql).
_EXTENSION: Final = "pg_trgm"


async def migrate(database_url: str) -> list[str]:
    """Apply every migration that the database has not seen; return their names, oldest first.

    All of it is one transaction, with the note of what was run. Any number of processes may call
    this at once: an advisory lock lets one work while the rest wait and then find nothing left to
    do. Raises `UsageError` where a migration fails or another version made the database, which then
    stands as before.
    """
    os.environ["PICCOLO_CONF"] = "service.schema.piccolo_conf"
    # Piccolo looks its tables up when these modules are imported, so the name above comes first.
    from piccolo.apps.migrations.commands.forwards import run_forwards  # noqa: PLC0415
    from piccolo.apps.migrations.tables import Migration  # noqa: PLC0415

    from service.schema import piccolo_conf  # noqa: PLC0415

    # Without a cache of statements, which a pooler would not keep.
    engine = piccolo_conf.Engine(
        config={"dsn": database_url, "statement_cache_size": 0, "timeout": 30}
    )
    piccolo_conf.DB = engine
    Migration._meta.db = engine  # noqa: SLF001 - Piccolo offers no other way to bind a table
    # Piccolo's own transactions become part of this one.
    async with engine.transaction() as transaction:
        connection: Connection = transaction.connection
        try:
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            # A transaction's lock: a pooler would keep a session's for ever.
            await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            await connection.execute(_GIVE_WAY)
            newer = await refuse_other_schema(connection)
            if newer is not None:
                raise UsageError(describe_newer(newer))
            before = await list_applied(connection)
            # Piccolo tells of its progress by print(); only the outcome is of interest here.
            with contextlib.redirect_stdout(io.StringIO()):
                result = await run_forwards(app_name="leaderboard")
            if not result.success:
                raise UsageError(f"a migration failed: {result.message}")
            applied = await list_applied(connection)
        except asyncpg.PostgresError as error:
            raise UsageError(f"a migration failed: {error}{_advise(error)}") from error
    return [name for name in applied if name not in before]


def _advise(error: asyncpg.PostgresError) -> str:
    """Return what to do where the extension cannot be made; the server names it in any language."""
    if _EXTENSION not in str(error):
        return ""
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return (
            f": have the owner of the database run CREATE EXTENSION {_EXTENSION} in it, or grant "
            "this role CREATE on the database, and migrate again"
        )
    return f": install PostgreSQL's contrib modules, {_EXTENSION} among them, and migrate again"
