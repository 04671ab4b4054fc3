"""When seasons end: five fields of cron in the time of an IANA zone.

A time of day that a clock skips when it is put forward counts at the first instant after the gap;
one that it shows twice counts the first time only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

_FIELDS: Final = 5
_NEVER: Final = (
    "Expected a time that comes; this one never happens, because no such month has such a day"
)
_LONGEST_CRON: Final = 100

# No clock was ever put forward or back by more: Samoa left a whole day out in 2011.
_WIDEST_GAP: Final = timedelta(hours=25)


class WrongSchedule(ValueError):
    """A cron expression or a zone that means nothing; says which, and what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Schedule:
    """Ends of seasons, by the clock on a wall in `timezone`."""

    cron: str
    timezone: str

    @classmethod
    def parse(cls, cron: str, timezone: str) -> "Schedule":
        """Return a schedule that has a next time; raises `WrongSchedule`."""
        # By name and not by trying, which would open whatever file a name leads to.
        if timezone not in _list_timezones():
            raise WrongSchedule(
                "timezone", "Expected a name of the IANA time zone database, like `Europe/Berlin`"
            )
        expected = (
            "Expected five fields of cron: minute, hour, day of the month, month and day of the "
            "week, like `0 0 * * 1` for each Monday at 0:00"
        )
        fields = cron.split()
        if len(fields) != _FIELDS or len(cron) > _LONGEST_CRON or not cron.isascii():
            raise WrongSchedule("cron", expected)
        schedule = cls(" ".join(fields), timezone)
        try:
            next(schedule._walk(datetime(2000, 1, 1)))  # noqa: DTZ001 - what a wall shows
        except CronSimError as error:
            if schedule._has_right_fields():
                raise WrongSchedule("cron", _NEVER) from error
            raise WrongSchedule("cron", f"{expected}; {str(error).lower()}") from error
        except StopIteration:
            raise WrongSchedule("cron", _NEVER) from None
        return schedule

    def _has_right_fields(self) -> bool:
        """Return whether the fields that name a day and a month are right, each by itself."""
        minute, hour, day, month, weekday = self.cron.split()
        try:
            for cron in (f"{minute} {hour} {day} * {weekday}", f"{minute} {hour} * {month} *"):
                CronSim(cron, datetime(2000, 1, 1))  # noqa: DTZ001 - what a wall shows
        except CronSimError:
            return False
        return True

    def find_next(self, after: datetime) -> datetime:
        """Return the first end after this instant."""
        instants = self._walk(self._read_wall(after) - _WIDEST_GAP)
        return next(instant for instant in instants if instant > after)

    def list_ends(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the ends after one instant, up to another, in a few microseconds each."""
        last = after
        for instant in self._walk(self._read_wall(after) - _WIDEST_GAP):
            if instant > until:
                return
            if instant > last:
                last = instant
                yield instant

    def find_last(self, until: datetime) -> datetime:
        """Return the last end at this instant or before."""
        instants = self._walk(self._read_wall(until) + _WIDEST_GAP, backwards=True)
        return next(instant for instant in instants if instant <= until)

    def _read_wall(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)

    def _walk(self, wall: datetime, *, backwards: bool = False) -> Iterator[datetime]:
        zone = ZoneInfo(self.timezone)
        for shown in CronSim(self.cron, wall, reverse=backwards):
            yield _find_instant(shown, zone)


@cache
def _list_timezones() -> frozenset[str]:
    # A link of systems to the zone of the machine, which may be another one on the next.
    return frozenset(available_timezones() - {"localtime"})


def _find_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock of the zone first shows this time, or jumps over it."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # In a gap: `first` goes by the offset before it and lies after it, the other one the reverse.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while first - before > timedelta(seconds=1):
        middle = before + (first - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) > wall:
            first = middle
        else:
            before = middle
    return first
