"""HTTP: reading any board and any season of it."""

import math
import re
from collections.abc import Awaitable, Callable
from fractions import Fraction
from functools import partial
from typing import Annotated, Final

import msgspec
from litestar import MediaType, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from litestar.response import ServerSentEvent

from service.batching import QueueFull
from service.boards.errors import BoardFilling, BoardNotFound, SeasonNotFound, StandingsUnavailable
from service.boards.finder import Season, SeasonFinder
from service.boards.routes import BOARD_NOT_FOUND, SEASON_NOT_FOUND, AfterSlug, ListLimit, Slug
from service.boards.service import list_open_boards
from service.errors import refuse_request
from service.http.auth import Authorizer
from service.http.requests import StrictRequest
from service.http.responses import INVALID, TOO_LARGE, UNSUPPORTED, error_response, unavailable
from service.keys.roles import Role
from service.lifecycle import Closing
from service.players.errors import PlayerNotFound
from service.settings.settings import Settings
from service.standings.board_schemas import (
    AskedPlayers,
    BoardEntries,
    BoardRank,
    Cutoff,
    Cutoffs,
    Friend,
    Friends,
    Mover,
    Movers,
    PlaceAnswer,
    PlayerRanks,
    SeasonFacts,
    encode_board_top,
    list_entries,
)
from service.standings.cursors import CursorExpired, decode_cursor, encode_cursor
from service.standings.errors import SessionNotFound
from service.standings.reads.movers import NEWEST_SESSIONS, MoverReader
from service.standings.reads.ranks import BEHIND_EQUALS, RankReader
from service.standings.reads.seen import SeenSessions, mark_pending
from service.standings.reads.top_feed import TopFeeds
from service.standings.routes import (
    Limit,
    PageLimit,
    Radius,
    Seen,
    UserId,
    answer_with_events,
    document_events,
)
from service.standings.run import Run
from service.standings.schemas import Rank
from service.validation import MAX_ID, MAX_SCORE, MIN_SCORE, SEASON, SLUGS

SeasonWanted = Annotated[
    str,
    QueryParameter(
        pattern=SEASON,
        description="`current`, `previous`, which may still be `ending`, or a season's number.",
    ),
]
WithDetails = Annotated[
    bool,
    QueryParameter(description="Also the session that made each standing, with its metadata."),
]
_Offset = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=MAX_ID,
        description="How many players stand above the first one.",
        # Litestar leaves a limit of 0 out where a type has several parts.
        schema_extra={"minimum": 0},
    ),
]
_Cursor = Annotated[
    str | None, QueryParameter(max_length=200, description="`next` or `prev` of an earlier answer.")
]

_LAST_PLACE: Final = (MAX_SCORE, *BEHIND_EQUALS)

_MOST_CUTOFFS: Final = 20
_CUTOFF_READS: Final = 5
_DECIMAL: Final = re.compile(r"[0-9]+(\.[0-9]+)?")

_UNAVAILABLE: Final = unavailable(
    StandingsUnavailable(), BoardFilling("weekly-laps"), QueueFull(1_000)
)
_PLAYER_NOT_FOUND: Final = error_response(
    "No such board, season or player.",
    BoardNotFound("weekly-laps"),
    SeasonNotFound("weekly-laps", "8"),
    PlayerNotFound(),
    SessionNotFound(),
)
_SESSION_NOT_FOUND: Final = error_response(
    "No such board, season or session.",
    BoardNotFound("weekly-laps"),
    SeasonNotFound("weekly-laps", "8"),
    SessionNotFound(),
)
_INVALID_PAGE: Final = error_response(
    "The request is not valid; `fields` names what is wrong.",
    refuse_request("limit", "Expected `int` >= 1"),
    CursorExpired(),
)

_encode: Final = msgspec.json.Encoder().encode


