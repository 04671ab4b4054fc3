"""What the operations endpoints answer. Times are UTC, durations in ms unless named otherwise."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from service.counters import FRESHNESS_BOUNDS, ApiCounters, WorkerCounters
from service.http.examples import NOW, THEN
from service.status.request_metrics import RouteFigures, SlowRequest

State = Literal["ok", "behind", "away", "unknown"]
"""What can be said of a part; `unknown` where all that would say it is away itself."""


class Liveness(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["live"] = "live"

    @classmethod
    def example(cls) -> "Liveness":
        return cls()


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether every part is there; the words beside a part say what is wrong with it."""

    status: Literal["ready", "not ready"]
    parts: dict[str, str]
    error: str = ""
    code: str = ""

    @classmethod
    def example(cls) -> "Readiness":
        return cls("ready", {"postgresql": "ok", "redis": "ok", "worker": "ok"})


class ApiProcess(msgspec.Struct, frozen=True):
    """One API process as it last described itself, and the machine that it runs on.

    `loop_lag_ms` is the longest time in the last ten seconds that something was due and waited for
    other work of the process. `host_processor_percent` is of all processors together, over the last
    seconds, and `host_load` the load average of the last minute.
    """

    host: str
    pid: int
    started_at: datetime
    memory_bytes: int
    submits_waiting: int
    database_connections: int
    database_connections_idle: int
    loop_lag_ms: float
    host_processors: int
    host_processor_percent: float
    host_load: float


class ApiHeartbeat(msgspec.Struct, frozen=True):
    """What an API process tells the others: itself, its figures, and those of its routes.

    `slow` are its last slow requests, newest first; `commit_under_way_ms` is for how long the
    commit in flight has been so.
    """

    process: ApiProcess
    routes: dict[str, RouteFigures]
    figures: ApiCounters
    slow: list[SlowRequest] = []
    commit_under_way_ms: float | None = None


class WorkerProcess(msgspec.Struct, frozen=True):
    """One worker process as it last described itself."""

    host: str
    pid: int
    started_at: datetime
    threads: int


class WorkerHeartbeat(msgspec.Struct, frozen=True):
    """What a worker process tells the others: itself, and its figures."""

    process: WorkerProcess
    figures: WorkerCounters


class ApiStatus(msgspec.Struct, frozen=True):
    """The API processes that were heard of in the last seconds."""

    state: State
    processes: list[ApiProcess]


class PostgresStatus(msgspec.Struct, frozen=True):
    """PostgreSQL as this process reaches it; `cause` and `since` where it does not.

    `behind` is one that answers slowly, or that takes no writes.
    """

    state: State
    version: str | None = None
    round_trip_ms: float | None = None
    connections: int | None = None
    started_at: datetime | None = None
    cause: str | None = None
    since: datetime | None = None


class RedisStatus(msgspec.Struct, frozen=True):
    """Redis or Valkey as this process reaches it; `cause` where it does not do its work.

    `since` is there where it does not answer. `started_at` is within a second of the truth.
    """

    state: State
    version: str | None = None
    round_trip_ms: float | None = None
    memory_bytes: int | None = None
    started_at: datetime | None = None
    cause: str | None = None
    since: datetime | None = None


class WorkerStatus(msgspec.Struct, frozen=True):
    """The worker processes that were heard of in the last seconds."""

    state: State
    processes: list[WorkerProcess]


class SchedulerStatus(msgspec.Struct, frozen=True):
    """The scheduler, judged by its last message that a worker carried out."""

    state: State
    last_seen_at: datetime | None = None


class IndexStatus(msgspec.Struct, frozen=True):
    """How far the index has followed the standings, in refreshes.

    `lag_seconds` is how long the oldest score has waited that reads do not show, 0 while they
    follow; `cause` is why.
    """

    state: State
    offset: int | None = None
    last_refresh: int | None = None
    behind: int | None = None
    lag_seconds: float | None = None
    cause: str | None = None


class Parts(msgspec.Struct, frozen=True):
    """The state of each part."""

    api: ApiStatus
    postgresql: PostgresStatus
    redis: RedisStatus
    worker: WorkerStatus
    scheduler: SchedulerStatus
    index: IndexStatus


class RefreshStatus(msgspec.Struct, frozen=True):
    """The last refresh that folded anything."""

    number: int
    at: datetime | None
    duration_ms: float | None
    sessions: int | None


class RerankStatus(msgspec.Struct, frozen=True):
    """The last re-rank; `number` is the refresh that the stored ranks show."""

    number: int
    at: datetime | None
    duration_ms: float | None
    ranks_changed: int | None


class PlayersStatus(msgspec.Struct, frozen=True):
    """How many stand on the global board, and the highest id that was given out."""

    standing: int
    highest_user_id: int


class QueueStatus(msgspec.Struct, frozen=True):
    """Messages of one Dramatiq queue: to do, for later, given up."""

    ready: int
    delayed: int
    dead: int


