"""What the players' endpoints take and answer."""

from datetime import datetime
from typing import Annotated

import msgspec

from service.validation import STORABLE_TEXT


class RegisterPlayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name for a new player: 1 to 255 characters, any but NUL."""

    username: Annotated[
        str, msgspec.Meta(min_length=1, max_length=255, pattern=STORABLE_TEXT, examples=["ada"])
    ]


class PlayerAnswer(msgspec.Struct, frozen=True):
    """A player as registered."""

    user_id: int
    username: str
    joined_at: datetime