@get(
    "/top",
    responses={200: ResponseSpec(BoardEntries, description="The best.", generate_examples=False)}
    | INVALID
    | _SESSION_NOT_FOUND
    | _UNAVAILABLE,
)
async def read_board_top(
    slug: Slug,
    season_finder: NamedDependency[SeasonFinder],
    top_feeds: NamedDependency[TopFeeds],
    rank_reader: NamedDependency[RankReader],
    seen_sessions: NamedDependency[SeenSessions],
    season: SeasonWanted = "current",
    limit: Limit = 10,
    seen: Seen = None,
    *,
    details: WithDetails = False,
) -> Response[bytes]:
    """Return a board's best players."""
    found = await season_finder.find_season(slug, season)
    if details or seen is not None:
        is_seen = seen is None or await seen_sessions.wait(found, seen)
        # Not from memory, which the last refresh may still be on its way to.
        read = partial(rank_reader.read_page, found, 0, limit)
        answer = await _list_entries(rank_reader, found, read, details=details)
        body = _encode(mark_pending(answer, is_seen=is_seen))
    else:
        encode = partial(encode_board_top, found, limit)
        body = await top_feeds.read(found, ("board", limit), encode)
    return Response(body, media_type=MediaType.JSON)


@get("/rank/{user_id:str}", responses=INVALID | _PLAYER_NOT_FOUND | _UNAVAILABLE)
async def read_board_rank(
    slug: Slug,
    user_id: UserId,
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    seen_sessions: NamedDependency[SeenSessions],
    season: SeasonWanted = "current",
    seen: Seen = None,
    *,
    details: WithDetails = False,
) -> BoardRank:
    """Return a player's entry; score and rank are null before the first session that counts."""
    found = await season_finder.find_season(slug, season)
    is_seen = seen is None or await seen_sessions.wait(found, seen, user_id)
    read = partial(rank_reader.read_rank, found, user_id)
    if not details:
        return mark_pending(BoardRank.of(found, await read()), is_seen=is_seen)
    rank, known = await rank_reader.detail_reader.read(found, read)
    return mark_pending(BoardRank.of(found, rank, known.get(user_id)), is_seen=is_seen)


@get("/around/{user_id:str}", responses=INVALID | _PLAYER_NOT_FOUND | _UNAVAILABLE)
async def read_board_around(
    slug: Slug,
    user_id: UserId,
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    seen_sessions: NamedDependency[SeenSessions],
    season: SeasonWanted = "current",
    radius: Radius = 5,
    seen: Seen = None,
    *,
    details: WithDetails = False,
) -> BoardEntries:
    """Return a player between the neighbours above and below; nobody before the first session."""
    found = await season_finder.find_season(slug, season)
    is_seen = seen is None or await seen_sessions.wait(found, seen, user_id)
    read = partial(rank_reader.read_around, found, user_id, radius)
    answer = await _list_entries(rank_reader, found, read, details=details)
    return mark_pending(answer, is_seen=is_seen)


@get("/page", responses=_INVALID_PAGE | SEASON_NOT_FOUND | _UNAVAILABLE)
async def read_board_page(
    slug: Slug,
    rank_reader: NamedDependency[RankReader],
    season: SeasonWanted = "current",
    offset: _Offset = None,
    after: _Cursor = None,
    before: _Cursor = None,
    limit: PageLimit = 100,
    *,
    details: WithDetails = False,
) -> BoardEntries:
    """Return the players from a place on, or on either side of a cursor.

    With a cursor nobody who did not move is repeated or skipped, whatever others do meanwhile.
    """
    if sum(place is not None for place in (offset, after, before)) > 1:
        raise refuse_request("after", "Expected one of `offset`, `after` and `before`")
    # Not a dependency of its own: Litestar starts a task for each of several.
    found = await rank_reader.season_finder.find_season(slug, season)
    if after is not None:
        place = decode_cursor(found, "after", after)
        read = partial(rank_reader.read_run, found, place, above=0, below=limit)
    elif before is not None:
        place = decode_cursor(found, "before", before)
        read = partial(rank_reader.read_run, found, place, above=limit, below=0)
    else:
        place = _LAST_PLACE
        read = partial(rank_reader.read_page, found, offset or 0, limit)
    answer = await _list_entries(rank_reader, found, read, details=details)
    if answer.entries or not answer.players:
        return answer
    # Nobody is left there, and the way back includes whoever stands at the cursor itself.
    sort_score, tie_key, user_id = place
    if before is not None:
        ahead = encode_cursor(found, (sort_score, tie_key, user_id - 1))
        return msgspec.structs.replace(answer, next=ahead)
    behind = encode_cursor(found, (sort_score, tie_key, user_id + 1))
    return msgspec.structs.replace(answer, prev=behind)


async def _list_entries(
    rank_reader: RankReader, season: Season, read: Callable[[], Awaitable[Run]], *, details: bool
) -> BoardEntries:
    if not details:
        return BoardEntries.of(season, await read(), {})
    run, known = await rank_reader.detail_reader.read(season, read)
    return BoardEntries.of(season, run, known)


