"""What the service answers, as the console understands it.

Times are UTC, durations in ms unless named otherwise. Fields the console does not show are left
out, fields it does not know are ignored: an older or newer service still makes sense.
"""

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time of day without a zone is not understood: nobody could say how old it is."""


class Season(msgspec.Struct, frozen=True):
    """One season of a board: `open`, `ending` or `closed`; without an end it stays open.

    Only where seasons are listed is it told how many players there are. `revision` counts how often
    its result was made.
    """

    number: int
    state: str
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    players: int | None = None
    revision: int = 1

    @property
    def is_final(self) -> bool:
        """Whether its result is stored: only a correction changes it, and a new name."""
        return self.state == "closed"


class Seasons(msgspec.Struct, frozen=True):
    """The newest seasons of a board, newest first."""

    seasons: tuple[Season, ...]


class BoardFacts(msgspec.Struct, frozen=True):
    """A board and its current season; `state` is open, filling or archived."""

    slug: str
    title: str
    state: str
    season: Season
    players: int


class Boards(msgspec.Struct, frozen=True):
    """Boards by slug; `next` is where the others begin."""

    boards: tuple[BoardFacts, ...]
    next: str | None


class Entry(msgspec.Struct, frozen=True):
    """One player's line; `score_text` is the score as the board writes it."""

    user_id: int
    username: str
    score: int
    score_text: str
    rank: int


class Top(msgspec.Struct, frozen=True):
    """Consecutive lines of the board, best first, as the refresh of `as_of` left them.

    `stale`: the service itself says that they may lag.
    """

    season: Season
    entries: tuple[Entry, ...]
    players: int
    as_of: Moment
    stale: bool = False


class Mover(Entry, frozen=True):
    """A line as it is now, and by how many ranks it rose; below 0 where it fell."""

    climbed: int


class Movers(msgspec.Struct, frozen=True):
    """Who moved furthest of all who scored since a re-rank; `since` is None before the first one.

    Where more than `scores` came in since, it is not `complete`: these are of so many, the newest.
    """

    season: Season
    since: Moment | None
    climbed: tuple[Mover, ...]
    fell: tuple[Mover, ...]
    scores: int
    complete: bool


class Rank(msgspec.Struct, frozen=True):
    """One player's place; score and rank are None before the first session."""

    season: Season
    user_id: int
    username: str
    score: int | None
    score_text: str | None
    rank: int | None
    players: int
    as_of: Moment
    stale: bool = False


class Player(msgspec.Struct, frozen=True):
    """A player as registered; `joined_at` is None where only a rank tells who it is."""

    user_id: int
    username: str
    joined_at: Moment | None = None


class NamedPlayers(msgspec.Struct, frozen=True):
    """Players with some letters in their names, and whether there are others."""

    players: tuple[Player, ...]
    more: bool


class Session(msgspec.Struct, frozen=True):
    """One game session of a player; one that is revoked counts nowhere."""

    session_id: int
    score: int
    game_mode: str
    submitted_at: Moment
    revoked_at: Moment | None = None


class Sessions(msgspec.Struct, frozen=True):
    """A player's last sessions, newest first; `next_before` is where the older ones begin."""

    sessions: tuple[Session, ...]
    next_before: int | None = None


class Process(msgspec.Struct, frozen=True):
    """One process of the API or of the worker; the console tells restarts by it."""

    host: str
    pid: int
    started_at: Moment
    memory_bytes: int | None = None
    submits_waiting: int | None = None
    database_connections: int | None = None
    database_connections_idle: int | None = None
    loop_lag_ms: float | None = None
    host_processors: int | None = None
    host_processor_percent: float | None = None
    host_load: float | None = None


class Part(msgspec.Struct, frozen=True):
    """A part of the service: `state` is ok, behind, away or unknown; None what is not known.

    `since` is when it was last heard of, by the service's clock.
    """

    state: str
    version: str | None = None
    round_trip_ms: float | None = None
    connections: int | None = None
    memory_bytes: int | None = None
    processes: tuple[Process, ...] = ()
    started_at: Moment | None = None
    last_seen_at: Moment | None = None
    offset: int | None = None
    last_refresh: int | None = None
    behind: int | None = None
    lag_seconds: float | None = None
    cause: str | None = None
    since: Moment | None = None


class Parts(msgspec.Struct, frozen=True):
    """Every part of the service."""

    api: Part
    postgresql: Part
    redis: Part
    worker: Part
    scheduler: Part
    index: Part


class Refresh(msgspec.Struct, frozen=True):
    """The last refresh that folded anything."""

    number: int
    at: Moment | None
    duration_ms: float | None
    sessions: int | None


class Rerank(msgspec.Struct, frozen=True):
    """The last time that the ranks were stored."""

    number: int
    at: Moment | None
    duration_ms: float | None


class Players(msgspec.Struct, frozen=True):
    """How many players stand on the board, and the highest id given out."""

    standing: int
    highest_user_id: int


class Queue(msgspec.Struct, frozen=True):
    """Messages of one queue: to do, for later, and given up."""

    ready: int
    delayed: int
    dead: int = 0


class Route(msgspec.Struct, frozen=True):
    """One route: requests since the start, latencies of the last minute."""

    route: str
    count: int
    server_errors: int
    per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class ShownSessions(msgspec.Struct, frozen=True):
    """Sessions that became visible since the workers started, by the time that it took.

    `counts` has one more than `bounds_ms`, for those that took longer than the last.
    """

    bounds_ms: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.bounds_ms or len(self.counts) != len(self.bounds_ms) + 1:
            raise ValueError("counts do not fit the bounds")


class FillingSeason(msgspec.Struct, frozen=True):
    """A season that counts the past first, and how much of that it has, in percent."""

    board: str
    season: int
    percent: float


class EndingSeason(msgspec.Struct, frozen=True):
    """A season that is over and not closed yet, and what that waits for."""

    board: str
    season: int
    waits_for: str


class BoardPending(msgspec.Struct, frozen=True):
    """Sessions that will count on a board, and how long the oldest has waited."""

    board: str
    sessions: int
    oldest_seconds: float


class BoardsStatus(msgspec.Struct, frozen=True):
    """The boards at work; `pending` is of the oldest `pending_limit` sessions, None if not told."""

    filling: tuple[FillingSeason, ...] = ()
    ending: tuple[EndingSeason, ...] = ()
    pending: tuple[BoardPending, ...] | None = None
    pending_limit: int = 0


class Readiness(msgspec.Struct, frozen=True):
    """The parts of which everybody may know, each with `ok` or with what is wrong."""

    parts: dict[str, str]


class Status(msgspec.Struct, frozen=True):
    """The whole system at one moment; None where a part is away."""

    version: str
    at: Moment
    parts: Parts
    pending_sessions: int | None
    highest_session_id: int | None
    players: Players | None
    refresh: Refresh | None
    rerank: Rerank | None
    queues: dict[str, Queue]
    routes: tuple[Route, ...]
    freshness: ShownSessions | None = None
    oldest_pending_seconds: float | None = None
    boards: BoardsStatus | None = None
