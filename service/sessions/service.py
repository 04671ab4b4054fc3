"""The ledger: every submitted score, written by group commit."""

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import asyncpg
import msgspec

from service.backends.database import Database, load_sql
from service.backends.refresh_signal import RefreshSignal
from service.batching import Batcher, Places, Tracer
from service.counters import SLOW_SECONDS, ApiCounters, Stages, stages
from service.errors import (
    DatabaseUnavailable,
    ServiceError,
    WritesRefused,
    refuse_body,
)
from service.players.errors import PlayerBanned, PlayerNotFound
from service.players.names import check_external_id
from service.players.service import find_user_ids
from service.sessions.errors import IdempotencyKeyReused
from service.sessions.schemas import DEFAULT_MODE, METADATA_LIMIT, SubmitScore
from service.settings.settings import Settings
from service.validation import clean_key

RECORD_KEYLESS_SESSIONS: Final = load_sql("sessions", "record_keyless_sessions")
RECORD_SESSIONS: Final = load_sql("sessions", "record_sessions")
FIND_KEYED_SESSIONS: Final = load_sql("sessions", "find_keyed_sessions")

# A bulk load occupies a connection for long.
_BULKS_AT_ONCE: Final = 2
_BULKS_WAITING: Final = 16
_WARNING_INTERVAL_SECONDS: Final = 60.0
_REFUSAL_SECONDS: Final = 60.0

LEDGER_CONNECTIONS: Final = 1 + _BULKS_AT_ONCE
"""How many connections to PostgreSQL the ledger uses at once: one for the group commit."""

# How long a commit waits for those whose scores were in the last one: about as long as it takes.
_GATHER_SECONDS: Final = 0.001

# One commit in so long is watched: two round trips more, in a transaction of its own.
_WATCH_INTERVAL_SECONDS: Final = 0.25

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_encode: Final = msgspec.json.Encoder().encode

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """A score as a game backend sent it, already validated.

    Its player is named by `user_id` or, where that is None, by `external_id`.
    """

    user_id: int | None
    score: int
    game_mode: str
    idempotency_key: str | None
    external_id: str | None = None
    metadata: str | None = None

    @classmethod
    def of(cls, score: SubmitScore, idempotency_key: str | None) -> "Submission":
        """Return a score as the API takes it, with its key.

        Raises `InvalidRequest` where the player is not named, or twice, and for metadata that
        cannot be kept.
        """
        user_id, external_id = score.user_id, score.external_id
        game_mode = score.game_mode or DEFAULT_MODE
        metadata = None if score.metadata is None else encode_metadata(score.metadata)
        key = None if idempotency_key is None else clean_key(idempotency_key)
        if external_id is None:
            if user_id is None:
                raise refuse_body("user_id", "Expected `user_id` or `external_id`")
            return cls(user_id, score.score, game_mode, key, metadata=metadata)
        if user_id is not None:
            raise refuse_body("external_id", "Expected `user_id` or `external_id`, and not both")
        check_external_id(external_id)
        return cls(None, score.score, game_mode, key, external_id, metadata)


def encode_metadata(metadata: dict[str, Any]) -> str:
    """Return metadata as the ledger keeps it; raises `InvalidRequest` where it cannot be kept."""
    try:
        text = _encode(metadata)
    except RecursionError as error:
        # It was read where fewer calls were under way.
        raise refuse_body("metadata", "Expected JSON that is nested less deeply") from error
    size = len(text)
    if size <= METADATA_LIMIT and b"e" in text:
        size += _count_zeros(metadata)
    if size > METADATA_LIMIT:
        raise refuse_body(
            "metadata", f"Expected at most {METADATA_LIMIT:,} bytes of JSON, got {size:,}"
        )
    # Two backslashes before u0000 are a backslash and five characters.
    if _NUL.search(text):
        raise refuse_body("metadata", "Expected text without NUL characters")
    return text.decode()


def _count_zeros(value: Any) -> int:
    """Return how much longer JSON gets in PostgreSQL, which writes 1e300 as 301 digits."""
    if isinstance(value, float):
        return len(f"{Decimal(repr(value)):f}") - len(_encode(value))
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 0
    return sum(map(_count_zeros, value))


