"""The connection pool, the `.sql` loader and the translation of driver errors.

Statements live in `<noun>/sql/<verb_noun>.sql`; Python names them and passes parameters. Piccolo
owns the schema, but statements run on asyncpg itself: Piccolo's `raw()` parses braces and would
corrupt `'{}'` and `$1`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.backends.pgbouncer import Connector
from service.errors import DatabaseUnavailable, SchemaMissing
from service.settings.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# A server that is away, going away or full shows up as any of these, depending on the moment.
_UNAVAILABLE: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

# InterfaceError means "connection is closed", but these subclasses of it mean that an argument of
# ours is wrong: a bug, which must not look like an outage.
_MISUSE: Final = (asyncpg.DataError, asyncpg.exceptions.ClientConfigurationError)

# What our statements name and a database that was not migrated does not have.
_NO_SCHEMA: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)

# How long a connection that is given back may take to cancel its last statement. A server that
# hangs does not answer that either, and the caller has already waited for its time-out.
_RELEASE_SECONDS: Final = 1.0


# When a worker's machine vanishes from the network, the server by its defaults would keep its
# transactions, and with them the lock of the only writer, for two hours. With these it is 30 s.
_KEEPALIVES: Final = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_IDLE_IN_TRANSACTION: Final = "20s"
_LIMIT_IDLENESS: Final = f"SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_IN_TRANSACTION}'"

# What correctness needs, whatever the role or the database has for a default.
_SESSION: Final = {
    "timezone": "UTC",
    # A 200 promises that the score is on disk.
    "synchronous_commit": "on",
    # Two submits with one key are found by what the other one has committed meanwhile.
    "default_transaction_isolation": "read committed",
    # A process that is frozen in the middle of a transaction holds locks that others wait for.
    "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION,
    # Every statement has a limit of ours, and some are longer than any that suits the others.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "jit": "off",
}


def load_sql(noun: str, name: str) -> str:
    """Return the statement in `service/<noun>/sql/<name>.sql`."""
    return resources.files("service").joinpath(noun, "sql", f"{name}.sql").read_text("utf-8")


class Database:
    """A pool of connections to one PostgreSQL.

    `pool_size` is how many at most, by default the setting. It connects when first used, so that a
    process can start, and answer from Redis, while the database is away. Every driver error that
    means "away" leaves as `DatabaseUnavailable`.
    """

    def __init__(
        self, settings: Settings, *, application_name: str, pool_size: int | None = None
    ) -> None:
        self.pool_size = settings.database_pool_size if pool_size is None else pool_size
        self._settings = settings
        self._application_name = application_name
        self._connector = Connector()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Make the pool; does not connect yet."""
        connect: Any = self._connector.connect
        self._pool = await asyncpg.create_pool(
            self._settings.require_database_url(),
            min_size=0,
            max_size=self.pool_size,
            timeout=self._settings.database_timeout_seconds,
            command_timeout=self._settings.database_timeout_seconds,
            server_settings={
                "application_name": self._application_name,
                **_SESSION,
                **_KEEPALIVES,
            },
            connect=connect,
            reset=_keep_session,
        )

    async def close(self) -> None:
        """Close every connection, waiting for the statements under way."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of these are idle."""
        if self._pool is None:
            return 0, 0
        return self._pool.get_size(), self._pool.get_idle_size()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Lend a connection.

        Raises `DatabaseUnavailable` where there is none, and its subclass `SchemaMissing`.
        """
        assert self._pool is not None, "Database.open() comes first"
        with translate_errors():
            connection = await self._pool.acquire(timeout=self._settings.database_timeout_seconds)
            try:
                yield connection
            finally:
                await self._pool.release(connection, timeout=_RELEASE_SECONDS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits unless the block raises."""
        async with self.connect() as connection, connection.transaction():
            if self._connector.is_pooled:
                # A pooler keeps no such setting for a session.
                await connection.execute(_LIMIT_IDLENESS)
            yield connection

    @asynccontextmanager
    async def snapshot(self, *, readonly: bool = True) -> AsyncIterator[Connection]:
        """Lend a connection that sees the database as it is now, however long the block takes."""
        async with (
            self.connect() as connection,
            connection.transaction(isolation="repeatable_read", readonly=readonly),
        ):
            yield connection

    async def fetch(self, statement: str, *parameters: object) -> list[asyncpg.Record]:
        """Run one statement on its own; return its rows."""
        async with self.connect() as connection:
            return await connection.fetch(statement, *parameters)

    async def fetch_one(self, statement: str, *parameters: object) -> asyncpg.Record | None:
        """Run one statement on its own; return its first row, or None."""
        async with self.connect() as connection:
            return await connection.fetchrow(statement, *parameters)


async def _keep_session(_: Connection) -> None:
    """Reset nothing when a connection goes back to the pool: that would be a round trip each time.

    There is nothing to reset: settings are made with SET LOCAL, locks belong to transactions, and
    nothing uses LISTEN.
    """


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise `DatabaseUnavailable` for every driver error that means the database is away.

    For one without our tables it is `SchemaMissing`.
    """
    try:
        yield
    except _NO_SCHEMA as error:
        raise SchemaMissing(str(error)) from error
    except _MISUSE:
        raise
    except _UNAVAILABLE as error:
        # A time-out has no message.
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise DatabaseUnavailable(reason) from error
