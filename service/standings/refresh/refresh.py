"""Refresh: fold new sessions into the standings, then publish what changed to the index."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.lock import Lock

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import Lease, hold_writer_lock
from service.backends.redis import DIRTY_KEY, MUTEX_KEY, REDIS_ERRORS, encode_member
from service.backends.refresh_signal import DIRTY_FLAG_MS
from service.counters import WorkerCounters
from service.errors import CacheUnavailable, DatabaseUnavailable, explain_error
from service.settings.settings import Settings
from service.standings.index.change import SeasonChange
from service.standings.index.offset import Offset
from service.standings.index.writer import Index, SeasonClosed
from service.standings.refresh.freshness import Freshness
from service.standings.refresh.pauses import RebuildPause
from service.standings.top import select_top

FIND_PENDING: Final = load_sql("standings/refresh", "find_pending")
FOLD_SESSIONS: Final = load_sql("standings/refresh", "fold_sessions")
NUMBER_REFRESH: Final = load_sql("standings/refresh", "number_refresh")
NUMBER_SEASONS: Final = load_sql("standings/refresh", "number_seasons")
LIST_CHANGED_PLAYERS: Final = load_sql("standings/refresh", "list_changed_players")
FORGET_CHANGED_PLAYERS: Final = load_sql("standings/refresh", "forget_changed_players")
MAKE_STANDINGS_AGAIN: Final = load_sql("standings/refresh", "make_standings_again")
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

# After a fold of so many sessions the next one waits for all of the interval, after a smaller one
# for less: few scores show sooner, and many share what it costs.
_SESSIONS_OF_AN_INTERVAL: Final = 50

# A refresh is some round trips; these more are not made by each while one follows another.
_LOOK_AGAIN_SECONDS: Final = 0.05
_NOTE_AGAIN_SECONDS: Final = 1.0

# Folds wait for these; each takes some milliseconds for a player with thousands of sessions.
_CHANGED_PLAYERS_AT_ONCE: Final = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefreshOutcome:
    """What a call did; `more` says that another call is needed."""

    sessions: int
    more: bool


@dataclass(slots=True)
class _Changed:
    """What changed in a season: its standings, packed, and by how many players it grew.

    `named` are the players whose names the index may lack, `removed` those who stand no more.
    """

    packed: bytes = b""
    grown_by: int = 0
    named: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fold:
    """One committed fold: how many sessions, and what changed in each season.

    `named` are the players whose names Redis may lack, `changed` those whose names may be others.
    """

    sessions: int
    changes: tuple[SeasonChange, ...] = ()
    named: frozenset[int] = frozenset()
    changed: frozenset[int] = frozenset()

    @property
    def standings(self) -> int:
        """How many standings it changed."""
        return sum(change.standings for change in self.changes)


async def number_refresh(
    connection: Connection,
    grown: Mapping[int, int],
    sessions: int,
    *,
    outbox_from: int | None = None,
    latest_at: datetime | None = None,
) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
    """Give a refresh its number; `grown` has the seasons that it changed, and how many joined each.

    Returns the row of number_refresh.sql, and those of number_seasons.sql. Raises
    `DatabaseUnavailable` where one of the seasons was changed meanwhile by who has no business to.
    """
    refresh = await connection.fetchrow(NUMBER_REFRESH, sessions, outbox_from, latest_at)
    assert refresh is not None
    # A statement of its own, so that it sees what the holder of that row committed before.
    seasons = await connection.fetch(
        NUMBER_SEASONS, list(grown), list(grown.values()), refresh["number"], refresh["token"]
    )
    if len(seasons) < len(grown):
        left_out = sorted(grown.keys() - {season["season_id"] for season in seasons})
        raise DatabaseUnavailable(f"another writer changed or deleted the seasons {left_out}")
    return refresh, seasons


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
        between_folds: Callable[[Lease], Awaitable[bool]] | None = None,
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
        # From when on what the last refresh took is recorded again; its problem always is.
        self._record_at = 0.0
        self._recorded_problem: str | None = None
        # Held while a refresh of this process waits for the writer lock.
        self._queue = asyncio.Lock()
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
            if self._queue.locked():
                # Without the mutex nothing else would keep them from queueing up. The one that
                # waits will see what is committed by now.
                return RefreshOutcome(sessions=0, more=False)
            async with AsyncExitStack() as held:
                lock = hold_writer_lock(self._database, wait_seconds=_LOCK_WAIT_SECONDS)
                async with self._queue:
                    lease = await held.enter_async_context(lock)
                return await self._fold_until_idle(mutex, lease)
        finally:
            with suppress(*REDIS_ERRORS):
                await mutex.release()

    async def note_problem(self, error: Exception) -> None:
        """Have everybody know why the last refresh failed.

        Where PostgreSQL is away, that is plain to everybody, and this does nothing.
        """
        await self._record_problem(explain_error(error))

    async def _record_problem(self, problem: str | None) -> None:
        self._recorded_problem = problem
        with suppress(DatabaseUnavailable):
            await self._database.fetch(RECORD_REFRESH_PROBLEM, problem)

    async def recheck_outbox(self) -> None:
        """Find sessions that no fold would claim, and have the next one claim them."""
        if await self._database.fetch_one(RECHECK_OUTBOX) is not None:
            _log.warning("sessions were left in the outbox: the next refresh looks at all of it")

    async def _fold_until_idle(self, mutex: Lock, lease: Lease) -> RefreshOutcome:
        sessions = 0
        turn_ends_at = time.monotonic() + _TURN_SECONDS
        look_at = keep_at = self._record_at = 0.0
        flag_lowered = has_more = False
        while True:
            woken_at = time.monotonic()
            lease.check()
            if has_more or flag_lowered or woken_at >= look_at:
                # First, because a fold does not count what it finds no season for.
                has_more = self._between_folds is not None and await self._between_folds(lease)
                has_more = await self._make_changed_again(lease) or has_more
                look_at = woken_at + _LOOK_AGAIN_SECONDS
            started_at = time.monotonic()
            fold = await self._fold(lease)
            await self._publish(fold, started_at)
            sessions += fold.sessions
            if time.monotonic() >= turn_ends_at:
                return RefreshOutcome(sessions=sessions, more=True)
            if fold.sessions or has_more:
                if flag_lowered or woken_at >= keep_at:
                    await self._keep_signals(mutex)
                    keep_at = woken_at + _NOTE_AGAIN_SECONDS
                flag_lowered = False
                share = min(1.0, fold.sessions / _SESSIONS_OF_AN_INTERVAL)
                await asyncio.sleep(
                    min(
                        share * self._interval_seconds,
                        # What was done between the folds took of it: a fill does not wait besides.
                        woken_at + self._interval_seconds - time.monotonic(),
                    )
                )
            elif flag_lowered:
                # Last, because the commit of a killed worker may have come through only while the
                # fold waited for its rows. A gap before that is found when publishing.
                building = await self._catch_up_index(turn_ends_at)
                return RefreshOutcome(sessions=sessions, more=building)
            else:
                # Before the last look at the outbox: see service.backends.refresh_signal.
                await self._lower_flag()
                flag_lowered = True

    async def _fold(self, lease: Lease) -> Fold:
        if not await self._database.fetch_value(FIND_PENDING):
            return Fold(sessions=0)
        async with self._database.transaction() as connection:
            measured_at = time.monotonic()
            rows = await connection.fetch(FOLD_SESSIONS, self._batch_limit)
            sessions = rows[0]["sessions"]
            if not sessions:
                return Fold(sessions=0)
            changed = {
                row["season_id"]: _Changed(
                    packed=row["packed"],
                    grown_by=len(row["new_player_ids"]),
                    named=row["new_player_ids"],
                )
                for row in rows
                if row["season_id"] is not None
            }
            fold = await self._number(connection, changed, rows[0])
            await lease.confirm(connection)
        self._freshness.add_fold(
            measured_at, zip(rows[0]["ages_ms"], rows[0]["sessions_of_age"], strict=True)
        )
        return fold

    async def _make_changed_again(self, lease: Lease) -> bool:
        """Make the standings of players again of whom other sessions count; return whether any.

        A player is changed by moderation; a renamed one is published like that, under the new name.
        """
        started_at = time.monotonic()
        rows = await self._database.fetch(LIST_CHANGED_PLAYERS, _CHANGED_PLAYERS_AT_ONCE)
        if not rows:
            return False
        changed: dict[int, _Changed] = {}
        async with lease.transaction() as connection:
            await connection.fetch(FORGET_CHANGED_PLAYERS, [row["id"] for row in rows])
            players = dict.fromkeys(row["player_id"] for row in rows)
            for player_id in players:
                for made in await connection.fetch(MAKE_STANDINGS_AGAIN, player_id):
                    season = changed.setdefault(made["season_id"], _Changed())
                    season.grown_by += made["grown_by"]
                    if made["packed"] is None:
                        season.removed.append(player_id)
                    else:
                        season.packed += made["packed"]
                        # Who stands on archived boards alone has no name beside the indexes.
                        if not made["is_archived"]:
                            season.named.append(player_id)
            fold = await self._number(connection, changed) if changed else Fold(sessions=0)
        # Who stands on some open board is among the named. All others' names go, also where nothing
        # was removed: for a season that folds do not change any more a reader may have kept one.
        await self._publish(replace(fold, changed=frozenset(players)), started_at)
        return True

    async def _number(
        self,
        connection: Connection,
        changed: Mapping[int, _Changed],
        claim: asyncpg.Record | None = None,
    ) -> Fold:
        sessions = claim["sessions"] if claim else 0
        refresh, seasons = await number_refresh(
            connection,
            {season_id: change.grown_by for season_id, change in changed.items()},
            sessions,
            outbox_from=claim["outbox_from"] if claim else None,
            latest_at=claim["latest_at"] if claim else None,
        )
        number, token, as_of = refresh["number"], refresh["token"], refresh["refreshed_at"]
        changes = []
        named = {player_id for change in changed.values() for player_id in change.named}
        for season in seasons:
            if season["is_filling"]:
                # Its index is built once it is filled.
                continue
            season_id, players = season["season_id"], season["players"]
            epoch = str(season["epoch"])
            change = changed[season_id]
            changes.append(
                SeasonChange(
                    season_id=season_id,
                    is_first=season["is_first"],
                    previous=Offset(
                        epoch,
                        season["previous_number"],
                        players - change.grown_by,
                        as_of,
                        season["previous_token"],
                    ),
                    offset=Offset(epoch, number, players, as_of, token),
                    packed=change.packed,
                    removed=b"".join(encode_member(player_id) for player_id in change.removed),
                )
            )
        return Fold(sessions, tuple(changes), frozenset(named))

    async def _publish(self, fold: Fold, started_at: float) -> None:
        if not fold.sessions and not fold.changes and not fold.changed:
            return
        published = True
        try:
            asked = await self._index.find_asked([change.season_id for change in fold.changes])
            if fold.changed:
                await self._index.names.remove(fold.changed)
            if fold.named:
                await self._index.names.fetch(self._database, list(fold.named))
            for change in fold.changes:
                if change.season_id in asked:
                    change = await self._add_top(change)  # noqa: PLW2901
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
        now = time.monotonic()
        if now >= self._record_at or problem != self._recorded_problem:
            await self._database.fetch(RECORD_REFRESH_TIME, seconds * 1000)
            await self._record_problem(problem)
            self._record_at = now + _NOTE_AGAIN_SECONDS

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

    async def _catch_up_index(self, turn_ends_at: float) -> bool:
        """Bring indexes up to date, or on the way; return whether another call is needed.

        Of a thousand boards all may be behind: folds, and who makes a board, do not wait for them.
        """
        self._is_building = False
        try:
            outdated, unnamed = await self._index.find_outdated()
            rebuilt = []
            for season_id in outdated:
                rebuilt.append(await self._rebuild(season_id))
                if time.monotonic() >= turn_ends_at and len(rebuilt) < len(outdated):
                    rebuilt.append(False)
                    self._is_building = True
                    break
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

        Returns whether the index follows now, or is of a season that has closed meanwhile. Raises
        `CacheUnavailable` where Redis is away.
        """
        try:
            return await self._rebuild_open(season_id)
        except SeasonClosed:
            del self._pauses[season_id]
            return True

    async def _rebuild_open(self, season_id: int) -> bool:
        pause = self._pauses.setdefault(season_id, RebuildPause(self._redis))
        if not await pause.is_over():
            return False
        await pause.begin()
        name, is_new = await self._index.look_up(season_id)
        try:
            if not await self._index.build_slice(season_id):
                self._is_building = True
                return False
            await self._index.load_names(season_id)
        except CacheUnavailable as error:
            seconds = pause.note_failure(error)
            self._problems[season_id] = f"the index of {name}: {error}"
            _log.warning(
                "the index of %s could not be rebuilt, next attempt in %.0f s: %s",
                name,
                seconds,
                error,
            )
            return False
        del self._pauses[season_id]
        self._problems.pop(season_id, None)
        self._counters.indexes_rebuilt += 1
        if is_new:
            _log.info("the index of %s has been built", name)
        else:
            _log.warning("the index of %s was behind or lost and has been rebuilt", name)
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
