"""Limits of what can be stored and read back, checked before anything reaches the driver."""

from typing import Final

# PostgreSQL's text can hold every character but NUL.
STORABLE_TEXT: Final = "^[^\\x00]*$"

MAX_KEY_LENGTH: Final = 255

# The largest integer that every JSON parser, and Redis, can represent exactly.
MAX_SAFE_INTEGER: Final = 2**53 - 1

MIN_SCORE: Final = -MAX_SAFE_INTEGER
MAX_SCORE: Final = MAX_SAFE_INTEGER

MAX_ID: Final = MAX_SAFE_INTEGER
