"""Which schema a database has, and whether this version can work with it."""

import hashlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from service.backends.database import Connection, load_sql
from service.errors import DatabaseUnavailable, UsageError, describe_error
from service.local.embedded.data_directory import DataDirectory
from service.settings.settings import Settings
from service.settings.urls import describe_address

FIND_HISTORY: Final = load_sql("schema", "find_history")
FIND_LEDGER: Final = load_sql("schema", "find_ledger")
LIST_MIGRATIONS: Final = load_sql("schema", "list_migrations")

_MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"

# The first that casts bytea to bigint, as migrations/schema_0001.sql has it.
_LEAST_POSTGRES: Final = 18

# A wrong password, user, database or option; nothing but another URL or another server mends it.
_REFUSALS: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.exceptions.ClientConfigurationError,
)

_ADVICE: Final = "name an empty database in DATABASE_URL"

_COMMENT: Final = re.compile(r"--.*")


def name_migration(script: Path) -> str:
    """Return the name under which Piccolo notes that a script was run.

    It changes with the statements and not with the comments, so that a database which an earlier
    edition of the script made is told apart.
    """
    statements = _COMMENT.sub("", script.read_text("utf-8")).split()
    return f"{script.stem} {hashlib.sha256(' '.join(statements).encode()).hexdigest()[:12]}"


async def list_applied(connection: Connection) -> list[str]:
    """Return the names of the migrations that were run on a database, oldest first."""
    if not await connection.fetchval(FIND_HISTORY):
        return []
    return [row["name"] for row in await connection.fetch(LIST_MIGRATIONS)]


async def refuse_other_schema(connection: Connection, *, advice: str = _ADVICE) -> str | None:
    """Raise `UsageError`, ending in the advice, where this version cannot use the database.

    One that is empty, or lacks only the latest migrations, is for `migrate` to bring up to date. To
    one that has all of ours, newer versions have only added: this one goes on working beside them.
    Returns the latest migration of theirs, None where there is none.
    """
    _refuse_old_server(connection)
    applied = await list_applied(connection)
    if not applied and await connection.fetchval(FIND_LEDGER):
        raise UsageError(f"the database has a table game_session that no migration made: {advice}")
    known = sorted(name_migration(script) for script in _MIGRATIONS.glob("*.sql"))
    unknown = sorted(set(applied) - set(known))
    if not unknown:
        return None
    name = unknown[-1]
    if _find_step(unknown[0]) <= _find_step(known[-1]):
        raise UsageError(
            "another version of Leaderboard, from before the first release, made the database "
            f"({name}), and nothing of it can be carried over: {advice}"
        )
    if not set(known) <= set(applied):
        raise UsageError(describe_newer(name))
    return name


def _refuse_old_server(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < _LEAST_POSTGRES:
        raise UsageError(
            f"this PostgreSQL is {version.major}.{version.micro}: Leaderboard needs "
            f"{_LEAST_POSTGRES} or newer"
        )
    encoding = getattr(connection.get_settings(), "server_encoding", "UTF8")
    if encoding != "UTF8":
        raise UsageError(
            f"the database is in {encoding}: Leaderboard needs one that was made with "
            "ENCODING 'UTF8' TEMPLATE template0"
        )


def describe_newer(name: str) -> str:
    """Return what is to be done where this migration of a newer version was run."""
    return f"a newer version of Leaderboard migrated the database ({name}): update this one"


async def refuse_other_version(settings: Settings) -> str | None:
    """Do as `refuse_other_schema` with the database at hand.

    One that is not there, or cannot be asked, is no error yet: whoever needs it says so then.
    Raises `DatabaseUnavailable` where it answers what no waiting mends.
    """
    if settings.database_url is None:
        return None
    folder = DataDirectory(settings.data_dir)
    is_embedded = parse_qs(urlsplit(settings.database_url).query).get("host") == [
        str(folder.sockets)
    ]
    advice = f"move {folder.path} away, or choose another --data-dir" if is_embedded else _ADVICE
    try:
        connection = await asyncpg.connect(
            settings.database_url,
            timeout=settings.database_timeout_seconds,
            command_timeout=settings.database_timeout_seconds,
            statement_cache_size=0,
        )
        try:
            return await refuse_other_schema(connection, advice=advice)
        finally:
            await connection.close(timeout=1)
    except _REFUSALS as error:
        place = describe_address(settings.database_url)
        raise DatabaseUnavailable(describe_error(error), place) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


def _find_step(name: str) -> str:
    """Return the part of a migration's name that says its place in their order."""
    return name.partition(" ")[0]
