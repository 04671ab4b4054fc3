"""Whether what reads show still follows the ledger and, if not, why.

Each API process sees for itself: what was committed at one moment must be in the index soon after.
So it does not matter what has stopped: a Redis that is full, a worker that is frozen, a refresh
that fails again and again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import asyncpg
import msgspec
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database, load_sql
from service.backends.heartbeats import read_heartbeats
from service.backends.redis import (
    WORKER_PROCESSES_KEY,
    SeasonKeys,
    describe_redis_error,
    translate_redis_errors,
)
from service.backends.refresh_signal import BrokerUnavailable, RefreshSignal
from service.boards.finder import Season, SeasonFinder
from service.errors import CacheUnavailable, ServiceError, explain_error
from service.lifecycle import stop_task
from service.settings.settings import Settings
from service.standings.index.offset import Offset

READ_PROGRESS: Final = load_sql("standings/reads", "read_progress")

_POLL_SECONDS: Final = 0.5

# Nobody has to be told of a board that nobody reads.
_WATCHED_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class _Anybody(msgspec.Struct):
    """A process, of which nothing matters but that it is there."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why reads do not follow: the part that is to blame, in words for everybody and for operators.

    Only `detail` may hold addresses and what a server said.
    """

    part: Literal["redis", "worker"]
    summary: str
    detail: str


@dataclass(frozen=True, slots=True)
class Lag:
    """How long the oldest change that reads do not show has waited, and why."""

    seconds: float
    cause: Cause


def _blame_redis(what: str, error: Exception) -> Cause:
    return Cause("redis", describe_redis_error(error), f"{what}: {explain_error(error)}")


@dataclass(frozen=True, slots=True)
class _Mark:
    """What was committed at one moment: pending sessions up to a transaction, and an offset."""

    at: float
    newest_pending: int | None
    offset: Offset

    def is_folded(self, oldest_pending: int | None) -> bool:
        """Tell whether no session that was pending then is pending now."""
        return (
            self.newest_pending is None
            or oldest_pending is None
            or oldest_pending > self.newest_pending
        )

    def is_reached(self, offset: Offset | None, expected: Offset) -> bool:
        """Tell whether an index at this offset shows the refreshes of then."""
        if offset is None:
            return False
        later = offset.epoch == self.offset.epoch and offset.number > self.offset.number
        return later or offset in (self.offset, expected)


class LagWatch:
    """Watches, beside the requests, whether the indexes follow: that of `global`, and what is read.

    `lag` is None while they do. While one does not, a refresh is asked for again and again, so that
    all is mended once the cause has ended.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        breaker: Breaker,
        season_finder: SeasonFinder,
        refresh_signal: RefreshSignal,
        settings: Settings,
    ) -> None:
        self._database = database
        self._redis = redis
        self._breaker = breaker
        self._season_finder = season_finder
        self._refresh_signal = refresh_signal
        self._allowed_seconds = settings.stale_after_seconds + settings.refresh_interval_ms / 1000
        self._marks: dict[int, _Mark] = {}
        self._read_at: dict[int, float] = {}
        self._lagging: frozenset[int] = frozenset()
        self._watcher: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []
        self.lag: Lag | None = None

    def start(self) -> None:
        """Start to watch."""
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        await stop_task(self._watcher)

    def watch(self, season: Season) -> None:
        """Watch a season that is read, for a minute from now on."""
        self._read_at[season.season_id] = time.monotonic()

    def is_lagging(self, season: Season) -> bool:
        """Tell whether what the index of a season shows lags, and watch that season."""
        self.watch(season)
        return season.season_id in self._lagging

    def call_on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever `is_lagging` has changed for a season."""
        self._listeners.append(listener)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except ServiceError:
                # Nothing is committed while PostgreSQL is away: what was known stays true.
                pass
            except Exception:  # noqa: BLE001 - nothing else would go on looking
                _log.exception("whether ranks follow could not be looked at")
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self) -> None:
        of_global = (await self._season_finder.find()).season_id
        looked_at = time.monotonic()
        season_ids = self._choose_seasons(of_global, looked_at)
        rows = await self._database.fetch(READ_PROGRESS, season_ids)
        offsets, redis_error = await self._read_offsets([row["season_id"] for row in rows])
        before, self._marks = self._marks, {}
        late: dict[int, asyncpg.Record] = {}
        for row, offset in zip(rows, offsets, strict=True):
            expected = Offset.of_season(row)
            mark = before.get(row["season_id"])
            if mark is None or (
                mark.is_folded(row["oldest_pending"]) and mark.is_reached(offset, expected)
            ):
                mark = _Mark(looked_at, row["newest_pending"], expected)
            elif time.monotonic() - mark.at >= self._allowed_seconds:
                late[row["season_id"]] = row
            self._marks[row["season_id"]] = mark
        if not late:
            self._note(None, late)
            return
        self._refresh_signal.raise_soon(anyway=True)
        oldest = min(late, key=lambda season_id: self._marks[season_id].at)
        worst = of_global if of_global in late else oldest
        cause = await self._find_cause(late[worst], redis_error)
        if worst != of_global:
            cause = replace(cause, detail=f"board {late[worst]['slug']}: {cause.detail}")
        self._note(Lag(time.monotonic() - self._marks[oldest].at, cause), late)

    def _choose_seasons(self, of_global: int, now: float) -> list[int]:
        self._read_at = {
            season_id: read_at
            for season_id, read_at in self._read_at.items()
            if read_at + _WATCHED_SECONDS > now
        }
        return [*{of_global, *self._read_at}]

    async def _read_offsets(
        self, season_ids: Sequence[int]
    ) -> tuple[list[Offset | None], CacheUnavailable | None]:
        try:
            with self._breaker.guard(), translate_redis_errors():
                pipeline = self._redis.pipeline(transaction=False)
                for season_id in season_ids:
                    pipeline.get(SeasonKeys.of(season_id).offset)
                found = await pipeline.execute(raise_on_error=False)
        except CacheUnavailable as error:
            return [None] * len(season_ids), error
        return [None if isinstance(one, Exception) else Offset.parse(one) for one in found], None

    async def _find_cause(self, row: asyncpg.Record, redis_error: CacheUnavailable | None) -> Cause:
        """Return the first that explains it: what a later one says can follow from an earlier."""
        if redis_error is not None:
            return _blame_redis("Redis is away", redis_error)
        problem = self._refresh_signal.problem
        if isinstance(problem, BrokerUnavailable):
            return Cause(
                "worker",
                "the broker takes no messages for it",
                f"the broker takes no messages for the workers: {problem}",
            )
        if problem is not None:
            return _blame_redis("Redis takes no writes", problem)
        reported = row["refresh_problem"]
        try:
            with self._breaker.guard():
                workers = await read_heartbeats(self._redis, WORKER_PROCESSES_KEY, _Anybody)
        except CacheUnavailable as unreadable:
            return _blame_redis("Redis is away", unreadable)
        if not workers:
            last = f"; its last refresh failed: {reported}" if reported else ""
            return Cause(
                "worker",
                "none has been heard of for some seconds",
                "no worker has been heard of for some seconds: none runs, or it is frozen, or "
                f"cannot reach Redis{last}",
            )
        if reported:
            return Cause("worker", "its refreshes fail", f"refreshes fail: {reported}")
        return Cause(
            "worker",
            "it has not come to a refresh",
            "the workers have not come to a refresh, and report no error",
        )

    def _note(self, lag: Lag | None, late: Collection[int]) -> None:
        before, self.lag = self.lag, lag
        were_lagging, self._lagging = self._lagging, frozenset(late)
        if before is None and lag is not None:
            _log.warning("ranks do not follow the ledger: %s", lag.cause.detail)
        elif before is not None and lag is not None and before.cause.part != lag.cause.part:
            _log.warning("ranks do not follow the ledger yet: %s", lag.cause.detail)
        elif before is not None and lag is None:
            _log.info("ranks follow the ledger again, after %.1f s", before.seconds)
        if were_lagging != self._lagging:
            for listener in self._listeners:
                listener()
