"""Bounds of what PostgreSQL can hold, checked before anything reaches the driver."""

from typing import Final

# PostgreSQL's text holds everything but NUL.
STORABLE_TEXT: Final = "^[^\\x00]*$"

MIN_SCORE: Final = -(2**31)
MAX_SCORE: Final = 2**31 - 1
MAX_ID: Final = 2**63 - 1
