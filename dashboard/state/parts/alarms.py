"""What the operator is called for, once each, and what was acknowledged."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dashboard.state.event_log import Event, EventLog

_WRONG_SECONDS: Final = 2.0
"""How long something is wrong before anybody is called: a service that restarts is soon there."""


class Alarms:
    """Rings once for each thing that goes wrong, and again only after it was well in between."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._wrong_since: dict[str, float] = {}
        self._rung: set[str] = set()
        self.news: list[str] = []
        """What is wrong and was not acknowledged, first things first."""

    def note(self, wrong: Sequence[str], at: float) -> bool:
        """Note what is wrong at `at` monotonic seconds; return whether to ring."""
        self._wrong_since = {what: self._wrong_since.get(what, at) for what in wrong}
        self._rung &= set(wrong)
        self.news = [what for what in self.news if what in wrong]
        due = [
            what
            for what, since in self._wrong_since.items()
            if what not in self._rung and at - since >= _WRONG_SECONDS
        ]
        self._rung |= set(due)
        self.news += due
        return bool(due)

    def acknowledge(self, now: datetime) -> Sequence[str]:
        """Note that the operator has seen what is wrong; return what that is."""
        seen, self.news = self.news, []
        if seen:
            self._log.add(Event(now, "Console", "info", f"acknowledged: {', '.join(seen)}"))
        return seen
