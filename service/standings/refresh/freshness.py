"""How old sessions are when they become visible: the time from their submit to their publication.

Up to the fold PostgreSQL's clock measures the age of a session, and from there on this process's
monotonic one, so that the clocks of two machines are never compared. The age starts with the
transaction that wrote the session, a little before its commit. What a worker folds and never
publishes, because it is killed in between, is not counted.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable

from service.counters import WorkerCounters


class Freshness:
    """Keeps the submit times of folded sessions until they are in the index."""

    def __init__(self, counters: WorkerCounters) -> None:
        self._counters = counters
        # How many sessions were submitted at each moment of `time.monotonic()`.
        self._unpublished: Counter[float] = Counter()

    def add_fold(self, measured_at: float, ages_ms: Iterable[tuple[int, int]]) -> None:
        """Add a committed fold: each age at `measured_at`, and how many sessions have it."""
        for age_ms, sessions in ages_ms:
            self._unpublished[measured_at - age_ms / 1000] += sessions

    def round_down(self) -> None:
        """Round submit times down to whole seconds: an outage may be long, and memory is not."""
        unpublished: Counter[float] = Counter()
        for submitted_at, sessions in self._unpublished.items():
            unpublished[math.floor(submitted_at)] += sessions
        self._unpublished = unpublished

    def note_published(self) -> None:
        """Count all sessions that were folded: they are in the index as of now."""
        if not self._unpublished:
            return
        now = time.monotonic()
        self._counters.note_shown(
            (now - at, sessions) for at, sessions in self._unpublished.items()
        )
        self._unpublished.clear()
