"""How long a score takes from submit to visible, as far as it can be told from outside.

The service does not stamp scores when they become visible, and the console writes nothing. What
can be told: while scores come in at a rate, the sessions that wait for the next refresh are those
of the last `pending / rate` seconds (Little's law), so the oldest of them has waited that long;
and a refresh then takes its own time to publish. One sample is the sum of both at one look at the
status.
"""

from collections import deque
from typing import Final

from dashboard.answers import Status

_MOST_SAMPLES: Final = 300
_P99: Final = 0.99

MEASURED: Final = (
    "freshness: age of the oldest pending score",
    "(pending / submits a second) + last refresh; over",
)
"""What the figures are, in words for the screen; the number of looks follows."""


class Freshness:
    """Samples of the last ten minutes in which scores came in."""

    def __init__(self) -> None:
        self._samples_ms: deque[float] = deque(maxlen=_MOST_SAMPLES)

    def take(self, status: Status, submits_per_second: float | None) -> float | None:
        """Take a look at the status; return its sample in ms, None where nothing came in."""
        pending = status.pending_sessions
        if not submits_per_second or pending is None:
            return None
        refresh_ms = (status.refresh.duration_ms if status.refresh else None) or 0.0
        sample_ms = 1000 * pending / submits_per_second + refresh_ms
        self._samples_ms.append(sample_ms)
        return sample_ms

    @property
    def samples(self) -> int:
        """How many samples the quantiles are of."""
        return len(self._samples_ms)

    def read_p50_ms(self) -> float | None:
        """Return what half of the samples did not exceed."""
        return self._read_quantile(0.5)

    def read_p99_ms(self) -> float | None:
        """Return what 99 of 100 samples did not exceed."""
        return self._read_quantile(_P99)

    def _read_quantile(self, quantile: float) -> float | None:
        if not self._samples_ms:
            return None
        ordered = sorted(self._samples_ms)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]
