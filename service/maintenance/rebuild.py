"""Rebuild: standings, ranks and index from the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import asyncpg

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import hold_rerank_lock, hold_writer_lock
from service.errors import CacheUnavailable
from service.maintenance.connections import (
    BULK_PLANS,
    LOCK_WAIT_SECONDS,
    STATEMENT_SECONDS,
    Connections,
    open_connections,
)
from service.maintenance.progress import Report
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.refresh.rerank import record_rerank, store_ranks

FIND_WRONG_STANDINGS: Final = load_sql("maintenance", "find_wrong_standings")
MEND_STANDINGS: Final = load_sql("maintenance", "mend_standings")
EMPTY_OUTBOX: Final = load_sql("maintenance", "empty_outbox")
NUMBER_REBUILD: Final = load_sql("maintenance", "number_rebuild")


async def rebuild(settings: Settings) -> None:
    """Make the standings of the open seasons what the ledger says, then their ranks and index.

    All of it is read and compared, and only what is wrong is written. Shows its progress. Submits
    and reads go on meanwhile, refreshes wait.

    Raises `WriterBusy`, with the standings as before; `DatabaseUnavailable`, with them as before
    or, once their step has ended, right; or `CacheUnavailable`, with the standings right and the
    index to follow.
    """
    report = Report()
    async with open_connections(settings, application_name="leaderboard rebuild") as connections:
        async with (
            hold_rerank_lock(connections.database, wait_seconds=LOCK_WAIT_SECONDS),
            hold_writer_lock(connections.database, wait_seconds=LOCK_WAIT_SECONDS),
        ):
            await _rebuild_all(connections, report)
        await connections.wake_refresh()


async def _rebuild_all(connections: Connections, report: Report) -> None:
    index = connections.index()
    seasons = await index.read_seasons()
    # Ranks and index are compared while the ledger is read, which keeps one processor busy: most
    # often the standings turn out to be right, and with them all three.
    try:
        async with asyncio.TaskGroup() as group:
            standings_task = group.create_task(_rebuild_standings(connections.database, report))
            ranks_task = group.create_task(store_ranks(connections.database))
            index_task = group.create_task(_find_matching(index, seasons))
    except BaseExceptionGroup as errors:
        # Only the first: it is why the other tasks were cancelled.
        raise errors.exceptions[0] from None
    rebuilt, ranked, matching = standings_task.result(), ranks_task.result(), index_task.result()
    with report.step("Ranks") as step:
        if rebuilt.mended:
            ranked = await store_ranks(connections.database)
        # Where no standing was changed, the ranks stored meanwhile are right for the rebuild too.
        # Recorded only now: before, the rebuild could not have numbered itself in its snapshot.
        await record_rerank(connections.database, replace(ranked, number=rebuilt.number))
        step.facts = f"{ranked.ranks:,} stored"
    with report.step("Index") as step:
        try:
            made = await index.rebuild_outdated({} if rebuilt.mended else matching)
        except CacheUnavailable as error:
            raise CacheUnavailable(
                f"the standings are right, the index will follow by itself: {error}"
            ) from error
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


async def _rebuild_standings(database: Database, report: Report) -> _Rebuilt:
    # One snapshot for ledger and outbox: a session that is committed meanwhile is neither added up
    # nor taken from the outbox here, so the next refresh folds it once.
    async with database.snapshot(readonly=False) as connection:
        return await _mend_standings(connection, report)


async def _mend_standings(connection: Connection, report: Report) -> _Rebuilt:
    with report.step("Ledger") as step:
        await connection.execute(BULK_PLANS)
        pending = await connection.fetchval(EMPTY_OUTBOX, timeout=STATEMENT_SECONDS)
        await connection.execute(FIND_WRONG_STANDINGS, timeout=STATEMENT_SECONDS)
        step.facts = f"{pending:,} pending sessions included"
    with report.step("Standings") as step:
        # From here on rows are found one by one, by their physical place.
        await connection.execute("SET LOCAL enable_nestloop = on")
        mended = await connection.fetchval(MEND_STANDINGS, timeout=STATEMENT_SECONDS)
        number = await connection.fetchval(NUMBER_REBUILD, pending)
        step.facts = f"{mended:,} mended"
    return _Rebuilt(number=number, mended=mended)