@get(
    "/stream",
    stream=True,
    responses=document_events(BoardEntries.example()) | INVALID | SEASON_NOT_FOUND | _UNAVAILABLE,
)
async def stream_board_top(
    slug: Slug,
    request: StrictRequest,
    authorizer: NamedDependency[Authorizer],
    season_finder: NamedDependency[SeasonFinder],
    top_feeds: NamedDependency[TopFeeds],
    closing: NamedDependency[Closing],
    settings: NamedDependency[Settings],
    limit: Limit = 10,
    season: SeasonWanted = "current",
) -> ServerSentEvent:
    """Send a season's top as server-sent events: now, and whenever it changes.

    When a season ends, `current` and `previous` go on with the next one; while that is being
    filled, comments alone come. It ends when the service stops, and when the caller's key is
    revoked.
    """
    found = await season_finder.find_season(slug, season)
    if found.is_filling:
        raise BoardFilling(slug)
    tops = top_feeds.watch(
        found, season, ("board", limit), lambda season, run: encode_board_top(season, limit, run)
    )
    return answer_with_events(tops, request, authorizer, closing, settings)


@post(
    "/ranks",
    status_code=200,
    role=Role.READ,
    responses=INVALID | SEASON_NOT_FOUND | TOO_LARGE | UNSUPPORTED | _UNAVAILABLE,
)
async def read_board_ranks(
    slug: Slug,
    data: JSONBody[AskedPlayers],
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    season: SeasonWanted = "current",
) -> Friends:
    """Return the entries of some players, a player's friends for example, best first."""
    found = await season_finder.find_season(slug, season)
    user_ids = list(dict.fromkeys(data.user_ids))
    ranks = await rank_reader.read_ranks(found, user_ids)
    if not ranks and len(user_ids) == 1:
        # A player who is hidden, and who must not see that.
        own = await rank_reader.read_hidden_rank(found, user_ids[0])
        ranks = [own] if own is not None else []
    ranks.sort(key=lambda rank: (rank.rank or 0, rank.user_id))
    standing = {rank.user_id for rank in ranks}
    page = None if ranks else await rank_reader.read_page(found, 0, 1)
    facts: Rank | Run = ranks[0] if page is None else page
    return Friends(
        board=slug,
        season=SeasonFacts.of(found),
        entries=[
            Friend(
                rank.user_id,
                rank.username,
                rank.total_score,
                found.rule.score_format.write(rank.total_score),
                rank.rank or 0,
                rank.saturated,
                position=position,
            )
            for position, rank in enumerate(ranks, start=1)
        ],
        missing=[user_id for user_id in user_ids if user_id not in standing],
        players=facts.players,
        as_of=found.date(facts.as_of),
        stale=facts.stale,
    )


@get("/place", responses=INVALID | SEASON_NOT_FOUND | _UNAVAILABLE)
async def find_board_place(
    slug: Slug,
    score: Annotated[
        int, QueryParameter(ge=MIN_SCORE, le=MAX_SCORE, description="A score that nobody sent yet.")
    ],
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    season: SeasonWanted = "current",
) -> PlaceAnswer:
    """Return where a score would stand now: level with its equals or, on `first`, behind them."""
    found = await season_finder.find_season(slug, season)
    near = await rank_reader.read_beside(found, score)
    entries = list_entries(found, near, {})
    # Who comes new is listed behind all who have this score, wherever the rank is shared.
    above = entries.pop(0) if entries and near.sort_scores[0] <= found.rule.sort(score) else None
    shares_rank = above is not None and above.score == score and not found.rule.is_first
    return PlaceAnswer(
        board=slug,
        season=SeasonFacts.of(found),
        rank=above.rank if above and shares_rank else near.position + (above is not None) + 1,
        players=near.players,
        above=above,
        below=entries[0] if entries else None,
        as_of=found.date(near.as_of),
        stale=near.stale,
    )


