"""How old sessions are when they become visible: the time from their submit to their publication.

The age of a session is taken by PostgreSQL's clock when the fold begins, and from there on by this
process's steady one, so that the clocks of two machines never meet. It counts from the beginning of
the transaction that wrote the session, a little before the commit: no session is fresher than this
says. What a worker folds and never publishes, because it is killed in between, is not counted.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable

from service.counters import WorkerFigures


class Freshness:
    """Follows folded sessions until they are in the index."""

    def __init__(self, figures: WorkerFigures) -> None:
        self._figures = figures
        # How many sessions came in at each moment of `time.monotonic()`.
        self._unseen: Counter[float] = Counter()

    def await_showing(self, asked_at: float, ages_ms: Iterable[tuple[int, int]]) -> None:
        """Take in a committed fold: ages when it was asked for, and how many sessions have each."""
        for age_ms, sessions in ages_ms:
            self._unseen[asked_at - age_ms / 1000] += sessions

    def put_off(self) -> None:
        """Go on waiting, with whole seconds: the outage may be long and memory is not."""
        unseen: Counter[float] = Counter()
        for submitted_at, sessions in self._unseen.items():
            unseen[math.floor(submitted_at)] += sessions
        self._unseen = unseen

    def note_shown(self) -> None:
        """Note that whatever was folded is in the index as of now."""
        if not self._unseen:
            return
        now = time.monotonic()
        self._figures.note_shown((now - at, sessions) for at, sessions in self._unseen.items())
        self._unseen.clear()
