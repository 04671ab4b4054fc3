"""HTTP: players."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import Parameter

from service.database import Database
from service.http.documentation import CONFLICT, NOT_FOUND, UNAVAILABLE
from service.players import service
from service.players.schemas import PlayerAnswer, RegisterPlayer
from service.validation import MAX_ID, STORABLE_TEXT


@post("/", responses=CONFLICT | UNAVAILABLE)
async def register_player(data: RegisterPlayer, database: Database) -> PlayerAnswer:
    """Register a player. The name must be one that nobody has."""
    return await service.register_player(database, data.username)


@get("/", responses=NOT_FOUND | UNAVAILABLE)
async def find_player_by_username(
    username: Annotated[str, Parameter(min_length=1, max_length=255, pattern=STORABLE_TEXT)],
    database: Database,
) -> PlayerAnswer:
    """Look a player up by exact name."""
    return await service.find_player_by_username(database, username)


@get("/{user_id:int}", responses=NOT_FOUND | UNAVAILABLE)
async def find_player(
    user_id: Annotated[int, Parameter(ge=1, le=MAX_ID)], database: Database
) -> PlayerAnswer:
    """Look a player up by id."""
    return await service.find_player(database, user_id)


players_router = Router(
    "/api/players",
    route_handlers=[register_player, find_player_by_username, find_player],
    tags=["players"],
)
