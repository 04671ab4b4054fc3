"""The states of the connection to the service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt is under way."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The service is there: the stream is open, or where a board has none, something answered."""


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
