"""Names and external ids: which ones a player may have."""

import re
import unicodedata
from typing import Annotated, Any, Final

import msgspec

from service.errors import FieldError, InvalidRequest
from service.players.errors import UsernameReserved
from service.validation import NAME_PATTERN, find_name_fault

LONGEST_USERNAME: Final = 255
LONGEST_EXTERNAL_ID: Final = 128

# No character takes more than four when it is decomposed. A longer text is none of our names, and
# would take the time of its square.
_LONGEST_DECOMPOSED: Final = 4 * LONGEST_USERNAME

# What a player is called who was deleted.
_RESERVED: Final = re.compile("deleted-[0-9]+")


def _limit(longest: int) -> dict[str, Any]:
    """Return the limits of a text as `/schema` has them; the functions below check it."""
    return {"min_length": 1, "max_length": longest, "pattern": NAME_PATTERN}


USERNAME_LIMITS: Final = _limit(LONGEST_USERNAME)
EXTERNAL_ID_LIMITS: Final = _limit(LONGEST_EXTERNAL_ID)

Username = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "description": (
                "Without control characters, and with something to see. Kept in Unicode's NFC. "
                "`deleted-` and digits is reserved."
            ),
            "extra": USERNAME_LIMITS,
        }
    ),
]
ExternalId = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "description": (
                "Your own id of the player, compared as it is: any characters but control "
                "characters, and something to see."
            ),
            "extra": EXTERNAL_ID_LIMITS,
        }
    ),
]


def clean_username(username: str, field: str = "username") -> str:
    """Return a name, or a part of one, as it is kept: in NFC. Raises `InvalidRequest`."""
    if len(username) <= _LONGEST_DECOMPOSED:
        username = unicodedata.normalize("NFC", username)
    fault = find_name_fault(username, LONGEST_USERNAME)
    if fault is not None:
        raise InvalidRequest("The name is not valid.", FieldError(field, fault))
    return username


def clean_new_username(username: str) -> str:
    """Return a new player's name as it is kept; raises `InvalidRequest` or `UsernameReserved`."""
    cleaned = clean_username(username)
    if _RESERVED.fullmatch(cleaned):
        raise UsernameReserved(cleaned)
    return cleaned


def check_external_id(external_id: str) -> str:
    """Return an external id as it is; raises `InvalidRequest`."""
    fault = find_name_fault(external_id, LONGEST_EXTERNAL_ID)
    if fault is not None:
        raise InvalidRequest("The external id is not valid.", FieldError("external_id", fault))
    return external_id
