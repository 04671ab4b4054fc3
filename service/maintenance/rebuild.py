"""Rebuild: standings, ranks and index from the ledger.

Up to a million players (`slice_standings`) are compared at once, with ranks and index at the same
time. More take slices of as many players, and folds go on between them.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import asyncpg

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import Lease, WriterBusy
from service.boards.finder import LIST_OPEN_SEASONS
from service.errors import CacheUnavailable
from service.maintenance.connections import (
    ANALYZE_BOARDS,
    BULK_PLANS,
    LOCK_WAIT_SECONDS,
    STATEMENT_SECONDS,
    Connections,
    find_board_seasons,
    open_connections,
)
from service.maintenance.report import Report
from service.players.service import FIND_HIGHEST_PLAYER
from service.seasons.keeper import SeasonKeeper
from service.settings.settings import Settings
from service.standings.index.writer import Index, SeasonClosed
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import record_rerank, rerank, store_ranks
from service.validation import MAX_ID

FIND_WRONG_STANDINGS: Final = load_sql("maintenance", "find_wrong_standings")
MEND_STANDINGS: Final = load_sql("maintenance", "mend_standings")
MEND_OUTBOX: Final = load_sql("maintenance", "mend_outbox")
COUNT_PENDING: Final = load_sql("maintenance", "count_pending")
NUMBER_BOARD_REBUILD: Final = load_sql("maintenance", "number_board_rebuild")
NUMBER_REBUILD: Final = load_sql("maintenance", "number_rebuild")


async def rebuild(settings: Settings, board: str | None = None) -> None:
    """Make the standings of the open seasons what the ledger says, then their ranks and index.

    All of it is read and compared, and only what is wrong is written. Last, what is pending is
    folded, as a worker does it, and ranked: also in seasons that are being filled, or had still to
    be made. With a `board` only its standings are compared, its index is built anew, and what is
    pending stays. Shows its progress. Submits and reads go on meanwhile, refreshes wait, or go on
    between two slices.

    Raises `WriterBusy` or `DatabaseUnavailable`, with the standings as before or, once their step
    has ended, right; or `CacheUnavailable`, with the standings right and the index to follow. What
    is pending is left to the workers then.
    """
    report = Report()
    async with open_connections(settings, application_name="leaderboard rebuild") as connections:
        season_ids = None
        if board is not None:
            season_ids = await find_board_seasons(connections.database, board)
        await connections.database.fetch(ANALYZE_BOARDS)
        async with connections.hold_rerank_lock() as reranking:
            if season_ids is None:
                await _mend_outbox(connections, report)
            highest = await connections.database.fetch_value(FIND_HIGHEST_PLAYER)
            if season_ids is None and highest <= settings.slice_standings:
                async with connections.hold_writer_lock() as writing:
                    await _rebuild_at_once(connections, report, reranking, writing)
            else:
                await _rebuild_in_slices(connections, report, reranking, highest, season_ids)
        if season_ids is None:
            await _fold_pending(connections, report)
        await connections.wake_refresh()


async def _mend_outbox(connections: Connections, report: Report) -> None:
    with report.step("Outbox") as step:
        async with connections.hold_writer_lock() as lease, lease.transaction() as connection:
            removed = await connection.fetchval(MEND_OUTBOX, timeout=STATEMENT_SECONDS)
        step.facts = f"{removed:,} removed"


async def _fold_pending(connections: Connections, report: Report) -> None:
    """Fold as many sessions as are pending now; a worker may do so at the same time."""
    with report.step("Pending") as step:
        pending = await connections.database.fetch_value(COUNT_PENDING)
        refresher = Refresher(
            connections.database,
            connections.redis,
            connections.settings,
            between_folds=SeasonKeeper(connections.database, connections.index()).keep,
        )
        folded = 0
        gives_up_at = time.monotonic() + LOCK_WAIT_SECONDS
        while folded < pending:
            try:
                outcome = await refresher.refresh()
            except WriterBusy:
                if time.monotonic() >= gives_up_at:
                    raise
                continue
            if not outcome.sessions:
                break
            folded += outcome.sessions
        if folded:
            await rerank(connections.database, connections.settings.slice_standings)
        step.facts = f"{folded:,} sessions folded"


async def _number(connection: Connection, season_ids: list[int] | None) -> None:
    """Give what was made a number that no index has, of these seasons or of all."""
    if season_ids is None:
        await connection.fetchval(NUMBER_REBUILD)
    else:
        await connection.execute(NUMBER_BOARD_REBUILD, season_ids)


async def _rebuild_in_slices(
    connections: Connections,
    report: Report,
    reranking: Lease,
    players: int,
    season_ids: list[int] | None,
) -> None:
    size = connections.settings.slice_standings
    mended = 0
    with report.step("Standings", total=players) as step:
        # Standings may be of players that are not there: the last slice has no end.
        for first in range(1, players + 1, size):
            last = first + size - 1 if first + size <= players else MAX_ID
            async with (
                connections.hold_writer_lock() as lease,
                connections.database.snapshot(readonly=False) as connection,
            ):
                begin = 0 if first == 1 else first
                found = await _mend_players(connection, begin, last, season_ids)
                if found:
                    # At once, so that no fold adds to an index of what was wrong.
                    await _number(connection, season_ids)
                await lease.confirm(connection)
            mended += found
            step.advance(min(size, players - first + 1), f"{mended:,} mended")
        async with connections.hold_writer_lock() as lease, lease.transaction() as connection:
            await _number(connection, season_ids)
    with report.step("Index") as step:
        rebuilt = await _build_in_slices(connections)
        step.facts = f"{rebuilt} rebuilt, with names and top"
    with report.step("Ranks") as step:
        ranked = await store_ranks(connections.database, reranking, size)
        await record_rerank(reranking, ranked)
        step.facts = f"{ranked.ranks:,} stored"


async def _build_in_slices(connections: Connections) -> int:
    """Build every index that is not right, a slice at a time, with workers in between."""
    index = connections.index()
    rebuilt: set[int] = set()
    try:
        while True:
            async with connections.hold_writer_lock():
                outdated, unnamed = await index.find_outdated()
                rebuilt.update(outdated)
                for season_id in unnamed[:1]:
                    await index.load_names(season_id)
                for season_id in outdated[:1]:
                    with suppress(SeasonClosed):
                        await index.build_slice(season_id)
                if not outdated and not unnamed:
                    return len(rebuilt)
    except CacheUnavailable as error:
        raise _explain(error) from error


def _explain(error: CacheUnavailable) -> CacheUnavailable:
    return CacheUnavailable(f"the standings are right, the index will follow by itself: {error}")


async def _rebuild_at_once(
    connections: Connections, report: Report, reranking: Lease, writing: Lease
) -> None:
    index, size = connections.index(), connections.settings.slice_standings
    seasons = await connections.database.fetch(LIST_OPEN_SEASONS)
    # Ranks and index are compared while the ledger is read, which keeps one processor busy: most
    # often the standings turn out to be right, and with them all three.
    try:
        async with asyncio.TaskGroup() as group:
            standings_task = group.create_task(
                _rebuild_standings(connections.database, report, writing)
            )
            ranks_task = group.create_task(store_ranks(connections.database, reranking, size))
            index_task = group.create_task(_find_matching(index, seasons))
    except BaseExceptionGroup as errors:
        # Only the first: it is why the other tasks were cancelled.
        raise errors.exceptions[0] from None
    rebuilt, ranked, matching = standings_task.result(), ranks_task.result(), index_task.result()
    with report.step("Ranks") as step:
        if rebuilt.mended:
            ranked = await store_ranks(connections.database, reranking, size)
        # Where no standing was changed, the ranks stored meanwhile are right for the rebuild too.
        # Recorded only now: before, the rebuild could not have numbered itself in its snapshot.
        await record_rerank(reranking, replace(ranked, number=rebuilt.number))
        step.facts = f"{ranked.ranks:,} stored"
    with report.step("Index") as step:
        try:
            made = await index.rebuild_outdated({} if rebuilt.mended else matching)
        except CacheUnavailable as error:
            raise _explain(error) from error
        step.facts = f"{len(made)} rebuilt, with names and top"


async def _find_matching(index: Index, seasons: Sequence[asyncpg.Record]) -> dict[int, bytes | str]:
    try:
        return await index.find_matching(seasons)
    except CacheUnavailable:
        # Reported by the step of the index.
        return {}


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """The number of a rebuild of the standings, and how many of them were wrong."""

    number: int
    mended: int


async def _rebuild_standings(database: Database, report: Report, lease: Lease) -> _Rebuilt:
    with report.step("Standings") as step:
        async with database.snapshot(readonly=False) as connection:
            mended = await _mend_players(connection, 0, MAX_ID, None)
            number = await connection.fetchval(NUMBER_REBUILD)
            await lease.confirm(connection)
        step.facts = f"{mended:,} mended"
    return _Rebuilt(number=number, mended=mended)


async def _mend_players(
    connection: Connection, first: int, last: int, season_ids: list[int] | None
) -> int:
    """Mend the standings of some players, in a transaction; return how many were wrong."""
    await connection.execute(BULK_PLANS)
    await connection.execute(
        FIND_WRONG_STANDINGS, first, last, season_ids, timeout=STATEMENT_SECONDS
    )
    # From here on rows are found one by one, by their physical place.
    await connection.execute("SET LOCAL enable_nestloop = on")
    return int(await connection.fetchval(MEND_STANDINGS, timeout=STATEMENT_SECONDS))
