"""Rebuild: standings, ranks and index again from the ledger."""

from typing import Final

from service.database import Connection, load_sql
from service.errors import CacheUnavailable
from service.ops.progress import Report
from service.ops.servers import BULK_PLANS, LOCK_WAIT_SECONDS, STATEMENT_SECONDS, open_servers
from service.settings import Settings
from service.standings.index import Index
from service.standings.lock import hold_rerank_lock, hold_writer_lock
from service.standings.rerank import store_ranks

FIND_WRONG_STANDINGS: Final = load_sql("ops", "find_wrong_standings")
MEND_STANDINGS: Final = load_sql("ops", "mend_standings")
NUMBER_REBUILD: Final = load_sql("ops", "number_rebuild")


async def rebuild(settings: Settings) -> None:
    """Make the standings of the open seasons what the ledger says, then build their index again.

    Shows its progress. Submits and reads go on meanwhile, refreshes wait. Raises
    `DatabaseUnavailable` or `WriterBusy`, with everything as before; or `CacheUnavailable`, with
    the standings right and the index to follow.
    """
    report = Report()
    async with open_servers(settings, application_name="leaderboard rebuild") as servers:
        async with (
            hold_rerank_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS),
            hold_writer_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS),
        ):
            # One snapshot for ledger and outbox: a session that is committed meanwhile is neither
            # added up nor taken from the outbox here, so the next refresh folds it, once.
            async with (
                servers.database.connect() as connection,
                connection.transaction(isolation="repeatable_read"),
            ):
                await _rebuild_standings(connection, report)
            with report.step("Ranks") as step:
                step.facts = f"{(await store_ranks(servers.database)).ranks:,} stored"
            with report.step("Index") as step:
                try:
                    rebuilt = await Index(servers.redis, servers.database).rebuild_outdated()
                except CacheUnavailable as error:
                    raise CacheUnavailable(
                        f"the standings are right, the index will follow by itself: {error}"
                    ) from error
                step.facts = f"{len(rebuilt)} rebuilt, with names and top"
        await servers.wake_refresh()


async def _rebuild_standings(connection: Connection, report: Report) -> None:
    with report.step("Ledger") as step:
        await connection.execute(BULK_PLANS)
        status = await connection.execute("DELETE FROM pending_session", timeout=STATEMENT_SECONDS)
        pending = int(status.removeprefix("DELETE "))
        await connection.execute(FIND_WRONG_STANDINGS, timeout=STATEMENT_SECONDS)
        step.facts = f"{pending:,} pending sessions included"
    with report.step("Standings") as step:
        # Rows are now found one by one, by their place.
        await connection.execute("SET LOCAL enable_nestloop = on")
        mended = await connection.fetchrow(MEND_STANDINGS, timeout=STATEMENT_SECONDS)
        assert mended is not None
        await connection.execute(NUMBER_REBUILD, pending)
        step.facts = f"{mended['standings']:,} mended"
