import pytest

from dashboard.simulation.client.requests import Failure
from dashboard.simulation.reports.recorder import Recorder
from dashboard.simulation.reports.report import LatencySummary, SecondReport
from dashboard.simulation.workload.plan import RequestKind

LOST = Failure("connection_lost", "the peer hung up", maybe_written=True, has_latency=False)
REFUSED = Failure("user_not_found", "404: User not found", maybe_written=False, has_latency=True)


def count_of(summary: LatencySummary | None) -> int:
    return summary.count if summary else 0


def test_errors_are_counted_by_request_and_code_with_first_last_and_a_sample() -> None:
    recorder = Recorder()
    recorder.record_failure(RequestKind.RANK, 1.0, 0.1, LOST)
    recorder.record_failure(RequestKind.SUBMIT, 2.0, 0.1, LOST)
    recorder.record_failure(RequestKind.SUBMIT, 4.5, 0.1, LOST._replace(message="later words"))
    several, single = recorder.list_errors()
    assert (several.request, several.code, several.count) == ("submit", "connection_lost", 2)
    assert (several.first_seconds, several.last_seconds) == (2.0, 4.5)
    assert several.sample == "the peer hung up"
    assert (single.request, single.count) == ("rank", 1)
    assert (single.first_seconds, single.last_seconds) == (1.0, 1.0)


def test_a_failure_counts_in_the_latencies_only_if_it_tells_about_the_server() -> None:
    recorder = Recorder()
    recorder.record_failure(RequestKind.RANK, 1.0, 0.1, LOST)
    recorder.record_failure(RequestKind.RANK, 1.0, 0.2, REFUSED)
    total = recorder.report_total(1.0, 1.0)
    assert total.failed == 2
    assert count_of(total.latency) == 1
    assert [bucket.count for bucket in recorder.list_latency_buckets()] == [1]


def test_submits_are_told_apart_by_what_the_ledger_may_hold() -> None:
    recorder = Recorder()
    for _ in range(5):
        recorder.record_start(RequestKind.SUBMIT, 0.1, 0.0)
    recorder.record_success(RequestKind.SUBMIT, 0.2, 0.1, 31)
    recorder.record_success(RequestKind.SUBMIT, 0.2, 0.1, 12)
    recorder.record_success(RequestKind.SUBMIT, 0.2, 0.1, 12)
    recorder.record_failure(RequestKind.SUBMIT, 0.2, 0.1, REFUSED)
    recorder.record_failure(RequestKind.SUBMIT, 0.2, 0.1, LOST)
    submits = recorder.report_submits("sim-")
    assert (submits.sent, submits.acknowledged, submits.refused, submits.unknown) == (5, 3, 1, 1)
    assert submits.sessions == 2
    assert (submits.first_session_id, submits.last_session_id) == (12, 31)


def test_kinds_add_up_to_the_total() -> None:
    recorder = Recorder()
    for kind in RequestKind:
        recorder.record_start(kind, 0.0, 0.0)
        recorder.record_success(kind, 2.0, 0.5, None)
        recorder.record_drop(kind, 2.0)
    total, kinds = recorder.report_total(2.0, 2.0), recorder.report_kinds(2.0, 2.0)
    assert (total.started, total.succeeded, total.dropped) == (3, 3, 3)
    assert total.answered_per_second == 1.5
    assert count_of(total.latency) == sum(count_of(kind.latency) for kind in kinds.values()) == 3


def test_recent_latencies_are_those_of_the_last_ten_seconds() -> None:
    recorder = Recorder()
    recorder.record_success(RequestKind.TOP, 0.5, 9.0, None)
    recorder.record_success(RequestKind.TOP, 5.5, 0.1, None)
    recent = recorder.report_total(12.0, 12.0).recent_latency
    assert recent is not None
    assert recent.max_ms == 100
    assert recorder.report_total(30.0, 30.0).recent_latency is None
    assert count_of(recorder.report_total(30.0, 30.0).latency) == 2


def test_each_second_of_the_run_is_listed_even_a_silent_one() -> None:
    recorder = Recorder()
    recorder.record_start(RequestKind.TOP, 0.5, 0.0)
    recorder.record_success(RequestKind.TOP, 2.5, 2.0, None)
    recorder.record_drop(RequestKind.TOP, 2.6)
    assert recorder.list_seconds(2.7) == (
        SecondReport(second=0, started=1, succeeded=0, failed=0, dropped=0),
        SecondReport(second=1, started=0, succeeded=0, failed=0, dropped=0),
        SecondReport(second=2, started=0, succeeded=1, failed=0, dropped=1),
    )


def test_each_second_keeps_the_pace_it_had() -> None:
    recorder = Recorder()
    recorder.record_start(RequestKind.TOP, 0.5, 0.0)
    recorder.change_pace(1.2, 1.5)
    assert [second.pace for second in recorder.list_seconds(2.1)] == [1.0, 1.5, 1.5]


def test_seconds_pass_while_nothing_happens_as_in_a_pause_or_a_stall() -> None:
    recorder = Recorder()
    recorder.record_success(RequestKind.TOP, 0.5, 0.1, None)
    assert [second.succeeded for second in recorder.list_seconds(0.9)] == [1]
    assert [second.succeeded for second in recorder.list_seconds(3.1)] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("lag_seconds", "latency_seconds", "limited"),
    [
        (0.009, 0.010, False),
        (0.012, 0.015, True),
        (0.012, 0.500, False),
        (0.400, 0.500, True),
    ],
)
def test_the_generator_is_the_limit_when_most_of_a_long_latency_is_its_lag(
    *, lag_seconds: float, latency_seconds: float, limited: bool
) -> None:
    recorder = Recorder()
    for _ in range(98):
        recorder.record_start(RequestKind.TOP, 0.0, 0.001)
        recorder.record_success(RequestKind.TOP, 0.0, 0.002, None)
    assert not recorder.report_generator(0.5).limited
    for _ in range(2):
        recorder.record_start(RequestKind.TOP, 0.0, lag_seconds)
        recorder.record_success(RequestKind.TOP, 0.0, latency_seconds, None)
    generator = recorder.report_generator(0.5)
    assert generator.limited is limited
    assert generator.lag_max_ms == lag_seconds * 1000
