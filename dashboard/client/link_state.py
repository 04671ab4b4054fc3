"""The states of the connection to the service, and the pauses between attempts."""

from dataclasses import dataclass
from random import Random
from typing import Final

SHORTEST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt is under way."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The stream is open."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Nobody answers; the next attempt is at `retry_at` monotonic seconds."""

    reason: str
    retry_at: float


@dataclass(frozen=True, slots=True)
class Faulty:
    """The service answers with an error; the next attempt is at `retry_at` monotonic seconds."""

    code: str
    message: str
    retry_at: float


Link = Connecting | Connected | Disconnected | Faulty


class BackOff:
    """Pauses that double from one second to thirty, each shortened by chance.

    Without the chance all consoles would return in the same moment to a service that restarts.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._longest = 2 * SHORTEST_PAUSE_SECONDS

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._longest = 2 * SHORTEST_PAUSE_SECONDS

    def next_pause_seconds(self) -> float:
        """Return the pause before the next attempt."""
        longest = min(LONGEST_PAUSE_SECONDS, self._longest)
        self._longest = 2 * longest
        return max(SHORTEST_PAUSE_SECONDS, longest * self._random.uniform(0.5, 1.0))
