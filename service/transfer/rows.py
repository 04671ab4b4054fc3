"""What a line of each kind of file holds: the same for CSV and NDJSON, for import and export."""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from service.http.examples import THEN
from service.moderation.schemas import State
from service.sessions.schemas import DEFAULT_MODE, IdempotencyKey, SubmitScore
from service.validation import MAX_ID

# Ids of new players go on from the highest that was imported, and need room.
_HIGHEST_IMPORTED_ID: Final = MAX_ID // 2

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class PlayerRow(msgspec.Struct, frozen=True):
    """A player, as exported. The time is last: a file that was cut off ends in none."""

    user_id: int
    username: str
    external_id: str | None
    state: State
    state_until: datetime | None
    joined_at: datetime

    @classmethod
    def example(cls) -> "PlayerRow":
        return cls(1, "ada", "steam:76561197960287930", "active", None, THEN)


class SessionRow(msgspec.Struct, frozen=True):
    """A session, as exported. A session without a key gets one, by which it is imported once."""

    session_id: int
    user_id: int
    username: str
    external_id: str | None
    score: int
    game_mode: str
    idempotency_key: str
    metadata: msgspec.Raw | None
    revoked_at: datetime | None
    submitted_at: datetime

    @classmethod
    def example(cls) -> "SessionRow":
        external_id = "steam:76561197960287930"
        return cls(1, 1, "ada", external_id, 1_200, DEFAULT_MODE, "match-77", None, None, THEN)


class StandingRow(msgspec.Struct, frozen=True):
    """A standing, as exported, best first."""

    rank: int
    user_id: int
    username: str
    external_id: str | None
    score: int
    sessions: int | None
    reached_at: datetime

    @classmethod
    def example(cls) -> "StandingRow":
        return cls(2, 1, "ada", "steam:76561197960287930", 1_200, 1, THEN)


class PlayerLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A player to import.

    With a `user_id` the player gets that id, else a new one; `joined_at` is now unless it is given.
    Who is hidden or banned there is so here, until the same time.
    """

    username: str
    external_id: str | None = None
    user_id: Annotated[int, msgspec.Meta(ge=1, le=_HIGHEST_IMPORTED_ID)] | None = None
    joined_at: Time | None = None
    state: State | None = "active"
    state_until: Time | None = None


class SessionLine(SubmitScore, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A session to import: a score that was submitted elsewhere, with what became of it there.

    Its player is named by `user_id`, `external_id` or `username`; where several are given, all must
    be the same player's. `session_id` is the one that it was exported with. A session that was
    revoked there counts nowhere here either.
    """

    idempotency_key: IdempotencyKey
    submitted_at: Time
    username: str | None = None
    session_id: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)] | None = None
    revoked_at: Time | None = None
