"""HTTP: players."""

from typing import Annotated, Final

from litestar import Response, Router, get, post, route
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from service.backends.database import Database
from service.backends.replica import LaggingReads
from service.http.responses import INVALID, TOO_LARGE, UNSUPPORTED, error_response, unavailable
from service.keys.roles import Role
from service.players import service
from service.players.errors import PlayerNotFound, UsernameTaken
from service.players.schemas import PlayerAnswer, PlayerSessions, RegisterPlayer
from service.validation import MAX_ID, STORABLE_TEXT

PLAYER_NOT_FOUND: Final = error_response("No such player.", PlayerNotFound())
_NAME_TAKEN: Final = error_response("The name is taken.", UsernameTaken("ada"))
_UNAVAILABLE: Final = unavailable()


@post(
    "/",
    role=Role.SUBMIT,
    responses=INVALID | _NAME_TAKEN | TOO_LARGE | UNSUPPORTED | _UNAVAILABLE,
)
async def register_player(
    data: JSONBody[RegisterPlayer], database: NamedDependency[Database]
) -> PlayerAnswer:
    """Register a player. The name must be one that nobody has."""
    return await service.register_player(database, data.username)


@get("/", responses=INVALID | PLAYER_NOT_FOUND | _UNAVAILABLE)
async def find_player_by_username(
    username: Annotated[str, QueryParameter(min_length=1, max_length=255, pattern=STORABLE_TEXT)],
    lagging_reads: NamedDependency[LaggingReads],
) -> PlayerAnswer:
    """Look a player up by exact name."""
    return await service.find_player_by_username(lagging_reads, username)


@get("/{user_id:str}", responses=INVALID | PLAYER_NOT_FOUND | _UNAVAILABLE)
async def find_player(
    user_id: Annotated[int, PathParameter(ge=1, le=MAX_ID)],
    lagging_reads: NamedDependency[LaggingReads],
) -> PlayerAnswer:
    """Look a player up by id."""
    return await service.find_player(lagging_reads, user_id)


@get("/{user_id:str}/sessions", responses=INVALID | PLAYER_NOT_FOUND | _UNAVAILABLE)
async def list_player_sessions(
    user_id: Annotated[int, PathParameter(ge=1, le=MAX_ID)],
    lagging_reads: NamedDependency[LaggingReads],
    before: Annotated[
        int, QueryParameter(ge=1, le=MAX_ID, description="Only sessions with a smaller id.")
    ] = MAX_ID,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many sessions.")] = 20,
) -> PlayerSessions:
    """List a player's sessions, newest first."""
    return await service.list_player_sessions(lagging_reads, user_id, before=before, limit=limit)


@route("/", http_method="OPTIONS", status_code=204, include_in_schema=False)
async def list_methods() -> Response[None]:
    """Name the methods of the shared path; Litestar by itself names those registered first only."""
    return Response(None, headers={"Allow": "GET, OPTIONS, POST"})


players_router = Router(
    "/api/players",
    route_handlers=[
        list_methods,
        register_player,
        find_player_by_username,
        find_player,
        list_player_sessions,
    ],
    tags=["players"],
    opt={"role": Role.READ},
)