@get("/cutoffs", responses=INVALID | SEASON_NOT_FOUND | _UNAVAILABLE)
async def read_board_cutoffs(
    slug: Slug,
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    season: SeasonWanted = "current",
    percent: Annotated[
        str,
        QueryParameter(
            min_length=1,
            max_length=200,
            description="Up to 20 numbers above 0 and up to 100, with commas between them.",
        ),
    ] = "1,10,50",
) -> Cutoffs:
    """Return the score that is needed to be among the best so many percent."""
    wanted = _parse_percents(percent)
    found = await season_finder.find_season(slug, season)
    reads_left = _CUTOFF_READS
    while True:
        facts = await rank_reader.read_page(found, 0, 1)
        lasts = [math.ceil(share * facts.players / 100) for share in wanted]
        runs = [await rank_reader.read_page(found, max(0, last - 1), 1) for last in lasts]
        is_of_one_moment = all(run.as_of == facts.as_of for run in runs)
        reads_left -= 1
        if is_of_one_moment or not reads_left:
            break
    cutoffs = []
    for share, last, run in zip(wanted, lasts, runs, strict=True):
        score = found.rule.sort(run.sort_scores[0]) if run.user_ids else None
        cutoffs.append(
            Cutoff(
                percent=float(share),
                rank=last if run.user_ids else None,
                score=score,
                score_text=None if score is None else found.rule.score_format.write(score),
            )
        )
    return Cutoffs(
        board=slug,
        season=SeasonFacts.of(found),
        cutoffs=cutoffs,
        players=facts.players,
        as_of=found.date(facts.as_of),
        stale=facts.stale or not is_of_one_moment,
    )


@get("/movers", role=Role.MODERATOR, responses=INVALID | BOARD_NOT_FOUND | _UNAVAILABLE)
async def read_board_movers(
    slug: Slug,
    season_finder: NamedDependency[SeasonFinder],
    mover_reader: NamedDependency[MoverReader],
    limit: Limit = 10,
) -> Movers:
    """Return who climbed and who fell furthest since the last re-rank, of all who scored since."""
    found = await season_finder.find_season(slug, "current")
    moves = await mover_reader.read_moves(found, limit)
    return Movers(
        board=slug,
        season=SeasonFacts.of(found),
        since=moves.since,
        climbed=[Mover.of(found, move) for move in moves.climbed],
        fell=[Mover.of(found, move) for move in moves.fell],
        scores=NEWEST_SESSIONS,
        complete=moves.is_complete,
        stale=moves.is_stale,
    )


def _parse_percents(text: str) -> list[Fraction]:
    """Return the percents exactly: a product of doubles may be just above the number meant."""
    refusal = refuse_request(
        "percent", f"Expected up to {_MOST_CUTOFFS} numbers above 0 and up to 100, like `1,10,50`"
    )
    parts = text.split(",")
    if len(parts) > _MOST_CUTOFFS or not all(map(_DECIMAL.fullmatch, parts)):
        raise refusal
    percents = [Fraction(part) for part in parts]
    if not all(0 < percent <= 100 for percent in percents):
        raise refusal
    return percents


@get("/{user_id:str}/ranks", responses=INVALID | _PLAYER_NOT_FOUND | _UNAVAILABLE)
async def read_player_ranks(
    user_id: UserId,
    season_finder: NamedDependency[SeasonFinder],
    rank_reader: NamedDependency[RankReader],
    boards: Annotated[
        str | None,
        QueryParameter(
            max_length=10_000,
            pattern=SLUGS,
            description="Only these, with commas between them; else all open.",
        ),
    ] = None,
    after: AfterSlug = "",
    limit: ListLimit = 1_000,
) -> PlayerRanks:
    """Return a player's entries on every open board, by slug, or on those that are named."""
    if boards is None:
        slugs = await list_open_boards(season_finder.database, after, limit + 1)
    else:
        slugs = list(dict.fromkeys(boards.split(",")))
        if after:
            slugs = slugs[slugs.index(after) + 1 :] if after in slugs else []
    # Nobody asked for those that nobody may read yet.
    found = await rank_reader.read_on_boards(slugs[:limit], user_id, with_filling=bool(boards))
    return PlayerRanks(
        entries=[BoardRank.of(season, rank) for season, rank in found],
        next=slugs[limit - 1] if len(slugs) > limit else None,
    )


board_standings_router = Router(
    "/api/boards/{slug:str}",
    route_handlers=[
        read_board_top,
        read_board_rank,
        read_board_around,
        read_board_page,
        stream_board_top,
        read_board_ranks,
        find_board_place,
        read_board_cutoffs,
        read_board_movers,
    ],
    tags=["boards"],
    opt={"role": Role.READ},
)

player_ranks_router = Router(
    "/api/players",
    route_handlers=[read_player_ranks],
    tags=["players"],
    opt={"role": Role.READ},
)
