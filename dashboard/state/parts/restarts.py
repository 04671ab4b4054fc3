"""What has restarted between two statuses. No user interface."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from dashboard.client.answers import Process

_REPLACED_WITHIN: Final = timedelta(minutes=2)
"""Time between one process that goes and the one that takes its place, whichever is first.

A killed one is listed for ten seconds more, one that drains for as long as it may take.
"""

_MOST_KNOWN: Final = 256

# Redis tells its age in whole seconds.
_START_TOLERANCE: Final = timedelta(seconds=2)

# An answer takes its time, and two answers do not take the same.
_UPTIME_TOLERANCE: Final = timedelta(seconds=5)


class _Identity(NamedTuple):
    """A process: ids are used again, so that the time of its start belongs to them."""

    host: str
    pid: int
    started_at: datetime


class ProcessWatch:
    """Tells which processes of a part took the place of others.

    That is one that has started since the first look and is listed for the first time, and for
    which another has gone: more processes than before are no restart, and neither are those of
    which nobody told until now.
    """

    def __init__(self) -> None:
        self._first_look_at: datetime | None = None
        self._known: dict[_Identity, None] = {}
        self._there: set[_Identity] = set()
        self._new: dict[_Identity, datetime] = {}
        self._gone: dict[_Identity, datetime] = {}

    def take(
        self, processes: Iterable[Process], at: datetime, now: datetime, *, complete: bool
    ) -> list[Process]:
        """Return those that took another's place.

        `at` is the service's time and `now` the console's. A list that is not `complete` may lack
        some that are there.
        """
        first_look_at = self._first_look_at = self._first_look_at or at
        listed = {
            _Identity(process.host, process.pid, process.started_at): process
            for process in processes
        }
        if not complete:
            # Whether it took a place or joined the others is seen once all of them are listed.
            self._there.update(listed)
            return []
        for one in listed:
            if one not in self._known and one.started_at > first_look_at:
                self._new[one] = now
            self._gone.pop(one, None)
        self._gone.update(dict.fromkeys(self._there - listed.keys(), now))
        self._there = set(listed)
        self._know(listed)
        replaced = self._match()
        if listed:
            # While none is there, all places are still to be taken.
            self._forget_before(now - _REPLACED_WITHIN)
        return [listed[one] if one in listed else Process(*one) for one in replaced]

    def _match(self) -> list[_Identity]:
        """Take those out that belong together; return the new ones."""
        replaced = []
        for gone in list(self._gone):
            # It cannot be in the place of one that started later, and least of all of itself.
            later = [new for new in self._new if new.started_at > gone.started_at]
            if later:
                new = max(later, key=lambda one: (one.host == gone.host, one.started_at))
                del self._gone[gone], self._new[new]
                replaced.append(new)
        return sorted(replaced, key=lambda one: one.started_at)

    def _know(self, listed: Iterable[_Identity]) -> None:
        # Those that are there are the last to be forgotten.
        for one in listed:
            self._known.pop(one, None)
            self._known[one] = None
        for one in list(self._known)[: -max(_MOST_KNOWN, len(self._there))]:
            del self._known[one]

    def _forget_before(self, moment: datetime) -> None:
        for waiting in (self._new, self._gone):
            for one in [one for one, since in waiting.items() if since < moment]:
                del waiting[one]


class StoreWatch:
    """Tells whether a store has restarted, whichever process's clock its start is given by."""

    def __init__(self) -> None:
        self._last: tuple[datetime, timedelta, datetime] | None = None

    def take(self, started_at: datetime, at: datetime, now: datetime) -> bool:
        """Follow the store: when it started by a clock on which it is `at`, `now` the console's."""
        uptime = at - started_at
        last, self._last = self._last, (started_at, uptime, now)
        if last is None:
            return False
        last_started_at, last_uptime, last_look_at = last
        # A start that is later may be another host's clock; an uptime that is behind the time that
        # passed may be the console's clock that was set. A restart makes both so.
        is_later = started_at - last_started_at >= _START_TOLERANCE
        missing = last_uptime + (now - last_look_at) - uptime
        return is_later and missing >= _UPTIME_TOLERANCE
