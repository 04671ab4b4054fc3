"""Refresh: fold new sessions into the standings, then publish what changed to the index."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.lock import Lock

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import Lease, hold_writer_lock
from service.backends.redis import DIRTY_KEY, MUTEX_KEY, REDIS_ERRORS
from service.backends.refresh_signal import DIRTY_FLAG_MS
from service.counters import WorkerCounters
from service.errors import CacheUnavailable, DatabaseUnavailable, explain_error
from service.players.service import find_usernames
from service.settings.settings import Settings
from service.standings.index.change import SeasonChange
from service.standings.index.offset import Offset
from service.standings.index.writer import Index
from service.standings.refresh.freshness import Freshness
from service.standings.refresh.pauses import RebuildPause
from service.standings.top import select_top

FOLD_SESSIONS: Final = load_sql("standings/refresh", "fold_sessions")
NUMBER_REFRESH: Final = load_sql("standings/refresh", "number_refresh")
RECHECK_OUTBOX: Final = load_sql("standings/refresh", "recheck_outbox")
RECORD_REFRESH_TIME: Final = load_sql("standings/refresh", "record_refresh_time")
RECORD_REFRESH_PROBLEM: Final = load_sql("standings/refresh", "record_refresh_problem")

# The mutex only keeps refreshes from queueing up, so it may expire: the advisory lock is what makes
# a writer the only one. The wait is longer than the mutex of a holder that was killed lasts.
_MUTEX_SECONDS: Final = 3.0
_MUTEX_WAIT_SECONDS: Final = 4.0
_LOCK_WAIT_SECONDS: Final = 5.0

# How long one call goes on while scores keep coming. The next message continues then, so that a
# worker never takes long to stop.
_TURN_SECONDS: Final = 2.0


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefreshOutcome:
    """What a call did; `more` says that another call is needed."""

    sessions: int
    more: bool


@dataclass(frozen=True, slots=True)
class Fold:
    """One committed fold: how many sessions, and what changed in each season."""

    sessions: int
    changes: tuple[SeasonChange, ...]
    new_names: dict[int, dict[int, str]]

    @property
    def standings(self) -> int:
        """How many standings it changed."""
        return sum(change.standings for change in self.changes)


class Refresher:
    """Brings standings and index up to date with the ledger.

    `between_folds` is called before each fold, by the only writer; it returns whether it should be
    called again soon.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        settings: Settings,
        counters: WorkerCounters | None = None,
        between_folds: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._counters = WorkerCounters() if counters is None else counters
        self._between_folds = between_folds
        self._freshness = Freshness(self._counters)
        self._database = database
        self._redis = redis
        self._index = Index(redis, database, settings.slice_standings)
        self._pauses: dict[int, RebuildPause] = {}
        # Of each season whose index does not follow, why; and what was last recorded of that.
        self._problems: dict[int, str] = {}
        # An index was brought on its way that takes more slices.
        self._is_building = False
        self._batch_limit = settings.refresh_batch_limit
        self._interval_seconds = settings.refresh_interval_ms / 1000

    async def refresh(self) -> RefreshOutcome:
        """Fold and publish until nothing is pending, or for about two seconds.

        While Redis is away it folds all the same; the index catches up when Redis is back. Raises
        `DatabaseUnavailable`, `WriterBusy` or `LeaseLost`; nothing is lost then, and the next call
        continues.
        """
        mutex = self._redis.lock(
            MUTEX_KEY, timeout=_MUTEX_SECONDS, blocking_timeout=_MUTEX_WAIT_SECONDS
        )
        try:
            if not await mutex.acquire():
                # Its holder has renewed it meanwhile, and looks at the outbox once more.
                return RefreshOutcome(sessions=0, more=False)
        except REDIS_ERRORS as error:
            _log.warning("refreshing without Redis: %s", error)
        try:
            async with hold_writer_lock(self._database, wait_seconds=_LOCK_WAIT_SECONDS) as lease:
                return await self._fold_until_idle(mutex, lease)
        finally:
            with suppress(*REDIS_ERRORS):
                await mutex.release()

    async def note_problem(self, error: Exception | None) -> None:
        """Have everybody know why the last refresh failed, or that it did not.

        Where PostgreSQL is away, that is plain to everybody, and this does nothing.
        """
        await self._record_problem(None if error is None else explain_error(error))

    async def _record_problem(self, problem: str | None) -> None:
        with suppress(DatabaseUnavailable):
            await self._database.fetch(RECORD_REFRESH_PROBLEM, problem)

    async def recheck_outbox(self) -> None:
        """Find sessions that no fold would claim, and have the next one claim them."""
        if await self._database.fetch_one(RECHECK_OUTBOX) is not None:
            _log.warning("sessions were left in the outbox: the next refresh looks at all of it")

    async def _fold_until_idle(self, mutex: Lock, lease: Lease) -> RefreshOutcome:
        sessions = 0
        turn_ends_at = time.monotonic() + _TURN_SECONDS
        flag_lowered = False
        while True:
            started_at = time.monotonic()
            lease.check()
            # First, because a fold does not count what it finds no season for.
            has_more = self._between_folds is not None and await self._between_folds()
            fold = await self._fold()
            await self._publish(fold, started_at)
            sessions += fold.sessions
            if time.monotonic() >= turn_ends_at:
                return RefreshOutcome(sessions=sessions, more=True)
            if fold.sessions or has_more:
                flag_lowered = False
                await self._keep_signals(mutex)
                await asyncio.sleep(started_at + self._interval_seconds - time.monotonic())
            elif flag_lowered:
                # Last, because the commit of a killed worker may have come through only while the
                # fold waited for its rows. A gap before that is found when publishing.
                building = await self._catch_up_index()
                return RefreshOutcome(sessions=sessions, more=building)
            else:
                # Before the last look at the outbox: see service.backends.refresh_signal.
                await self._lower_flag()
                flag_lowered = True

    async def _fold(self) -> Fold:
        async with self._database.transaction() as connection:
            measured_at = time.monotonic()
            rows = await connection.fetch(FOLD_SESSIONS, self._batch_limit)
            sessions = rows[0]["sessions"]
            if not sessions:
                return Fold(sessions=0, changes=(), new_names={})
            changed = {row["season_id"]: row for row in rows if row["season_id"] is not None}
            fold = await self._number(connection, rows[0], changed)
        self._freshness.add_fold(
            measured_at, zip(rows[0]["ages_ms"], rows[0]["sessions_of_age"], strict=True)
        )
        return fold

    async def _number(
        self,
        connection: Connection,
        claim: asyncpg.Record,
        changed: Mapping[int, asyncpg.Record],
    ) -> Fold:
        numbered = await connection.fetch(
            NUMBER_REFRESH,
            list(changed),
            [len(row["new_player_ids"]) for row in changed.values()],
            claim["sessions"],
            claim["outbox_from"],
            claim["latest_at"],
        )
        changes = []
        new_names = {}
        for season in numbered:
            season_id = season["season_id"]
            new_player_ids = changed[season_id]["new_player_ids"]
            as_of = season["refreshed_at"]
            epoch, players = str(season["epoch"]), season["players"]
            changes.append(
                SeasonChange(
                    season_id=season_id,
                    is_first=season["is_first"],
                    previous=Offset(
                        epoch,
                        season["previous_number"],
                        players - len(new_player_ids),
                        as_of,
                        season["previous_token"],
                    ),
                    offset=Offset(epoch, season["number"], players, as_of, season["token"]),
                    packed=changed[season_id]["packed"],
                )
            )
            if new_player_ids:
                new_names[season_id] = await find_usernames(connection, new_player_ids)
        return Fold(sessions=claim["sessions"], changes=tuple(changes), new_names=new_names)

    async def _publish(self, fold: Fold, started_at: float) -> None:
        if not fold.sessions:
            return
        published = True
        try:
            asked = await self._index.find_asked([change.season_id for change in fold.changes])
            for change in fold.changes:
                if change.season_id in asked:
                    change = await self._add_top(change)  # noqa: PLW2901
                await self._index.add_names(
                    change.season_id, fold.new_names.get(change.season_id, {})
                )
                if await self._index.publish(change):
                    self._problems.pop(change.season_id, None)
                else:
                    await self._index.follow(change)
                    published = await self._rebuild(change.season_id) and published
            problem = self._describe_problems()
        except CacheUnavailable as error:
            _log.warning("standings are ahead of the index until Redis is back: %s", error)
            published = False
            problem = explain_error(error)
        if published:
            self._freshness.note_published()
        else:
            self._freshness.round_down()
        seconds = time.monotonic() - started_at
        self._counters.note_refresh(
            seconds, sessions=fold.sessions, standings=fold.standings, published=published
        )
        await self._database.fetch(RECORD_REFRESH_TIME, seconds * 1000, problem)

    async def _add_top(self, change: SeasonChange) -> SeasonChange:
        """Return a change with the top after it, which stays until the next fold."""
        async with self._database.connect() as connection:
            top = await select_top(
                connection,
                change.season_id,
                players=change.offset.players,
                as_of=change.offset.as_of,
            )
        return replace(change, top=top)

    async def _catch_up_index(self) -> bool:
        """Bring every index up to date, or on the way; return whether another call is needed."""
        self._is_building = False
        try:
            outdated, unnamed = await self._index.find_outdated()
            rebuilt = [await self._rebuild(season_id) for season_id in outdated]
            named = [await self._index.load_names(season_id) for season_id in unnamed]
        except CacheUnavailable as error:
            _log.warning("the index waits for Redis: %s", error)
            await self._record_problem(explain_error(error))
            return False
        self._problems = {
            season_id: problem
            for season_id, problem in self._problems.items()
            if season_id in outdated
        }
        if all(rebuilt):
            self._freshness.note_published()
        await self._record_problem(self._describe_problems())
        return self._is_building or not all(named)

    async def _rebuild(self, season_id: int) -> bool:
        """Rebuild some of an index that is behind, unless that failed just now.

        Returns whether the index follows now.

        Raises `CacheUnavailable` where Redis is away.
        """
        pause = self._pauses.setdefault(season_id, RebuildPause(self._redis))
        if not await pause.is_over():
            return False
        await pause.begin()
        try:
            if not await self._index.build_slice(season_id):
                self._is_building = True
                return False
            await self._index.load_names(season_id)
        except CacheUnavailable as error:
            seconds = pause.note_failure(error)
            self._problems[season_id] = f"the index of season {season_id}: {error}"
            _log.warning(
                "the index of season %d could not be rebuilt, next attempt in %.0f s: %s",
                season_id,
                seconds,
                error,
            )
            return False
        del self._pauses[season_id]
        self._problems.pop(season_id, None)
        self._counters.indexes_rebuilt += 1
        _log.warning("the index of season %d was behind and has been rebuilt", season_id)
        return True

    def _describe_problems(self) -> str | None:
        """Return why an index does not follow, though Redis answers; None where all do."""
        return "; ".join(self._problems.values()) or None

    async def _keep_signals(self, mutex: Lock) -> None:
        """Renew the mutex and the flag: while this runs, submits need not wake anybody."""
        with suppress(*REDIS_ERRORS):
            await self._redis.set(DIRTY_KEY, b"1", px=DIRTY_FLAG_MS)
            await mutex.reacquire()

    async def _lower_flag(self) -> None:
        with suppress(*REDIS_ERRORS):
            await self._redis.delete(DIRTY_KEY)
