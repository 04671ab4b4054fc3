"""Re-rank: store every standing's competition rank, for SQL consumers and the degraded mode."""

import time
from dataclasses import dataclass
from typing import Final

from service.database import Database, load_sql
from service.standings.lock import hold_writer_lock

RANK_STANDINGS: Final = load_sql("standings", "rank_standings")
RERANK_IS_DUE: Final = load_sql("standings", "rerank_is_due")
RECORD_RERANK: Final = load_sql("standings", "record_rerank")

# At most once a minute, less a little because cron messages arrive unevenly, and for at most a
# twentieth of the time.
_LEAST_SECONDS_BETWEEN: Final = 55.0
_LEAST_DURATIONS_BETWEEN: Final = 20.0

_LOCK_WAIT_SECONDS: Final = 30.0
_STATEMENT_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class RerankOutcome:
    """How many stored ranks changed, and how long that took."""

    ranks: int
    elapsed_ms: float


async def rerank_if_due(database: Database) -> RerankOutcome | None:
    """Re-rank where standings changed since the last time, unless that was just now."""
    if await database.fetch_one(RERANK_IS_DUE, _LEAST_SECONDS_BETWEEN, _LEAST_DURATIONS_BETWEEN):
        return await rerank(database)
    return None


async def rerank(database: Database) -> RerankOutcome:
    """Store the competition rank of every standing of the open seasons.

    Raises `WriterBusy` or `DatabaseUnavailable`; the old ranks stay then.
    """
    async with hold_writer_lock(database, wait_seconds=_LOCK_WAIT_SECONDS):
        started_at = time.monotonic()
        async with database.transaction() as connection:
            number = await connection.fetchval("SELECT number FROM refresh_state")
            ranks = await connection.fetchval(RANK_STANDINGS, timeout=_STATEMENT_SECONDS)
            elapsed_ms = (time.monotonic() - started_at) * 1000
            await connection.execute(RECORD_RERANK, number, ranks, elapsed_ms)
    return RerankOutcome(ranks=ranks, elapsed_ms=elapsed_ms)
