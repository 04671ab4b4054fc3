"""What a process measures about the requests it answers."""

import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from service.counters import SLOW_SECONDS, STAGE_NAMES, Stages
from service.request_ids import request_id

SUBMIT_ROUTE: Final = "POST /api/leaderboard/submit"

_SLOW_KEPT: Final = 20

# Eight buckets an octave from one microsecond: a quantile is at most 4.5 % off.
_BUCKETS_PER_OCTAVE: Final = 8
# From a quarter of a millisecond to half a minute.
_OCTAVES: Final = range(8, 26)

# Figures are about the last minute, forgotten in steps of five seconds.
WINDOW_SECONDS: Final = 60
_STEP_SECONDS: Final = 5
_STEPS: Final = WINDOW_SECONDS // _STEP_SECONDS

_SERVER_ERROR: Final = 500


class SlowRequest(msgspec.Struct, frozen=True):
    """A request that was answered slowly, without anything of whom it was about."""

    at: datetime
    route: str
    status: int
    ms: float
    request_id: str | None


class RouteFigures(msgspec.Struct):
    """Requests of one route: all since the start by status, and the latencies of the last minute.

    Latencies are counted by logarithmic bucket, so that the figures of several processes can be
    added up. `all_latencies` and `seconds` are of all since the start. `stages` are of the last
    minute too, by the name of the stage; of submits only some commits are measured. `measured` and
    `stage_seconds` are how many were and how long each stage took since the start.
    """

    statuses: dict[int, int] = {}
    latencies: dict[int, int] = {}
    max_ms: float = 0.0
    all_latencies: dict[int, int] = {}
    seconds: float = 0.0
    stages: dict[str, dict[int, int]] = {}
    measured: int = 0
    stage_seconds: dict[str, float] = {}

    @property
    def count(self) -> int:
        """How many requests there were since the start."""
        return sum(self.statuses.values())

    @property
    def server_errors(self) -> int:
        """How many of them failed by our fault."""
        return sum(count for status, count in self.statuses.items() if status >= _SERVER_ERROR)

    def compute_quantile_ms(self, quantile: float) -> float | None:
        """Return the latency that this share of the requests did not exceed; None for none.

        A bucket's middle can lie beyond the longest of all.
        """
        middle_ms, longest_ms = compute_quantile_ms(self.latencies, quantile), self.longest_ms
        return None if middle_ms is None or longest_ms is None else min(middle_ms, longest_ms)

    @property
    def longest_ms(self) -> float | None:
        """The longest latency of the last minute; None for none."""
        return round(self.max_ms, 3) if self.latencies else None

    def add(self, other: "RouteFigures") -> None:
        """Add another process's figures to these."""
        self.statuses = dict(Counter(self.statuses) + Counter(other.statuses))
        self.latencies = dict(Counter(self.latencies) + Counter(other.latencies))
        self.max_ms = max(self.max_ms, other.max_ms)
        self.all_latencies = dict(Counter(self.all_latencies) + Counter(other.all_latencies))
        self.seconds += other.seconds
        self.stages = {
            name: dict(Counter(self.stages.get(name, {})) + Counter(other.stages.get(name, {})))
            for name in {*self.stages, *other.stages}
        }
        self.measured += other.measured
        self.stage_seconds = {
            name: self.stage_seconds.get(name, 0.0) + other.stage_seconds.get(name, 0.0)
            for name in {*self.stage_seconds, *other.stage_seconds}
        }


def find_bucket(seconds: float) -> int:
    """Return the bucket of a latency."""
    return int(math.log2(seconds * 1e6 + 1) * _BUCKETS_PER_OCTAVE)


