"""Counts and latencies of requests by route, and how those of several processes add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.counters import SLOW_SECONDS, Stages
from service.request_ids import request_id
from service.status.request_metrics import (
    RequestMetrics,
    RouteFigures,
    compute_quantile_ms,
    find_bucket,
    merge_figures,
)

latencies_ms = st.floats(min_value=0.01, max_value=60_000)


def record(metrics: RequestMetrics, route: str, *latencies: float, status: int = 200) -> None:
    for latency_ms in latencies:
        metrics.record(route, status, latency_ms / 1000)


@given(latency_ms=latencies_ms)
def test_quantile_of_one_request_is_its_latency(latency_ms: float) -> None:
    measured = compute_quantile_ms({find_bucket(latency_ms / 1000): 1}, 0.99)
    assert measured == pytest.approx(latency_ms, rel=0.06, abs=0.001)


@given(latencies=st.lists(latencies_ms, min_size=1, max_size=200))
def test_quantiles_are_those_of_the_requests(latencies: list[float]) -> None:
    metrics = RequestMetrics()
    record(metrics, "GET /", *latencies)
    figures = metrics.read()["GET /"]
    latencies.sort()
    for quantile in 0.5, 0.95, 0.99:
        # The least latency that at least this share of the requests did not exceed.
        wanted = next(
            latency
            for number, latency in enumerate(latencies, 1)
            if number >= quantile * len(latencies)
        )
        measured = compute_quantile_ms(figures.latencies, quantile)
        assert measured == pytest.approx(wanted, rel=0.06, abs=0.001)
    assert figures.max_ms == pytest.approx(latencies[-1])


@given(latencies=st.lists(latencies_ms, min_size=1, max_size=20))
def test_no_quantile_is_longer_than_the_longest_request(latencies: list[float]) -> None:
    metrics = RequestMetrics()
    record(metrics, "GET /", *latencies)
    figures = metrics.read()["GET /"]
    measured = figures.compute_quantile_ms(0.99)
    assert measured is not None
    assert measured <= round(figures.max_ms, 3)


def test_of_no_request_in_the_last_minute_nothing_is_told() -> None:
    assert compute_quantile_ms({}, 0.5) is None
    figures = RouteFigures(statuses={200: 3})
    assert figures.compute_quantile_ms(0.5) is None
    assert figures.longest_ms is None


def test_routes_are_counted_apart() -> None:
    metrics = RequestMetrics()
    record(metrics, "GET /a", 1, 2, 3)
    record(metrics, "GET /b", 1)
    record(metrics, "GET /b", 1, 1, status=503)
    record(metrics, "GET /b", 1, status=404)
    figures = metrics.read()
    assert {name: (route.count, route.server_errors) for name, route in figures.items()} == {
        "GET /a": (3, 0),
        "GET /b": (4, 2),
    }


def test_figures_of_processes_add_up() -> None:
    one, other, both = RequestMetrics(), RequestMetrics(), RequestMetrics()
    for metrics in one, both:
        record(metrics, "GET /a", 1, 20, 300)
    for metrics in other, both:
        record(metrics, "GET /a", 4_000, status=500)
        record(metrics, "GET /b", 5)
    assert merge_figures([one.read(), other.read()]) == both.read()


def test_stages_are_counted_apart_and_add_up() -> None:
    one, other = RequestMetrics(), RequestMetrics()
    spent = Stages(queue=0.002)
    spent.pool, spent.statement, spent.commit = 0.001, -0.000_001, 0.04
    one.record_stages("GET /a", spent)
    other.record_stages("GET /a", spent)
    record(other, "GET /b", 1)
    merged = merge_figures([one.read(), other.read()])
    assert {name: sum(counts.values()) for name, counts in merged["GET /a"].stages.items()} == {
        "queue": 2,
        "pool": 2,
        "statement": 2,
        "commit": 2,
    }
    commit = compute_quantile_ms(merged["GET /a"].stages["commit"], 0.99)
    assert commit == pytest.approx(40, rel=0.06)
    assert merged["GET /b"].stages == {}
    assert merged["GET /a"].measured == 2
    assert merged["GET /a"].stage_seconds == {
        "queue": pytest.approx(0.004),
        "pool": pytest.approx(0.002),
        "statement": 0.0,
        "commit": pytest.approx(0.08),
    }
    assert (merged["GET /b"].measured, merged["GET /b"].stage_seconds) == (0, {})


def test_the_last_slow_requests_are_remembered_and_no_more() -> None:
    metrics = RequestMetrics()
    record(metrics, "GET /a", 1000 * SLOW_SECONDS - 1)
    assert metrics.slow == []
    for number in range(100):
        request_id.set(f"id-{number}")
        record(metrics, "GET /a", 1000 * SLOW_SECONDS + number, status=503)
    assert [slow.request_id for slow in metrics.slow[:2]] == ["id-99", "id-98"]
    assert (metrics.slow[0].route, metrics.slow[0].status) == ("GET /a", 503)
    assert metrics.slow[0].ms == pytest.approx(1000 * SLOW_SECONDS + 99)
    assert len(metrics.slow) == 20