class Ledger:
    """Records submissions: each exactly once, and all that wait together in one commit.

    `on_stages` is told where the time of a commit has gone, of four a second and of each slow one;
    its `queue` is that of the submit that waited longest.
    """

    def __init__(
        self,
        database: Database,
        refresh_signal: RefreshSignal,
        settings: Settings,
        tracer: Tracer | None = None,
        on_stages: Callable[[Stages], None] | None = None,
    ) -> None:
        self.counters = ApiCounters()
        self._database = database
        self._refresh_signal = refresh_signal
        self._batcher: Batcher[Submission, int] = Batcher(
            self._record_group,
            batch_limit=settings.submit_batch_limit,
            queue_limit=settings.submit_queue_limit,
            gather_seconds=_GATHER_SECONDS,
            name="group commit",
            tracer=tracer,
        )
        self._bulk_places = Places(_BULKS_AT_ONCE, waiting=_BULKS_WAITING)
        self._is_refusing = False
        self._next_warning_at = float("-inf")
        self._refusal: WritesRefused | None = None
        self._refused_at = float("-inf")
        self._on_stages = on_stages
        self._next_watch_at = 0.0

    @property
    def under_way_seconds(self) -> float | None:
        """How long the commit in flight has been so; None where none is."""
        return self._batcher.under_way_seconds

    @property
    def waiting(self) -> int:
        """How many submissions are waiting for the next commit."""
        return self._batcher.waiting

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections of its own are open, and how many of these are idle."""
        return self._database.connections

    @property
    def refusal(self) -> WritesRefused | None:
        """Why PostgreSQL, which answers, took none of the last submits; None where it did.

        Only a submit can tell: where none came for a minute, nothing is known.
        """
        is_known = time.monotonic() - self._refused_at < _REFUSAL_SECONDS
        return self._refusal if is_known else None

    async def record(self, submission: Submission) -> int:
        """Return the id of the session once it is on disk.

        Where the player used the idempotency key before, it is the id of that first session.
        Raises `PlayerNotFound`, `PlayerBanned`, `IdempotencyKeyReused`, `QueueFull` or
        `DatabaseUnavailable`.
        """
        return await self._batcher.put(submission)

    async def record_many(self, submissions: list[Submission]) -> Sequence[int | ServiceError]:
        """Return the session id of each submission, or why it was not recorded, in their order.

        They share one commit, apart from the single submits. Raises `QueueFull` or
        `DatabaseUnavailable`; those with a key are safe to send again.
        """
        async with self._bulk_places.take():
            return await self._record_batch(submissions)

    async def drain(self) -> None:
        """Wait until every submission has been answered."""
        await self._batcher.drain()

    async def _record_group(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        began_at, queue = time.monotonic(), self._batcher.waited_seconds
        spent = None
        if self._on_stages is not None and began_at >= self._next_watch_at:
            self._next_watch_at = began_at + _WATCH_INTERVAL_SECONDS
            spent = Stages(queue)
        # Also where it is not watched: this task began with what its first caller had.
        stages.set(spent)
        try:
            answers = await self._record_batch(batch)
        finally:
            took = time.monotonic() - began_at
            if spent is None and took >= SLOW_SECONDS:
                # What was slow is told of, if not how much of it was the commit.
                spent = Stages(queue, statement=took)
            if spent is not None and self._on_stages is not None:
                self._on_stages(spent)
        self.counters.batches.add(len(batch))
        return answers

    async def _record_batch(self, batch: list[Submission]) -> Sequence[int | ServiceError]:
        try:
            answers = await self._write_batch(batch)
        except DatabaseUnavailable as error:
            self._refusal = error if isinstance(error, WritesRefused) else None
            self._refused_at = time.monotonic()
            self._warn(error)
            raise
        self._refusal = None
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
        user_ids = [submission.user_id for submission in batch]
        if None in user_ids:
            user_ids = await self._resolve(batch)
        if any(submission.idempotency_key is not None for submission in batch):
            return await self._record_keyed(batch, user_ids)
        rows = await self._write(
            RECORD_KEYLESS_SESSIONS,
            user_ids,
            [submission.score for submission in batch],
            [submission.game_mode for submission in batch],
            [submission.metadata for submission in batch],
        )
        self._refresh_signal.raise_soon()
        return [_read_answer(row) for row in rows]

    async def _write(self, statement: str, *parameters: object) -> list[asyncpg.Record]:
        """Run a statement that writes; while that is watched, so that its commit is seen apart."""
        if stages.get() is None:
            return await self._database.fetch(statement, *parameters)
        async with self._database.transaction() as connection:
            return await connection.fetch(statement, *parameters)

    async def _resolve(self, batch: list[Submission]) -> list[int | None]:
        """Return the player of each submission; None where nobody has its external id.

        With a statement of its own, so that batches without external ids, nearly all, do not pay
        for it.
        """
        found = await find_user_ids(
            self._database, [submission.external_id for submission in batch]
        )
        return [
            submission.user_id or user_id for submission, user_id in zip(batch, found, strict=True)
        ]

    async def _record_keyed(
        self, batch: list[Submission], user_ids: list[int | None]
    ) -> Sequence[int | ServiceError]:
        """Record a batch in which some submissions have keys."""
        rows = await self._write(
            RECORD_SESSIONS,
            user_ids,
            [submission.score for submission in batch],
            [submission.game_mode for submission in batch],
            [submission.idempotency_key for submission in batch],
            [submission.metadata for submission in batch],
        )
        self._refresh_signal.raise_soon()
        answers = [_read_answer(row) for row in rows]
        # A player who is banned by now may have used the key before.
        repeats = [
            line
            for line, row in enumerate(rows)
            if row["is_banned"] or (row["session_id"] is not None and not row["recorded"])
        ]
        if repeats:
            replies = await self._replay(
                [batch[line] for line in repeats], [user_ids[line] for line in repeats]
            )
            for line, reply in zip(repeats, replies, strict=True):
                answers[line] = reply
        return answers

    async def _replay(
        self, repeated: list[Submission], user_ids: list[int | None]
    ) -> Sequence[int | ServiceError]:
        """Give a key that was used before its first answer again, or say that the body differs."""
        try:
            rows = await self._database.fetch(
                FIND_KEYED_SESSIONS,
                user_ids,
                [submission.idempotency_key for submission in repeated],
                [submission.metadata for submission in repeated],
            )
        except DatabaseUnavailable as error:
            # The rest of the batch is committed, and gets its answers.
            return [error] * len(repeated)
        return [_compare(*pair) for pair in zip(repeated, rows, strict=True)]


def _read_answer(row: asyncpg.Record) -> int | ServiceError:
    if row["is_banned"]:
        return PlayerBanned()
    return PlayerNotFound() if row["session_id"] is None else int(row["session_id"])


def _compare(submission: Submission, first: asyncpg.Record) -> int | ServiceError:
    """Return what a submission is answered by the session that its key made, if there is one."""
    if first["session_id"] is None:
        # A deletion erases keys, also between the two statements.
        return PlayerNotFound() if first["is_unknown"] else PlayerBanned()
    if first["has_same_metadata"] and (first["score"], first["game_mode"]) == (
        submission.score,
        submission.game_mode,
    ):
        return int(first["session_id"])
    return IdempotencyKeyReused()
