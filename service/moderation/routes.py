"""HTTP: moderation and its log."""

from typing import Annotated, Final, Literal

from litestar import Response, Router, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter

from service.backends.database import Database
from service.backends.locks import WriterBusy
from service.boards.errors import BoardFilling, BoardNotFound, SeasonNotFound, StandingsUnavailable
from service.boards.finder import SeasonFinder
from service.boards.routes import SEASON_NOT_FOUND, Slug
from service.http.auth import Authorizer
from service.http.requests import StrictRequest
from service.http.responses import INVALID, TOO_LARGE, UNSUPPORTED, error_response, unavailable
from service.keys.keyring import Key
from service.keys.roles import Role
from service.moderation import inspection
from service.moderation.errors import SeasonNotClosed, SessionNotTheirs
from service.moderation.schemas import (
    LONGEST_REASON,
    ChangePlayer,
    ChangeState,
    CorrectedSeason,
    CorrectSeason,
    DeletionPreview,
    Explanation,
    GiveReason,
    MarkedSession,
    MarkedSessions,
    MarkSessions,
    ModerationLogAnswer,
    SessionAnswer,
    StateAnswer,
)
from service.moderation.service import Act, Moderation, Order
from service.players.errors import ExternalIdTaken, PlayerNotFound, UsernameReserved, UsernameTaken
from service.players.routes import PLAYER_NOT_FOUND, make_players_router
from service.players.schemas import PlayerAnswer
from service.seasons.errors import LedgerBusy
from service.standings.board_routes import SeasonWanted
from service.standings.errors import SessionNotFound
from service.standings.reads.ranks import RankReader
from service.validation import MAX_ID, STORABLE_TEXT

SessionId = Annotated[int, PathParameter(ge=1, le=MAX_ID)]
_UserId = Annotated[int, PathParameter(ge=1, le=MAX_ID)]

SESSION_NOT_FOUND: Final = error_response("No such session.", SessionNotFound())
_NOT_THEIRS: Final = error_response(
    "No such player, or one of the sessions is not the player's.",
    PlayerNotFound(),
    SessionNotTheirs(4711),
)
_NAME_TAKEN: Final = error_response(
    "The name is taken or reserved, or another player has the external id.",
    UsernameTaken("ada"),
    UsernameReserved("deleted-1"),
    ExternalIdTaken("steam:76561197960287930", 1),
)
_UNAVAILABLE: Final = unavailable()
_BUSY: Final = unavailable(WriterBusy(25), LedgerBusy(25))
_RANKS_UNAVAILABLE: Final = unavailable(StandingsUnavailable(), BoardFilling("weekly-laps"))
_NOT_CLOSED: Final = error_response("The season is not closed.", SeasonNotClosed("weekly-laps", 8))
_NO_PLACE: Final = error_response(
    "No such board, season or player.",
    BoardNotFound("weekly-laps"),
    SeasonNotFound("weekly-laps", "8"),
    PlayerNotFound(),
)
_DELETED: Final = {
    200: ResponseSpec(
        DeletionPreview, description="With `dry_run`: what would change.", generate_examples=False
    ),
    204: ResponseSpec(None, description="The player is forgotten."),
}
_CHANGED: Final = INVALID | TOO_LARGE | UNSUPPORTED | _UNAVAILABLE


def _act(request: StrictRequest, authorizer: Authorizer, reason: str) -> Act:
    """Return who asks, by their key, and why."""
    key = authorizer.authorize(request.scope, Role.MODERATOR)
    return Act(key.name if isinstance(key, Key) else None, reason)


@post("/{session_id:str}/revoke", status_code=200, responses=SESSION_NOT_FOUND | _CHANGED)
async def revoke_session(
    session_id: SessionId,
    data: JSONBody[GiveReason],
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
) -> MarkedSession:
    """Have a session count nowhere any more: the player's best one before it comes back."""
    act = _act(request, authorizer, data.reason)
    return await moderation.mark_session(session_id, "revoke", act)


@post("/{session_id:str}/restore", status_code=200, responses=SESSION_NOT_FOUND | _CHANGED)
async def restore_session(
    session_id: SessionId,
    data: JSONBody[GiveReason],
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
) -> MarkedSession:
    """Have a session that was revoked count again."""
    act = _act(request, authorizer, data.reason)
    return await moderation.mark_session(session_id, "restore", act)


@post(
    "/{user_id:str}/sessions/revoke",
    status_code=200,
    role=Role.MODERATOR,
    responses=_NOT_THEIRS | _CHANGED,
)
async def revoke_sessions(
    user_id: _UserId,
    data: JSONBody[MarkSessions],
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
) -> MarkedSessions:
    """Revoke sessions of a player, named or since a time, up to 10,000, or look what changes."""
    act = _act(request, authorizer, data.reason)
    return await moderation.mark_sessions(user_id, data, "revoke", act)


@post(
    "/{user_id:str}/sessions/restore",
    status_code=200,
    role=Role.MODERATOR,
    responses=_NOT_THEIRS | _CHANGED,
)
async def restore_sessions(
    user_id: _UserId,
    data: JSONBody[MarkSessions],
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
) -> MarkedSessions:
    """Have revoked sessions of a player count again, named or since a time, or look."""
    act = _act(request, authorizer, data.reason)
    return await moderation.mark_sessions(user_id, data, "restore", act)


