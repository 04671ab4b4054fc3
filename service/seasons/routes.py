"""HTTP: ending seasons."""

from typing import Annotated, Final

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from service.backends.database import Database
from service.backends.locks import WriterBusy
from service.boards.errors import BoardArchived, BoardFilling, BoardFixed
from service.boards.finder import SeasonFinder
from service.boards.routes import BOARD_NOT_FOUND, SEASON_NOT_FOUND, Slug, answer_board
from service.boards.schemas import BoardAnswer, SeasonAnswer
from service.http.responses import INVALID, error_response, unavailable
from service.keys.roles import Role
from service.seasons import service

_NOT_ALLOWED: Final = error_response(
    "The board's season cannot be ended.", BoardFixed(), BoardArchived("weekly-laps")
)
_UNAVAILABLE: Final = unavailable(WriterBusy(25), BoardFilling("weekly-laps"))


@post(
    "/current/close",
    status_code=200,
    responses=INVALID | BOARD_NOT_FOUND | _NOT_ALLOWED | _UNAVAILABLE,
)
async def close_current_season(
    slug: Slug,
    database: NamedDependency[Database],
    season_finder: NamedDependency[SeasonFinder],
) -> Response[BoardAnswer]:
    """End the board's season now; the next begins at that instant, and ends by the schedule."""
    board = await service.end_current_season(database, slug)
    season_finder.forget(slug)
    return answer_board(board)


@post(
    "/{number:str}/close",
    status_code=200,
    responses=INVALID | SEASON_NOT_FOUND | _NOT_ALLOWED | _UNAVAILABLE,
)
async def close_season(
    slug: Slug,
    number: Annotated[int, PathParameter(ge=1, description="The season's number.")],
    database: NamedDependency[Database],
    season_finder: NamedDependency[SeasonFinder],
) -> SeasonAnswer:
    """End this season now if it is the current one; one that is over is answered as it is.

    So a request that got no answer can be sent again. `ending` becomes `closed` once all sessions
    are counted and the result is stored: ask for the season until then.
    """
    season = await service.end_season(database, slug, number)
    season_finder.forget(slug)
    return season


seasons_router = Router(
    "/api/boards/{slug:str}/seasons",
    route_handlers=[close_current_season, close_season],
    tags=["boards"],
    opt={"role": Role.ADMIN},
)
