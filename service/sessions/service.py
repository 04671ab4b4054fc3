"""The ledger: every submitted score, written by group commit."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.backends.database import Database, load_sql
from service.backends.refresh_signal import RefreshSignal
from service.batching import Batcher, QueueFull, Tracer
from service.counters import ApiFigures
from service.errors import DatabaseUnavailable, ServiceError
from service.players.errors import PlayerNotFound
from service.sessions.errors import IdempotencyKeyReused
from service.settings.settings import Settings

RECORD_KEYLESS_SESSIONS: Final = load_sql("sessions", "record_keyless_sessions")
RECORD_SESSIONS: Final = load_sql("sessions", "record_sessions")
FIND_KEYED_SESSIONS: Final = load_sql("sessions", "find_keyed_sessions")

_BULKS_AT_ONCE: Final = 2
_BULKS_WAITING: Final = 16
_COMPLAINTS_APART_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """A score as a game backend sent it, already validated."""

    user_id: int
    score: int
    game_mode: str
    idempotency_key: str | None


class Ledger:
    """Records submissions: each exactly once, all that wait together with one commit."""

    def __init__(
        self,
        database: Database,
        refresh_signal: RefreshSignal,
        settings: Settings,
        tracer: Tracer | None = None,
    ) -> None:
        self.figures = ApiFigures()
        self._database = database
        self._refresh_signal = refresh_signal
        self._batcher: Batcher[Submission, int] = Batcher(
            self._record_group,
            batch_limit=settings.submit_batch_limit,
            queue_limit=settings.submit_queue_limit,
            name="group commit",
            tracer=tracer,
        )
        # A bulk load takes a connection for long; it leaves enough of them to the others.
        self._bulk_places = asyncio.Semaphore(_BULKS_AT_ONCE)
        self._bulks = 0
        self._refuses = False
        self._next_complaint_at = float("-inf")

    @property
    def waiting(self) -> int:
        """How many submissions wait for the next commit."""
        return self._batcher.waiting

    async def record(self, submission: Submission) -> int:
        """Return the id of the session, which is on disk by then.

        With an idempotency key that the player used before, it is the id of that first session.
        Raises `PlayerNotFound`, `IdempotencyKeyReused`, `QueueFull` or `DatabaseUnavailable`.
        """
        return await self._batcher.put(submission)

    async def record_many(self, submissions: list[Submission]) -> Sequence[int | ServiceError]:
        """Return the session id of each submission, or why it counts nothing, in their order.

        All of them are one commit, apart from the single submits. Raises `QueueFull`, or
        `DatabaseUnavailable`; sending all again is safe for those that have a key.
        """
        if self._bulks >= _BULKS_AT_ONCE + _BULKS_WAITING:
            raise QueueFull(_BULKS_WAITING)
        self._bulks += 1
        try:
            async with self._bulk_places:
                return await self._record_batch(submissions)
        finally:
            self._bulks -= 1

    async def drain(self) -> None:
        """Wait until every submission has been answered."""
        await self._batcher.drain()

    async def _record_group(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        """Record what waited together."""
        answers = await self._record_batch(batch)
        self.figures.batches.add(len(batch))
        return answers

    async def _record_batch(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        try:
            answers = await self._write_batch(batch)
        except DatabaseUnavailable as error:
            self._complain(error)
            raise
        if self._refuses:
            _log.info("submits are taken again")
            self._refuses = False
        return answers

    def _complain(self, error: DatabaseUnavailable) -> None:
        # A disk that is almost full refuses some and takes others.
        if not self._refuses and time.monotonic() >= self._next_complaint_at:
            _log.warning("submits are refused: %s", error.explain())
            self._refuses = True
            self._next_complaint_at = time.monotonic() + _COMPLAINTS_APART_SECONDS

    async def _write_batch(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        if any(submission.idempotency_key is not None for submission in batch):
            return await self._record_keyed(batch)
        rows = await self._database.fetch(
            RECORD_KEYLESS_SESSIONS,
            [submission.user_id for submission in batch],
            [submission.score for submission in batch],
            [submission.game_mode for submission in batch],
        )
        self._refresh_signal.raise_soon()
        return [
            PlayerNotFound() if row["session_id"] is None else row["session_id"] for row in rows
        ]

    async def _record_keyed(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        """Record a batch in which some have keys."""
        rows = await self._database.fetch(
            RECORD_SESSIONS,
            [submission.user_id for submission in batch],
            [submission.score for submission in batch],
            [submission.game_mode for submission in batch],
            [submission.idempotency_key for submission in batch],
        )
        self._refresh_signal.raise_soon()
        answers: list[int | ServiceError] = [
            PlayerNotFound() if row["session_id"] is None else row["session_id"] for row in rows
        ]
        repeats = [
            line
            for line, row in enumerate(rows)
            if row["session_id"] is not None and not row["recorded"]
        ]
        if repeats:
            replies = await self._replay([batch[line] for line in repeats])
            for line, reply in zip(repeats, replies, strict=True):
                answers[line] = reply
        return answers

    async def _replay(self, repeated: list[Submission]) -> Sequence[int | ServiceError]:
        """Answer submissions whose key was used before as the first time, or say they differ."""
        try:
            rows = await self._database.fetch(
                FIND_KEYED_SESSIONS,
                [submission.user_id for submission in repeated],
                [submission.idempotency_key for submission in repeated],
            )
        except DatabaseUnavailable as error:
            # Their neighbours in the batch are committed, and get their answers.
            return [error] * len(repeated)
        return [
            row["session_id"]
            if (row["score"], row["game_mode"]) == (submission.score, submission.game_mode)
            else IdempotencyKeyReused()
            for submission, row in zip(repeated, rows, strict=True)
        ]
