"""Latencies and their percentiles."""

import math
from array import array
from collections.abc import Sequence


class Latencies:
    """Every single latency of a run, in seconds."""

    def __init__(self) -> None:
        self._seconds = array("d")

    def __len__(self) -> int:
        return len(self._seconds)

    def add(self, seconds: float) -> None:
        """Note one."""
        self._seconds.append(seconds)

    def describe(self) -> dict[str, float]:
        """Return the usual percentiles in milliseconds; NaN where there is none."""
        ordered = sorted(self._seconds)
        return {
            "p50_ms": 1000 * find_percentile(ordered, 50),
            "p90_ms": 1000 * find_percentile(ordered, 90),
            "p99_ms": 1000 * find_percentile(ordered, 99),
            "max_ms": 1000 * find_percentile(ordered, 100),
        }


def find_percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the least value that so many percent of the ascending values do not exceed."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
