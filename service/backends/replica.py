"""A read replica, for the reads that may lag.

Those are: players, whom nothing changes once they are there; a player's sessions; and what is read
from PostgreSQL because Redis is away. All of them say `"stale": true` where they can lag. Whatever
must be right asks the primary: ranks beside the index, the season, the keys, the status, the audit.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from uuid import UUID

from service.backends.database import Database, load_sql
from service.errors import DatabaseUnavailable, ServiceError
from service.lifecycle import stop_task
from service.settings.settings import Settings

READ_POSITION: Final = load_sql("backends", "read_position")

_POLL_SECONDS: Final = 0.5

# A replica that hangs is not worth more of a reader's time: the primary has to be asked then.
_PATIENCE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class LaggingReads:
    """Asks the replica where there is one that keeps up, else the primary.

    How far it is behind is measured by the primary's log: what that had written at one moment, the
    replica must have replayed no later than `LEADERBOARD_REPLICA_LAG_SECONDS` after it.
    """

    def __init__(self, primary: Database, settings: Settings) -> None:
        self.primary = primary
        self._lag_seconds = settings.replica_lag_seconds
        self._replica: Database | None = None
        if settings.database_replica_url is not None:
            patience_seconds = min(_PATIENCE_SECONDS, settings.database_timeout_seconds)
            own = {
                "database_url": settings.database_replica_url,
                "database_timeout_seconds": patience_seconds,
            }
            self._replica = Database(
                settings.model_copy(update=own), application_name="leaderboard api replica"
            )
        self._watch: asyncio.Task[None] | None = None
        # When the primary's log had reached which position; all above what the replica has.
        self._written: deque[tuple[float, int]] = deque()
        self._epoch: UUID | None = None
        self._is_ours = False
        self._shows = float("-inf")
        self._complaint: str | None = None

    async def start(self) -> None:
        """Begin to watch the replica, if there is one."""
        if self._replica is not None:
            await self._replica.open()
            self._watch = asyncio.create_task(self._follow(self._replica))

    async def stop(self) -> None:
        """Let go of the replica."""
        if self._watch is not None:
            await stop_task(self._watch)
        if self._replica is not None:
            await self._replica.close()

    async def read(self, ask: Callable[[Database], Awaitable[Answer | None]]) -> Answer | None:
        """Return what `ask` finds at the replica or, where that is nothing, at the primary.

        While the primary is away the replica answers however far it is behind. Raises
        `DatabaseUnavailable`.
        """
        replica = self._replica
        if replica is None:
            return await ask(self.primary)
        was_asked = self._is_close()
        if was_asked:
            try:
                answer = await ask(replica)
            except DatabaseUnavailable as error:
                # Until it was heard of again.
                self._shows = float("-inf")
                self._complain(error.reason)
            else:
                if answer is not None:
                    return answer
        try:
            return await ask(self.primary)
        except DatabaseUnavailable:
            if was_asked or not self._is_ours:
                raise
            answer = await ask(replica)
            if answer is None:
                raise
            return answer

    def _is_close(self) -> bool:
        return time.monotonic() - self._shows <= self._lag_seconds

    async def _follow(self, replica: Database) -> None:
        while True:
            try:
                await self._note_primary()
                await self._note_replica(replica)
            except Exception as error:  # noqa: BLE001 - nobody else would go on watching
                self._complain(error.reason if isinstance(error, DatabaseUnavailable) else error)
            await asyncio.sleep(_POLL_SECONDS)

    async def _note_primary(self) -> None:
        asked_at = time.monotonic()
        try:
            row = await self.primary.fetch_one(READ_POSITION)
        except ServiceError:
            return
        if row is None or row["is_standby"]:
            return
        self._epoch = row["epoch"]
        self._written.append((asked_at, row["position"]))
        # Older ones would not let it be asked any more.
        while asked_at - self._written[0][0] > self._lag_seconds:
            self._written.popleft()

    async def _note_replica(self, replica: Database) -> None:
        row = await replica.fetch_one(READ_POSITION)
        if row is None or self._epoch is None:
            return
        self._is_ours = row["epoch"] == self._epoch
        if not row["is_standby"] or row["position"] is None:
            self._complain("it is no streaming standby")
            return
        while self._written and self._written[0][1] <= row["position"]:
            self._shows = self._written.popleft()[0]
        if not self._is_ours:
            self._shows = float("-inf")
            self._complain("it shows another database, or one before a rebuild")
        elif self._is_close():
            if self._complaint is not None:
                _log.info("the replica keeps up again")
            self._complaint = None
        else:
            self._complain(f"it is more than {self._lag_seconds:g} s behind")

    def _complain(self, reason: object) -> None:
        if self._complaint is None:
            _log.warning("the primary is asked in the replica's place: %s", reason)
        self._complaint = str(reason)
