"""Streams an answer of PostgreSQL that is too large to hold in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import asyncpg

from service.backends.database import Connection

# A scan of a large board takes longer than any request may.
SCAN_SECONDS: Final = 600.0


# In the order of an index every version of a row is looked up that somebody's long snapshot keeps.
# Read in the order of the table and sorted, a million standings of five versions each take 1 s in
# place of 5; of one, 1 s in place of 0.6.
_PLAN_TO_SORT: Final = """
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off;
"""
_PLAN_AS_USUAL: Final = """
    SET LOCAL enable_indexscan TO DEFAULT;
    SET LOCAL enable_indexonlyscan TO DEFAULT;
"""


@asynccontextmanager
async def reading_at_once(connection: Connection, *, is_all: bool) -> AsyncIterator[None]:
    """Have statements inside the block sort what they read, where it `is_all` that there is.

    A slice of more is read in the order of an index, which leaves out the other slices.
    """
    if is_all:
        await connection.execute(_PLAN_TO_SORT)
    yield
    if is_all:
        await connection.execute(_PLAN_AS_USUAL)


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
