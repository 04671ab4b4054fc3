"""The time of a run, which stands still while the run is paused."""

import asyncio
import time

# Between the beginning of a run and its time zero, for the event loop to settle.
_LEAD_SECONDS = 0.05

# The event loop wakes up on whole milliseconds. A request that is due within half of one leaves
# early rather than late; its latency then counts from the moment it left.
_TIMER_GRAIN_SECONDS = 0.0005


class RunClock:
    """Tells how long a run lasts and where in its plan it is, and waits for moments of the plan."""

    def __init__(self) -> None:
        self._zero = 0.0
        self._past_pauses_seconds = 0.0
        self._past_pauses: list[tuple[float, float]] = []
        self._paused_at: float | None = None
        self._going = asyncio.Event()
        self._going.set()
        self._ended_at: float | None = None
        self.start()

    def start(self) -> None:
        """Let the run begin in a moment."""
        self._zero = time.perf_counter() + _LEAD_SECONDS

    def end(self) -> None:
        """Let the run have ended, unless it has: what is cleared up later is no part of it."""
        self.resume()
        self._ended_at = self._ended_at or time.perf_counter()

    @property
    def zero(self) -> float:
        """The start of the run, as `time.perf_counter` gives it."""
        return self._zero

    @property
    def elapsed_seconds(self) -> float:
        """Time since the start of the run, pauses included."""
        return max((self._ended_at or time.perf_counter()) - self._zero, 0.0)

    @property
    def paused_seconds(self) -> float:
        """How long the run was paused, up to now."""
        this_pause = 0.0 if self._paused_at is None else time.perf_counter() - self._paused_at
        return self._past_pauses_seconds + this_pause

    @property
    def pauses(self) -> tuple[tuple[float, float], ...]:
        """From when to when the run was paused, up to now, in seconds since its start."""
        pauses = list(self._past_pauses)
        if self._paused_at is not None:
            pauses.append((self._paused_at, time.perf_counter()))
        return tuple(
            (round(start - self._zero, 3), round(end - self._zero, 3)) for start, end in pauses
        )

    @property
    def position_seconds(self) -> float:
        """How far the plan is carried out: the time without the pauses."""
        return max(self.elapsed_seconds - self.paused_seconds, 0.0)

    def pause(self) -> None:
        """Let the plan stand still."""
        if self._paused_at is None:
            self._paused_at = time.perf_counter()
            self._going.clear()

    def resume(self) -> None:
        """Let the plan go on where it stood."""
        if self._paused_at is not None:
            now = time.perf_counter()
            self._past_pauses_seconds += now - self._paused_at
            self._past_pauses.append((self._paused_at, now))
            self._paused_at = None
            self._going.set()

    async def wait_for(self, offset_seconds: float) -> float:
        """Wait for a moment of the plan and return it, as `time.perf_counter` gives it."""
        while True:
            await self._going.wait()
            pauses_seconds = self._past_pauses_seconds
            moment = self._zero + pauses_seconds + offset_seconds
            wait_seconds = moment - time.perf_counter()
            # Even without a wait the loop must turn: the request before this one begins then, and
            # answers are read.
            await asyncio.sleep(wait_seconds if wait_seconds > _TIMER_GRAIN_SECONDS else 0)
            if self._going.is_set() and pauses_seconds == self._past_pauses_seconds:
                return moment