class RouteStatus(msgspec.Struct, frozen=True):
    """One route over all API processes: counts since their start, latencies of the last minute."""

    route: str
    count: int
    server_errors: int
    per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class FreshnessStatus(msgspec.Struct, frozen=True):
    """Sessions by the time from submit to visible, since the workers that are there started.

    `counts` are those up to each of `bounds_ms` and above the one before, then those above all.
    """

    bounds_ms: list[float]
    counts: list[int]

    @classmethod
    def of(cls, workers: Iterable[WorkerHeartbeat]) -> "FreshnessStatus | None":
        """Add up what the workers counted; those of another release may count otherwise."""
        counted = [
            worker.figures.freshness.counts
            for worker in workers
            if worker.figures.freshness.bounds == list(FRESHNESS_BOUNDS)
        ]
        if not counted:
            return None
        return cls(
            bounds_ms=[1000 * bound for bound in FRESHNESS_BOUNDS],
            counts=[sum(counts) for counts in zip(*counted, strict=True)],
        )


class LedgerWriter(msgspec.Struct, frozen=True):
    """A process of PostgreSQL that may still write sessions, for `seconds` by now."""

    pid: int
    seconds: float


class EndingSeason(msgspec.Struct, frozen=True):
    """A season that is over and not closed yet, and what it waits for.

    `writers` that began before its end, which `writers` lists; the `folds` of what these wrote; or
    the `closing`, which stores its result.
    """

    board: str
    season: int
    ends_at: datetime
    waits_for: Literal["writers", "folds", "closing"]
    writers: list[LedgerWriter]


class FillingSeason(msgspec.Struct, frozen=True):
    """A season in which sessions of the past are being counted, and how far that is."""

    board: str
    season: int
    percent: float


class BoardPlayers(msgspec.Struct, frozen=True):
    """How many players stand on a board."""

    board: str
    players: int


class BoardPending(msgspec.Struct, frozen=True):
    """Sessions that wait to be counted on a board, and how long the oldest of them has waited."""

    board: str
    sessions: int
    oldest_seconds: float


class BoardsStatus(msgspec.Struct, frozen=True):
    """The boards: how many, those at work, and the up to 20 with most players.

    `other_players` are those of all other boards together. `pending` are the boards for which
    sessions wait, of which only the oldest `pending_limit` are looked at.
    """

    count: int
    archived: int
    ending: list[EndingSeason]
    filling: list[FillingSeason]
    busiest: list[BoardPlayers]
    other_players: int
    pending: list[BoardPending]
    pending_limit: int


class Status(msgspec.Struct, frozen=True):
    """Everything that the console's health screen shows; null where a part is away.

    `oldest_pending_seconds` is how long the oldest of `pending_sessions` has waited, and null where
    none is pending.
    """

    version: str
    at: datetime
    parts: Parts
    pending_sessions: int | None
    oldest_pending_seconds: float | None
    highest_session_id: int | None
    players: PlayersStatus | None
    refresh: RefreshStatus | None
    rerank: RerankStatus | None
    queues: dict[str, QueueStatus]
    routes: list[RouteStatus]
    freshness: FreshnessStatus | None
    boards: BoardsStatus | None

    @classmethod
    def example(cls) -> "Status":
        process = ApiProcess("game-1", 4711, THEN, 130_023_424, 0, 8, 7, 1.2, 2, 12.5, 0.2)
        return cls(
            version="0.1.0",
            at=NOW,
            parts=Parts(
                api=ApiStatus("ok", [process]),
                postgresql=PostgresStatus("ok", "18.6", 0.7, 13, THEN),
                redis=RedisStatus("ok", "9.1.2", 0.6, 102_760_448, THEN),
                worker=WorkerStatus("ok", [WorkerProcess("game-1", 4712, THEN, 4)]),
                scheduler=SchedulerStatus("ok", NOW - timedelta(seconds=7)),
                index=IndexStatus("ok", 3, 3, 0, 0.0),
            ),
            pending_sessions=0,
            oldest_pending_seconds=None,
            highest_session_id=5,
            players=PlayersStatus(standing=3, highest_user_id=3),
            refresh=RefreshStatus(number=3, at=NOW, duration_ms=3.6, sessions=1),
            rerank=RerankStatus(number=3, at=NOW, duration_ms=2.4, ranks_changed=3),
            queues={"standings": QueueStatus(0, 0, 0), "periodic": QueueStatus(0, 0, 0)},
            routes=[RouteStatus("POST /api/leaderboard/submit", 3, 0, 0.05, 2.1, 2.9, 2.9, 2.9)],
            freshness=FreshnessStatus(bounds_ms=[25.0, 50.0, 100.0], counts=[1, 2, 0, 0]),
            boards=BoardsStatus(
                count=2,
                archived=0,
                ending=[EndingSeason("weekly-laps", 7, NOW, "writers", [LedgerWriter(4713, 12.5)])],
                filling=[],
                busiest=[BoardPlayers("global", 3), BoardPlayers("weekly-laps", 2)],
                other_players=0,
                pending=[],
                pending_limit=1_000,
            ),
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """The status, and each process's own figures."""

    status: Status
    apis: list[ApiHeartbeat]
    workers: list[WorkerHeartbeat]


class SessionCount(msgspec.Struct, frozen=True):
    """Sessions in the ledger, and how many different Idempotency-Keys they have."""

    sessions: int
    distinct_keys: int

    @classmethod
    def example(cls) -> "SessionCount":
        return cls(5, 5)
