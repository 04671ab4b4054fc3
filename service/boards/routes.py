"""HTTP: boards, their rules and their seasons."""

from typing import Annotated, Final

import asyncpg
from litestar import Response, Router, get, patch, post, put, route
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter

from service.backends.database import Database
from service.backends.locks import WriterBusy
from service.boards import seasons, service
from service.boards.errors import (
    BoardArchived,
    BoardChanged,
    BoardExists,
    BoardFilling,
    BoardFixed,
    BoardNotFound,
    IfMatchRequired,
    SeasonNotFound,
    StandingsBehind,
    TooManyBoards,
)
from service.boards.finder import SeasonFinder, find_board
from service.boards.schemas import (
    BoardAnswer,
    BoardList,
    BoardRule,
    ChangeBoard,
    SeasonAnswer,
    SeasonList,
)
from service.errors import FieldError
from service.http.responses import INVALID, TOO_LARGE, UNSUPPORTED, error_response, unavailable
from service.keys.roles import Role
from service.validation import MAX_SEASON, SLUG, STORABLE_TEXT

Slug = Annotated[
    str, PathParameter(pattern=SLUG, description="The board's address: 1 to 64 of a-z0-9-.")
]
AfterSlug = Annotated[
    str, QueryParameter(max_length=64, pattern=STORABLE_TEXT, description="Only slugs after this.")
]
ListLimit = Annotated[int, QueryParameter(ge=1, le=1_000, description="How many at most.")]
_IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The `ETag` of the board that is changed."),
]

BOARD_NOT_FOUND: Final = error_response("No such board.", BoardNotFound("weekly-laps"))
SEASON_NOT_FOUND: Final = error_response(
    "No such board, or no such season of it.",
    BoardNotFound("weekly-laps"),
    SeasonNotFound("weekly-laps", "8"),
)
_CHANGED: Final = error_response("The board was changed meanwhile.", BoardChanged())
_READ_UNAVAILABLE: Final = unavailable()
_UNAVAILABLE: Final = unavailable(WriterBusy(25))
_NOT_ALLOWED: Final = error_response(
    "The board cannot be changed like this.",
    BoardFixed(),
    BoardArchived("weekly-laps"),
    TooManyBoards(),
)
_NOT_MADE: Final = error_response(
    "The slug has another board, or a session would count on too many.",
    BoardExists("weekly-laps", [FieldError("direction", 'It is "low"')]),
    BoardFixed(),
    TooManyBoards(),
)
_ETAG: Final = ResponseHeader(
    name="ETag",
    documentation_only=True,
    description="Names this state of the board, for `If-Match`.",
)
_BOARD: Final = {200: ResponseSpec(BoardAnswer, description="The board.", generate_examples=False)}


def answer_board(board: asyncpg.Record, *, status_code: int = 200) -> Response[BoardAnswer]:
    """Return the answer of a board's row (list_boards.sql), with its ETag."""
    return Response(
        service.describe_board(board),
        status_code=status_code,
        headers={"ETag": service.make_etag(board)},
    )


@get("/", responses=INVALID | _READ_UNAVAILABLE)
async def list_boards(
    database: NamedDependency[Database],
    after: AfterSlug = "",
    limit: ListLimit = 100,
) -> BoardList:
    """List the boards, by slug."""
    return await service.list_boards(database, after, limit)


@get(
    "/{slug:str}",
    response_headers=[_ETAG],
    responses=INVALID | BOARD_NOT_FOUND | _READ_UNAVAILABLE,
)
async def read_board(slug: Slug, database: NamedDependency[Database]) -> Response[BoardAnswer]:
    """Return a board: its rule, its state and its current season."""
    board = await find_board(database, slug)
    return answer_board(board)


@put(
    "/{slug:str}",
    role=Role.ADMIN,
    response_headers=[_ETAG],
    responses=_BOARD | INVALID | _NOT_MADE | TOO_LARGE | UNSUPPORTED | _UNAVAILABLE,
    status_code=201,
)
async def create_board(
    slug: Slug,
    data: JSONBody[BoardRule],
    database: NamedDependency[Database],
    season_finder: NamedDependency[SeasonFinder],
) -> Response[BoardAnswer]:
    """Make a board: 201. The same rule again is 200, and changes nothing."""
    board, is_new = await service.create_board(database, slug, data)
    season_finder.forget(slug)
    return answer_board(board, status_code=201 if is_new else 200)


