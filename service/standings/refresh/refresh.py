"""Refresh: fold new sessions into the standings, then publish what changed to the index."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.lock import Lock

from service.backends.database import Connection, Database, load_sql
from service.backends.redis import DIRTY_KEY, MUTEX_KEY, REDIS_ERRORS
from service.backends.refresh_signal import DIRTY_FLAG_MS
from service.counters import WorkerCounters
from service.errors import CacheUnavailable, DatabaseUnavailable, explain_error
from service.players.service import find_usernames
from service.settings.settings import Settings
from service.standings.index.offset import Offset
from service.standings.index.writer import Index, SeasonChange
from service.standings.locks import Lease, hold_writer_lock
from service.standings.refresh.freshness import Freshness
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
    """Brings standings and index up to date with the ledger."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        settings: Settings,
        counters: WorkerCounters | None = None,
    ) -> None:
        self._counters = WorkerCounters() if counters is None else counters
        self._freshness = Freshness(self._counters)
        self._database = database
        self._redis = redis
        self._index = Index(redis, database)
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
        with suppress(DatabaseUnavailable):
            await self._database.fetch(
                RECORD_REFRESH_PROBLEM, None if error is None else explain_error(error)
            )

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
            fold = await self._fold()
            await self._publish(fold, started_at)
            sessions += fold.sessions
            if time.monotonic() >= turn_ends_at:
                return RefreshOutcome(sessions=sessions, more=True)
            if fold.sessions:
                flag_lowered = False
                await self._keep_signals(mutex)
                await asyncio.sleep(started_at + self._interval_seconds - time.monotonic())
            elif flag_lowered:
                # Last, because the commit of a killed worker may have come through only while the
                # fold waited for its rows. A gap before that is found when publishing.
                await self._catch_up_index()
                return RefreshOutcome(sessions=sessions, more=False)
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
            fold = await self._number(connection, sessions, changed, rows[0]["outbox_from"])
        self._freshness.add_fold(
            measured_at, zip(rows[0]["ages_ms"], rows[0]["sessions_of_age"], strict=True)
        )
        return fold

    async def _number(
        self,
        connection: Connection,
        sessions: int,
        changed: Mapping[int, asyncpg.Record],
        outbox_from: int,
    ) -> Fold:
        numbered = await connection.fetch(
            NUMBER_REFRESH,
            list(changed),
            [len(row["new_player_ids"]) for row in changed.values()],
            sessions,
            outbox_from,
        )
        changes = []
        new_names = {}
        for season in numbered:
            season_id = season["season_id"]
            new_player_ids = changed[season_id]["new_player_ids"]
            as_of = season["refreshed_at"]
            epoch, players = str(season["epoch"]), season["players"]
            top = await select_top(connection, season_id, players=players, as_of=as_of)
            changes.append(
                SeasonChange(
                    season_id=season_id,
                    previous=Offset(
                        epoch,
                        season["previous_number"],
                        players - len(new_player_ids),
                        as_of,
                        season["previous_token"],
                    ),
                    offset=Offset(epoch, season["number"], players, as_of, season["token"]),
                    top=top,
                    packed=changed[season_id]["packed"],
                )
            )
            new_names[season_id] = await find_usernames(connection, new_player_ids)
        return Fold(sessions=sessions, changes=tuple(changes), new_names=new_names)

    async def _publish(self, fold: Fold, started_at: float) -> None:
        if not fold.sessions:
            return
        try:
            for change in fold.changes:
                await self._index.add_names(change.season_id, fold.new_names[change.season_id])
                if not await self._index.publish(change):
                    _log.warning("the index of season %d is behind: rebuilding", change.season_id)
                    await self._index.rebuild(change.season_id)
                    self._counters.indexes_rebuilt += 1
            self._freshness.note_published()
            problem = None
        except CacheUnavailable as error:
            _log.warning("standings are ahead of the index until Redis is back: %s", error)
            self._freshness.round_down()
            problem = explain_error(error)
        seconds = time.monotonic() - started_at
        self._counters.note_refresh(
            seconds, sessions=fold.sessions, standings=fold.standings, published=problem is None
        )
        await self._database.fetch(RECORD_REFRESH_TIME, seconds * 1000, problem)

    async def _catch_up_index(self) -> None:
        try:
            for season_id in await self._index.rebuild_outdated():
                _log.warning("the index of season %d was rebuilt", season_id)
                self._counters.indexes_rebuilt += 1
            self._freshness.note_published()
        except CacheUnavailable as error:
            _log.warning("the index waits for Redis: %s", error)
            await self.note_problem(error)
        else:
            await self.note_problem(None)

    async def _keep_signals(self, mutex: Lock) -> None:
        """Renew the mutex and the flag: while this runs, submits need not wake anybody."""
        with suppress(*REDIS_ERRORS):
            await self._redis.set(DIRTY_KEY, b"1", px=DIRTY_FLAG_MS)
            await mutex.reacquire()

    async def _lower_flag(self) -> None:
        with suppress(*REDIS_ERRORS):
            await self._redis.delete(DIRTY_KEY)
