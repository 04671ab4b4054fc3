"""The history of what was measured of the service."""

from collections import deque
from typing import Final, NamedTuple

from dashboard.client.answers import Status
from dashboard.state.parts.freshness import Freshness
from dashboard.state.parts.rules import PART_RULES, read_oldest_seconds

HISTORY_LOOKS: Final = 150
"""How many statuses are kept: five minutes of them."""


class Sample(NamedTuple):
    """A value in one status; `restarted` where a process of its part had been replaced."""

    value: float | None
    restarted: bool = False


class Health:
    """Keeps what each status that is shown has measured."""

    def __init__(self) -> None:
        self.freshness = Freshness()
        self.history: dict[str, deque[Sample]] = {}

    def take(
        self,
        status: Status,
        round_trip_ms: float,
        submits_per_second: float | None,
        restarted: set[str],
    ) -> None:
        """Take the next status; `restarted` are the parts that did so since the last one."""
        for rule in PART_RULES:
            value = rule.read(status, round_trip_ms)
            self._add(rule.name, value, restarted=rule.name in restarted)
        self._add("pending", status.pending_sessions)
        self._add("oldest", read_oldest_seconds(status))
        self._add("behind", status.parts.index.behind)
        self._add("refresh", status.refresh.duration_ms if status.refresh else None)
        self._add("rerank", status.rerank.duration_ms if status.rerank else None)
        queued = [queue.ready + queue.delayed for queue in status.queues.values()]
        # Without any queue the broker is away, and nobody knows.
        self._add("queue", sum(queued) if queued else None)
        processes = status.parts.api.processes
        self._add("waiting", sum(process.submits_waiting or 0 for process in processes))
        self._add("idle", sum(process.database_connections_idle or 0 for process in processes))
        self._add("loop", max((process.loop_lag_ms or 0.0 for process in processes), default=None))
        self._add("host", max((process.host_load or 0.0 for process in processes), default=None))
        self._add("submits", submits_per_second)
        self._add("freshness", self.freshness.take(status))
        for route in status.routes:
            self._add(route.route, route.p99_ms)

    def read_values(self, name: str) -> list[float | None]:
        """Return the history of a value, oldest first."""
        return [sample.value for sample in self.history.get(name, ())]

    def _add(self, name: str, value: float | None, *, restarted: bool = False) -> None:
        history = self.history.setdefault(name, deque(maxlen=HISTORY_LOOKS))
        history.append(Sample(value, restarted))


def measure_rate(before: Status | None, after: Status) -> float | None:
    """Return submits a second between two looks, by the service's own clock and ledger."""
    if before is None or before.highest_session_id is None or after.highest_session_id is None:
        return None
    seconds = (after.at - before.at).total_seconds()
    # Another database, or API processes whose clocks differ: no rate is better than a wrong one.
    if seconds <= 0 or after.highest_session_id < before.highest_session_id:
        return None
    return (after.highest_session_id - before.highest_session_id) / seconds
