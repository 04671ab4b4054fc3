import statistics
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.simulation.workload.plan import (
    GAME_MODES,
    Mix,
    RequestKind,
    RunOptions,
    plan_requests,
)
from dashboard.simulation.workload.scores import LARGEST_SCORE


def make_options(**changes: Any) -> RunOptions:
    options: dict[str, Any] = {"rate": 100, "duration_seconds": 10, "players": 50, "seed": 1}
    return RunOptions(**options | changes)


def test_the_same_options_give_the_same_plan() -> None:
    assert list(plan_requests(make_options())) == list(plan_requests(make_options()))


def test_another_seed_gives_other_arrivals_and_other_contents() -> None:
    one, other = (list(plan_requests(make_options(seed=seed))) for seed in (1, 2))
    assert {request.offset_seconds for request in one}.isdisjoint(
        request.offset_seconds for request in other
    )
    assert [request.score for request in one] != [request.score for request in other]


def test_contents_and_arrivals_do_not_depend_on_the_mix() -> None:
    submits, ranks = (
        [request._replace(kind=RequestKind.TOP) for request in plan_requests(make_options(mix=mix))]
        for mix in (Mix(1, 0, 0), Mix(0, 0, 1))
    )
    assert submits == ranks


@given(
    rate=st.floats(0.1, 2_000),
    duration_seconds=st.floats(0.1, 2),
    players=st.integers(1, 1_000),
    seed=st.integers(),
)
def test_every_plan_keeps_its_rate_and_its_bounds(
    rate: float, duration_seconds: float, players: int, seed: int
) -> None:
    requests = list(plan_requests(RunOptions(rate, duration_seconds, players, seed)))
    assert len(requests) == max(1, round(rate * duration_seconds))
    assert [request.number for request in requests] == list(range(len(requests)))
    offsets = [request.offset_seconds for request in requests]
    assert offsets == sorted(offsets)
    assert all(0 <= offset <= duration_seconds for offset in offsets)
    assert all(0 <= request.player < players for request in requests)
    assert all(0 <= request.score <= LARGEST_SCORE for request in requests)
    assert all(request.game_mode in GAME_MODES for request in requests)


def test_arrivals_are_those_of_a_poisson_process() -> None:
    requests = plan_requests(make_options(rate=1_000, duration_seconds=100))
    offsets = [request.offset_seconds for request in requests]
    gaps = [later - earlier for earlier, later in pairwise(offsets)]
    # Exponential gaps: as much deviation as mean, and 1/e of them longer than the mean.
    assert statistics.mean(gaps) == pytest.approx(0.001, rel=0.01)
    assert statistics.stdev(gaps) == pytest.approx(0.001, rel=0.02)
    assert sum(gap > 0.001 for gap in gaps) / len(gaps) == pytest.approx(0.3679, rel=0.02)
    # Independent of the place in the run: a fifth of the arrivals in each fifth of it.
    assert sum(offset < 20 for offset in offsets) == pytest.approx(20_000, rel=0.03)


def test_the_mix_sets_the_shares() -> None:
    kinds = [
        request.kind
        for request in plan_requests(make_options(rate=10_000, mix=Mix(submit=6, top=1, rank=3)))
    ]
    assert kinds.count(RequestKind.SUBMIT) == pytest.approx(60_000, rel=0.02)
    assert kinds.count(RequestKind.TOP) == pytest.approx(10_000, rel=0.03)
    assert kinds.count(RequestKind.RANK) == pytest.approx(30_000, rel=0.02)


def test_a_kind_without_weight_is_never_sent() -> None:
    requests = plan_requests(make_options(mix=Mix(submit=0, top=1, rank=0)))
    assert {request.kind for request in requests} == {RequestKind.TOP}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 0}, "a rate of 0"),
        ({"rate": float("nan")}, "a rate of nan"),
        ({"rate": 1e9}, "a rate of 1,000,000,000"),
        ({"duration_seconds": -1}, "a duration of -1 s"),
        ({"duration_seconds": float("inf")}, "a duration of inf s"),
        ({"players": 0}, "0 players"),
    ],
)
def test_options_that_make_no_run_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_options(**changes)


@pytest.mark.parametrize("weights", [(0, 0, 0), (1, -1, 1), (float("nan"), 1, 1), (1e300, 1, 1)])
def test_weights_that_make_no_mix_are_refused(weights: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Mix(*weights)
