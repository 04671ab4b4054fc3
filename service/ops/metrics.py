"""What a process measures about the requests it answers."""

import math
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

# Eight buckets an octave from one microsecond: a quantile is at most 4.5 % off.
_BUCKETS_PER_OCTAVE: Final = 8

# Figures are about the last minute, forgotten in steps of five seconds.
WINDOW_SECONDS: Final = 60
_STEP_SECONDS: Final = 5
_STEPS: Final = WINDOW_SECONDS // _STEP_SECONDS

_SERVER_ERROR: Final = 500


class RouteFigures(msgspec.Struct):
    """Requests of one route: all since the start, and the latencies of the last minute.

    `latencies` counts requests by logarithmic bucket of their time, so that the figures of several
    processes can be added up.
    """

    count: int = 0
    server_errors: int = 0
    latencies: dict[int, int] = {}
    max_ms: float = 0.0

    def compute_quantile_ms(self, quantile: float) -> float | None:
        """Return the latency that this share of the requests did not exceed; None for none.

        A bucket's middle can lie beyond the longest of all.
        """
        middle_ms = compute_quantile_ms(self.latencies, quantile)
        return None if middle_ms is None else min(middle_ms, round(self.max_ms, 3))

    def add(self, other: "RouteFigures") -> None:
        """Add another process's figures to these."""
        self.count += other.count
        self.server_errors += other.server_errors
        self.latencies = dict(Counter(self.latencies) + Counter(other.latencies))
        self.max_ms = max(self.max_ms, other.max_ms)


def find_bucket(seconds: float) -> int:
    """Return the bucket of a latency."""
    return int(math.log2(seconds * 1e6 + 1) * _BUCKETS_PER_OCTAVE)


def compute_quantile_ms(latencies: dict[int, int], quantile: float) -> float | None:
    """Return the latency in ms that this share of the requests did not exceed; None for none."""
    total = sum(latencies.values())
    if not total:
        return None
    wanted = quantile * total
    passed = 0
    bucket = 0
    for bucket in sorted(latencies):
        passed += latencies[bucket]
        if passed >= wanted:
            break
    # The middle of the bucket, on its logarithmic scale.
    return round((2 ** ((bucket + 0.5) / _BUCKETS_PER_OCTAVE) - 1) / 1000, 3)


@dataclass(slots=True)
class _Route:
    count: int = 0
    server_errors: int = 0
    # One counter and one maximum for each step of the window, the current one last.
    steps: deque[Counter[int]] = field(default_factory=lambda: deque(maxlen=_STEPS))
    maxima: deque[float] = field(default_factory=lambda: deque(maxlen=_STEPS))


class RequestMetrics:
    """Counts and times requests by route."""

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}
        self._step = 0

    def record(self, route_name: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._forget_old()
        route = self._routes.get(route_name)
        if route is None:
            route = self._routes[route_name] = _Route()
        if not route.steps:
            route.steps.append(Counter())
            route.maxima.append(0.0)
        route.count += 1
        route.server_errors += status >= _SERVER_ERROR
        route.steps[-1][find_bucket(seconds)] += 1
        route.maxima[-1] = max(route.maxima[-1], seconds)

    def read(self) -> dict[str, RouteFigures]:
        """Return the figures of each route that was asked for since the start."""
        self._forget_old()
        return {
            name: RouteFigures(
                count=route.count,
                server_errors=route.server_errors,
                latencies=dict(sum(route.steps, Counter())),
                max_ms=1000 * max(route.maxima, default=0.0),
            )
            for name, route in self._routes.items()
        }

    def _forget_old(self) -> None:
        step = int(time.monotonic()) // _STEP_SECONDS
        for _ in range(min(step - self._step, _STEPS)):
            for route in self._routes.values():
                route.steps.append(Counter())
                route.maxima.append(0.0)
        self._step = step


def merge_figures(processes: Iterable[dict[str, RouteFigures]]) -> dict[str, RouteFigures]:
    """Add up the figures of several processes, route by route."""
    merged: dict[str, RouteFigures] = {}
    for routes in processes:
        for name, figures in routes.items():
            merged.setdefault(name, RouteFigures()).add(figures)
    return merged
