"""What the actors of one process share: database, Redis, refresher, counters and heartbeat."""

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import CurrentMessage

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database
from service.backends.heartbeats import HeartbeatSender, note_schedule
from service.backends.locks import Lease
from service.backends.redis import (
    RETRY_KEY,
    WORKER_PROCESSES_KEY,
    SeasonKeys,
    connect_redis,
    translate_redis_errors,
)
from service.backends.refresh_signal import send_refresh
from service.boards.finder import SeasonFinder
from service.boards.words import GLOBAL_BOARD
from service.counters import WorkerCounters
from service.errors import CacheUnavailable
from service.moderation.service import end_states
from service.seasons.closing import send_close
from service.seasons.keeper import SeasonKeeper
from service.seasons.timer import SeasonTimer
from service.settings.settings import Settings
from service.standings.index.offset import Offset
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher
from service.status.schemas import WorkerHeartbeat, WorkerProcess
from service.status.status import READ_FIGURES

# Longer than from one failure to the next: the pause, the queue, the waits for mutex and lock.
_RETRY_MS: Final = 30_000

# Three locks (folds, a re-rank, closing seasons), and a statement beside each: some take minutes.
_CONNECTIONS: Final = 6


class ResourcesMiddleware(Middleware):
    """Opens what actors need when the worker boots, on its event loop, and closes it at the end."""

    database: Database
    refresher: Refresher
    index: Index
    keeper: SeasonKeeper

    def __init__(self, settings: Settings, counters: WorkerCounters) -> None:
        self.counters = counters
        self._settings = settings
        self.slice_standings = settings.slice_standings

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Open the resources."""
        self._broker = broker
        _run_on_loop(self._open())

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close the resources."""
        _run_on_loop(self._close())

    async def note_schedule(self) -> None:
        """Note that a message of the scheduler came through just now."""
        await note_schedule(self._redis)

    async def claim_retry(self) -> bool:
        """Tell whether the current message is the one refresh that is tried again."""
        message = CurrentMessage.get_current_message()
        assert message is not None
        try:
            with translate_redis_errors():
                if await self._redis.set(RETRY_KEY, message.message_id, nx=True, px=_RETRY_MS):
                    return True
                if await self._redis.get(RETRY_KEY) != message.message_id.encode():
                    return False
                await self._redis.pexpire(RETRY_KEY, _RETRY_MS)
        except CacheUnavailable:
            # Only the number of messages is at stake.
            pass
        return True

    async def release_retry(self) -> None:
        """Let another refresh be tried again, where the current message was."""
        message = CurrentMessage.get_current_message()
        if message is not None and message.options.get("retries"):
            with suppress(CacheUnavailable), translate_redis_errors():
                await self._redis.delete(RETRY_KEY)

    async def copy_season(self) -> None:
        """Keep the season in Redis, for an API process that starts while PostgreSQL is away."""
        await SeasonFinder(self.database, self._redis, self._breaker).find_again()

    async def read_backlog(self) -> tuple[int, int] | None:
        """Return how many sessions are pending and how many refreshes the index is behind.

        Nothing without an open season; an index that is missing is behind by all of them.
        """
        row = await self.database.fetch_one(READ_FIGURES, GLOBAL_BOARD)
        if row is None:
            return None
        with translate_redis_errors():
            offset = Offset.parse(await self._redis.get(SeasonKeys.of(row["season_id"]).offset))
        followed = offset.number if offset and offset.epoch == str(row["epoch"]) else 0
        return row["pending_sessions"], max(0, row["last_refresh"] - followed)

    async def _keep_up(self, lease: Lease) -> bool:
        """Do what the time brings about; return whether there is more of it at once."""
        await end_states(self.database)
        return await self.keeper.keep(lease)

    async def _open(self) -> None:
        self._redis = connect_redis(self._settings)
        self._breaker = Breaker(self._redis)
        self.database = Database(
            self._settings,
            application_name="leaderboard worker",
            pool_size=max(self._settings.database_pool_size, _CONNECTIONS),
        )
        await self.database.open()
        self.index = Index(self._redis, self.database, self.slice_standings)
        self.keeper = SeasonKeeper(self.database, self.index)
        self.refresher = Refresher(
            self.database, self._redis, self._settings, self.counters, self._keep_up
        )
        self._timer = SeasonTimer(
            self.database,
            wake_refresh=partial(send_refresh, self._broker),
            wake_closing=partial(send_close, self._broker),
        )
        self._timer.start()
        host = socket.gethostname()
        process = WorkerProcess(
            host=host,
            pid=os.getpid(),
            started_at=datetime.now(UTC),
            threads=self._settings.worker_threads,
        )
        heartbeat = WorkerHeartbeat(process=process, figures=self.counters)
        self._heartbeat = HeartbeatSender(
            self._redis, WORKER_PROCESSES_KEY, f"{host}:{os.getpid()}", lambda: heartbeat
        )
        self._heartbeat.start()

    async def _close(self) -> None:
        await self._timer.stop()
        await self._heartbeat.stop()
        await self._breaker.stop()
        await self._redis.aclose()
        await self.database.close()


def _run_on_loop(coroutine: Any) -> None:
    thread = get_event_loop_thread()
    assert thread is not None, "the AsyncIO middleware comes before this one"
    thread.run_coroutine(coroutine)
