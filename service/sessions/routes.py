"""HTTP: submitting scores, one in a request or many."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Schema
from litestar.params import HeaderParameter, JSONBody

from service.batching import QueueFull
from service.errors import refuse_request
from service.http.bulk import (
    BULK_BODY_LIMIT,
    BULK_TOO_LARGE,
    BulkOperation,
    BulkRefused,
    answer_each,
    document_answers,
)
from service.http.requests import StrictRequest, decode_body
from service.http.responses import INVALID, TOO_LARGE, UNSUPPORTED, error_response, unavailable
from service.keys.roles import Role
from service.players.errors import PlayerBanned, PlayerNotFound
from service.players.routes import PLAYER_NOT_FOUND
from service.sessions.errors import IdempotencyKeyReused
from service.sessions.schemas import BulkAccepted, BulkLine, SubmitAnswer, SubmitScore
from service.sessions.service import Ledger, Submission
from service.validation import IDEMPOTENCY_KEY, MAX_KEY_LENGTH

_KEY_HEADER: Final = "Idempotency-Key"

_KEY_FORM: Final = (
    f"1 to {MAX_KEY_LENGTH} visible ASCII characters (blanks around them are no part of it)"
)

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name=_KEY_HEADER,
        pattern=IDEMPOTENCY_KEY,
        description=(
            f"{_KEY_FORM}, new for each score of a player. The same key and body again get the "
            "first answer again and count nothing twice."
        ),
    ),
]


_line_decoder: Final = msgspec.json.Decoder(BulkLine)

_KEY_REUSED: Final = error_response(
    "The Idempotency-Key was used before with another body.", IdempotencyKeyReused()
)
_BANNED: Final = error_response("The player is banned.", PlayerBanned())
_UNAVAILABLE: Final = unavailable(QueueFull(10_000))


@dataclass
class _BulkSubmit(BulkOperation):
    line: ClassVar = Schema(
        description=(
            f"The body of a single submit, with an optional `idempotency_key`: {_KEY_FORM}, as in "
            "the header of a single submit."
        ),
        examples=[
            {"user_id": 1, "score": 1200, "idempotency_key": "match-77"},
            {"external_id": "steam:76561197960287930", "score": 900},
        ],
    )


@post(
    "/submit",
    status_code=200,
    responses=INVALID
    | PLAYER_NOT_FOUND
    | _BANNED
    | TOO_LARGE
    | UNSUPPORTED
    | _KEY_REUSED
    | _UNAVAILABLE,
)
async def submit_score(
    data: JSONBody[SubmitScore],
    ledger: NamedDependency[Ledger],
    request: StrictRequest,
    idempotency_key: IdempotencyKey = None,
) -> SubmitAnswer:
    """Keep a score for ever. The answer comes when it is on disk."""
    if len(request.headers.getall(_KEY_HEADER, [])) > 1:
        raise refuse_request(_KEY_HEADER, "Expected this header once")
    session_id = await ledger.record(Submission.of(data, idempotency_key))
    return SubmitAnswer(status="success", session_id=session_id)


@post(
    "/submit/bulk",
    status_code=200,
    request_max_body_size=BULK_BODY_LIMIT,
    operation_class=_BulkSubmit,
    responses=INVALID
    | BULK_TOO_LARGE
    | UNSUPPORTED
    | _UNAVAILABLE
    | document_answers(
        BulkAccepted | BulkRefused, BulkAccepted(1), BulkRefused.of(PlayerNotFound())
    ),
)
async def submit_scores(request: StrictRequest, ledger: NamedDependency[Ledger]) -> Response[bytes]:
    """Keep up to 10,000 scores, as a JSON array or as NDJSON, and answer each in kind.

    After a 503 the commit may have gone through all the same: lines with a key can be sent again.
    """
    if _KEY_HEADER in request.headers:
        # Ignored, it would let a retry count twice.
        raise refuse_request(
            _KEY_HEADER, "Expected `idempotency_key` in each line, and not this header"
        )
    return await answer_each(request, _read_submission, ledger.record_many, BulkAccepted)


def _read_submission(line: bytes | msgspec.Raw) -> Submission:
    score = decode_body(_line_decoder, line)
    return Submission.of(score, score.idempotency_key)


sessions_router = Router(
    "/api/leaderboard",
    route_handlers=[submit_score, submit_scores],
    tags=["leaderboard"],
    opt={"role": Role.SUBMIT},
)
