"""What the service answers about why requests are slow, as the console understands it."""

import msgspec

from dashboard.client.answers import Moment


class Latency(msgspec.Struct, frozen=True):
    """Quantiles in ms, None where nothing was measured."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class StageWaits(msgspec.Struct, frozen=True):
    """One stage of a request: `queue`, `pool`, `statement` or `commit`."""

    stage: str
    latency: Latency


class RouteWaits(msgspec.Struct, frozen=True):
    """A route over the last minute, and the stages of those of its requests that were measured."""

    route: str
    requests: int
    latency: Latency
    max_ms: float | None
    stages: tuple[StageWaits, ...]


class WaitEvent(msgspec.Struct, frozen=True):
    """Processes of PostgreSQL of one kind that wait for the same; `CPU` for nothing."""

    process: str
    type: str
    event: str
    processes: int


class LongestStatement(msgspec.Struct, frozen=True):
    """The statement that has run longest."""

    pid: int
    process: str
    type: str
    event: str
    seconds: float


class LockHolder(msgspec.Struct, frozen=True):
    """Who keeps others waiting."""

    pid: int
    process: str
    state: str
    seconds: float | None


class LockWait(msgspec.Struct, frozen=True):
    """Who waits for a lock, and whom for."""

    pid: int
    process: str
    lock: str
    seconds: float
    held_by: tuple[LockHolder, ...]


class PostgresWaits(msgspec.Struct, frozen=True):
    """What PostgreSQL waited for at one moment."""

    events: tuple[WaitEvent, ...]
    longest: LongestStatement | None
    locks: tuple[LockWait, ...]
    hidden: int


class SlowRequest(msgspec.Struct, frozen=True):
    """A request that was answered slowly."""

    at: Moment
    route: str
    status: int
    ms: float
    request_id: str | None


class Waits(msgspec.Struct, frozen=True):
    """Why requests are slow; without `postgresql`, `cause` says why it does not say."""

    commit_under_way_ms: float | None
    submits_waiting: int
    routes: tuple[RouteWaits, ...]
    postgresql: PostgresWaits | None
    cause: str | None
    slow_from_ms: float
    slow: tuple[SlowRequest, ...]
