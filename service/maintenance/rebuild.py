"""Rebuild: standings, ranks and index again from the ledger."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from service.backends.database import Connection, Database, load_sql
from service.errors import CacheUnavailable
from service.maintenance.connections import (
    BULK_PLANS,
    LOCK_WAIT_SECONDS,
    STATEMENT_SECONDS,
    Servers,
    open_servers,
)
from service.maintenance.progress import Report
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.locks import hold_rerank_lock, hold_writer_lock
from service.standings.refresh.rerank import record_rerank, store_ranks

FIND_WRONG_STANDINGS: Final = load_sql("maintenance", "find_wrong_standings")
MEND_STANDINGS: Final = load_sql("maintenance", "mend_standings")
NUMBER_REBUILD: Final = load_sql("maintenance", "number_rebuild")


async def rebuild(settings: Settings) -> None:
    """Make the standings of the open seasons what the ledger says, then their ranks and index.

    Each is read and compared, and only what is wrong is written. Shows its progress. Submits and
    reads go on meanwhile, refreshes wait. Raises `WriterBusy` with the standings as before;
    `DatabaseUnavailable`, with them as before or, once their step has ended, right; or
    `CacheUnavailable`, with the standings right and the index to follow.
    """
    report = Report()
    async with open_servers(settings, application_name="leaderboard rebuild") as servers:
        async with (
            hold_rerank_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS),
            hold_writer_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS),
        ):
            await _rebuild_all(servers, report)
        await servers.wake_refresh()


async def _rebuild_all(servers: Servers, report: Report) -> None:
    index = Index(servers.redis, servers.database)
    epochs = await index.read_epochs()
    # Ranks and index are looked after while the ledger is read, which keeps one processor busy, on
    # the chance that the ledger agrees with the standings.
    try:
        async with asyncio.TaskGroup() as group:
            mending = group.create_task(_rebuild_standings(servers.database, report))
            ranking = group.create_task(store_ranks(servers.database))
            comparing = group.create_task(_find_right(index, epochs))
    except BaseExceptionGroup as errors:
        # The first one; the others were cancelled for it.
        raise errors.exceptions[0] from None
    rebuilt, ranked, right = mending.result(), ranking.result(), comparing.result()
    with report.step("Ranks") as step:
        if rebuilt.mended:
            ranked = await store_ranks(servers.database)
        # Where no standing was changed, their ranks are those of the rebuild too. Noted only now:
        # the rebuild's snapshot would not have let it number itself after that.
        await record_rerank(servers.database, replace(ranked, number=rebuilt.number))
        step.facts = f"{ranked.ranks:,} stored"
    with report.step("Index") as step:
        try:
            made = await index.rebuild_outdated({} if rebuilt.mended else right)
        except CacheUnavailable as error:
            raise CacheUnavailable(
                f"the standings are right, the index will follow by itself: {error}"
            ) from error
        step.facts = f"{len(made)} rebuilt, with names and top"


async def _find_right(index: Index, epochs: dict[int, str]) -> dict[int, bytes | str]:
    try:
        return await index.find_right(epochs)
    except CacheUnavailable:
        # What that means is said when the index's turn comes.
        return {}


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """The number of a rebuild of the standings, and how many of them were wrong."""

    number: int
    mended: int


async def _rebuild_standings(database: Database, report: Report) -> _Rebuilt:
    # One snapshot for ledger and outbox: a session that is committed meanwhile is neither added up
    # nor taken from the outbox here, so the next refresh folds it, once.
    async with database.snapshot(readonly=False) as connection:
        return await _mend_standings(connection, report)


async def _mend_standings(connection: Connection, report: Report) -> _Rebuilt:
    with report.step("Ledger") as step:
        await connection.execute(BULK_PLANS)
        status = await connection.execute("DELETE FROM pending_session", timeout=STATEMENT_SECONDS)
        pending = int(status.removeprefix("DELETE "))
        await connection.execute(FIND_WRONG_STANDINGS, timeout=STATEMENT_SECONDS)
        step.facts = f"{pending:,} pending sessions included"
    with report.step("Standings") as step:
        # Rows are now found one by one, by their place.
        await connection.execute("SET LOCAL enable_nestloop = on")
        mended = await connection.fetchval(MEND_STANDINGS, timeout=STATEMENT_SECONDS)
        number = await connection.fetchval(NUMBER_REBUILD, pending)
        step.facts = f"{mended:,} mended"
    return _Rebuilt(number=number, mended=mended)
