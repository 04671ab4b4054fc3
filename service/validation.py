"""Limits of what can be stored and read back, checked before anything reaches the driver."""

from typing import Final

# PostgreSQL's text can hold every character but NUL.
STORABLE_TEXT: Final = "^[^\\x00]*$"

MAX_KEY_LENGTH: Final = 255

# The same in a header and in JSON. What surrounds it is no part of it, as RFC 9110 §5.5 has it of
# headers; the end forbids the end of a line too, which `$` alone would let pass in Python.
IDEMPOTENCY_KEY: Final = f"^[ \\t]*[!-~]{{1,{MAX_KEY_LENGTH}}}[ \\t]*$(?!\\n)"

EXPECTED_TEXT: Final = {
    STORABLE_TEXT: "text without NUL characters",
    IDEMPOTENCY_KEY: f"1 to {MAX_KEY_LENGTH} visible ASCII characters, without blanks",
}
"""What a pattern asks for, in words."""

MIN_SCORE: Final = -(2**31)
MAX_SCORE: Final = 2**31 - 1

# The largest integer that every JSON parser can represent exactly.
MAX_ID: Final = 2**53 - 1
