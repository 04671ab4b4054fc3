"""How long scores take from submit to visible, as the service's workers measure it.

The service counts, since its workers started, how many sessions became visible within each of a row
of times. What came in while the console watched is the difference of two statuses; a quantile is
placed within its bucket by linear interpolation, as Prometheus does it.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dashboard.client.answers import ShownSessions, Status

_LOOKS: Final = 150
_P50: Final = 0.5
_P99: Final = 0.99


class Freshness:
    """The sessions that became visible in the last five minutes, or since the watch began."""

    def __init__(self) -> None:
        self._looks: deque[ShownSessions] = deque(maxlen=_LOOKS + 1)

    def take(self, status: Status) -> float | None:
        """Take a status; return the p99 in ms since the last one, None if nothing came in."""
        shown = status.freshness
        if shown is None:
            return None
        if self._looks and not _follows(self._looks[-1], shown):
            # Another worker counts from zero: what was counted before it is no start for it.
            self._looks.clear()
        self._looks.append(shown)
        if len(self._looks) == 1:
            return None
        return _read_quantile(_P99, shown.bounds_ms, _subtract(shown, self._looks[-2]))

    @property
    def sessions(self) -> int:
        """How many sessions the quantiles are of."""
        return sum(self._count())

    def read_p50_ms(self) -> float | None:
        """Return the time within which half of the sessions became visible."""
        return self._read(_P50)

    def read_p99_ms(self) -> float | None:
        """Return the time within which 99 of 100 sessions became visible."""
        return self._read(_P99)

    def _count(self) -> Sequence[int]:
        return _subtract(self._looks[-1], self._looks[0]) if self._looks else ()

    def _read(self, quantile: float) -> float | None:
        if not self._looks:
            return None
        return _read_quantile(quantile, self._looks[-1].bounds_ms, self._count())


def _follows(before: ShownSessions, after: ShownSessions) -> bool:
    return before.bounds_ms == after.bounds_ms and all(
        count >= earlier for count, earlier in zip(after.counts, before.counts, strict=True)
    )


def _subtract(after: ShownSessions, before: ShownSessions) -> list[int]:
    return [count - earlier for count, earlier in zip(after.counts, before.counts, strict=True)]


def _read_quantile(
    quantile: float, bounds_ms: Sequence[float], counts: Sequence[int]
) -> float | None:
    wanted = quantile * sum(counts)
    if not wanted:
        return None
    for (low, high), count in zip(pairwise((0.0, *bounds_ms)), counts, strict=False):
        if wanted <= count:
            return low + (high - low) * wanted / count
        wanted -= count
    # Beyond the last bound nothing more is known than that.
    return bounds_ms[-1]
