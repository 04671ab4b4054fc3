"""HTTP: import and export, as streams."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import QueryParameter
from litestar.response import Stream

from service.backends.database import Database
from service.boards.errors import BoardFilling
from service.boards.finder import Season
from service.boards.routes import SEASON_NOT_FOUND
from service.boards.words import GLOBAL_BOARD
from service.http.bulk import NDJSON_TYPES, describe_lines
from service.http.requests import StrictRequest, UnsupportedEncoding
from service.http.responses import INVALID, error_response, unavailable
from service.keys.roles import Role
from service.transfer.errors import (
    FileUnreadable,
    FormatUnknown,
    ProtocolTooOld,
    TransferInterrupted,
    TransfersBusy,
)
from service.transfer.exporting import Kind, find_exported_season
from service.transfer.formats import MEDIA_TYPES, Format, Row, write_head, write_rows
from service.transfer.rows import PlayerLine, PlayerRow, SessionLine, SessionRow, StandingRow
from service.transfer.schemas import ImportAnswer
from service.transfer.service import Transfers
from service.validation import SEASON, SLUG

_UNAVAILABLE: Final = unavailable(
    TransfersBusy(2), TransferInterrupted(), BoardFilling("weekly-laps")
)
_UNREADABLE: Final = error_response(
    "Nothing could be read.", FileUnreadable(1, "header", "'username' is missing")
)
_UNSUPPORTED: Final = error_response(
    "Neither CSV nor NDJSON, or it is coded.",
    FormatUnknown("text/plain"),
    UnsupportedEncoding("gzip"),
)
_TOO_OLD: Final = error_response("HTTP/1.0.", ProtocolTooOld())
_EXPORTED: Final = {
    200: ResponseSpec(
        None,
        description=(
            "All rows, in chunks: an answer that does not end with the last chunk was cut off. In "
            "CSV, a text that a spreadsheet would calculate has an apostrophe in front."
        ),
        media_type=MEDIA_TYPES["csv"],
    )
}

_BoardParameter = Annotated[str, QueryParameter(pattern=SLUG, description="The board's slug.")]
_SeasonParameter = Annotated[
    str,
    QueryParameter(pattern=SEASON, description="`current`, `previous` or a season's number."),
]
_FormatParameter = Annotated[Format, QueryParameter(description="Of the rows.")]


@dataclass
class _ExportOperation(Operation):
    """Documents that an answer is of one media type or of another."""

    row: ClassVar[msgspec.Struct]

    def __post_init__(self) -> None:
        exported = (self.responses or {})["200"]
        assert isinstance(exported, OpenAPIResponse)
        text = Schema(type=OpenAPIType.STRING)
        exported.content = {}
        for row_format, media_type in MEDIA_TYPES.items():
            lines = write_head(type(self.row), row_format) + write_rows([self.row], row_format)
            exported.content[media_type] = OpenAPIMediaType(
                schema=text, examples={"lines": Example(value=lines.decode())}
            )


@dataclass
class _ExportPlayers(_ExportOperation):
    row: ClassVar = PlayerRow.example()


@dataclass
class _ExportSessions(_ExportOperation):
    row: ClassVar = SessionRow.example()


@dataclass
class _ExportStandings(_ExportOperation):
    row: ClassVar = StandingRow.example()


@get(
    "/players",
    stream=True,
    operation_class=_ExportPlayers,
    responses=_EXPORTED | INVALID | _UNAVAILABLE | _TOO_OLD,
)
async def export_players(
    request: StrictRequest,
    transfers: NamedDependency[Transfers],
    format: _FormatParameter = "csv",  # noqa: A002 - it is what the caller writes
) -> Stream:
    """Send all players, those who are hidden or banned too.

    A line has `user_id`, `username`, `external_id`, `state`, `state_until` and `joined_at`.
    """
    return await _export(request, transfers, "players", format)


@get(
    "/sessions",
    stream=True,
    operation_class=_ExportSessions,
    responses=_EXPORTED | INVALID | _UNAVAILABLE | _TOO_OLD,
)
async def export_sessions(
    request: StrictRequest,
    transfers: NamedDependency[Transfers],
    format: _FormatParameter = "csv",  # noqa: A002 - it is what the caller writes
) -> Stream:
    """Send the ledger: each session, with its player and a key by which it is imported once."""
    return await _export(request, transfers, "sessions", format)


@get(
    "/standings",
    stream=True,
    operation_class=_ExportStandings,
    responses=_EXPORTED | INVALID | SEASON_NOT_FOUND | _UNAVAILABLE | _TOO_OLD,
)
async def export_standings(
    request: StrictRequest,
    transfers: NamedDependency[Transfers],
    database: NamedDependency[Database],
    format: _FormatParameter = "csv",  # noqa: A002 - it is what the caller writes
    board: _BoardParameter = GLOBAL_BOARD,
    season: _SeasonParameter = "current",
) -> Stream:
    """Send the standings of a season of a board, best first, as they are at one moment."""
    found = await find_exported_season(database, board, season)
    return await _export(request, transfers, "standings", format, found)


async def _export(
    request: StrictRequest,
    transfers: Transfers,
    kind: Kind,
    row_format: Format,
    season: Season | None = None,
) -> Stream:
    if request.scope["http_version"] == "1.0":
        raise ProtocolTooOld
    parts = transfers.export(kind, row_format, season)
    # Whatever is wrong from the start is told with its own status.
    first = await anext(parts, b"")

    async def send() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    return Stream(
        send(),
        media_type=MEDIA_TYPES[row_format],
        headers={"content-disposition": f'attachment; filename="{kind}.{row_format}"'},
    )


@dataclass
class _ImportOperation(Operation):
    """Documents a body that the framework cannot see, because it is read line by line."""

    csv: ClassVar[str]
    ndjson: ClassVar[dict[str, object]]

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        self.request_body = RequestBody(
            required=True,
            content={
                MEDIA_TYPES["csv"]: OpenAPIMediaType(
                    schema=text, examples={"lines": Example(value=self.csv)}
                ),
                MEDIA_TYPES["ndjson"]: OpenAPIMediaType(schema=describe_lines(self.ndjson)),
            },
        )


@dataclass
class _ImportPlayers(_ImportOperation):
    csv: ClassVar = "username,external_id\r\nada,steam:76561197960287930\r\ngrace,\r\n"
    ndjson: ClassVar = {"username": "ada", "external_id": "steam:76561197960287930"}


@dataclass
class _ImportSessions(_ImportOperation):
    csv: ClassVar = (
        "username,score,idempotency_key,submitted_at\r\nada,1200,match-77,2026-11-23T19:18:43Z\r\n"
    )
    ndjson: ClassVar = {
        "external_id": "steam:76561197960287930",
        "score": 1200,
        "idempotency_key": "match-77",
        "submitted_at": "2026-11-23T19:18:43Z",
    }


@post(
    "/players",
    status_code=200,
    request_max_body_size=None,
    operation_class=_ImportPlayers,
    responses=_UNREADABLE | _UNSUPPORTED | _UNAVAILABLE,
)
async def import_players(
    request: StrictRequest, transfers: NamedDependency[Transfers]
) -> ImportAnswer:
    """Make the players of a file of any length; who is there already is left as he is.

    A line has a `username`, and may have an `external_id`, a `joined_at`, the `user_id` that the
    player is to have, and a `state` (`active`, `hidden` or `banned`) with its `state_until`.
    `/api/export/players` sends such files.
    """
    return await _import(request, transfers, PlayerLine)


@post(
    "/sessions",
    status_code=200,
    request_max_body_size=None,
    operation_class=_ImportSessions,
    responses=_UNREADABLE | _UNSUPPORTED | _UNAVAILABLE,
)
async def import_sessions(
    request: StrictRequest, transfers: NamedDependency[Transfers]
) -> ImportAnswer:
    """Write the sessions of a file of any length to the ledger, with their own times.

    A line has a `score`, an `idempotency_key`, by which it is imported once however often it is
    sent, and a `submitted_at` that is not in the future. Its player is named by `user_id`,
    `external_id` or `username`; where several are given, they must agree. It may have a
    `game_mode`, `metadata` (in CSV as JSON), the `session_id` that it was exported with, and a
    `revoked_at`: such a session counts nowhere. `/api/export/sessions` sends such files.
    """
    return await _import(request, transfers, SessionLine)


async def _import(
    request: StrictRequest, transfers: Transfers, row_type: type[Row]
) -> ImportAnswer:
    content_type = request.content_type[0]
    if content_type != "text/csv" and content_type not in NDJSON_TYPES:
        raise FormatUnknown(content_type)
    row_format: Format = "csv" if content_type == "text/csv" else "ndjson"
    return await transfers.import_(request.read_parts(), row_type, row_format)


export_router = Router(
    "/api/export",
    route_handlers=[export_players, export_sessions, export_standings],
    tags=["import and export"],
    opt={"role": Role.ADMIN},
)
import_router = Router(
    "/api/import",
    route_handlers=[import_players, import_sessions],
    tags=["import and export"],
    opt={"role": Role.ADMIN},
)
