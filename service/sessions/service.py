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
from service.counters import ApiCounters
from service.errors import DatabaseUnavailable, ServiceError
from service.players.errors import PlayerNotFound
from service.sessions.errors import IdempotencyKeyReused
from service.sessions.schemas import SubmitScore
from service.settings.settings import Settings

RECORD_KEYLESS_SESSIONS: Final = load_sql("sessions", "record_keyless_sessions")
RECORD_SESSIONS: Final = load_sql("sessions", "record_sessions")
FIND_KEYED_SESSIONS: Final = load_sql("sessions", "find_keyed_sessions")

_BULKS_AT_ONCE: Final = 2
_BULKS_WAITING: Final = 16
_WARNING_INTERVAL_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """A score as a game backend sent it, already validated."""

    user_id: int
    score: int
    game_mode: str
    idempotency_key: str | None

    @classmethod
    def of(cls, score: SubmitScore, idempotency_key: str | None) -> "Submission":
        """Return a score as the API takes it, with its key."""
        # Wherever the key comes from, the blanks around it are no part of it.
        key = idempotency_key and idempotency_key.strip(" \t")
        return cls(score.user_id, score.score, score.game_mode, key)


class Ledger:
    """Records submissions: each exactly once, and all that wait together in one commit."""

    def __init__(
        self,
        database: Database,
        refresh_signal: RefreshSignal,
        settings: Settings,
        tracer: Tracer | None = None,
    ) -> None:
        self.counters = ApiCounters()
        self._database = database
        self._refresh_signal = refresh_signal
        self._batcher: Batcher[Submission, int] = Batcher(
            self._record_group,
            batch_limit=settings.submit_batch_limit,
            queue_limit=settings.submit_queue_limit,
            name="group commit",
            tracer=tracer,
        )
        # A bulk load occupies a connection for long; this many leave enough of them to the rest.
        self._bulk_places = asyncio.Semaphore(_BULKS_AT_ONCE)
        self._bulks_held = 0
        self._is_refusing = False
        self._next_warning_at = float("-inf")

    @property
    def waiting(self) -> int:
        """How many submissions are waiting for the next commit."""
        return self._batcher.waiting

    async def record(self, submission: Submission) -> int:
        """Return the id of the session once it is on disk.

        Where the player used the idempotency key before, it is the id of that first session.
        Raises `PlayerNotFound`, `IdempotencyKeyReused`, `QueueFull` or `DatabaseUnavailable`.
        """
        return await self._batcher.put(submission)

    async def record_many(self, submissions: list[Submission]) -> Sequence[int | ServiceError]:
        """Return the session id of each submission, or why it was not recorded, in their order.

        They share one commit, apart from the single submits. Raises `QueueFull` or
        `DatabaseUnavailable`; those with a key are safe to send again.
        """
        if self._bulks_held >= _BULKS_AT_ONCE + _BULKS_WAITING:
            raise QueueFull(_BULKS_WAITING)
        self._bulks_held += 1
        try:
            async with self._bulk_places:
                return await self._record_batch(submissions)
        finally:
            self._bulks_held -= 1

    async def drain(self) -> None:
        """Wait until every submission has been answered."""
        await self._batcher.drain()

    async def _record_group(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        answers = await self._record_batch(batch)
        self.counters.batches.add(len(batch))
        return answers

    async def _record_batch(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        try:
            answers = await self._write_batch(batch)
        except DatabaseUnavailable as error:
            self._warn(error)
            raise
        if self._is_refusing:
            _log.info("submits are taken again")
            self._is_refusing = False
        return answers

    def _warn(self, error: DatabaseUnavailable) -> None:
        # A disk that is almost full accepts some batches and not others.
        if not self._is_refusing and time.monotonic() >= self._next_warning_at:
            _log.warning("submits are refused: %s", error.explain())
            self._is_refusing = True
            self._next_warning_at = time.monotonic() + _WARNING_INTERVAL_SECONDS

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
        """Record a batch in which some submissions have keys."""
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
        """Give a key that was used before its first answer again, or say that the body differs."""
        try:
            rows = await self._database.fetch(
                FIND_KEYED_SESSIONS,
                [submission.user_id for submission in repeated],
                [submission.idempotency_key for submission in repeated],
            )
        except DatabaseUnavailable as error:
            # The rest of the batch is committed, and gets its answers.
            return [error] * len(repeated)
        return [
            row["session_id"]
            if (row["score"], row["game_mode"]) == (submission.score, submission.game_mode)
            else IdempotencyKeyReused()
            for submission, row in zip(repeated, rows, strict=True)
        ]
