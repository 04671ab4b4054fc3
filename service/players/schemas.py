"""What the players' endpoints take and answer."""

from datetime import datetime
from typing import Annotated

import msgspec

from service.http.examples import NOW, THEN
from service.validation import STORABLE_TEXT


class RegisterPlayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name for a new player: 1 to 255 characters, any but NUL."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=STORABLE_TEXT)]

    @classmethod
    def example(cls) -> "RegisterPlayer":
        """Return what the documentation shows."""
        return cls("ada")


class PlayerAnswer(msgspec.Struct, frozen=True):
    """A player as registered."""

    user_id: int
    username: str
    joined_at: datetime

    @classmethod
    def example(cls) -> "PlayerAnswer":
        """Return what the documentation shows."""
        return cls(1, "ada", THEN)


class PlayerSession(msgspec.Struct, frozen=True):
    """One game session of a player, as the ledger has it."""

    session_id: int
    score: int
    game_mode: str
    submitted_at: datetime


class PlayerSessions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some of a player's sessions, newest first.

    `next_before` is the `before` that goes on from here; null where nothing older is left. `stale`
    where a replica answered, which may not have the newest yet.
    """

    sessions: list[PlayerSession]
    next_before: int | None
    stale: bool = False

    @classmethod
    def example(cls) -> "PlayerSessions":
        """Return what the documentation shows."""
        return cls([PlayerSession(5, 1_200, "solo", NOW)], next_before=5)
