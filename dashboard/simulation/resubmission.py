"""Finding out what became of submits without an answer, by sending them again.

The service gives the first answer again to a key that it knows, and counts the submit now if it
does not: either way it is then known to be in the ledger, once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dashboard.simulation.client.requests import Failure, Outcome, await_outcome
from dashboard.simulation.workload.plan import PlannedRequest

_SENDERS = 16
_PAUSE_SECONDS = 0.25
_ANSWER_SECONDS = 10.0

Send = Callable[[PlannedRequest], Awaitable[Outcome]]
"""Sends a request under its own key; raises `httpx.TransportError`."""

Record = Callable[[int | None], None]
"""Takes the session that a submit made, or None for one that was refused."""


async def resubmit_unknown(
    unknown: Sequence[PlannedRequest], send: Send, record: Record, patience_seconds: float
) -> None:
    """Send each submit again until its fate is known, for `patience_seconds` at most.

    What is not known by then stays unknown.
    """
    waiting = list(reversed(unknown))

    async def work() -> None:
        while waiting:
            request = waiting.pop()
            outcome = await await_outcome(send(request), _ANSWER_SECONDS)
            if isinstance(outcome, int):
                record(outcome)
            elif _is_refusal(outcome):
                record(None)
            else:
                waiting.append(request)
                await asyncio.sleep(_PAUSE_SECONDS)

    try:
        async with asyncio.timeout(patience_seconds), asyncio.TaskGroup() as senders:
            for _ in range(min(_SENDERS, len(unknown))):
                senders.create_task(work())
    except TimeoutError:
        return


def _is_refusal(outcome: Outcome) -> bool:
    # A connection that was refused now says nothing about the submit that was sent before.
    return isinstance(outcome, Failure) and outcome.has_latency and not outcome.maybe_written
