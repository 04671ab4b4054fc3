"""What the actors of one process share: database, Redis, refresher, and a sign of life."""

import asyncio
import json
import logging
import os
import socket
from datetime import UTC, datetime
from typing import Any, Final

from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread
from redis.exceptions import RedisError

from service.cache import SCHEDULER_KEY, WORKER_KEY_PREFIX, connect_redis
from service.database import Database
from service.settings import Settings
from service.standings.refresh import Refresher

# The status page takes a worker for gone when it has not been heard of for this long.
SIGN_OF_LIFE_SECONDS: Final = 10
_SIGN_INTERVAL_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class ResourcesMiddleware(Middleware):
    """Opens what actors need when the worker boots, on its event loop, and closes it at the end."""

    database: Database
    refresher: Refresher

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started_at = datetime.now(UTC)
        self._key = f"{WORKER_KEY_PREFIX}{socket.gethostname()}:{os.getpid()}"
        self._signing: asyncio.Task[None] | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Open the resources."""
        _run_on_loop(self._open())

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close the resources."""
        _run_on_loop(self._close())

    async def note_schedule(self) -> None:
        """Note that a message of the scheduler came through just now."""
        await self._redis.set(SCHEDULER_KEY, datetime.now(UTC).isoformat())

    async def _open(self) -> None:
        self._redis = connect_redis(self._settings)
        self.database = Database(self._settings, application_name="leaderboard worker")
        await self.database.open()
        self.refresher = Refresher(self.database, self._redis, self._settings)
        self._signing = asyncio.create_task(self._give_signs())

    async def _close(self) -> None:
        if self._signing is not None:
            self._signing.cancel()
            await asyncio.gather(self._signing, return_exceptions=True)
        await self._redis.aclose()
        await self.database.close()

    async def _give_signs(self) -> None:
        sign = json.dumps(
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started_at": self._started_at.isoformat(),
                "threads": self._settings.worker_threads,
            }
        )
        while True:
            try:
                await self._redis.set(self._key, sign, ex=SIGN_OF_LIFE_SECONDS)
            except (RedisError, OSError, TimeoutError) as error:
                _log.debug("no sign of life reaches Redis: %s", error)
            await asyncio.sleep(_SIGN_INTERVAL_SECONDS)


def _run_on_loop(coroutine: Any) -> None:
    thread = get_event_loop_thread()
    assert thread is not None, "the AsyncIO middleware comes before this one"
    thread.run_coroutine(coroutine)
