"""One score submitted by hand, and what the service said to it."""

import asyncio
import secrets
import time
from typing import NamedTuple, Protocol

import httpx

from dashboard.simulation.client.requests import Failure, Target, judge_answer, send_request
from dashboard.simulation.workload.plan import PlannedRequest, RequestKind
from dashboard.simulation.workload.scores import LARGEST_SCORE
from dashboard.text.numbers import drop_grouping, write_ms

_TIMEOUT_SECONDS = 10.0
_LARGEST_ID = 2**53 - 1
LONGEST_MODE = 50


class HandScore(NamedTuple):
    """A score as the service takes it."""

    user_id: int
    score: int
    game_mode: str


class HandAnswer(NamedTuple):
    """What came of it: `known` tells whether the ledger has it or not, else nobody knows."""

    accepted: bool
    known: bool
    text: str


class Submitter(Protocol):
    """Submits single scores."""

    async def submit(self, score: HandScore, key: str) -> HandAnswer:
        """Submit a score under an Idempotency-Key; never raises."""
        ...


class ServiceSubmitter:
    """Submits to the service at a URL."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self._target = Target(url, api_key)

    async def submit(self, score: HandScore, key: str) -> HandAnswer:
        """Submit a score under an Idempotency-Key; never raises."""
        request = PlannedRequest(0, 0.0, RequestKind.SUBMIT, 0, score.score, score.game_mode)
        connection = self._target.open_connection()
        started = time.perf_counter()
        outcome: int | Failure | None
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await send_request(connection, request, score.user_id, key)
            outcome = judge_answer(RequestKind.SUBMIT, score.user_id, answer)
        except httpx.TransportError as error:
            outcome = Failure.of_transport(error)
        except TimeoutError:
            outcome = Failure.of_timeout(_TIMEOUT_SECONDS)
        finally:
            await connection.close()
        took = write_ms(1000 * (time.perf_counter() - started))
        if isinstance(outcome, Failure):
            return HandAnswer(
                accepted=False, known=not outcome.maybe_written, text=f"{outcome.message} ({took})"
            )
        return HandAnswer(accepted=True, known=True, text=f"session {outcome} in {took}")


class HandKeys:
    """Keys for scores: the same again for one whose fate is unknown, so that it counts once."""

    def __init__(self) -> None:
        self._unanswered: tuple[HandScore, str] | None = None

    def choose(self, score: HandScore) -> str:
        """Return the key under which to submit a score now."""
        if self._unanswered is not None and self._unanswered[0] == score:
            return self._unanswered[1]
        key = f"hand-{secrets.token_hex(8)}"
        self._unanswered = score, key
        return key

    def settle(self) -> None:
        """Let the next score have a key of its own, because the fate of the last one is known."""
        self._unanswered = None


def parse_score(user: str, score: str, game_mode: str) -> HandScore:
    """Return a score from what was typed; raises `ValueError` that says what is allowed."""
    try:
        user_id, points = int(drop_grouping(user)), int(drop_grouping(score))
    except ValueError:
        raise ValueError("user and score are whole numbers, such as 4711 and 42") from None
    if not 1 <= user_id <= _LARGEST_ID:
        raise ValueError(f"a user id is from 1 to {_LARGEST_ID:,}")
    if not -LARGEST_SCORE - 1 <= points <= LARGEST_SCORE:
        raise ValueError(f"a score is from {-LARGEST_SCORE - 1:,} to {LARGEST_SCORE:,}")
    mode = game_mode.strip() or "solo"
    if len(mode) > LONGEST_MODE:
        raise ValueError(f"a mode has at most {LONGEST_MODE} characters")
    return HandScore(user_id, points, mode)
