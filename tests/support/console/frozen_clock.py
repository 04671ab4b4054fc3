"""A clock that moves only when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FrozenClock:
    """Implements `dashboard.clock.Clock`; who sleeps wakes when `move` passes the moment."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, waking))
        await waking

    def find_next(self) -> float | None:
        """Return when the next sleeper wakes."""
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]
        return min((at for at, _ in self._sleepers), default=None)

    def move(self, seconds: float) -> None:
        """Move to a moment and wake who slept until then."""
        self.seconds = seconds
        for at, waking in self._sleepers:
            # A nanosecond late is on time: moments are sums of tenths.
            if at <= seconds + 1e-9 and not waking.done():
                waking.set_result(None)
