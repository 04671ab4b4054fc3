"""What was sent against what the ledger counted."""

import asyncio
from urllib.parse import quote

import msgspec

from dashboard.simulation.client.api_client import ApiClient
from dashboard.simulation.client.requests import Target
from dashboard.simulation.errors import SimulationError, UnexpectedAnswer
from dashboard.simulation.reports.report import LedgerReport, RunReport, SubmitReport

_STATUS = "/api/ops/status"

_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 1.0


class _Status(msgspec.Struct):
    highest_session_id: int | None


class _Count(msgspec.Struct):
    sessions: int
    distinct_keys: int


async def find_ledger_end(target: Target) -> int:
    """Return the id of the last session in the ledger, 0 where there is none.

    Raises `ServiceUnreachable` and `UnexpectedAnswer`.
    """
    client = ApiClient(target)
    try:
        highest = (await client.read(_STATUS, _Status)).highest_session_id
    finally:
        await client.close()
    if highest is None:
        raise UnexpectedAnswer(target.url, f"GET {_STATUS}", "no sessions: its database is away")
    return highest


async def compare_with_ledger(
    target: Target, report: RunReport, after: int, patience_seconds: float = _PATIENCE_SECONDS
) -> RunReport:
    """Return the report of a run that ended with what the ledger has of it.

    `after` is where the ledger ended before the run. A service that does not answer is asked again
    for `patience_seconds`; then the report says why there is no comparison.
    """
    prefix = report.submits.key_prefix
    path = f"/api/ops/sessions/count?after={after}&key_prefix={quote(prefix)}"
    client = ApiClient(target)
    problem = f"no answer within {patience_seconds:g} s"
    try:
        async with asyncio.timeout(patience_seconds):
            while True:
                try:
                    count = await client.read(path, _Count)
                except SimulationError as error:
                    problem = error.finding
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    ledger = compare_counts(
                        report.submits, after, count.sessions, count.distinct_keys
                    )
                    return msgspec.structs.replace(report, ledger=ledger)
    except TimeoutError:
        return msgspec.structs.replace(report, ledger_problem=problem)
    finally:
        await client.close()


def compare_counts(
    submits: SubmitReport, after: int, sessions: int, distinct_keys: int
) -> LedgerReport:
    """Compare submits with the sessions and keys that the ledger has of them.

    Of submits whose fate is unknown, any number may be there.
    """
    return LedgerReport(
        after=after,
        sessions=sessions,
        distinct_keys=distinct_keys,
        lost=max(0, submits.acknowledged - distinct_keys),
        counted_twice=sessions - distinct_keys,
        unexpected=max(0, distinct_keys - submits.acknowledged - submits.unknown),
    )
