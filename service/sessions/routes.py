"""HTTP: submitting scores, one in a request or many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from litestar import MediaType, Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import HeaderParameter, JSONBody

from service.batching import QueueFull
from service.errors import FieldError, InvalidRequest, ServiceError
from service.http.requests import StrictRequest, decode_body
from service.http.responses import INVALID, TOO_LARGE, UNSUPPORTED, error_response, unavailable
from service.keys.roles import Role
from service.players.errors import PlayerNotFound
from service.players.routes import PLAYER_NOT_FOUND
from service.sessions.errors import IdempotencyKeyReused, TooManyLines
from service.sessions.schemas import (
    BULK_LIMIT,
    BulkAccepted,
    BulkAnswer,
    BulkLine,
    BulkRefused,
    SubmitAnswer,
    SubmitScore,
)
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


_NDJSON_TYPES: Final = ("application/x-ndjson", "application/jsonl", "application/ndjson")

# Bytes: room for lines of four times the usual length.
_BULK_BODY_LIMIT: Final = BULK_LIMIT * 400

_encoder: Final = msgspec.json.Encoder()
_array_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])
_line_decoder: Final = msgspec.json.Decoder(BulkLine)

_KEY_REUSED: Final = error_response(
    "The Idempotency-Key was used before with another body.", IdempotencyKeyReused()
)
_UNAVAILABLE: Final = unavailable(QueueFull(10_000))
_PLAYER_NOT_FOUND: Final = PlayerNotFound()
_BULK_ANSWERS: Final = ResponseSpec(
    list[BulkAnswer],
    description="An answer a line, in their order.",
    generate_examples=False,
    examples=[
        Example(
            value=msgspec.to_builtins(
                [
                    BulkAccepted(1),
                    BulkRefused(_PLAYER_NOT_FOUND.message, _PLAYER_NOT_FOUND.code),
                ]
            )
        )
    ],
)


@dataclass
class _BulkOperation(Operation):
    """Documents a body that the framework cannot see, because each line is decoded by itself."""

    def __post_init__(self) -> None:
        # Without a type: an invalid line gets an error of its own, and the request is not refused.
        line = Schema(
            description=(
                f"The body of a single submit, with an optional `idempotency_key`: {_KEY_FORM}, as "
                "in the header of a single submit."
            ),
            examples=[{"user_id": 1, "score": 1200, "idempotency_key": "match-77"}],
        )
        lines = Schema(type=OpenAPIType.ARRAY, items=line, max_items=BULK_LIMIT)
        self.request_body = RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=lines),
                _NDJSON_TYPES[0]: OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING)),
            },
        )


@post(
    "/submit",
    status_code=200,
    responses=INVALID | PLAYER_NOT_FOUND | TOO_LARGE | UNSUPPORTED | _KEY_REUSED | _UNAVAILABLE,
)
async def submit_score(
    data: JSONBody[SubmitScore],
    ledger: NamedDependency[Ledger],
    request: StrictRequest,
    idempotency_key: IdempotencyKey = None,
) -> SubmitAnswer:
    """Keep a score for ever. The answer comes when it is on disk."""
    if len(request.headers.getall(_KEY_HEADER, [])) > 1:
        raise InvalidRequest(
            "The request is not valid.", FieldError(_KEY_HEADER, "Expected this header once")
        )
    session_id = await ledger.record(Submission.of(data, idempotency_key))
    return SubmitAnswer(status="success", session_id=session_id)


@post(
    "/submit/bulk",
    status_code=200,
    request_max_body_size=_BULK_BODY_LIMIT,
    operation_class=_BulkOperation,
    responses=INVALID | TOO_LARGE | UNSUPPORTED | _UNAVAILABLE | {200: _BULK_ANSWERS},
)
async def submit_scores(request: StrictRequest, ledger: NamedDependency[Ledger]) -> Response[bytes]:
    """Keep up to 10,000 scores, as a JSON array or as NDJSON, and answer each in kind."""
    if _KEY_HEADER in request.headers:
        # Ignored, it would let a retry count twice.
        raise InvalidRequest(
            "The request is not valid.",
            FieldError(_KEY_HEADER, "Expected `idempotency_key` in each line, and not this header"),
        )
    if request.content_type[0] in _NDJSON_TYPES:
        lines = [line for line in (await request.body()).split(b"\n") if line.strip()]
        answers = await _record_lines(ledger, lines)
        return Response(_encoder.encode_lines(answers), media_type=_NDJSON_TYPES[0])
    request.require_json(f"lines of it with `Content-Type: {_NDJSON_TYPES[0]}`")
    array = decode_body(_array_decoder, await request.body())
    answers = await _record_lines(ledger, array)
    return Response(_encoder.encode(answers), media_type=MediaType.JSON)


async def _record_lines(ledger: Ledger, lines: Sequence[bytes | msgspec.Raw]) -> list[BulkAnswer]:
    """Record every valid line; answer each one, in their order.

    Raises `TooManyLines` or `QueueFull`, and nothing is recorded. After a `DatabaseUnavailable`
    the commit may have gone through all the same: lines with a key can be sent again.
    """
    if len(lines) > BULK_LIMIT:
        raise TooManyLines(len(lines), BULK_LIMIT)
    decoded = [_decode_line(line) for line in lines]
    submissions = [line for line in decoded if isinstance(line, Submission)]
    recorded = iter(await ledger.record_many(submissions) if submissions else [])
    return [
        _make_answer(next(recorded) if isinstance(line, Submission) else line) for line in decoded
    ]


def _decode_line(line: bytes | msgspec.Raw) -> Submission | InvalidRequest:
    try:
        score = decode_body(_line_decoder, line)
    except InvalidRequest as error:
        return error
    return Submission.of(score, score.idempotency_key)


def _make_answer(outcome: int | ServiceError) -> BulkAnswer:
    if isinstance(outcome, int):
        return BulkAccepted(session_id=outcome)
    fields = list(outcome.fields) if isinstance(outcome, InvalidRequest) else []
    return BulkRefused(error=outcome.message, code=outcome.code, fields=fields)


sessions_router = Router(
    "/api/leaderboard",
    route_handlers=[submit_score, submit_scores],
    tags=["leaderboard"],
    opt={"role": Role.SUBMIT},
)
