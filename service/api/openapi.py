"""What the OpenAPI document shows as examples: one game of three players, and every error.

They are instances of the types and of the errors themselves, so none can drift from these.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from litestar.openapi.spec import (
    Example,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Reference,
    Schema,
)

from service.batching import QueueFull
from service.errors import DatabaseUnavailable, FieldError, InvalidRequest, ServiceError
from service.http.requests import BodyTooLarge, UnsupportedMediaType
from service.http.responses import ErrorAnswer, list_operations
from service.keys.errors import KeyRefused, KeyRequired, RoleInsufficient, TooManyOfKey
from service.players.errors import PlayerNotFound, UsernameTaken
from service.players.schemas import PlayerAnswer, PlayerSession, PlayerSessions, RegisterPlayer
from service.sessions.errors import IdempotencyKeyReused
from service.sessions.schemas import BulkAccepted, BulkRefused, SubmitAnswer, SubmitScore
from service.standings.errors import StandingsUnavailable
from service.standings.schemas import Around, Entry, Rank, Top, compute_percentile
from service.status import schemas as ops

_NOW: Final = datetime(2026, 11, 23, 19, 23, 43, 313_000, tzinfo=UTC)
_THEN: Final = _NOW - timedelta(minutes=5)

_GRACE: Final = Entry(user_id=2, username="grace", total_score=1_500, rank=1)
_ADA: Final = Entry(user_id=1, username="ada", total_score=1_200, rank=2)
_LINUS: Final = Entry(user_id=3, username="linus", total_score=1_200, rank=2)
_BOARD: Final = [_GRACE, _ADA, _LINUS]
_REFUSED: Final = InvalidRequest(
    "The body is not valid.", FieldError("score", "Expected `int`, got `str`")
)

_ERRORS: Final[tuple[ServiceError, ...]] = (
    _REFUSED,
    KeyRequired(),
    KeyRefused(),
    RoleInsufficient("read", "submit"),
    PlayerNotFound(),
    UsernameTaken("ada"),
    BodyTooLarge(65_536),
    UnsupportedMediaType("text/plain"),
    IdempotencyKeyReused(),
    TooManyOfKey(600, 12),
    DatabaseUnavailable(""),
    QueueFull(10_000),
    StandingsUnavailable(),
)

_STATUS: Final = ops.Status(
    version="0.1.0",
    at=_NOW,
    parts=ops.Parts(
        api=ops.ApiStatus("ok", [ops.ApiProcess("game-1", 4711, _THEN, 130_023_424, 0, 8, 7)]),
        postgresql=ops.PostgresStatus("ok", "18.6", 0.7, 13, _THEN),
        redis=ops.RedisStatus("ok", "9.1.2", 0.6, 102_760_448, _THEN),
        worker=ops.WorkerStatus("ok", [ops.WorkerProcess("game-1", 4712, _THEN, 4)]),
        scheduler=ops.SchedulerStatus("ok", _NOW - timedelta(seconds=7)),
        index=ops.IndexStatus("ok", 3, 3, 0),
    ),
    pending_sessions=0,
    highest_session_id=5,
    players=ops.PlayersStatus(standing=3, highest_user_id=3),
    refresh=ops.RefreshStatus(number=3, at=_NOW, duration_ms=3.6, sessions=1),
    rerank=ops.RerankStatus(number=3, at=_NOW, duration_ms=2.4, ranks_changed=3),
    queues={"default": ops.QueueStatus(ready=0, delayed=0, dead=0)},
    routes=[ops.RouteStatus("POST /api/leaderboard/submit", 3, 0, 0.05, 2.1, 2.9, 2.9, 2.9)],
    freshness=ops.FreshnessStatus(bounds_ms=[25.0, 50.0, 100.0], counts=[1, 2, 0, 0]),
)

EXAMPLES: Final[tuple[msgspec.Struct, ...]] = (
    RegisterPlayer("ada"),
    PlayerAnswer(1, "ada", _THEN),
    PlayerSessions([PlayerSession(5, 1_200, "solo", _NOW)], next_before=5),
    SubmitScore(1, 1_200),
    SubmitAnswer("success", 1),
    BulkAccepted(1),
    BulkRefused(_REFUSED.message, _REFUSED.code, list(_REFUSED.fields)),
    _ADA,
    Top(_BOARD, 3, _NOW),
    Rank(3, "linus", 1_200, 2, 3, compute_percentile(2, 3), _NOW),
    Around(_BOARD, 3, _NOW),
    _STATUS,
    ops.SessionCount(5, 5),
    ops.Liveness(),
    ops.Readiness("ready", {"postgresql": "ok", "redis": "ok", "worker": "ok"}),
)
"""One of each type that a request or a success holds."""


def document_examples(document: OpenAPI) -> None:
    """Show an example of every body, and of an error every way that status comes about there."""
    known = document.components.schemas
    for schema in known.values():
        # Litestar's own are words of random letters.
        for part in (schema, *(schema.properties or {}).values()):
            if isinstance(part, Schema):
                part.examples = None
    for example in EXAMPLES:
        name = type(example).__name__
        if name in known:
            known[name].examples = [msgspec.to_builtins(example)]
    for _, _, operation in list_operations(document):
        for status, response in (operation.responses or {}).items():
            if isinstance(response, OpenAPIResponse):
                _show_errors(int(status), response)


def _show_errors(status: int, response: OpenAPIResponse) -> None:
    for body in (response.content or {}).values():
        if _is_error(body):
            body.examples = dict(_list_errors(status))


def _is_error(body: OpenAPIMediaType) -> bool:
    return isinstance(body.schema, Reference) and body.schema.ref.endswith("/ErrorAnswer")


def _list_errors(status: int) -> Iterable[tuple[str, Any]]:
    for error in _ERRORS:
        if error.status == status:
            fields = list(error.fields) if isinstance(error, InvalidRequest) else []
            answer = ErrorAnswer(error.message, error.code, fields)
            yield error.code, Example(value=msgspec.to_builtins(answer))
