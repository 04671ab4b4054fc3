"""What the submit endpoints take and answer."""

from typing import Annotated, Final, Literal

import msgspec

from service.errors import FieldError
from service.validation import IDEMPOTENCY_KEY, MAX_ID, MAX_SCORE, MIN_SCORE, STORABLE_TEXT

BULK_LIMIT: Final = 10_000
"""Most lines in one bulk request."""


class SubmitScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A score that a player reached in one game session."""

    user_id: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID, description="A registered player.")]
    score: Annotated[int, msgspec.Meta(ge=MIN_SCORE, le=MAX_SCORE, description="32 bit, signed.")]
    game_mode: Annotated[str, msgspec.Meta(min_length=1, max_length=50, pattern=STORABLE_TEXT)] = (
        "solo"
    )

    @classmethod
    def example(cls) -> "SubmitScore":
        """Return what the documentation shows."""
        return cls(1, 1_200)


class BulkLine(SubmitScore, frozen=True, forbid_unknown_fields=True):
    """One score of a bulk request, with the key that makes it safe to send again."""

    idempotency_key: Annotated[str, msgspec.Meta(pattern=IDEMPOTENCY_KEY)] | None = None


class SubmitAnswer(msgspec.Struct, frozen=True):
    """The score is on disk, as the session with this id."""

    status: Literal["success"]
    session_id: int

    @classmethod
    def example(cls) -> "SubmitAnswer":
        """Return what the documentation shows."""
        return cls("success", 1)


class BulkAccepted(msgspec.Struct, frozen=True, tag_field="status", tag="success"):
    """This line's score is on disk, as the session with this id."""

    session_id: int

    @classmethod
    def example(cls) -> "BulkAccepted":
        """Return what the documentation shows."""
        return cls(1)


class BulkRefused(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="status", tag="error"):
    """This line was not recorded; that does not affect the others."""

    error: str
    code: str
    fields: list[FieldError] = []

    @classmethod
    def example(cls) -> "BulkRefused":
        """Return what the documentation shows."""
        wrong = FieldError("score", "Expected `int`, got `str`")
        return cls("The body is not valid.", "invalid_request", [wrong])


BulkAnswer = BulkAccepted | BulkRefused
