"""Audit: proves on a live system that ledger, standings and index are one."""

from service.maintenance.audit_index import audit_index
from service.maintenance.audit_ledger import audit_ledger
from service.maintenance.connections import open_servers
from service.maintenance.progress import Report
from service.settings.settings import Settings


async def audit(settings: Settings) -> bool:
    """Compare ledger, standings and index; tell whether they agree. Changes nothing.

    Writes a line a check, then the first differences of each, then how many there are in all.
    Submits, reads and refreshes go on meanwhile. Raises `DatabaseUnavailable` or `WriterBusy`.
    """
    report = Report()
    async with open_servers(settings, application_name="leaderboard audit") as servers:
        async with servers.database.snapshot() as connection:
            differences = await audit_ledger(connection, report)
        differences += await audit_index(servers, report)
    report.write(f"{differences:,} difference{'' if differences == 1 else 's'}")
    return differences == 0
