"""Why requests are slow: where their time goes, and what PostgreSQL waits for right now."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from service.backends.database import Database, Pulse, load_sql
from service.counters import SLOW_SECONDS, STAGE_NAMES
from service.errors import DatabaseUnavailable, explain_error
from service.http.examples import NOW
from service.settings.settings import Settings
from service.status.request_metrics import (
    SUBMIT_ROUTE,
    RouteFigures,
    SlowRequest,
    compute_quantile_ms,
    merge_figures,
)
from service.status.schemas import ApiHeartbeat
from service.status.status import StatusReader

READ_WAITS: Final = load_sql("status", "read_waits")

_PATIENCE_SECONDS: Final = 2.0
_MOST_LISTED: Final = 20


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds that half, 95 % and 99 % of the measured did not exceed; null for none."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    @classmethod
    def of(cls, latencies: dict[int, int]) -> "Latency":
        """Read it from a histogram."""
        quantiles = (compute_quantile_ms(latencies, share) for share in (0.5, 0.95, 0.99))
        return cls(*quantiles)


class StageWaits(msgspec.Struct, frozen=True):
    """One stage: the wait for a turn or for a connection, a statement, or a commit."""

    stage: Literal["queue", "pool", "statement", "commit"]
    measured: int
    latency: Latency


class RouteWaits(msgspec.Struct, frozen=True):
    """A route over the last minute, and where the time of its requests went.

    Of submits four commits a second and process are measured, each with the submit that waited
    longest for it. A route without `stages` asks PostgreSQL for nothing.
    """

    route: str
    requests: int
    latency: Latency
    max_ms: float | None
    stages: list[StageWaits]


class WaitEvent(msgspec.Struct, frozen=True):
    """How many processes of one kind are at work, and wait for the same; `CPU` for nothing."""

    process: str
    type: str
    event: str
    processes: int


class LongestStatement(msgspec.Struct, frozen=True):
    """The statement that has run longest, without its text."""

    pid: int
    process: str
    type: str
    event: str
    seconds: float


class LockHolder(msgspec.Struct, frozen=True):
    """Who keeps others waiting, what it does, and how long its transaction has lasted."""

    pid: int
    process: str
    state: str
    seconds: float | None


class LockWait(msgspec.Struct, frozen=True):
    """Who waits for a lock, for how long, and whom for."""

    pid: int
    process: str
    lock: str
    seconds: float
    held_by: list[LockHolder]


class PostgresWaits(msgspec.Struct, frozen=True):
    """What PostgreSQL waits for at this moment; of `hidden` connections nothing is told."""

    events: list[WaitEvent]
    longest: LongestStatement | None
    locks: list[LockWait]
    hidden: int


class Waits(msgspec.Struct, frozen=True):
    """Why requests are slow, over all API processes that are heard of.

    `commit_under_way_ms` is the age of the oldest group commit in flight. `postgresql` is null
    where it does not say, and `cause` why. `slow` are the last requests that took `slow_from_ms`
    or longer, newest first.
    """

    at: datetime
    processes: int
    submits_waiting: int
    commit_under_way_ms: float | None
    routes: list[RouteWaits]
    postgresql: PostgresWaits | None
    cause: str | None
    slow_from_ms: float
    slow: list[SlowRequest]

    @classmethod
    def example(cls) -> "Waits":
        commit = StageWaits("commit", 240, Latency(35.1, 38.3, 41.8))
        route = RouteWaits(SUBMIT_ROUTE, 9_000, Latency(38.3, 41.8, 45.6), 103.2, [commit])
        return cls(
            at=NOW,
            processes=1,
            submits_waiting=12,
            commit_under_way_ms=17.5,
            routes=[route],
            postgresql=PostgresWaits(
                events=[WaitEvent("leaderboard api ledger", "IO", "WalSync", 1)],
                longest=LongestStatement(4711, "leaderboard api ledger", "IO", "WalSync", 0.1),
                locks=[],
                hidden=0,
            ),
            cause=None,
            slow_from_ms=1000 * SLOW_SECONDS,
            slow=[SlowRequest(NOW, SUBMIT_ROUTE, 200, 103.2, "7f3a1c09be-2a")],
        )


_decode_events: Final = msgspec.json.Decoder(list[WaitEvent]).decode
_decode_longest: Final = msgspec.json.Decoder(LongestStatement).decode
_decode_locks: Final = msgspec.json.Decoder(list[LockWait]).decode


class WaitsReader:
    """Puts it together whenever somebody looks."""

    def __init__(self, settings: Settings, status_reader: StatusReader, pulse: Pulse) -> None:
        # A connection of its own, made when somebody looks: the others may all be waiting.
        self._database = Database(
            settings, application_name="leaderboard api waits", pool_size=1, pulse=pulse
        )
        self._status_reader = status_reader

    async def start(self) -> None:
        """Be ready; connects to nothing yet."""
        await self._database.open()

    async def stop(self) -> None:
        """Close the connection."""
        await self._database.close()

    async def read(self) -> Waits:
        """Return where time goes; a PostgreSQL that does not say in two seconds is left out."""
        apis, answered = await asyncio.gather(self._status_reader.read_apis(), self._ask())
        slow = sorted((one for api in apis for one in api.slow), key=lambda one: one.at)
        under_way = [api.commit_under_way_ms for api in apis if api.commit_under_way_ms is not None]
        return Waits(
            at=datetime.now(UTC),
            processes=len(apis),
            submits_waiting=sum(api.process.submits_waiting for api in apis),
            commit_under_way_ms=max(under_way, default=None),
            routes=_describe_routes(apis),
            postgresql=None if isinstance(answered, str) else answered,
            cause=answered if isinstance(answered, str) else None,
            slow_from_ms=1000 * SLOW_SECONDS,
            slow=slow[: -_MOST_LISTED - 1 : -1],
        )

    async def _ask(self) -> PostgresWaits | str:
        """Return what PostgreSQL waits for, or why it does not say."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                row = await self._database.fetch_one(READ_WAITS, _MOST_LISTED)
        except DatabaseUnavailable as error:
            return explain_error(error)
        except TimeoutError:
            return f"PostgreSQL has not said within {_PATIENCE_SECONDS:g} s what it waits for"
        assert row is not None, "it is one row"
        return PostgresWaits(
            events=_decode_events(row["events"]),
            longest=None if row["longest"] is None else _decode_longest(row["longest"]),
            locks=_decode_locks(row["locks"]),
            hidden=row["hidden"],
        )


def _describe_routes(apis: Sequence[ApiHeartbeat]) -> list[RouteWaits]:
    merged = merge_figures(api.routes for api in apis)
    return [
        RouteWaits(
            route=name,
            requests=sum(figures.latencies.values()),
            latency=Latency.of(figures.latencies),
            max_ms=figures.longest_ms,
            stages=_describe_stages(figures),
        )
        for name, figures in sorted(merged.items())
    ]


def _describe_stages(figures: RouteFigures) -> list[StageWaits]:
    return [
        StageWaits(stage, sum(latencies.values()), Latency.of(latencies))
        for stage in STAGE_NAMES
        if (latencies := figures.stages.get(stage))
    ]
