"""What the players' endpoints take and answer."""

from datetime import datetime

import msgspec

from service.http.examples import NOW, THEN
from service.players.names import ExternalId, Username


class RegisterPlayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name for a new player, and perhaps the id that the player has with the caller."""

    username: Username
    external_id: ExternalId | None = None

    @classmethod
    def example(cls) -> "RegisterPlayer":
        return cls("ada", "steam:76561197960287930")


class PlayerAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A player as registered; `external_id` where there is one."""

    user_id: int
    username: str
    joined_at: datetime
    external_id: str | None = None

    @classmethod
    def example(cls) -> "PlayerAnswer":
        return cls(1, "ada", THEN, "steam:76561197960287930")


class PlayersFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """Players with some letters in their names, and whether there are others.

    First whose names begin with the letters, in the order of the names, then the others by id.
    `stale` where a replica answered, which may not have the newest yet.
    """

    players: list[PlayerAnswer]
    more: bool
    stale: bool = False

    @classmethod
    def example(cls) -> "PlayersFound":
        return cls([PlayerAnswer.example()], more=False)


class PlayerRegistered(msgspec.Struct, frozen=True, tag_field="status", tag="success"):
    """This line's player is registered.

    `created` is false for a player who had this name and this external id before.
    """

    user_id: int
    created: bool

    @classmethod
    def example(cls) -> "PlayerRegistered":
        return cls(1, created=True)


class PlayerSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """One game session of a player, as the ledger has it; `revoked_at` where it counts nowhere."""

    session_id: int
    score: int
    game_mode: str
    submitted_at: datetime
    revoked_at: datetime | None = None


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
        return cls([PlayerSession(5, 1_200, "solo", NOW)], next_before=5)
