"""HTTP: submitting scores."""

from typing import Annotated

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody

from service.http.documentation import (
    INVALID,
    KEY_REUSED,
    NOT_FOUND,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED,
)
from service.sessions.schemas import SubmitAnswer, SubmitScore
from service.sessions.service import Ledger, Submission
from service.validation import STORABLE_TEXT

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=STORABLE_TEXT,
        description=(
            "Any text that is new for each score of a player. The same key and body again get the "
            "first answer again and count nothing twice."
        ),
    ),
]


@post(
    "/submit",
    status_code=200,
    responses=INVALID | NOT_FOUND | TOO_LARGE | UNSUPPORTED | KEY_REUSED | UNAVAILABLE,
)
async def submit_score(
    data: JSONBody[SubmitScore],
    ledger: NamedDependency[Ledger],
    idempotency_key: IdempotencyKey = None,
) -> SubmitAnswer:
    """Keep a score for ever. The answer comes when it is on disk."""
    session_id = await ledger.record(
        Submission(data.user_id, data.score, data.game_mode, idempotency_key)
    )
    return SubmitAnswer(status="success", session_id=session_id)


sessions_router = Router("/api/leaderboard", route_handlers=[submit_score], tags=["leaderboard"])
