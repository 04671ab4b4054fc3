"""What the operator types to submit a single score, and the Idempotency-Key it goes under."""

import secrets

from dashboard.client.submitter import SingleSubmit
from dashboard.simulation.workload.scores import LARGEST_SCORE
from dashboard.text.numbers import drop_grouping

_LARGEST_ID = 2**53 - 1
LONGEST_MODE = 50


class IdempotencyKeys:
    """A key for each score; while its fate is unknown, the same again, so that it counts once."""

    def __init__(self) -> None:
        self._unanswered: tuple[SingleSubmit, str] | None = None

    def choose(self, score: SingleSubmit) -> str:
        """Return the key under which to submit a score now."""
        if self._unanswered is not None and self._unanswered[0] == score:
            return self._unanswered[1]
        key = f"hand-{secrets.token_hex(8)}"
        self._unanswered = score, key
        return key

    def forget(self) -> None:
        """Give the next score a key of its own: the fate of the last one is known."""
        self._unanswered = None


def parse_score(user: str, score: str, game_mode: str) -> SingleSubmit:
    """Return a score from what was typed; raises `ValueError` that says what is allowed."""
    try:
        user_id, points = int(drop_grouping(user)), int(drop_grouping(score))
    except ValueError:
        raise ValueError("user and score are whole numbers, such as 4711 and 42") from None
    if not 1 <= user_id <= _LARGEST_ID:
        raise ValueError(f"a user id is from 1 to {_LARGEST_ID:,}")
    if not -LARGEST_SCORE <= points <= LARGEST_SCORE:
        raise ValueError(f"a score is from {-LARGEST_SCORE:,} to {LARGEST_SCORE:,}")
    mode = game_mode.strip() or "solo"
    if len(mode) > LONGEST_MODE:
        raise ValueError(f"a mode has at most {LONGEST_MODE} characters")
    return SingleSubmit(user_id, points, mode)
