"""Cursors: a place in a season's order, as text that only this service makes sense of."""

import base64
import struct
import zlib
from typing import Final

from service.boards.finder import Season
from service.errors import InvalidRequest, refuse_request

# Season, revision and rule; sort_score, tie_key and player. Never a rank: those change.
_LAYOUT: Final = struct.Struct(">qiqqqq")
_CHECK: Final = struct.Struct(">I")

_FIELD_MESSAGE: Final = "Expected a `next` or `prev` of an earlier answer, as it was"


class CursorExpired(InvalidRequest):
    """The cursor is of another season, or of one that was corrected or counted anew since."""

    code = "cursor_expired"
    message = (
        "The cursor is of another season, or of one that was corrected or counted anew since; "
        "begin again without it."
    )


def encode_cursor(season: Season, place: tuple[int, int, int]) -> str:
    """Return the cursor of a place: sort_score, tie_key and player."""
    packed = _LAYOUT.pack(season.season_id, season.revision, season.rule_id, *place)
    return _encode(packed + _CHECK.pack(zlib.crc32(packed)))


def decode_cursor(season: Season, field: str, cursor: str) -> tuple[int, int, int]:
    """Return the place of a cursor in this season; raises `InvalidRequest` or `CursorExpired`."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        *facts, sort_score, tie_key, user_id = _LAYOUT.unpack(packed[: -_CHECK.size])
        (check,) = _CHECK.unpack(packed[-_CHECK.size :])
    except (ValueError, struct.error):
        raise refuse_request(field, _FIELD_MESSAGE) from None
    # One place has one cursor: base64 would also take other letters, and padding.
    if check != zlib.crc32(packed[: -_CHECK.size]) or cursor != _encode(packed):
        raise refuse_request(field, _FIELD_MESSAGE)
    if facts != [season.season_id, season.revision, season.rule_id]:
        raise CursorExpired
    return sort_score, tie_key, user_id


def _encode(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")
