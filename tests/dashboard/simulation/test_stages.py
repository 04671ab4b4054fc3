from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.simulation.workload.plan import Arrivals, RunOptions, plan_requests, plan_user
from dashboard.simulation.workload.scores import LARGEST_SCORE, Scores
from dashboard.simulation.workload.stages import (
    MAX_RATE,
    MAX_SECONDS,
    Course,
    Stage,
    format_stages,
    parse_stages,
)


def make_options(stages: str, scores: Scores = Scores.LOGNORMAL) -> RunOptions:
    return RunOptions(1, 1, 50, 1, scores=scores, stages=parse_stages(stages))


def test_stages_are_read_and_written_alike() -> None:
    stages = parse_stages("0-300x30, 300x60,300-0x7.5")
    assert stages == (Stage(0, 300, 30), Stage(300, 300, 60), Stage(300, 0, 7.5))
    assert format_stages(stages) == "0-300x30,300x60,300-0x7.5"


RATES = st.floats(0, MAX_RATE)


@given(
    st.lists(
        st.builds(Stage, RATES, RATES, st.floats(0, MAX_SECONDS, exclude_min=True)), min_size=1
    ).map(tuple)
)
@example((Stage(5e-05, 5e-05, 60),))
@example((Stage(1e-7, 5e-05, 12_345.678),))
def test_what_is_written_is_read_as_it_was(stages: tuple[Stage, ...]) -> None:
    assert parse_stages(format_stages(stages)) == stages


@pytest.mark.parametrize("text", ["", "300", "x60", "300x", "1-2-3x4", "300x60,", "axb", "e-5x9"])
def test_what_is_no_stage_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not a stage such as 300x60"):
        parse_stages(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1e9x1", "a rate of 1,000,000,000"),
        ("0x5", "a rate above 0 somewhere"),
        ("1x-1", "a duration of -1 s"),
        ("1x604800,1x1", "longer than"),
    ],
)
def test_stages_that_make_no_course_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Course(parse_stages(text))


def test_a_climb_sends_as_many_as_its_rate_makes() -> None:
    offsets = [request.offset_seconds for request in plan_requests(make_options("0-400x10,400x5"))]
    assert len(offsets) == 2_000 + 2_000
    assert offsets == sorted(offsets)
    assert sum(offset <= 10 for offset in offsets) == pytest.approx(2_000, rel=0.05)
    # A quarter of a climb from nothing is in its first half.
    assert sum(offset <= 5 for offset in offsets) == pytest.approx(500, rel=0.1)


@given(
    start=st.floats(0, 1_000),
    end=st.floats(0, 1_000),
    seconds=st.floats(0.1, 1_000),
    share=st.floats(0, 1),
)
def test_an_offset_is_where_that_many_are_due(
    start: float, end: float, seconds: float, share: float
) -> None:
    stage = Stage(start, end, seconds)
    due = share * stage.requests
    offset = stage.find_offset(due)
    assert 0 <= offset <= seconds
    until = (start + stage.read_rate(offset)) / 2 * offset
    assert until == pytest.approx(due, rel=1e-6, abs=1e-6)


def test_a_course_has_the_rate_and_the_marks_of_its_stages() -> None:
    course = Course(parse_stages("0-300x30,300x60"))
    assert [course.read_rate(seconds) for seconds in (0, 15, 30, 60, 500)] == [
        0,
        150,
        300,
        300,
        300,
    ]
    assert course.list_marks() == [30]
    assert (course.requests, course.duration_seconds) == (22_500, 90)


def test_a_change_of_pace_changes_how_many_are_to_come() -> None:
    arrivals = Arrivals(RunOptions(100, 10, 5, 1))
    first = [next(arrivals) for _ in range(500)]
    arrivals.scale(2)
    rest = list(arrivals)
    assert len(rest) == 1_000
    assert all(earlier <= later for earlier, later in pairwise([*first, *rest]))
    assert rest[-1] <= 10


def test_users_are_reproducible_and_differ_from_each_other() -> None:
    options = RunOptions(1, 1, 3, 9, users=4, think_seconds=2)

    def take(user: int) -> list[tuple[float, object]]:
        return [moment for moment, _ in zip(plan_user(options, user), range(200), strict=False)]

    assert take(1) == take(1)
    assert [think for think, _ in take(0)] != [think for think, _ in take(3)]
    assert sum(think for think, _ in take(0)) / 200 == pytest.approx(2, rel=0.3)


@pytest.mark.parametrize("scores", Scores)
def test_scores_stay_within_what_the_service_takes(scores: Scores) -> None:
    drawn = [request.score for request in plan_requests(make_options("1000x5", scores))]
    assert all(0 <= score <= LARGEST_SCORE for score in drawn)
    assert (len(set(drawn)) == 1) is (scores is Scores.CONSTANT)
