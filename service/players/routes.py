"""HTTP: players."""

from typing import Annotated

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from service.database import Database
from service.http.documentation import CONFLICT, NOT_FOUND, UNAVAILABLE
from service.players import service
from service.players.schemas import PlayerAnswer, RegisterPlayer
from service.validation import MAX_ID, STORABLE_TEXT


@post("/", responses=CONFLICT | UNAVAILABLE)
async def register_player(
    data: JSONBody[RegisterPlayer], database: NamedDependency[Database]
) -> PlayerAnswer:
    """Register a player. The name must be one that nobody has."""
    return await service.register_player(database, data.username)


@get("/", responses=NOT_FOUND | UNAVAILABLE)
async def find_player_by_username(
    username: Annotated[str, QueryParameter(min_length=1, max_length=255, pattern=STORABLE_TEXT)],
    database: NamedDependency[Database],
) -> PlayerAnswer:
    """Look a player up by exact name."""
    return await service.find_player_by_username(database, username)


@get("/{user_id:str}", responses=NOT_FOUND | UNAVAILABLE)
async def find_player(
    user_id: Annotated[int, PathParameter(ge=1, le=MAX_ID)], database: NamedDependency[Database]
) -> PlayerAnswer:
    """Look a player up by id."""
    return await service.find_player(database, user_id)


players_router = Router(
    "/api/players",
    route_handlers=[register_player, find_player_by_username, find_player],
    tags=["players"],
)
