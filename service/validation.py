"""Limits of what can be stored and read back, checked before anything reaches the driver."""

from typing import Final

# PostgreSQL's text can hold every character but NUL.
STORABLE_TEXT: Final = "^[^\\x00]*$"

MAX_KEY_LENGTH: Final = 255

MIN_SCORE: Final = -(2**31)
MAX_SCORE: Final = 2**31 - 1

# The largest integer that every JSON parser can represent exactly.
MAX_ID: Final = 2**53 - 1
