"""Re-rank: store every standing's competition rank, for SQL consumers and the degraded mode.

The standings are ranked in one snapshot while folds go on, and stored in blocks (`rank_block`):
nothing waits for it.
"""

import time
from dataclasses import dataclass
from typing import Final

from service.backends.database import Database, load_sql
from service.backends.locks import hold_rerank_lock
from service.standings.refresh.milestones import store_milestones

RANK_STANDINGS: Final = load_sql("standings/refresh", "rank_standings")
STORE_RANKS: Final = load_sql("standings/refresh", "store_ranks")
RERANK_IS_DUE: Final = load_sql("standings/refresh", "rerank_is_due")
RECORD_RERANK: Final = load_sql("standings/refresh", "record_rerank")

# At most once a minute, with some slack because cron messages do not arrive evenly, and for at most
# a twentieth of the time.
_LEAST_SECONDS_BETWEEN: Final = 55.0
_LEAST_DURATIONS_BETWEEN: Final = 20.0

_LOCK_WAIT_SECONDS: Final = 30.0
_STATEMENT_SECONDS: Final = 600.0

# The planner avoids a parallel sort because all rows pass through its leader; it is faster here.
_PLAN_FOR_RANKING: Final = """
    SET LOCAL work_mem = '256MB';
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL parallel_tuple_cost = 0;
"""
_PLAN_FOR_STORING: Final = """
    SET LOCAL enable_indexscan = on;
    SET LOCAL enable_indexonlyscan = on;
    SET LOCAL enable_bitmapscan = on;
"""


@dataclass(frozen=True, slots=True)
class RerankOutcome:
    """How many ranks were stored (all of every block that changed), and how long that took.

    `number` is the refresh whose standings they are.
    """

    number: int
    ranks: int
    elapsed_ms: float


async def rerank_if_due(database: Database) -> RerankOutcome | None:
    """Re-rank if standings changed since the last time, unless that was just now."""
    if not await _is_due(database):
        return None
    async with hold_rerank_lock(database, wait_seconds=_LOCK_WAIT_SECONDS):
        # Checked again: whoever held the lock until now may have done it.
        return await _rerank(database) if await _is_due(database) else None


async def rerank(database: Database) -> RerankOutcome:
    """Store the competition rank of every standing of the open seasons, as they are now.

    Raises `WriterBusy` or `DatabaseUnavailable`, with the ranks as they were.
    """
    async with hold_rerank_lock(database, wait_seconds=_LOCK_WAIT_SECONDS):
        return await _rerank(database)


async def _rerank(database: Database) -> RerankOutcome:
    outcome = await store_ranks(database)
    await record_rerank(database, outcome)
    return outcome


async def store_ranks(database: Database) -> RerankOutcome:
    """Store the ranks without recording it yet; the caller holds the re-rank lock."""
    started_at = time.monotonic()
    async with database.snapshot(readonly=False) as connection:
        await connection.execute(_PLAN_FOR_RANKING)
        number = await connection.fetchval("SELECT number FROM refresh_state")
        await connection.execute(RANK_STANDINGS, timeout=_STATEMENT_SECONDS)
        await connection.execute(_PLAN_FOR_STORING)
        ranks = await connection.fetchval(STORE_RANKS, timeout=_STATEMENT_SECONDS)
    await store_milestones(database)
    elapsed_ms = (time.monotonic() - started_at) * 1000
    return RerankOutcome(number=number, ranks=ranks, elapsed_ms=elapsed_ms)


async def record_rerank(database: Database, outcome: RerankOutcome) -> None:
    """Record which refresh the stored ranks show; the caller holds the re-rank lock."""
    await database.fetch(RECORD_RERANK, outcome.number, outcome.ranks, outcome.elapsed_ms)


async def _is_due(database: Database) -> bool:
    return bool(
        await database.fetch_one(RERANK_IS_DUE, _LEAST_SECONDS_BETWEEN, _LEAST_DURATIONS_BETWEEN)
    )
