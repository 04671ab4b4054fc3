"""Takes answers of PostgreSQL that are too large to hold over to somebody else, piece by piece."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

import asyncpg

from service.backends.database import Connection

# A scan of a large board takes longer than any request may.
_SCAN_SECONDS: Final = 600.0


async def hand_over(
    connection: Connection,
    take: Callable[[list[asyncpg.Record]], Awaitable[object]],
    rows_at_once: int,
    statement: str,
    *parameters: object,
) -> bool:
    """Hand a large answer to `take`, some rows at a time, and read the next ones meanwhile.

    Ends where `take` answers 0; returns whether it took all.
    """
    # asyncpg's own names begin at one in each process. Behind a pooler another process's cursor may
    # have left its statement on the connection that this transaction was given.
    prepared = await connection.prepare(statement, name=f"scan_{uuid4().hex}")
    cursor = await prepared.cursor(*parameters, timeout=_SCAN_SECONDS)
    rows = await cursor.fetch(rows_at_once, timeout=_SCAN_SECONDS)
    while rows:
        # Both have ended before one's error is raised: the connection is not used twice at once.
        taken, found = await asyncio.gather(
            take(rows), cursor.fetch(rows_at_once, timeout=_SCAN_SECONDS), return_exceptions=True
        )
        if isinstance(taken, BaseException):
            raise taken
        if isinstance(found, BaseException):
            raise found
        if not taken:
            return False
        rows = found
    return True
