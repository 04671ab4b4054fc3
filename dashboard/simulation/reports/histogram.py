"""Latencies counted in logarithmic buckets: small, mergeable, of bounded relative error.

A bucket is `_GROWTH` times as wide as the one before, so that the value in the middle of a bucket
is never further than `RELATIVE_ERROR` from any latency in it (the rule of DDSketch: Masson, Rim
and Lee, VLDB 2019).
"""

import math

from dashboard.simulation.reports.report import LatencyBucket, LatencySummary

RELATIVE_ERROR = 0.01
"""Largest error of a percentile, relative to the exact one."""

SHORTEST_SECONDS = 1e-6
"""What is shorter counts as this long."""

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_BUCKETS_PER_E = 1 / math.log(_GROWTH)


class LatencyHistogram:
    """Counts of latencies in seconds; the largest one and the mean are exact."""

    __slots__ = ("_counts", "_longest", "_shortest", "_total", "count")

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[int, int] = {}
        self._shortest = math.inf
        self._longest = 0.0
        self._total = 0.0

    def record(self, seconds: float) -> None:
        """Count one latency."""
        seconds = max(seconds, SHORTEST_SECONDS)
        bucket = math.ceil(math.log(seconds) * _BUCKETS_PER_E)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self._total += seconds
        self._longest = max(self._longest, seconds)
        self._shortest = min(self._shortest, seconds)

    def merge(self, other: "LatencyHistogram") -> None:
        """Add all that `other` counted."""
        for bucket, count in other._counts.items():  # noqa: SLF001  same class
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self.count += other.count
        self._total += other._total  # noqa: SLF001
        self._longest = max(self._longest, other._longest)  # noqa: SLF001
        self._shortest = min(self._shortest, other._shortest)  # noqa: SLF001

    def measure_percentiles(self, *fractions: float) -> tuple[float, ...]:
        """Return, for each of the ascending `fractions`, the latency in seconds at its rank.

        The rank is the nearest one: the smallest latency that at least that fraction of all does
        not exceed. Raises `ValueError` on an empty histogram.
        """
        if not self.count:
            raise ValueError("an empty histogram has no percentiles")
        percentiles = []
        buckets = iter(sorted(self._counts.items()))
        bucket, seen = next(buckets)
        for fraction in fractions:
            rank = min(max(1, math.ceil(fraction * self.count)), self.count)
            while seen < rank:
                bucket, count = next(buckets)
                seen += count
            middle = 2 * _GROWTH**bucket / (_GROWTH + 1)
            percentiles.append(min(max(middle, self._shortest), self._longest))
        return tuple(percentiles)

    def summarize(self) -> LatencySummary | None:
        """Return the figures in milliseconds, or nothing if nothing was counted."""
        if not self.count:
            return None
        p50, p90, p95, p99, p999 = self.measure_percentiles(0.5, 0.9, 0.95, 0.99, 0.999)
        return LatencySummary(
            count=self.count,
            mean_ms=_to_ms(self._total / self.count),
            p50_ms=_to_ms(p50),
            p90_ms=_to_ms(p90),
            p95_ms=_to_ms(p95),
            p99_ms=_to_ms(p99),
            p999_ms=_to_ms(p999),
            max_ms=_to_ms(self._longest),
        )

    def list_buckets(self) -> tuple[LatencyBucket, ...]:
        """Return the buckets that hold something, shortest first."""
        return tuple(
            LatencyBucket(_to_ms(_GROWTH**bucket), count)
            for bucket, count in sorted(self._counts.items())
        )


def _to_ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
