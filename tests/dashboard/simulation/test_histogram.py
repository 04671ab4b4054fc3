import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.simulation.reports.histogram import RELATIVE_ERROR, LatencyHistogram

FRACTIONS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)

latencies = st.lists(st.floats(1e-6, 1_000), min_size=1, max_size=300)


def record(values: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    return histogram


def rank_exactly(values: list[float], fraction: float) -> float:
    return sorted(values)[max(1, math.ceil(fraction * len(values))) - 1]


@given(latencies)
def test_percentiles_are_within_the_promised_error(values: list[float]) -> None:
    measured = record(values).measure_percentiles(*FRACTIONS)
    for fraction, value in zip(FRACTIONS, measured, strict=True):
        assert value == pytest.approx(rank_exactly(values, fraction), rel=RELATIVE_ERROR + 1e-9)


@given(latencies, latencies)
def test_merging_is_as_if_one_had_counted_all(one: list[float], other: list[float]) -> None:
    merged = record(one)
    merged.merge(record(other))
    together = record(one + other)
    assert merged.count == together.count
    assert merged.list_buckets() == together.list_buckets()
    assert merged.measure_percentiles(*FRACTIONS) == together.measure_percentiles(*FRACTIONS)


@given(latencies)
def test_the_summary_has_exact_count_mean_and_maximum(values: list[float]) -> None:
    summary = record(values).summarize()
    assert summary is not None
    assert summary.count == len(values)
    assert summary.mean_ms == pytest.approx(sum(values) / len(values) * 1000, abs=0.001)
    assert summary.max_ms == pytest.approx(max(values) * 1000, abs=0.001)


@given(latencies)
def test_every_latency_is_in_a_bucket(values: list[float]) -> None:
    buckets = record(values).list_buckets()
    assert sum(bucket.count for bucket in buckets) == len(values)
    assert [bucket.upper_ms for bucket in buckets] == sorted(b.upper_ms for b in buckets)
    assert buckets[-1].upper_ms >= max(values) * 1000 - 0.001


def test_nothing_counted_has_no_summary() -> None:
    assert LatencyHistogram().summarize() is None
    with pytest.raises(ValueError, match="empty"):
        LatencyHistogram().measure_percentiles(0.5)


def test_no_time_at_all_counts_as_a_microsecond() -> None:
    summary = record([0.0, -1.0]).summarize()
    assert summary is not None
    assert summary.max_ms == 0.001
