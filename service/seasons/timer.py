"""Wakes the workers when a season ends: cron counts in minutes, and a season in instants."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from service.backends.database import Database, load_sql
from service.errors import ServiceError
from service.lifecycle import stop_task

READ_NEXT_END: Final = load_sql("seasons", "read_next_end")

# A board may be made, or changed, at any time.
_LONGEST_PAUSE_SECONDS: Final = 2.0
# While a season that is over waits for those who may still write its sessions.
_PAUSE_SECONDS: Final = 0.2
# Closing takes some seconds. A worker that was killed in the middle is not waited for.
_CLOSING_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class SeasonTimer:
    """Calls `wake_refresh` when a season is over, until it is sealed, and `wake_closing` after.

    Both may block. Every worker has a timer; what they wake is done once.
    """

    def __init__(
        self,
        database: Database,
        wake_refresh: Callable[[], object],
        wake_closing: Callable[[], object],
    ) -> None:
        self._database = database
        self._wake_refresh = wake_refresh
        self._wake_closing = wake_closing
        self._task: asyncio.Task[None] | None = None
        self._asks_again_at = float("-inf")

    def start(self) -> None:
        """Start the timer."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop the timer."""
        await stop_task(self._task)

    async def _run(self) -> None:
        while True:
            pause = _LONGEST_PAUSE_SECONDS
            try:
                pause = await self._look()
            except ServiceError:
                # The database is away: every refresh says so.
                pass
            except Exception as error:  # noqa: BLE001 - nothing else would go on looking
                _log.warning("the timer of seasons goes on: %r", error)
            await asyncio.sleep(pause)

    async def _look(self) -> float:
        row = await self._database.fetch_one(READ_NEXT_END)
        assert row is not None
        seconds_sealed = row["seconds_sealed"]
        is_late = seconds_sealed is not None and seconds_sealed >= _CLOSING_SECONDS
        if is_late and time.monotonic() >= self._asks_again_at:
            self._asks_again_at = time.monotonic() + _LONGEST_PAUSE_SECONDS
            await asyncio.to_thread(self._wake_closing)
        seconds_to_end = row["seconds_to_end"]
        if row["is_filling"] or (seconds_to_end is not None and seconds_to_end <= 0):
            await asyncio.to_thread(self._wake_refresh)
            return _PAUSE_SECONDS
        if seconds_to_end is None:
            return _LONGEST_PAUSE_SECONDS
        return min(max(float(seconds_to_end), 0.01), _LONGEST_PAUSE_SECONDS)
