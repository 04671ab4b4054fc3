"""Re-rank: store every standing's competition rank, for SQL consumers and the degraded mode.

What changed is found in one snapshot, beside the folds. It is stored in runs of some ten thousand
rows, each under the writer lock for a moment only: a fold never waits for the whole.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from service.database import Database, load_sql
from service.standings.lock import hold_rerank_lock, hold_writer_lock

FIND_RANK_CHANGES: Final = load_sql("standings", "find_rank_changes")
STORE_RANKS: Final = load_sql("standings", "store_ranks")
RERANK_IS_DUE: Final = load_sql("standings", "rerank_is_due")
RECORD_RERANK: Final = load_sql("standings", "record_rerank")

# At most once a minute, less a little because cron messages arrive unevenly, and for at most a
# twentieth of the time.
_LEAST_SECONDS_BETWEEN: Final = 55.0
_LEAST_DURATIONS_BETWEEN: Final = 20.0

# A page of rank_change holds some 160 rows; a run of 64 keeps a fold waiting for about 0.1 s.
_PAGES_PER_RUN: Final = 64

_LOCK_WAIT_SECONDS: Final = 30.0
_STATEMENT_SECONDS: Final = 600.0

_PLAN_FOR_FINDING: Final = """
    SET LOCAL work_mem = '256MB';
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off;
"""
_PLAN_FOR_STORING: Final = """
    SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;
    SET LOCAL enable_seqscan = off;
"""


@dataclass(frozen=True, slots=True)
class RerankOutcome:
    """How many stored ranks changed, and how long that took."""

    ranks: int
    elapsed_ms: float


async def rerank_if_due(database: Database) -> RerankOutcome | None:
    """Re-rank where standings changed since the last time, unless that was just now."""
    if not await _is_due(database):
        return None
    async with hold_rerank_lock(database, wait_seconds=_LOCK_WAIT_SECONDS):
        # Asked again: whoever had the lock until now may have done it.
        return await _rerank(database) if await _is_due(database) else None


async def rerank(database: Database) -> RerankOutcome:
    """Store the competition rank of every standing of the open seasons.

    A standing that is folded meanwhile keeps the rank it had in the snapshot, until the next time.
    Raises `WriterBusy` or `DatabaseUnavailable`; the ranks that were stored by then stay.
    """
    async with hold_rerank_lock(database, wait_seconds=_LOCK_WAIT_SECONDS):
        return await _rerank(database)


async def _is_due(database: Database) -> bool:
    return bool(
        await database.fetch_one(RERANK_IS_DUE, _LEAST_SECONDS_BETWEEN, _LEAST_DURATIONS_BETWEEN)
    )


async def _rerank(database: Database) -> RerankOutcome:
    started_at = time.monotonic()
    number, ranks, pages = await _find_changes(database)
    for page in range(0, pages, _PAGES_PER_RUN):
        async with hold_writer_lock(database, wait_seconds=_LOCK_WAIT_SECONDS):
            # Two halves beside each other, so that folds wait half as long.
            middle, end = page + _PAGES_PER_RUN // 2, page + _PAGES_PER_RUN
            await asyncio.gather(
                _store_run(database, page, middle), _store_run(database, middle, end)
            )
    elapsed_ms = (time.monotonic() - started_at) * 1000
    await database.fetch(RECORD_RERANK, number, ranks, elapsed_ms)
    return RerankOutcome(ranks=ranks, elapsed_ms=elapsed_ms)


async def _find_changes(database: Database) -> tuple[int, int, int]:
    """Fill rank_change; return the refresh it shows, and its rows and pages."""
    async with database.transaction() as connection:
        await connection.execute("TRUNCATE rank_change")
    async with database.snapshot(readonly=False) as connection:
        await connection.execute(_PLAN_FOR_FINDING)
        number = await connection.fetchval("SELECT number FROM refresh_state")
        tag = await connection.execute(FIND_RANK_CHANGES, timeout=_STATEMENT_SECONDS)
        size = await connection.fetchval("SELECT pg_relation_size('rank_change')")
        page_size = await connection.fetchval("SELECT current_setting('block_size')::int")
    # The tag is "INSERT 0 <rows>".
    return number, int(tag.rpartition(" ")[2]), size // page_size


async def _store_run(database: Database, first_page: int, end_page: int) -> None:
    async with database.transaction() as connection:
        await connection.execute(_PLAN_FOR_STORING)
        await connection.execute(STORE_RANKS, first_page, end_page, timeout=_STATEMENT_SECONDS)
