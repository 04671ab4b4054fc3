"""What each process counts of its own work since its start, for every exporter alike.

The code that does the work calls its counters. The heartbeat sends them to the other processes, so
that any API process can answer for all. An exporter that must hear of each event as it happens is a
subclass, whose methods count and then report.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Final

import msgspec

BATCH_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192)
"""For submits in a commit."""

REFRESH_BOUNDS: Final = (
    *(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""For seconds of a refresh."""

RERANK_BOUNDS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""For seconds of a re-rank."""

FRESHNESS_BOUNDS: Final = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0),
)
"""For seconds between a submit and its publication; the promise is 0.5."""


class Distribution(msgspec.Struct):
    """A histogram: how many values lie up to each bound and above the one before, and their sum.

    `counts` has one element more than `bounds`, for the values above all of them. The bounds are
    sent along because processes of two releases can differ in them.
    """

    bounds: list[float]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def over(cls, bounds: Sequence[float]) -> "Distribution":
        """Return an empty histogram."""
        return cls(bounds=list(bounds), counts=[0] * (len(bounds) + 1))

    def add(self, value: float, times: int = 1) -> None:
        """Add a value, or the same value several times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


class ApiCounters(msgspec.Struct):
    """What an API process has done since its start, besides what is counted for each route."""

    batches: Distribution = msgspec.field(default_factory=lambda: Distribution.over(BATCH_BOUNDS))
    """Submits in each commit."""


class WorkerCounters(msgspec.Struct):
    """What a worker process has done since its start."""

    refreshes: Distribution = msgspec.field(
        default_factory=lambda: Distribution.over(REFRESH_BOUNDS)
    )
    freshness: Distribution = msgspec.field(
        default_factory=lambda: Distribution.over(FRESHNESS_BOUNDS)
    )
    reranks: Distribution = msgspec.field(default_factory=lambda: Distribution.over(RERANK_BOUNDS))
    sessions_folded: int = 0
    standings_changed: int = 0
    refreshes_unpublished: int = 0
    indexes_rebuilt: int = 0
    ranks_stored: int = 0

    def note_refresh(
        self, seconds: float, *, sessions: int, standings: int, published: bool
    ) -> None:
        """Count a refresh that folded sessions; it is not `published` while Redis is away."""
        self.refreshes.add(seconds)
        self.sessions_folded += sessions
        self.standings_changed += standings
        self.refreshes_unpublished += not published

    def note_shown(self, ages: Iterable[tuple[float, int]]) -> None:
        """Count sessions that became visible: (seconds since their submit, sessions) each."""
        for age_seconds, sessions in ages:
            self.freshness.add(age_seconds, sessions)

    def note_rerank(self, seconds: float, ranks: int) -> None:
        """Count a re-rank, and how many ranks it stored."""
        self.reranks.add(seconds)
        self.ranks_stored += ranks


class Stages:
    """Where the time of a request went, in seconds, apart from this process itself.

    `queue` is the wait for a turn, `pool` that for a connection, `statement` the time a connection
    was held, without the `commit` of a transaction. A statement outside of one commits by itself,
    and nobody can tell the two apart.
    """

    __slots__ = ("commit", "pool", "queue", "statement")

    def __init__(self, queue: float = 0.0, *, statement: float = 0.0) -> None:
        self.queue = queue
        self.statement = statement
        self.pool = self.commit = 0.0


SLOW_SECONDS: Final = 0.1
"""A request, or a commit, that takes so long is told of by itself."""

STAGE_NAMES: Final = ("queue", "pool", "statement", "commit")

stages: Final[ContextVar[Stages | None]] = ContextVar("stages", default=None)
"""Set by whoever wants to know before the work is done; where nobody does, nothing is measured."""
