"""Limits of what can be stored and read back, checked before anything reaches the driver."""

import unicodedata
from datetime import UTC, datetime
from typing import Final

# PostgreSQL's text can hold every character but NUL.
STORABLE_TEXT: Final = "^[^\\x00]*$"

MAX_KEY_LENGTH: Final = 255

# Ahead of the end of a line too there is a `$` in Python.
_END: Final = "$(?!\\n)"

# The same in a header and in JSON. What surrounds it is no part of it, as RFC 9110 §5.5 has it of
# headers.
IDEMPOTENCY_KEY: Final = f"^[ \\t]*[!-~]{{1,{MAX_KEY_LENGTH}}}[ \\t]*{_END}"

SLUG: Final = f"^[a-z0-9-]{{1,64}}{_END}"
SLUGS: Final = f"^[a-z0-9-]{{1,64}}(,[a-z0-9-]{{1,64}})*{_END}"
SEASON: Final = f"^(current|previous|[1-9][0-9]{{0,8}}){_END}"


def clean_key(key: str) -> str:
    """Return an idempotency key without the blanks around it."""
    return key.strip(" \t")


EXPECTED_TEXT: Final = {
    STORABLE_TEXT: "text without NUL characters",
    IDEMPOTENCY_KEY: f"1 to {MAX_KEY_LENGTH} visible ASCII characters, without blanks",
    SLUG: "1 to 64 of a-z, 0-9 and -",
    SLUGS: "slugs of boards with commas between them, like `global,weekly-laps`",
    SEASON: "`current`, `previous` or the number of a season",
}
"""What a pattern asks for, in words."""

# The largest integer that every JSON parser, and Redis, can represent exactly.
MAX_SAFE_INTEGER: Final = 2**53 - 1

MIN_SCORE: Final = -MAX_SAFE_INTEGER
MAX_SCORE: Final = MAX_SAFE_INTEGER

MAX_ID: Final = MAX_SAFE_INTEGER

# What PostgreSQL's integer holds.
MAX_SEASON: Final = 2**31 - 1

# Python reckons in these years alone, and the driver in UTC: others are in them by their zone only.
FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)

# Control characters, ends of lines and paragraphs, and what turns the direction of the text that
# follows. By numbers, since every dialect of regular expressions knows these.
_CONTROLS: Final = r"\x00-\x1F\x7F-\x9F\u2028-\u202E\u2066-\u2069"

NAME_PATTERN: Final = rf"^[^{_CONTROLS}]*[\p{{L}}\p{{N}}\p{{P}}\p{{S}}][^{_CONTROLS}]*$"
"""What `find_name_fault` asks, as a pattern of ECMA-262 for `/schema`; it does not know fillers."""

_CONTROL_CATEGORIES: Final = frozenset({"Cc", "Zl", "Zp"})
_DIRECTIONS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and symbols by their category, and nothing to see: fillers of Hangul, the blanks of
# Braille and of hieroglyphs, a note without a head.
_FILLERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159\U00013441\U00013442")


def find_name_fault(text: str, longest: int) -> str | None:
    """Return what is wrong with a name, or with anything that people must be able to see."""
    if not 0 < len(text) <= longest:
        return f"Expected 1 to {longest} characters, got {len(text)}"
    if text.isascii() and text.isprintable() and not text.isspace():
        return None
    for character in text:
        if unicodedata.category(character) in _CONTROL_CATEGORIES or character in _DIRECTIONS:
            return f"Expected text without control characters, got U+{ord(character):04X}"
    if not any(map(_is_visible, text)):
        return "Expected something to see, got only blanks"
    return None


def _is_visible(character: str) -> bool:
    """Tell whether a character shows by itself: letters, digits, punctuation and symbols do."""
    if unicodedata.category(character)[0] in "LNPS":
        return character not in _FILLERS
    # Pictographs that are newer than this Python.
    return "\U0001f000" <= character <= "\U0001faff"
