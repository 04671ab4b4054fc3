"""What the submit endpoints take and answer."""

from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec

from service.boards.schemas import GameMode, Score
from service.players.names import ExternalId
from service.validation import IDEMPOTENCY_KEY, MAX_ID

IdempotencyKey = Annotated[str, msgspec.Meta(pattern=IDEMPOTENCY_KEY)]

DEFAULT_MODE: Final = "solo"
"""That of a session for which none is given."""

METADATA_LIMIT: Final = 1_024
"""Most bytes of a session's metadata, as JSON in UTF-8 without blanks."""


class SubmitScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A score that a player reached in one game session.

    The player is named by `user_id` or by `external_id`, and by one of them only.
    """

    user_id: (
        Annotated[int, msgspec.Meta(ge=1, le=MAX_ID, description="A registered player.")] | None
    ) = None
    external_id: ExternalId | None = None
    score: Annotated[Score, msgspec.Meta(description="Within ±(2^53 - 1).")]
    game_mode: GameMode | None = DEFAULT_MODE
    metadata: (
        Annotated[
            dict[str, Any],
            msgspec.Meta(
                description=(
                    "What the game keeps with the session: a replay, a car, a loadout. At most "
                    f"{METADATA_LIMIT:,} bytes of JSON, without NUL characters."
                )
            ),
        ]
        | None
    ) = None

    one_of: ClassVar = ("user_id", "external_id")

    @classmethod
    def example(cls) -> "SubmitScore":
        return cls(user_id=1, score=1_200)


class BulkLine(SubmitScore, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One score of a bulk request, with the key that makes it safe to send again."""

    idempotency_key: IdempotencyKey | None = None


class SubmitAnswer(msgspec.Struct, frozen=True):
    """The score is on disk, as the session with this id."""

    status: Literal["success"]
    session_id: int

    @classmethod
    def example(cls) -> "SubmitAnswer":
        return cls("success", 1)


class BulkAccepted(msgspec.Struct, frozen=True, tag_field="status", tag="success"):
    """This line's score is on disk, as the session with this id."""

    session_id: int

    @classmethod
    def example(cls) -> "BulkAccepted":
        return cls(1)
