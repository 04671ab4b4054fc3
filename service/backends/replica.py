"""A read replica, for the reads that may lag.

Those are: players; a player's sessions; the ranks of the last re-rank; closed seasons; and what is
read from PostgreSQL because Redis is away. All say `"stale": true` where a replica answered, but a
single player and a closed season, which no score changes. What must be right is read from the
primary: ranks beside the index, the season, the keys, the status, exports, the audit.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from uuid import UUID

from service.backends.database import Database, load_sql
from service.batching import Places
from service.errors import DatabaseUnavailable, ServiceError
from service.lifecycle import stop_task
from service.settings.settings import Settings

READ_POSITION: Final = load_sql("backends", "read_position")

_POLL_SECONDS: Final = 0.5

# A replica that hangs must not cost a read more than this, as the primary is still to be asked.
_TIMEOUT_SECONDS: Final = 2.0

# Some tenths of a second of work for a database of two cores: who comes later comes again.
_READS_WAITING: Final = 200

# What may take a hundred times as long as a look-up has the others' places one at a time.
_LENGTHY_READS: Final = 1
_LENGTHY_READS_WAITING: Final = 50

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class LaggingReads:
    """Reads from the replica if there is one that keeps up, else from the primary.

    However many requests come, they share all connections but one of the primary's pool, which
    is for what is asked beside them; past that, and past those who may wait, a read is refused
    with `QueueFull`.

    The lag is measured by the primary's write-ahead log: what that had written at one moment, the
    replica must have replayed no later than `LEADERBOARD_REPLICA_LAG_SECONDS` after it.
    """

    def __init__(self, primary: Database, settings: Settings) -> None:
        self.primary = primary
        self._places = Places(max(1, primary.pool_size - 1), waiting=_READS_WAITING)
        self._lengthy_places = Places(_LENGTHY_READS, waiting=_LENGTHY_READS_WAITING)
        self._lag_seconds = settings.replica_lag_seconds
        self._replica: Database | None = None
        if settings.database_replica_url is not None:
            own = {
                "database_url": settings.database_replica_url,
                "database_timeout_seconds": min(
                    _TIMEOUT_SECONDS, settings.database_timeout_seconds
                ),
            }
            self._replica = Database(
                settings.model_copy(update=own), application_name="leaderboard api replica"
            )
        self._watcher: asyncio.Task[None] | None = None
        # When the primary's log had reached which position, for those not replayed yet.
        self._unreplayed: deque[tuple[float, int]] = deque()
        self._epoch: UUID | None = None
        self._has_our_epoch = False
        self._replayed_until = float("-inf")
        self._warning: str | None = None

    async def start(self) -> None:
        """Start to measure the lag, if there is a replica."""
        if self._replica is not None:
            await self._replica.open()
            self._watcher = asyncio.create_task(self._measure_lag(self._replica))

    async def stop(self) -> None:
        """Stop measuring, and close the connections to the replica."""
        await stop_task(self._watcher)
        if self._replica is not None:
            await self._replica.close()

    async def read(self, query: Callable[[Database], Awaitable[Answer | None]]) -> Answer | None:
        """Return what `query` finds at the replica or, where that is None, at the primary.

        While the primary is away the replica answers, however far it is behind. Raises
        `DatabaseUnavailable` or `QueueFull`.
        """
        async with self._places.take():
            return await self.read_apart(query)

    async def read_at_length(
        self, query: Callable[[Database], Awaitable[Answer | None]]
    ) -> Answer | None:
        """Read as `read` does, one at a time: however many come, look-ups keep their places."""
        async with self._lengthy_places.take():
            return await self.read(query)

    async def read_primary(self, query: Callable[[Database], Awaitable[Answer]]) -> Answer:
        """Return what `query` finds at the primary; raises as `read` does."""
        async with self._places.take():
            return await query(self.primary)

    async def read_apart(
        self, query: Callable[[Database], Awaitable[Answer | None]]
    ) -> Answer | None:
        """Read as `read` does, without a place: for who asks one at a time for all that wait."""
        replica = self._replica
        if replica is None:
            return await query(self.primary)
        was_queried = self._keeps_up()
        if was_queried:
            try:
                answer = await query(replica)
            except DatabaseUnavailable as error:
                # Not asked again before its lag is known anew.
                self._replayed_until = float("-inf")
                self._warn_once(error.reason)
            else:
                if answer is not None:
                    return answer
        try:
            return await query(self.primary)
        except DatabaseUnavailable:
            if was_queried or not self._has_our_epoch:
                raise
            answer = await query(replica)
            if answer is None:
                raise
            return answer

    def _keeps_up(self) -> bool:
        return time.monotonic() - self._replayed_until <= self._lag_seconds

    async def _measure_lag(self, replica: Database) -> None:
        while True:
            try:
                await self._read_primary()
                await self._read_replica(replica)
            except Exception as error:  # noqa: BLE001 - nothing else would go on measuring
                self._warn_once(error.reason if isinstance(error, DatabaseUnavailable) else error)
            await asyncio.sleep(_POLL_SECONDS)

    async def _read_primary(self) -> None:
        asked_at = time.monotonic()
        try:
            row = await self.primary.fetch_one(READ_POSITION)
        except ServiceError:
            return
        if row is None or row["is_standby"]:
            return
        self._epoch = row["epoch"]
        self._unreplayed.append((asked_at, row["position"]))
        # Positions older than the allowed lag decide nothing any more.
        while asked_at - self._unreplayed[0][0] > self._lag_seconds:
            self._unreplayed.popleft()

    async def _read_replica(self, replica: Database) -> None:
        row = await replica.fetch_one(READ_POSITION)
        if row is None or self._epoch is None:
            return
        self._has_our_epoch = row["epoch"] == self._epoch
        if not row["is_standby"] or row["position"] is None:
            self._warn_once("it is no streaming standby")
            return
        while self._unreplayed and self._unreplayed[0][1] <= row["position"]:
            self._replayed_until = self._unreplayed.popleft()[0]
        if not self._has_our_epoch:
            self._replayed_until = float("-inf")
            self._warn_once("it shows another database, or one before a rebuild")
        elif self._keeps_up():
            if self._warning is not None:
                _log.info("the replica keeps up again")
            self._warning = None
        else:
            self._warn_once(f"it is more than {self._lag_seconds:g} s behind")

    def _warn_once(self, reason: object) -> None:
        if self._warning is None:
            _log.warning("the primary is asked in the replica's place: %s", reason)
        self._warning = str(reason)
