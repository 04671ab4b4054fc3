"""Connections to PostgreSQL and Redis for a command that works on all the data there is."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from service.backends.broker import connect_broker, disconnect_broker
from service.backends.database import Database, load_sql
from service.backends.locks import Lease, hold_rerank_lock, hold_writer_lock
from service.backends.redis import connect_redis, translate_redis_errors
from service.backends.refresh_signal import RefreshSignal
from service.boards.errors import BoardNotFound
from service.errors import CacheUnavailable, SchemaMissing, UsageError
from service.settings.settings import Settings
from service.settings.urls import describe_address
from service.standings.index.writer import Index

ANALYZE_BOARDS: Final = load_sql("maintenance", "analyze_boards")
COUNT_ROWS: Final = load_sql("maintenance", "count_rows")
FIND_BOARD_SEASONS: Final = load_sql("maintenance", "find_board_seasons")

# The time-outs of the settings are meant for requests. A command reads a million rows at once,
# perhaps on a machine that is busy with other things.
_PATIENCE_SECONDS: Final = 60.0
# A rebuild holds two locks and works on three others.
_POOL_SIZE: Final = 6

STATEMENT_SECONDS: Final = 3_600.0
"""Longest wait for one statement over the whole ledger."""

LOCK_WAIT_SECONDS: Final = 120.0
"""Longest wait for the lock of writing, which `populate` holds for a minute, or of re-ranking."""

BULK_PLANS: Final = """
    SET LOCAL work_mem = '256MB';
    SET LOCAL enable_nestloop = off;
"""
"""For a transaction over the whole ledger: hash joins, and no scan of the outbox for each session.

The statistics of the outbox do not tell how many sessions are in it now.
"""


@dataclass(frozen=True, slots=True)
class Connections:
    """The two connections of a command, and the settings that they were made with."""

    database: Database
    redis: Redis
    settings: Settings

    async def require_redis(self) -> None:
        """Raise `CacheUnavailable` now rather than after a minute's work where Redis is away."""
        try:
            with translate_redis_errors():
                await self.redis.ping()
        except CacheUnavailable as error:
            raise self.describe_outage(error) from error

    def describe_outage(self, error: CacheUnavailable) -> CacheUnavailable:
        """Return the same error for the operator of this command."""
        place = describe_address(self.settings.require_redis_url())
        return CacheUnavailable(
            f"cannot use Redis at {place}: {error} (check the server, and REDIS_URL)"
        )

    def hold_writer_lock(self) -> AbstractAsyncContextManager[Lease]:
        """Hold the lock of the only writer inside the block, as patiently as a command may."""
        return hold_writer_lock(self.database, wait_seconds=LOCK_WAIT_SECONDS)

    def hold_rerank_lock(self) -> AbstractAsyncContextManager[Lease]:
        """Hold the lock of re-ranking, which comes before the other, as patiently."""
        return hold_rerank_lock(self.database, wait_seconds=LOCK_WAIT_SECONDS)

    def index(self) -> Index:
        """Return what writes the index."""
        return Index(self.redis, self.database, self.settings.slice_standings)

    @asynccontextmanager
    async def lend_signal(self) -> AsyncIterator[RefreshSignal]:
        """Lend what asks the workers for a refresh; at the end of the block it has been sent."""
        broker = connect_broker(self.settings.require_broker_url())
        signal = RefreshSignal(self.redis, broker)
        try:
            yield signal
        finally:
            await signal.drain()
            disconnect_broker(broker)

    async def wake_refresh(self) -> None:
        """Ask the workers for the refresh that had to wait for this command."""
        async with self.lend_signal() as signal:
            signal.raise_soon()


async def find_board_seasons(database: Database, board: str) -> list[int]:
    """Return the seasons of a board that count; raises `BoardNotFound`.

    Raises `UsageError` where there is none, because the board is archived or being filled.
    """
    row = await database.fetch_one(FIND_BOARD_SEASONS, board)
    if row is None:
        raise BoardNotFound(board)
    if not row["season_ids"]:
        raise UsageError(f"the board {board!r} counts nothing now: it is archived or being filled")
    return list(row["season_ids"])


@asynccontextmanager
async def open_database(settings: Settings, *, application_name: str) -> AsyncIterator[Database]:
    """Lend a pool of connections that wait longer than those of requests; made when first used.

    Raises `UsageError` where the database turns out to have no schema, or an old one.
    """
    patient = settings.model_copy(
        update={
            "database_timeout_seconds": max(_PATIENCE_SECONDS, settings.database_timeout_seconds),
            "database_pool_size": max(_POOL_SIZE, settings.database_pool_size),
        }
    )
    database = Database(patient, application_name=application_name)
    await database.open()
    try:
        yield database
    except SchemaMissing as error:
        raise UsageError(
            f"the schema is not up to date ({error.reason}): run `leaderboard migrate`"
        ) from error
    finally:
        await database.close()


@asynccontextmanager
async def open_connections(
    settings: Settings, *, application_name: str
) -> AsyncIterator[Connections]:
    """Lend both connections; neither is made before it is used. Raises as `open_database` does."""
    patient = settings.model_copy(
        update={
            "redis_timeout_seconds": max(_PATIENCE_SECONDS, settings.redis_timeout_seconds),
        }
    )
    redis = connect_redis(patient)
    try:
        async with open_database(patient, application_name=application_name) as database:
            yield Connections(database, redis, patient)
    finally:
        await redis.aclose()
