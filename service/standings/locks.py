"""Locks for one writer at a time: of standings and index, and of stored ranks."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import asyncpg

from service.backends.database import Database
from service.errors import ServiceError

# Any numbers will do, as long as nothing else in this database locks the same ones.
_WRITER_LOCK: Final = 0x6C656164_73746E64
_RERANK_LOCK: Final = 0x6C656164_72616E6B


class WriterBusy(ServiceError):
    """Another writer of standings did not finish while we waited."""

    status = 503
    code = "standings_busy"
    retry_after_seconds = 5

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            f"Another process has been writing standings for over {wait_seconds:g} s; "
            "try again when it has finished."
        )


def hold_writer_lock(
    database: Database, *, wait_seconds: float
) -> AbstractAsyncContextManager[None]:
    """Hold the lock of the only writer of standings and index inside the block.

    Raises `WriterBusy` when another writer is not done after `wait_seconds`.
    """
    return _hold_lock(database, _WRITER_LOCK, wait_seconds)


def hold_rerank_lock(
    database: Database, *, wait_seconds: float
) -> AbstractAsyncContextManager[None]:
    """Hold the lock of re-ranking inside the block; with the writer lock, this one comes first.

    Raises `WriterBusy` when another re-rank is not done after `wait_seconds`.
    """
    return _hold_lock(database, _RERANK_LOCK, wait_seconds)


@asynccontextmanager
async def _hold_lock(database: Database, lock: int, wait_seconds: float) -> AsyncIterator[None]:
    """Hold an advisory lock inside the block.

    The lock belongs to an open transaction that does nothing else. It ends with the connection, at
    once when the process dies; it cannot expire under a paused process; and it works behind a
    transaction pooler.
    """
    async with database.transaction() as connection:
        # A time-out of 0 would mean none. The holder works on other connections, so a server that
        # ends idle transactions would take the lock away in the middle.
        await connection.execute(
            f"SET LOCAL lock_timeout = {max(1, round(wait_seconds * 1000))};"
            "SET LOCAL idle_in_transaction_session_timeout = 0"
        )
        try:
            await connection.execute(
                f"SELECT pg_advisory_xact_lock({lock})", timeout=wait_seconds + 60
            )
        except asyncpg.LockNotAvailableError as error:
            raise WriterBusy(wait_seconds) from error
        yield
