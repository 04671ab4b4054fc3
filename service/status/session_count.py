"""What the ledger counted of a set of submits, for whoever sent them to compare."""

from typing import Final

from service.backends.database import Database, load_sql
from service.status.schemas import SessionCount

COUNT_SESSIONS: Final = load_sql("status", "count_sessions")

ONLY_INDEXES: Final = "SET LOCAL enable_seqscan = off"
"""For a planner that knows nothing of the ids yet, and would read the whole ledger."""


async def count_sessions(database: Database, *, after: int, key_prefix: str) -> SessionCount:
    """Count the sessions with ids above `after` whose idempotency key begins with `key_prefix`.

    Takes as long as the sessions above `after` are many: give the highest id from before the first
    submit.
    """
    async with database.transaction() as connection:
        await connection.execute(ONLY_INDEXES)
        row = await connection.fetchrow(COUNT_SESSIONS, after, key_prefix)
    assert row is not None, "an aggregate without groups has one row"
    return SessionCount(**row)
