"""HTTP: players."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Final

import msgspec
from litestar import Response, Router, get, post, route
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Schema
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.types import ControllerRouterHandler

from service.backends.database import Database
from service.backends.replica import LaggingReads
from service.errors import ServiceError, refuse_request
from service.http.auth import Authorizer
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
from service.players import service
from service.players.errors import (
    ExternalIdTaken,
    PlayerNotFound,
    UsernameReserved,
    UsernameTaken,
)
from service.players.names import (
    EXTERNAL_ID_LIMITS,
    USERNAME_LIMITS,
    check_external_id,
    clean_username,
)
from service.players.schemas import (
    PlayerAnswer,
    PlayerRegistered,
    PlayerSessions,
    PlayersFound,
    RegisterPlayer,
)
from service.players.service import Registration
from service.validation import MAX_ID

PLAYER_NOT_FOUND: Final = error_response("No such player.", PlayerNotFound())
_EXTERNAL_ID_TAKEN: Final = ExternalIdTaken("steam:76561197960287930", 1)
_TAKEN: Final = error_response(
    "The name is taken or reserved, or a player of another name has the external id: `user_id`.",
    UsernameTaken("ada"),
    UsernameReserved("deleted-1"),
    _EXTERNAL_ID_TAKEN,
)
_REGISTERED: Final = {
    200: ResponseSpec(
        PlayerAnswer,
        description="This name and this external id are of a player already.",
        generate_examples=False,
    )
}
_UNAVAILABLE: Final = unavailable()

_line_decoder: Final = msgspec.json.Decoder(RegisterPlayer)


@dataclass
class _BulkRegister(BulkOperation):
    line: ClassVar = Schema(
        description="The body of a single registration.",
        examples=[{"username": "ada", "external_id": "steam:76561197960287930"}],
    )


@post(
    "/",
    role=Role.SUBMIT,
    responses=_REGISTERED | INVALID | _TAKEN | TOO_LARGE | UNSUPPORTED | _UNAVAILABLE,
)
async def register_player(
    data: JSONBody[RegisterPlayer], database: NamedDependency[Database]
) -> Response[PlayerAnswer]:
    """Register a player. The name must be one that nobody has.

    With an `external_id` it can be sent again: the same name and the same external id get the
    player who has them, with 200.
    """
    registered = await service.register_player(database, Registration.of(data))
    return Response(registered.player, status_code=201 if registered.created else 200)


@post(
    "/bulk",
    role=Role.SUBMIT,
    status_code=200,
    request_max_body_size=BULK_BODY_LIMIT,
    operation_class=_BulkRegister,
    responses=INVALID
    | BULK_TOO_LARGE
    | UNSUPPORTED
    | _UNAVAILABLE
    | document_answers(
        PlayerRegistered | BulkRefused,
        PlayerRegistered(1, created=True),
        BulkRefused.of(_EXTERNAL_ID_TAKEN),
    ),
)
async def register_players(
    request: StrictRequest, database: NamedDependency[Database]
) -> Response[bytes]:
    """Register up to 10,000 players, as a JSON array or as NDJSON, and answer each in kind.

    After a 503 the commit may have gone through all the same: lines with an `external_id` can be
    sent again.
    """
    return await answer_each(
        request,
        lambda line: Registration.of(decode_body(_line_decoder, line)),
        partial(service.register_players, database),
        lambda registered: PlayerRegistered(registered.player.user_id, registered.created),
    )


@get("/", responses=INVALID | PLAYER_NOT_FOUND | _UNAVAILABLE)
async def find_players(
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    lagging_reads: NamedDependency[LaggingReads],
    username: Annotated[
        str | None,
        QueryParameter(description="Who has exactly this name.", schema_extra=USERNAME_LIMITS),
    ] = None,
    external_id: Annotated[
        str | None,
        QueryParameter(
            description="Who has exactly this external id.", schema_extra=EXTERNAL_ID_LIMITS
        ),
    ] = None,
    name: Annotated[
        str | None,
        QueryParameter(
            description="Who has this in the name, whatever the case: anywhere in it if this has "
            "three letters or digits in a row, else at its beginning.",
            schema_extra=USERNAME_LIMITS,
        ),
    ] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=100, description="With `name`: how many players.")
    ] = 20,
) -> PlayerAnswer | PlayersFound:
    """Look a player up by exact name or by external id, or list players by a part of the name.

    By one of the three. A list has whoever is registered, on a board or not: first whose names
    begin with the part, in the order of the names, then the others by id. It leaves out who was
    deleted, and who is hidden unless the part is the whole name or the key moderates.
    """
    given = {"username": username, "external_id": external_id, "name": name}
    named = [parameter for parameter, value in given.items() if value is not None]
    if len(named) != 1:
        more = ", and no more than one of them" if named else ""
        raise refuse_request(
            named[-1] if named else "username",
            f"Expected `username`, `external_id` or `name`{more}",
        )
    if name is not None:
        moderates = authorizer.authorize(request.scope, Role.MODERATOR)
        return await service.search_players(
            lagging_reads,
            clean_username(name, "name"),
            sees_hidden=not isinstance(moderates, ServiceError),
            limit=limit,
        )
    if external_id is not None:
        check_external_id(external_id)
        return await service.find_player_by_external_id(lagging_reads, external_id)
    assert username is not None
    return await service.find_player_by_username(lagging_reads, clean_username(username))


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


@route("/{user_id:str}", http_method="OPTIONS", status_code=204, include_in_schema=False)
async def list_player_methods() -> Response[None]:
    """Name the methods of this path too, those of moderation among them."""
    return Response(None, headers={"Allow": "DELETE, GET, OPTIONS, PATCH"})


def make_players_router(*others: ControllerRouterHandler) -> Router:
    """Return the router of players, with other handlers of the same paths: they must share it."""
    handlers: list[ControllerRouterHandler] = [
        list_methods,
        list_player_methods,
        register_player,
        register_players,
        find_players,
        find_player,
        list_player_sessions,
        *others,
    ]
    return Router(
        "/api/players", route_handlers=handlers, tags=["players"], opt={"role": Role.READ}
    )
