"""HTTP: reading the leaderboard."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from service.batching import QueueFull
from service.boards.errors import StandingsUnavailable
from service.boards.finder import SeasonFinder
from service.http.auth import Authorizer
from service.http.requests import StrictRequest
from service.http.responses import INVALID, error_response, unavailable
from service.keys.roles import Role
from service.lifecycle import Closing
from service.players.errors import PlayerNotFound
from service.settings.settings import Settings
from service.standings.errors import SessionNotFound
from service.standings.reads.ranks import PAGE_LIMIT, RankReader
from service.standings.reads.seen import SeenSessions, mark_pending
from service.standings.reads.top_feed import TopFeeds
from service.standings.schemas import Around, Rank, Top, encode_top
from service.standings.top import TOP_LIMIT
from service.validation import MAX_ID

UserId = Annotated[int, PathParameter(ge=1, le=MAX_ID, description="The player's id.")]
Limit = Annotated[int, QueryParameter(ge=1, le=TOP_LIMIT, description="How many entries.")]
Radius = Annotated[
    int, QueryParameter(ge=1, le=50, description="How many neighbours on each side.")
]
Offset = Annotated[
    int, QueryParameter(ge=0, le=MAX_ID, description="How many players stand above the first one.")
]
Seen = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=MAX_ID,
        description=(
            "A `session_id`: the answer comes once that session counts in it, or after a second, "
            "then with `pending`."
        ),
    ),
]
PageLimit = Annotated[int, QueryParameter(ge=1, le=PAGE_LIMIT, description="How many entries.")]

_TOP: Final = {200: ResponseSpec(Top, description="The first entries.", generate_examples=False)}
_UNAVAILABLE: Final = unavailable(StandingsUnavailable(), QueueFull(1_000))
_SESSION_NOT_FOUND: Final = error_response("No session has the id in `seen`.", SessionNotFound())
_NOT_FOUND: Final = error_response(
    "No such player or session.", PlayerNotFound(), SessionNotFound()
)


def document_events(top: msgspec.Struct) -> dict[int, ResponseSpec]:
    """Document a stream of tops like this one."""
    event = ServerSentEventMessage(event="top", data=msgspec.json.encode(top).decode())
    return {
        200: ResponseSpec(
            str,
            description=(
                "Server-sent events: `top`, with the body of `/top`, now and on every change; "
                "comments in between keep the connection alive."
            ),
            generate_examples=False,
            examples=[Example(value=event.encode().decode())],
            media_type="text/event-stream",
        )
    }


@get(
    "/top",
    responses=_TOP | INVALID | _SESSION_NOT_FOUND | _UNAVAILABLE,
)
async def read_top(
    top_feeds: NamedDependency[TopFeeds],
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    seen_sessions: NamedDependency[SeenSessions],
    limit: Limit = 10,
    seen: Seen = None,
) -> Response[bytes]:
    """Return the best players; those that tie share a rank and are listed by `user_id`."""
    season = await season_finder.find()
    if seen is None:
        body = await top_feeds.read(season, limit, partial(encode_top, limit))
    else:
        is_seen = await seen_sessions.wait(season, seen)
        # Not from memory, which the last refresh may still be on its way to.
        body = encode_top(limit, await rank_reader.read_page(season, 0, limit), pending=not is_seen)
    return Response(body, media_type=MediaType.JSON)


@get("/rank/{user_id:str}", responses=INVALID | _NOT_FOUND | _UNAVAILABLE)
async def read_rank(
    user_id: UserId,
    rank_reader: NamedDependency[RankReader],
    season_finder: NamedDependency[SeasonFinder],
    seen_sessions: NamedDependency[SeenSessions],
    seen: Seen = None,
) -> Rank:
    """Return a player's total and rank; the rank is null before the first session."""
    season = await season_finder.find()
    is_seen = seen is None or await seen_sessions.wait(season, seen, user_id)
    rank = await rank_reader.read_rank(season, user_id)
    return mark_pending(rank, is_seen=is_seen)


@get("/around/{user_id:str}", responses=INVALID | _NOT_FOUND | _UNAVAILABLE)
async def read_around(
    user_id: UserId,
    rank_reader: NamedDependency[RankReader],
    season_finder: NamedDependency[SeasonFinder],
    seen_sessions: NamedDependency[SeenSessions],
    radius: Radius = 5,
    seen: Seen = None,
) -> Around:
    """Return a player between the neighbours above and below."""
    season = await season_finder.find()
    is_seen = seen is None or await seen_sessions.wait(season, seen, user_id)
    around = Around.of(await rank_reader.read_around(season, user_id, radius))
    return mark_pending(around, is_seen=is_seen)


@get("/page", responses=INVALID | _UNAVAILABLE)
async def read_page(
    rank_reader: NamedDependency[RankReader],
    offset: Offset = 0,
    limit: PageLimit = 100,
) -> Around:
    """Return the players from a place on, anywhere on the board, in the order of `/top`."""
    # Not a dependency of its own: Litestar starts a task for each of several.
    season = await rank_reader.season_finder.find()
    return Around.of(await rank_reader.read_page(season, offset, limit))


@get("/stream", stream=True, responses=document_events(Top.example()) | INVALID | _UNAVAILABLE)
async def stream_top(
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    season_finder: NamedDependency[SeasonFinder],
    top_feeds: NamedDependency[TopFeeds],
    closing: NamedDependency[Closing],
    settings: NamedDependency[Settings],
    limit: Limit = 10,
) -> ServerSentEvent:
    """Send the top as server-sent events: now, and whenever it changes.

    It ends when the service stops, and when the caller's key is revoked.
    """
    season = await season_finder.find()
    tops = top_feeds.watch(season, "current", limit, lambda _, run: encode_top(limit, run))
    return answer_with_events(tops, request, authorizer, closing, settings)


def answer_with_events(
    tops: AsyncGenerator[bytes],
    request: StrictRequest,
    authorizer: Authorizer,
    closing: Closing,
    settings: Settings,
) -> ServerSentEvent:
    """Answer with a stream of tops, until the service stops or the caller's key is revoked."""
    needed = request.route_handler.opt["role"]
    is_refused = partial(authorizer.wait_until_refused, request.scope, needed)
    events = ServerSentEvent(_send_events(tops, settings, closing.wait, is_refused))
    # Whether the connection stays, and the answer is kept, is said once for all.
    del events.headers["Connection"], events.headers["Cache-Control"]
    return events


async def _send_events(
    tops: AsyncGenerator[bytes],
    settings: Settings,
    *waits_for_end: Callable[[], Coroutine[Any, Any, object]],
) -> AsyncIterator[ServerSentEventMessage]:
    end_tasks = {asyncio.create_task(wait()) for wait in waits_for_end}
    next_top = asyncio.ensure_future(anext(tops))
    try:
        # Headers and a first comment go out at once, before there is any top to send.
        yield ServerSentEventMessage(data=None, comment="leaderboard")
        while True:
            done, _ = await asyncio.wait(
                {next_top, *end_tasks},
                timeout=settings.stream_heartbeat_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if done & end_tasks:
                return
            if next_top in done:
                yield ServerSentEventMessage(event="top", data=next_top.result())
                next_top = asyncio.ensure_future(anext(tops))
            else:
                yield ServerSentEventMessage(data=None, comment="still here")
    finally:
        for task in (next_top, *end_tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await tops.aclose()


standings_router = Router(
    "/api/leaderboard",
    route_handlers=[read_top, read_rank, read_around, read_page, stream_top],
    tags=["leaderboard"],
    opt={"role": Role.READ},
)
