"""What happened while the console was running."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

_MOST_EVENTS: Final = 500

Severity = Literal["info", "warn", "bad"]


class Event(NamedTuple):
    """Something that happened to a part; `at` is the operator's time of day."""

    at: datetime
    part: str
    severity: Severity
    text: str


class EventLog:
    """The last five hundred events, newest first."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def add(self, event: Event) -> None:
        """Note an event."""
        self._events.appendleft(event)

    def search(self, wanted: str) -> list[Event]:
        """Return the events whose part, severity or text contains `wanted`."""
        wanted = wanted.strip().casefold()
        return [
            event
            for event in self._events
            if wanted in f"{event.part} {event.severity} {event.text}".casefold()
        ]
