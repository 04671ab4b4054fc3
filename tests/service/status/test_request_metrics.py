"""Counts and latencies of requests by route, and how those of several processes add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.status.request_metrics import (
    RequestMetrics,
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


def test_quantile_of_no_request_is_none() -> None:
    assert compute_quantile_ms({}, 0.5) is None


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
