"""Streams an answer of PostgreSQL that is too large to hold in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

import asyncpg

from service.backends.database import Connection

# A scan of a large board takes longer than any request may.
SCAN_SECONDS: Final = 600.0


async def stream_rows(
    connection: Connection,
    consume: Callable[[list[asyncpg.Record]], Awaitable[object]],
    rows_at_once: int,
    statement: str,
    *parameters: object,
) -> bool:
    """Pass a large answer to `consume`, some rows at a time, while the next ones are read.

    Ends early where `consume` returns something falsy; returns whether it took all rows.
    """
    # asyncpg counts its own names from one in each process. Behind a pooler, another process's
    # cursor may have left its statement on the connection that this transaction was given.
    prepared = await connection.prepare(statement, name=f"scan_{uuid4().hex}")
    cursor = await prepared.cursor(*parameters, timeout=SCAN_SECONDS)
    rows = await cursor.fetch(rows_at_once, timeout=SCAN_SECONDS)
    while rows:
        # Both have ended before an error of one is raised: the connection is never used twice at
        # once.
        consumed, next_rows = await asyncio.gather(
            consume(rows),
            cursor.fetch(rows_at_once, timeout=SCAN_SECONDS),
            return_exceptions=True,
        )
        if isinstance(consumed, BaseException):
            raise consumed
        if isinstance(next_rows, BaseException):
            raise next_rows
        if not consumed:
            return False
        rows = next_rows
    return True
