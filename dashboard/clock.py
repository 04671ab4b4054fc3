"""The console's clock; tests use one that they move themselves."""

import asyncio
import time
from datetime import datetime
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


class SystemClock:
    """The machine's clock, in its local zone."""

    def now(self) -> datetime:
        """Return the local time."""
        return datetime.now().astimezone()

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)