@put("/{user_id:str}/state", role=Role.MODERATOR, responses=PLAYER_NOT_FOUND | _CHANGED)
async def change_state(
    user_id: _UserId,
    data: JSONBody[ChangeState],
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
) -> StateAnswer:
    """Ban a player, hide one from everybody else, or end that; or look what changes."""
    return await moderation.change_state(user_id, data, _act(request, authorizer, data.reason))


@patch("/{user_id:str}", role=Role.MODERATOR, responses=PLAYER_NOT_FOUND | _NAME_TAKEN | _CHANGED)
async def change_player(
    user_id: _UserId,
    data: JSONBody[ChangePlayer],
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
) -> PlayerAnswer:
    """Give a player another name, in every season, closed ones too, or another external id.

    With `dry_run` only look whether both can be had.
    """
    return await moderation.change_player(user_id, data, _act(request, authorizer, data.reason))


@delete(
    "/{user_id:str}",
    status_code=200,
    role=Role.MODERATOR,
    responses=_DELETED | INVALID | PLAYER_NOT_FOUND | _UNAVAILABLE,
)
async def delete_player(
    user_id: _UserId,
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
    reason: Annotated[
        str,
        QueryParameter(
            min_length=1,
            max_length=LONGEST_REASON,
            pattern=STORABLE_TEXT,
            description="Why, for the moderation log.",
        ),
    ],
    scores: Annotated[
        Literal["keep", "revoke"],
        QueryParameter(description="Whether the scores stay, without a name, or leave the boards."),
    ] = "keep",
    *,
    dry_run: Annotated[bool, QueryParameter(description="Only look what would change.")] = False,
) -> Response[DeletionPreview | None]:
    """Forget who a player was, for good: name, external id, metadata and idempotency keys.

    With `dry_run` the answer is 200 and what would change.
    """
    act = _act(request, authorizer, reason)
    preview = await moderation.delete(user_id, act, with_scores=scores == "revoke", dry_run=dry_run)
    return Response(preview, status_code=200 if dry_run else 204)


@get("/", responses=INVALID | _UNAVAILABLE)
async def read_log(
    moderation: NamedDependency[Moderation],
    after: Annotated[
        int,
        QueryParameter(
            ge=0, le=MAX_ID, description="Only entries after this one, in the order asked for."
        ),
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="How many at most.")] = 100,
    order: Annotated[Order, QueryParameter(description="Which entries come first.")] = "oldest",
) -> ModerationLogAnswer:
    """List what moderators did, oldest or newest first."""
    return await moderation.list_log(after, limit, order)


@get("/{session_id:str}", role=Role.SUBMIT, responses=INVALID | SESSION_NOT_FOUND | _UNAVAILABLE)
async def read_session(session_id: SessionId, database: NamedDependency[Database]) -> SessionAnswer:
    """Return a session, and what became of it on each board."""
    return await inspection.read_session(database, session_id)


@get("/explain/{user_id:str}", responses=INVALID | _NO_PLACE | _RANKS_UNAVAILABLE)
async def explain_rank(
    slug: Slug,
    user_id: _UserId,
    database: NamedDependency[Database],
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    season: SeasonWanted = "current",
    before: Annotated[
        int | None,
        QueryParameter(
            ge=1, le=MAX_ID, description="Only sessions behind this one: an earlier `next_before`."
        ),
    ] = None,
) -> Explanation:
    """Say why a player's rank is what it is: the sessions, the rule, who is above and below."""
    found = await season_finder.find_season(slug, season)
    return await inspection.explain_rank(database, rank_reader, found, user_id, before)


@post(
    "/seasons/{number:str}/correct",
    status_code=200,
    role=Role.ADMIN,
    responses=INVALID | SEASON_NOT_FOUND | _NOT_CLOSED | TOO_LARGE | UNSUPPORTED | _BUSY,
)
async def correct_season(
    slug: Slug,
    number: Annotated[int, PathParameter(ge=1, le=MAX_ID)],
    data: JSONBody[CorrectSeason],
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    moderation: NamedDependency[Moderation],
) -> CorrectedSeason:
    """Re-rank a closed season without what does not count by now, and with what came since.

    Or look, with `dry_run`, which entries that would change.
    """
    act = _act(request, authorizer, data.reason)
    return await moderation.correct_season(slug, number, act, dry_run=bool(data.dry_run))


moderated_boards_router: Final = Router(
    "/api/boards/{slug:str}",
    route_handlers=[explain_rank, correct_season],
    tags=["moderation"],
    opt={"role": Role.MODERATOR},
)
moderated_sessions_router: Final = Router(
    "/api/sessions",
    route_handlers=[read_session, revoke_session, restore_session],
    tags=["moderation"],
    opt={"role": Role.MODERATOR},
)
players_router: Final = make_players_router(
    revoke_sessions, restore_sessions, change_state, change_player, delete_player
)
moderation_log_router: Final = Router(
    "/api/moderation",
    route_handlers=[read_log],
    tags=["moderation"],
    opt={"role": Role.MODERATOR},
)