@patch(
    "/{slug:str}",
    role=Role.ADMIN,
    response_headers=[_ETAG],
    responses=INVALID
    | BOARD_NOT_FOUND
    | _NOT_ALLOWED
    | _CHANGED
    | error_response("The header `If-Match` is missing.", IfMatchRequired())
    | TOO_LARGE
    | UNSUPPORTED
    | _UNAVAILABLE,
)
async def change_board(
    slug: Slug,
    data: JSONBody[ChangeBoard],
    database: NamedDependency[Database],
    season_finder: NamedDependency[SeasonFinder],
    if_match: _IfMatch = None,
) -> Response[BoardAnswer]:
    """Change a board. Its rule changes with the next season, or at once with a recount."""
    board = await service.change_board(database, slug, if_match, data)
    season_finder.forget(slug)
    return answer_board(board)


@post(
    "/{slug:str}/archive",
    role=Role.ADMIN,
    response_headers=[_ETAG],
    status_code=200,
    responses=INVALID
    | BOARD_NOT_FOUND
    | _NOT_ALLOWED
    | _CHANGED
    | unavailable(WriterBusy(25), StandingsBehind(25), BoardFilling("weekly-laps")),
)
async def archive_board(
    slug: Slug,
    database: NamedDependency[Database],
    season_finder: NamedDependency[SeasonFinder],
    if_match: _IfMatch = None,
) -> Response[BoardAnswer]:
    """Have a board count nothing from now on; it is read as it was."""
    board = await service.archive_board(database, slug, if_match)
    season_finder.forget(slug)
    return answer_board(board)


@post(
    "/{slug:str}/unarchive",
    role=Role.ADMIN,
    response_headers=[_ETAG],
    status_code=200,
    responses=INVALID | BOARD_NOT_FOUND | _NOT_ALLOWED | _CHANGED | _UNAVAILABLE,
)
async def unarchive_board(
    slug: Slug,
    database: NamedDependency[Database],
    season_finder: NamedDependency[SeasonFinder],
    if_match: _IfMatch = None,
) -> Response[BoardAnswer]:
    """Have an archived board count again, with all that it missed and the seasons since."""
    board = await service.unarchive_board(database, slug, if_match)
    season_finder.forget(slug)
    return answer_board(board)


@get("/{slug:str}/seasons", responses=INVALID | BOARD_NOT_FOUND | _READ_UNAVAILABLE)
async def list_seasons(
    slug: Slug,
    database: NamedDependency[Database],
    after: Annotated[
        int, QueryParameter(ge=1, le=MAX_SEASON, description="Only seasons before this number.")
    ] = MAX_SEASON,
    limit: ListLimit = 100,
) -> SeasonList:
    """List a board's seasons that have begun, newest first."""
    return await seasons.list_seasons(database, slug, after, limit)


@get("/{slug:str}/seasons/{number:str}", responses=INVALID | SEASON_NOT_FOUND | _READ_UNAVAILABLE)
async def read_season(
    slug: Slug,
    number: Annotated[int, PathParameter(ge=1, description="The season's number.")],
    database: NamedDependency[Database],
) -> SeasonAnswer:
    """Return a season that has begun."""
    return await seasons.read_season_answer(database, slug, number)


@route("/{slug:str}", http_method="OPTIONS", status_code=204, include_in_schema=False)
async def list_methods() -> Response[None]:
    """Name the methods of the shared path; Litestar by itself names those registered first only."""
    return Response(None, headers={"Allow": "GET, OPTIONS, PATCH, PUT"})


boards_router = Router(
    "/api/boards",
    route_handlers=[
        list_methods,
        list_boards,
        read_board,
        create_board,
        change_board,
        archive_board,
        unarchive_board,
        list_seasons,
        read_season,
    ],
    tags=["boards"],
    opt={"role": Role.READ},
)
