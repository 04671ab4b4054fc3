"""The running counts of a run, and the frozen figures made of them."""

from collections import deque
from dataclasses import dataclass, field

from dashboard.simulation.client.requests import Failure
from dashboard.simulation.reports.histogram import LatencyHistogram
from dashboard.simulation.reports.report import (
    ErrorReport,
    GeneratorReport,
    LatencyBucket,
    SecondReport,
    SubmitReport,
    TrafficReport,
)
from dashboard.simulation.workload.plan import RequestKind

RECENT_SECONDS = 10
"""Length of the window of the recent latencies."""

LAG_LIMIT_MS = 10.0
"""A generator whose p99 lag is above this may distort what it measures.

On an idle machine the event loop's timer and the work of other requests make it about 2 ms.
"""

LAG_LIMIT_SHARE = 0.5
"""The generator is the limit where its p99 lag is above this share of the latencies' p99 too."""


@dataclass(slots=True)
class _Counts:
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    dropped: int = 0


class _RecentLatencies:
    """Latencies of the last `RECENT_SECONDS` whole seconds and the one that goes on."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, LatencyHistogram]] = deque()

    def record(self, at_seconds: float, latency_seconds: float) -> None:
        second = int(at_seconds)
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append((second, LatencyHistogram()))
            self._forget_before(second - RECENT_SECONDS)
        self._seconds[-1][1].record(latency_seconds)

    def merge_into(self, histogram: LatencyHistogram, at_seconds: float) -> None:
        self._forget_before(int(at_seconds) - RECENT_SECONDS)
        for _, latencies in self._seconds:
            histogram.merge(latencies)

    def _forget_before(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] < second:
            self._seconds.popleft()


@dataclass(slots=True)
class _KindRecord:
    counts: _Counts = field(default_factory=_Counts)
    latencies: LatencyHistogram = field(default_factory=LatencyHistogram)
    recent: _RecentLatencies = field(default_factory=_RecentLatencies)


@dataclass(slots=True)
class _ErrorRecord:
    sample: str
    first_seconds: float
    last_seconds: float = 0.0
    count: int = 0


class Recorder:
    """Counts what happens in a run; all times are seconds since its start."""

    def __init__(self) -> None:
        self._kinds = {kind: _KindRecord() for kind in RequestKind}
        self._errors: dict[tuple[RequestKind, str], _ErrorRecord] = {}
        self._lag = LatencyHistogram()
        self._past_seconds: list[SecondReport] = []
        self._pace = 1.0
        self._second = 0
        self._this_second = _Counts()
        self._unknown_submits = 0
        self._resubmitted_accepted = 0
        self._resubmitted_refused = 0
        self._sessions: set[int] = set()
        self._first_session: int | None = None
        self._last_session: int | None = None

    def record_start(self, kind: RequestKind, at_seconds: float, lag_seconds: float) -> None:
        """Count a request that the generator turned to."""
        self._turn_to_second(at_seconds)
        self._kinds[kind].counts.started += 1
        self._this_second.started += 1
        self._lag.record(lag_seconds)

    def record_drop(self, kind: RequestKind, at_seconds: float) -> None:
        """Count a request that was due, but was not started for want of room."""
        self._turn_to_second(at_seconds)
        self._kinds[kind].counts.dropped += 1
        self._this_second.dropped += 1

    def record_success(
        self,
        kind: RequestKind,
        at_seconds: float,
        latency_seconds: float,
        session_id: int | None,
    ) -> None:
        """Count a request that was answered as it should be; a submit with its session."""
        self._turn_to_second(at_seconds)
        self._kinds[kind].counts.succeeded += 1
        self._this_second.succeeded += 1
        self._record_latency(kind, at_seconds, latency_seconds)
        if session_id is not None:
            self._note_session(session_id)

    def record_failure(
        self,
        kind: RequestKind,
        at_seconds: float,
        latency_seconds: float,
        failure: Failure,
    ) -> None:
        """Count a request that failed."""
        self._turn_to_second(at_seconds)
        self._kinds[kind].counts.failed += 1
        self._this_second.failed += 1
        if failure.has_latency:
            self._record_latency(kind, at_seconds, latency_seconds)
        if kind is RequestKind.SUBMIT and failure.maybe_written:
            self._unknown_submits += 1
        error = self._errors.setdefault(
            (kind, failure.code), _ErrorRecord(failure.message, at_seconds)
        )
        error.count += 1
        error.last_seconds = at_seconds

    def change_pace(self, at_seconds: float, pace: float) -> None:
        """Note by how much the operator multiplies the rate or the users from now on."""
        self._turn_to_second(at_seconds)
        self._pace = pace

    def record_resubmission(self, session_id: int | None) -> None:
        """Count an unknown submit that was sent again and is known now; None: it was refused."""
        if session_id is None:
            self._resubmitted_refused += 1
        else:
            self._resubmitted_accepted += 1
            self._note_session(session_id)

    def report_kinds(self, at_seconds: float, active_seconds: float) -> dict[str, TrafficReport]:
        """Return the figures of each kind; `active_seconds` are those without pauses."""
        return {
            kind.value: _report_traffic([record], at_seconds, active_seconds)
            for kind, record in self._kinds.items()
        }

    def report_total(self, at_seconds: float, active_seconds: float) -> TrafficReport:
        """Return the figures of all kinds together; `active_seconds` are those without pauses."""
        return _report_traffic(list(self._kinds.values()), at_seconds, active_seconds)

    def list_latency_buckets(self) -> tuple[LatencyBucket, ...]:
        """Return the histogram of all latencies of the run."""
        return self._merge_latencies().list_buckets()

    def list_errors(self) -> tuple[ErrorReport, ...]:
        """Return the sorts of failure, most frequent first."""
        reports = [
            ErrorReport(
                request=kind.value,
                code=code,
                count=error.count,
                first_seconds=round(error.first_seconds, 3),
                last_seconds=round(error.last_seconds, 3),
                sample=error.sample,
            )
            for (kind, code), error in self._errors.items()
        ]
        return tuple(sorted(reports, key=lambda report: -report.count))

    def list_seconds(self, at_seconds: float) -> tuple[SecondReport, ...]:
        """Return what happened in each second of the run up to now, also in those without anything.

        The last one is that which goes on.
        """
        self._turn_to_second(at_seconds)
        return (*self._past_seconds, self._report_second())

    def report_generator(self, cpu_share: float) -> GeneratorReport:
        """Return how late the generator itself was."""
        lag = self._lag.summarize()
        latencies = self._merge_latencies().summarize()
        p99_ms = lag.p99_ms if lag else 0.0
        bound_ms = max(LAG_LIMIT_MS, LAG_LIMIT_SHARE * latencies.p99_ms if latencies else 0.0)
        return GeneratorReport(
            lag_p50_ms=lag.p50_ms if lag else 0.0,
            lag_p99_ms=p99_ms,
            lag_max_ms=lag.max_ms if lag else 0.0,
            limited=p99_ms > bound_ms,
            cpu_share=round(cpu_share, 3),
        )

    def report_submits(self, key_prefix: str) -> SubmitReport:
        """Return what the ledger should hold, all submits under keys with `key_prefix`."""
        counts = self._kinds[RequestKind.SUBMIT].counts
        resubmitted = self._resubmitted_accepted + self._resubmitted_refused
        return SubmitReport(
            key_prefix=key_prefix,
            sent=counts.started,
            acknowledged=counts.succeeded + self._resubmitted_accepted,
            refused=counts.failed - self._unknown_submits + self._resubmitted_refused,
            unknown=self._unknown_submits - resubmitted,
            sent_again=resubmitted,
            sessions=len(self._sessions),
            first_session_id=self._first_session,
            last_session_id=self._last_session,
        )

    def _note_session(self, session_id: int) -> None:
        self._sessions.add(session_id)
        self._first_session = min(session_id, self._first_session or session_id)
        self._last_session = max(session_id, self._last_session or session_id)

    def _record_latency(self, kind: RequestKind, at_seconds: float, seconds: float) -> None:
        record = self._kinds[kind]
        record.latencies.record(seconds)
        record.recent.record(at_seconds, seconds)

    def _merge_latencies(self) -> LatencyHistogram:
        latencies = LatencyHistogram()
        for record in self._kinds.values():
            latencies.merge(record.latencies)
        return latencies

    def _turn_to_second(self, at_seconds: float) -> None:
        while self._second < int(at_seconds):
            self._past_seconds.append(self._report_second())
            self._second += 1
            self._this_second = _Counts()

    def _report_second(self) -> SecondReport:
        counts = self._this_second
        return SecondReport(
            self._second,
            counts.started,
            counts.succeeded,
            counts.failed,
            counts.dropped,
            self._pace,
        )


def _report_traffic(
    records: list[_KindRecord], at_seconds: float, active_seconds: float
) -> TrafficReport:
    latencies, recent = LatencyHistogram(), LatencyHistogram()
    for record in records:
        latencies.merge(record.latencies)
        record.recent.merge_into(recent, at_seconds)
    succeeded = sum(record.counts.succeeded for record in records)
    return TrafficReport(
        started=sum(record.counts.started for record in records),
        succeeded=succeeded,
        failed=sum(record.counts.failed for record in records),
        dropped=sum(record.counts.dropped for record in records),
        answered_per_second=round(succeeded / active_seconds, 3) if active_seconds > 0 else 0.0,
        latency=latencies.summarize(),
        recent_latency=recent.summarize(),
    )
