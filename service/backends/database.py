"""The connection pool, the `.sql` loader and the translation of driver errors.

Statements live in `<noun>/sql/<verb_noun>.sql`; Python names them and passes parameters. Piccolo
owns the schema, but statements run on asyncpg itself: Piccolo's `raw()` parses braces and would
corrupt `'{}'` and `$1`.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.backends.pgbouncer import Connector
from service.counters import stages
from service.errors import DatabaseUnavailable, SchemaMissing, WritesRefused, describe_error
from service.lifecycle import stop_task
from service.settings.settings import Settings
from service.settings.urls import describe_address

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

_NO_WRITES: Final = (asyncpg.DiskFullError, asyncpg.ReadOnlySQLTransactionError)

# InterfaceError means "connection is closed", but for these it means that a call of ours is wrong:
# a bug, which must not look like an outage. A wrong number of parameters has no class of its own.
_MISUSE: Final = asyncpg.exceptions.ClientConfigurationError
_WRONG_NUMBER: Final = "for this query"

# What our statements name and a database that was not migrated does not have.
_NO_SCHEMA: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)

# How long a connection that is given back may take to cancel its last statement. A server that
# hangs does not answer that either, and the caller has already waited for its time-out.
_RELEASE_SECONDS: Final = 1.0


# A request that comes the moment PostgreSQL freezes is answered after both of these together.
_PULSE_INTERVAL_SECONDS: Final = 0.5
_SILENCE_SECONDS: Final = 1.5
_GRACE_SECONDS: Final = 0.1

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


_SILENT: Final = f"PostgreSQL has not answered for {_SILENCE_SECONDS:g} s"

_log = logging.getLogger(__name__)


def load_sql(noun: str, name: str) -> str:
    """Return the statement in `service/<noun>/sql/<name>.sql`."""
    return resources.files("service").joinpath(noun, "sql", f"{name}.sql").read_text("utf-8")


class Database:
    """A pool of connections to one PostgreSQL.

    `pool_size` is how many at most, by default the setting. It connects when first used, so that a
    process can start, and answer from Redis, while the database is away. Every driver error that
    means "away" leaves as `DatabaseUnavailable`; with a `pulse`, so does its silence.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        application_name: str,
        pool_size: int | None = None,
        pulse: "Pulse | None" = None,
    ) -> None:
        self.pool_size = settings.database_pool_size if pool_size is None else pool_size
        self._settings = settings
        self._application_name = application_name
        self._connector = Connector()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._place: str | None = None
        self._pulse = pulse
        self._acquiring: set[asyncio.Timeout] = set()
        self._open: set[Connection] = set()
        # By the numbers of service.backends.locks.
        self.turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def open(self) -> None:
        """Make the pool; does not connect yet."""
        connect: Any = self._connector.connect
        url = self._settings.require_database_url()
        self._place = describe_address(url)
        self._pool = await asyncpg.create_pool(
            url,
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
            init=self._keep_track,
            reset=_keep_session,
        )
        if self._pulse is not None:
            self._pulse.call_on_silence(self._give_up)

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
        """Lend a connection; raises as `translate_errors` does."""
        assert self._pool is not None, "Database.open() comes first"
        with translate_errors(self._place):
            if self._pulse is not None and self._pulse.is_silent:
                raise TimeoutError(_SILENT)
            spent, asked_at = stages.get(), time.perf_counter()
            async with asyncio.timeout(self._settings.database_timeout_seconds) as limit:
                self._acquiring.add(limit)
                try:
                    connection = await self._pool.acquire()
                finally:
                    self._acquiring.discard(limit)
                    lent_at = time.perf_counter()
                    if spent is not None:
                        spent.pool += lent_at - asked_at
            try:
                yield connection
            finally:
                if spent is not None:
                    spent.statement += time.perf_counter() - lent_at
                await self._pool.release(connection, timeout=_RELEASE_SECONDS)

    async def _keep_track(self, connection: Connection) -> None:
        self._open.add(connection)
        # The listener is given the pool's proxy of a connection that was lent.
        connection.add_termination_listener(lambda _: self._open.discard(connection))

    def _give_up(self) -> None:
        """Fail whatever waits for PostgreSQL, which says nothing any more.

        Connections are cut, not the tasks that use them: a stream's generator changes tasks. Idle
        ones go as well: where the network was cut, nobody is at their other end.
        """
        for limit in self._acquiring:
            # One that has just been reached by itself can not be moved.
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        for connection in [*self._open]:
            connection.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits unless the block raises."""
        async with self.connect() as connection:
            async with connection.transaction():
                await self._limit_idleness(connection)
                yield connection
                done_at = time.perf_counter()
            spent = stages.get()
            if spent is not None:
                commit = time.perf_counter() - done_at
                spent.commit += commit
                spent.statement -= commit

    @asynccontextmanager
    async def snapshot(self, *, readonly: bool = True) -> AsyncIterator[Connection]:
        """Lend a connection that sees the database as it is now, however long the block takes."""
        async with (
            self.connect() as connection,
            connection.transaction(isolation="repeatable_read", readonly=readonly),
        ):
            await self._limit_idleness(connection)
            yield connection

    async def _limit_idleness(self, connection: Connection) -> None:
        """Have a transaction end where this process stands still in it, also behind a pooler.

        That keeps no such setting for a session.
        """
        if self._connector.is_pooled:
            await connection.execute(_LIMIT_IDLENESS)

    async def fetch(self, statement: str, *parameters: object) -> list[asyncpg.Record]:
        """Run one statement on its own; return its rows."""
        async with self.connect() as connection:
            return await connection.fetch(statement, *parameters)

    async def fetch_many(self, statement: str, values: Iterable[object]) -> list[asyncpg.Record]:
        """Run one statement for each value of its only parameter, at once; return all rows."""
        async with self.connect() as connection:
            return await connection.fetchmany(statement, [(value,) for value in values])

    async def fetch_one(self, statement: str, *parameters: object) -> asyncpg.Record | None:
        """Run one statement on its own; return its first row, or None."""
        async with self.connect() as connection:
            return await connection.fetchrow(statement, *parameters)

    async def fetch_value(self, statement: str, *parameters: object) -> Any:
        """Run one statement on its own; return the first column of its first row, or None."""
        async with self.connect() as connection:
            return await connection.fetchval(statement, *parameters)


class Pulse:
    """Asks PostgreSQL twice a second whether it answers, for all who wait for it in this process.

    One that hangs, or is cut off the network, costs every request the whole time limit of its
    statement, and that has to be long enough for the longest. So after a second and a half without
    an answer all that wait fail, and all that come, until it answers. A server that is away
    altogether refuses connections at once, and is not silent.
    """

    def __init__(self, settings: Settings) -> None:
        own = {"database_timeout_seconds": 2 * _SILENCE_SECONDS}
        # A connection of its own: those of the pool may all be waiting for something.
        self._database = Database(
            settings.model_copy(update=own), application_name="leaderboard api pulse", pool_size=1
        )
        self._watcher: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._answered_at = datetime.now(UTC)
        self.is_silent = False
        self.problem: str | None = None
        """Why it does not answer; None while it does."""

    @property
    def away_since(self) -> datetime | None:
        """When it was last heard of, while it does not answer."""
        return self._answered_at if self.problem is not None else None

    async def start(self) -> None:
        """Start to ask."""
        await self._database.open()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop asking."""
        await stop_task(self._watcher)
        await self._database.close()

    def call_on_silence(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever PostgreSQL has fallen silent."""
        self._listeners.append(listener)

    async def _watch(self) -> None:
        while True:
            asking = asyncio.create_task(self._database.fetch_one("SELECT"))
            try:
                await asyncio.wait({asking}, timeout=_SILENCE_SECONDS)
                # It may have come while this process was busy, and wait to be read.
                await asyncio.wait({asking}, timeout=_GRACE_SECONDS)
                if not asking.done():
                    self._note_silence()
                try:
                    await asking
                except DatabaseUnavailable as error:
                    self.problem = _SILENT if self.is_silent else str(error)
                else:
                    self._note_answer()
            finally:
                await stop_task(asking)
            await asyncio.sleep(_PULSE_INTERVAL_SECONDS)

    def _note_silence(self) -> None:
        if not self.is_silent:
            self.is_silent = True
            self.problem = _SILENT
            _log.warning("%s: what needs it is refused until it answers", _SILENT)
        for listener in self._listeners:
            listener()

    def _note_answer(self) -> None:
        self._answered_at, self.problem = datetime.now(UTC), None
        if self.is_silent:
            self.is_silent = False
            _log.info("PostgreSQL answers again")


async def _keep_session(_: Connection) -> None:
    """Reset nothing when a connection goes back to the pool: that would be a round trip each time.

    There is nothing to reset: settings are made with SET LOCAL, locks belong to transactions, and
    nothing uses LISTEN.
    """


@contextmanager
def translate_errors(place: str | None = None) -> Iterator[None]:
    """Raise `DatabaseUnavailable` for every driver error that means the one there is away.

    For one without our tables it is `SchemaMissing`, for one that is full or can only be read
    `WritesRefused`.
    """
    try:
        yield
    except _NO_SCHEMA as error:
        raise SchemaMissing(str(error)) from error
    except _MISUSE:
        raise
    except _UNAVAILABLE as error:
        if isinstance(error, asyncpg.InterfaceError) and _WRONG_NUMBER in str(error):
            raise
        kind = WritesRefused if isinstance(error, _NO_WRITES) else DatabaseUnavailable
        raise kind(describe_error(error), place) from error
