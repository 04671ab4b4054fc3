"""Submits one score, for an operator who types it."""

import time
from typing import Final, NamedTuple

from dashboard.client.rights import Rights
from dashboard.simulation.client.requests import Failure, Target, await_outcome, send_request
from dashboard.simulation.workload.plan import PlannedRequest, RequestKind
from dashboard.text.numbers import write_ms

_TIMEOUT_SECONDS: Final = 10.0


class SingleSubmit(NamedTuple):
    """A score as the service takes it."""

    user_id: int
    score: int
    game_mode: str


class SubmitAnswer(NamedTuple):
    """What came of it; unless `known`, nobody knows if the ledger has it."""

    accepted: bool
    known: bool
    text: str
    session_id: int | None = None


class ServiceSubmitter:
    """Submits to the service at a URL."""

    def __init__(self, url: str, api_key: str | None = None, rights: Rights | None = None) -> None:
        self._target = Target(url, api_key)
        self._rights = rights or Rights()

    async def submit(self, score: SingleSubmit, key: str) -> SubmitAnswer:
        """Submit a score under an Idempotency-Key; never raises."""
        refusal = self._rights.find_refusal("traffic")
        if refusal is not None:
            return SubmitAnswer(accepted=False, known=True, text=refusal)
        request = PlannedRequest(0, 0.0, RequestKind.SUBMIT, 0, score.score, score.game_mode)
        connection = self._target.open_connection()
        started = time.perf_counter()
        try:
            sending = send_request(connection, request, score.user_id, key)
            outcome = await await_outcome(sending, _TIMEOUT_SECONDS)
        finally:
            connection.close()
        took = write_ms(1000 * (time.perf_counter() - started))
        if isinstance(outcome, Failure):
            return SubmitAnswer(
                accepted=False, known=not outcome.maybe_written, text=f"{outcome.message} ({took})"
            )
        text = f"session {outcome} in {took}"
        return SubmitAnswer(accepted=True, known=True, text=text, session_id=outcome)
