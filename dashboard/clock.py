"""The console's clock; tests use one that they move themselves."""

import asyncio
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> datetime:
        """Return the time of day, with the zone in which the operator wants to read times."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump, for ages and intervals."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class _LocalZone(tzinfo):
    """The machine's zone: what is converted to it gets the offset that holds at its own moment.

    An offset alone is that of one half of the year. A moment that carries this zone has the offset
    that it was made with, so that sums and differences with it stay exact.
    """

    def __init__(self, offset: timedelta | None = None) -> None:
        self._offset = offset

    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        return self._offset

    def dst(self, moment: datetime | None, /) -> None:
        return None

    def tzname(self, moment: datetime | None, /) -> None:
        return None

    def fromutc(self, moment: datetime, /) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone()


class SystemClock:
    """The machine's clock, in its local zone."""

    def now(self) -> datetime:
        """Return the local time."""
        now = datetime.now().astimezone()
        return now.replace(tzinfo=_LocalZone(now.utcoffset()))

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)
