"""Re-rank: store every standing's rank, for reports, and milestones, for reads without Redis.

Standings are ranked while folds go on, and stored in blocks (`rank_block`): nothing waits for it.
Small seasons are ranked together, in one statement. A large one takes several slices, each a short
statement (`rerank_progress`), so that no snapshot is held for long; a re-rank that was killed goes
on where it was. The ranks are of the moments of their slices then.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import Lease, LeaseLost, hold_rerank_lock
from service.boards.finder import LIST_OPEN_SEASONS
from service.settings.settings import SLICE_STANDINGS
from service.standings.refresh.milestones import find_unclosed, group_seasons, store_milestones

READ_REFRESH_NUMBER: Final = load_sql("standings/refresh", "read_refresh_number")
RANK_STANDINGS: Final = load_sql("standings/refresh", "rank_standings")
STORE_RANKS: Final = load_sql("standings/refresh", "store_ranks")
BEGIN_SLICES: Final = load_sql("standings/refresh", "begin_slices")
LIST_SLICES: Final = load_sql("standings/refresh", "list_slices")
RANK_SLICE: Final = load_sql("standings/refresh", "rank_slice")
STORE_PART: Final = load_sql("standings/refresh", "store_part")
END_SLICES: Final = load_sql("standings/refresh", "end_slices")
RERANK_IS_DUE: Final = load_sql("standings/refresh", "rerank_is_due")
RECORD_RERANK: Final = load_sql("standings/refresh", "record_rerank")

# At most once a minute, with some slack because cron messages do not arrive evenly, and for at most
# a twentieth of the time.
_LEAST_SECONDS_BETWEEN: Final = 55.0
_LEAST_DURATIONS_BETWEEN: Final = 20.0

# How long one call goes on with slices; the next message continues then.
_TURN_SECONDS: Final = 45.0

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
# The planner takes every array for one of ten elements, for which it would compare each with each.
_PLAN_FOR_SLICES: Final = """
    SET LOCAL work_mem = '256MB';
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_nestloop = off;
"""


@dataclass(frozen=True, slots=True)
class RerankOutcome:
    """How many ranks were stored (all of every block that changed), and how long that took.

    `number` is the refresh whose standings they are, or the one at which it began.
    """

    number: int
    ranks: int
    elapsed_ms: float


async def rerank_if_due(
    database: Database, slice_standings: int = SLICE_STANDINGS
) -> RerankOutcome | None:
    """Re-rank if standings changed since the last time, unless that was just now.

    One that takes long is left unfinished, and goes on with the next call. Returns what was done
    once all of it is.
    """
    if not await _is_due(database):
        return None
    async with hold_rerank_lock(database, wait_seconds=_LOCK_WAIT_SECONDS) as lease:
        # Checked again: whoever held the lock until now may have done it.
        if not await _is_due(database):
            return None
        ends_at = time.monotonic() + _TURN_SECONDS
        outcome = await _store_ranks(database, lease, slice_standings, ends_at=ends_at)
        if outcome is not None:
            await record_rerank(lease, outcome)
        return outcome


async def rerank(database: Database, slice_standings: int = SLICE_STANDINGS) -> RerankOutcome:
    """Store the competition rank of every standing of the open seasons, as they are now.

    Raises `WriterBusy` or `DatabaseUnavailable`, with the ranks as they were, or some of them.
    """
    async with hold_rerank_lock(database, wait_seconds=_LOCK_WAIT_SECONDS) as lease:
        outcome = await store_ranks(database, lease, slice_standings)
        await record_rerank(lease, outcome)
        return outcome


async def store_ranks(database: Database, lease: Lease, slice_standings: int) -> RerankOutcome:
    """Store all ranks without recording it yet; the lease is of the re-rank lock."""
    # One that is under way is of other moments.
    await database.fetch(END_SLICES)
    outcome = await _store_ranks(database, lease, slice_standings)
    assert outcome is not None
    return outcome


async def record_rerank(lease: Lease, outcome: RerankOutcome) -> None:
    """Record which refresh the stored ranks show; the lease is of the re-rank lock."""
    async with lease.transaction() as connection:
        await connection.fetch(RECORD_RERANK, outcome.number, outcome.ranks, outcome.elapsed_ms)
        await connection.fetch(END_SLICES)


async def _store_ranks(
    database: Database, lease: Lease, slice_standings: int, *, ends_at: float | None = None
) -> RerankOutcome | None:
    """Begin a re-rank, or go on with one; return None where it ended before it was finished.

    Also where all that it went on with has closed meanwhile: the next one begins anew.
    """
    together: RerankOutcome | None = None
    slices = await database.fetch(LIST_SLICES)
    if not slices:
        await database.fetch(END_SLICES)
        # The ranks of one that is sealed are stored for good when it is closed.
        seasons = [row for row in await database.fetch(LIST_OPEN_SEASONS) if not row["is_sealed"]]
        large = [row["season_id"] for row in seasons if row["players"] > slice_standings]
        small = [row for row in seasons if row["players"] <= slice_standings]
        together = await _rank_together(database, lease, small, slice_standings)
        if large:
            # With the number of the small ones: it tells up to where all are ranked.
            await database.fetch(BEGIN_SLICES, large, together.number)
            slices = await database.fetch(LIST_SLICES)
    for row in slices:
        progress: asyncpg.Record | None = row
        worked_ms = 0.0
        while progress is not None and not progress["is_done"]:
            lease.check()
            if ends_at is not None and time.monotonic() >= ends_at:
                return None
            worked_ms = await _advance(lease, progress, slice_standings, worked_ms)
            found = await database.fetch(LIST_SLICES)
            progress = next(
                (other for other in found if other["season_id"] == row["season_id"]), None
            )
    await store_milestones(database, lease, slice_standings)
    done = await database.fetch(LIST_SLICES)
    numbers = [row["number"] for row in done]
    if together is not None:
        numbers.append(together.number)
    if not numbers:
        return None
    return RerankOutcome(
        number=min(numbers),
        ranks=sum(row["stored_ranks"] for row in done) + (together.ranks if together else 0),
        elapsed_ms=sum(row["worked_ms"] for row in done)
        + (together.elapsed_ms if together else 0.0),
    )


async def _rank_together(
    database: Database, lease: Lease, seasons: Sequence[asyncpg.Record], slice_standings: int
) -> RerankOutcome:
    """Rank small seasons, as many at once as make a slice."""
    started_at = time.monotonic()
    number, ranks = None, 0
    for season_ids in group_seasons(seasons, slice_standings):
        async with lease.transaction() as connection:
            await connection.execute(_PLAN_FOR_RANKING)
            if number is None:
                number = await connection.fetchval(READ_REFRESH_NUMBER)
            await connection.execute(RANK_STANDINGS, season_ids, timeout=_STATEMENT_SECONDS)
            await connection.execute(_PLAN_FOR_STORING)
            # One may have been closed since it was ranked.
            unclosed = await find_unclosed(connection, season_ids)
            ranks += await connection.fetchval(STORE_RANKS, unclosed, timeout=_STATEMENT_SECONDS)
    elapsed_ms = (time.monotonic() - started_at) * 1000
    if number is None:
        number = await database.fetch_value(READ_REFRESH_NUMBER)
    return RerankOutcome(number=number, ranks=ranks, elapsed_ms=elapsed_ms)


async def _advance(
    lease: Lease, progress: asyncpg.Record, slice_standings: int, worked_ms: float
) -> float:
    """Rank the next slice of a season or, after these, store the next part; return its time."""
    started_at = time.monotonic()
    async with lease.transaction() as connection:
        await connection.execute(_PLAN_FOR_SLICES)
        if progress["part"] is None:
            row = await _rank_slice(connection, progress, slice_standings, worked_ms)
        else:
            row = await connection.fetchrow(
                STORE_PART,
                progress["season_id"],
                progress["part"],
                worked_ms,
                timeout=_STATEMENT_SECONDS,
            )
        # No row of one that is closed by now; of any other somebody else has gone on.
        if row is None and any(
            other["season_id"] == progress["season_id"]
            for other in await connection.fetch(LIST_SLICES)
        ):
            raise LeaseLost
    return (time.monotonic() - started_at) * 1000


async def _rank_slice(
    connection: Connection, progress: asyncpg.Record, slice_standings: int, worked_ms: float
) -> asyncpg.Record | None:
    return await connection.fetchrow(
        RANK_SLICE,
        progress["season_id"],
        progress["slice"],
        progress["sort_score"],
        progress["tie_key"],
        progress["player_id"],
        progress["rank"],
        progress["ranked"],
        slice_standings,
        worked_ms,
        timeout=_STATEMENT_SECONDS,
    )


async def _is_due(database: Database) -> bool:
    return bool(
        await database.fetch_one(RERANK_IS_DUE, _LEAST_SECONDS_BETWEEN, _LEAST_DURATIONS_BETWEEN)
    )
