"""What the submit endpoint takes and answers."""

from typing import Annotated, Literal

import msgspec

from service.validation import MAX_ID, MAX_SCORE, MIN_SCORE, STORABLE_TEXT


class SubmitScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A score that a player reached in one game session."""

    user_id: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID, description="A registered player.")]
    score: Annotated[int, msgspec.Meta(ge=MIN_SCORE, le=MAX_SCORE, description="32 bit, signed.")]
    game_mode: Annotated[str, msgspec.Meta(min_length=1, max_length=50, pattern=STORABLE_TEXT)] = (
        "solo"
    )


class SubmitAnswer(msgspec.Struct, frozen=True):
    """The score is on disk, as the session with this id."""

    status: Literal["success"]
    session_id: int