def sum_octaves(latencies: Mapping[int, int]) -> list[tuple[float, int]]:
    """Return bounds in seconds, an octave apart, with how many latencies lie below each."""
    below = []
    passed = 0
    left = sorted(latencies.items(), reverse=True)
    for octave in _OCTAVES:
        while left and left[-1][0] < octave * _BUCKETS_PER_OCTAVE:
            passed += left.pop()[1]
        below.append(((2**octave - 1) / 1e6, passed))
    return below


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
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    # Those that have left the window.
    past: Counter[int] = field(default_factory=Counter)
    # One counter and one maximum for each step of the window, the current one last.
    steps: deque[Counter[int]] = field(default_factory=lambda: deque(maxlen=_STEPS))
    maxima: deque[float] = field(default_factory=lambda: deque(maxlen=_STEPS))
    # By stage; empty for as long as nobody has measured them.
    stages: dict[str, deque[Counter[int]]] = field(default_factory=dict)
    measured: int = 0
    stage_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGE_NAMES, 0.0))


class RequestMetrics:
    """Counts and times requests by route, and remembers the last twenty that were slow."""

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}
        self._step = 0
        self._step_ends_at = 0
        self._slow: deque[SlowRequest] = deque(maxlen=_SLOW_KEPT)

    @property
    def slow(self) -> list[SlowRequest]:
        """The last slow requests, the newest first."""
        return list(self._slow)

    def record(self, route_name: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        if seconds >= SLOW_SECONDS:
            ms, own_id = round(1000 * seconds, 1), request_id.get()
            self._slow.appendleft(SlowRequest(datetime.now(UTC), route_name, status, ms, own_id))
        route = self._find_route(route_name)
        route.statuses[status] += 1
        route.seconds += seconds
        route.steps[-1][find_bucket(seconds)] += 1
        if seconds > route.maxima[-1]:
            route.maxima[-1] = seconds

    def record_stages(self, route_name: str, spent: Stages) -> None:
        """Count where the time of one request went."""
        route = self._find_route(route_name)
        route.measured += 1
        for name in STAGE_NAMES:
            steps = route.stages.setdefault(name, deque([Counter()], maxlen=_STEPS))
            # A statement's time is what remains of another: it may be less than none by a hair.
            seconds = max(0.0, getattr(spent, name))
            steps[-1][find_bucket(seconds)] += 1
            route.stage_seconds[name] += seconds

    def _find_route(self, name: str) -> _Route:
        self._forget_old()
        route = self._routes.get(name)
        if route is None:
            route = self._routes[name] = _Route()
        if not route.steps:
            route.steps.append(Counter())
            route.maxima.append(0.0)
        return route

    def read(self) -> dict[str, RouteFigures]:
        """Return the figures of each route that was asked for since the start."""
        self._forget_old()
        figures = {}
        for name, route in self._routes.items():
            latencies = sum(route.steps, Counter[int]())
            figures[name] = RouteFigures(
                statuses=dict(route.statuses),
                latencies=dict(latencies),
                max_ms=1000 * max(route.maxima, default=0.0),
                all_latencies=dict(latencies + route.past),
                seconds=route.seconds,
                stages={
                    name: dict(sum(steps, Counter[int]())) for name, steps in route.stages.items()
                },
                measured=route.measured,
                stage_seconds=dict(route.stage_seconds) if route.measured else {},
            )
        return figures

    def _forget_old(self) -> None:
        now = time.monotonic()
        if now < self._step_ends_at:
            return
        step = int(now) // _STEP_SECONDS
        for _ in range(min(step - self._step, _STEPS)):
            for route in self._routes.values():
                if len(route.steps) == _STEPS:
                    route.past.update(route.steps[0])
                route.steps.append(Counter())
                route.maxima.append(0.0)
                for steps in route.stages.values():
                    steps.append(Counter())
        self._step = step
        self._step_ends_at = (step + 1) * _STEP_SECONDS


def merge_figures(processes: Iterable[dict[str, RouteFigures]]) -> dict[str, RouteFigures]:
    """Add up the figures of several processes, route by route."""
    merged: dict[str, RouteFigures] = {}
    for routes in processes:
        for name, figures in routes.items():
            merged.setdefault(name, RouteFigures()).add(figures)
    return merged
