"""The lock that makes one writer of standings and index at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from service.database import Database
from service.errors import ServiceError

# Any number will do, as long as nothing else in this database locks the same one.
WRITER_LOCK: Final = 0x6C656164_73746E64


class WriterBusy(ServiceError):
    """Somebody else writes standings and did not finish while we waited."""

    status = 503
    code = "standings_busy"
    retry_after_seconds = 5

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            f"Another process has been writing standings for over {wait_seconds:g} s; "
            "try again when it has finished."
        )


@asynccontextmanager
async def hold_writer_lock(database: Database, *, wait_seconds: float) -> AsyncIterator[None]:
    """Be the only writer of standings and index inside the block.

    The lock belongs to an open transaction, which holds nothing else: it ends with the connection,
    at once when the process dies, cannot expire under a paused process, and works behind a
    transaction pooler. Raises `WriterBusy` after `wait_seconds`.
    """
    async with database.transaction() as connection:
        await connection.execute(f"SET LOCAL lock_timeout = {round(wait_seconds * 1000)}")
        try:
            await connection.execute(
                f"SELECT pg_advisory_xact_lock({WRITER_LOCK})", timeout=wait_seconds + 60
            )
        except asyncpg.LockNotAvailableError as error:
            raise WriterBusy(wait_seconds) from error
        yield
