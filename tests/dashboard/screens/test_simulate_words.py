"""What the Simulate screen tells an operator who sees it for the first time."""

import pytest
from textual.widgets import Input

from dashboard.client.submitter import SubmitAnswer
from dashboard.simulation.reports.report import RunReport, RunState
from dashboard.widgets.lines import Lines
from tests.support.console.frozen_clock import START
from tests.support.console.simulating import Runs, Simulating, make_report, open_simulate


def fill(simulating: Simulating, **values: str) -> None:
    for name, value in values.items():
        simulating.operator.console.screen.query_one(f"#field-{name}", Input).value = value


def join(simulating: Simulating, selector: str) -> str:
    """Return what is said there, however it is broken into lines."""
    return " ".join(simulating.operator.read(selector).split())


WRONG_FIELDS = (
    ("rate", "999999999", "Rate a second", "999,999,999 is not above 0 and at most 100,000"),
    ("duration", "ten", "Seconds", "Seconds: 'ten' is not a number"),
    ("duration", "604801", "Seconds", "a duration of 604,801 s is not above 0"),
    ("stages", "0-300", "or stages", "(from 0 to 300 in 60 s)"),
    ("mix", "walk=3", "Mix", "of one of submit, top, rank"),
    ("players", "", "Players", "Players: this field is empty"),
    ("rate", "2,5", "Rate a second", "Rate a second: '2,5' is not a number"),
    ("seed", "1.5", "Seed", "Seed: '1.5' is not a whole number"),
)


async def test_what_is_wrong_is_said_in_full_and_its_field_is_marked() -> None:
    async with open_simulate(size=(80, 24)) as simulating:
        for field, value, label, words in WRONG_FIELDS:
            case = f"{field}={value}"
            fill(simulating, **{field: value})
            await simulating.operator.pass_time()
            assert words in join(simulating, "#course-text"), case
            assert simulating.operator.read(f"#label-{field}") == f"✕ {label}", case
            box = simulating.operator.console.screen.query_one("#course-text", Lines)
            assert len(box.text.splitlines()) <= box.size.height, case
            assert all(len(line) <= box.size.width for line in box.text.splitlines()), case
            fill(simulating, **{field: {"mix": "top=1", "stages": ""}.get(field, "7")})
            await simulating.operator.pass_time()
            assert simulating.operator.read(f"#label-{field}") == label, case


async def test_a_users_field_that_is_empty_is_called_empty() -> None:
    async with open_simulate() as simulating:
        await simulating.operator.press("tab", "right")
        fill(simulating, users="")
        await simulating.operator.pass_time()
        assert join(simulating, "#course-text") == "✕ Users: this field is empty"


async def test_numbers_may_have_commas_between_thousands() -> None:
    async with open_simulate() as simulating:
        fill(simulating, rate="10,000", players="1,000", seed="2,000")
        await simulating.operator.pass_time()
        assert "600,000 requests in 60 s" in join(simulating, "#course-text")
        await simulating.operator.press("s")
    [arguments] = simulating.runs.started
    assert {"--rate=10000", "--players=1000", "--seed=2000"} < set(arguments)
    assert "--mix=submit=70,top=10,rank=20" in arguments


async def test_one_stage_is_not_several_and_the_axis_ends_at_the_highest_rate() -> None:
    async with open_simulate() as simulating:
        fill(simulating, stages="0-200x30")
        await simulating.operator.pass_time()
        assert join(simulating, "#course-text") == "3,000 requests in 30 s in 1 stage"
        assert " 200/s " in simulating.text


async def test_the_form_says_how_to_start_and_how_a_score_by_hand_is_written_and_undone() -> None:
    async with open_simulate(size=(80, 24)) as simulating:
        assert "s starts it; in a field, enter" in simulating.text
        assert "The scores it submits stay for ever." in simulating.text
        # It is how it is done, and no warning.
        assert "▲" not in simulating.operator.read("#submit-hint")
        steps = "Enter shows the player, Enter again writes it; after escape u undoes it."
        assert steps in simulating.text
        assert "Score -9,007,199,254,740,991 to 9,007,199,254,740,991" in simulating.text
        assert "mode up to 50 letters" in simulating.text


async def test_what_was_wrong_by_hand_is_forgotten_once_the_operator_is_elsewhere() -> None:
    async with open_simulate() as simulating:
        await simulating.operator.press("h", "x", "enter", "tab")
        assert "whole numbers" in simulating.operator.read("#submit-answer")
        await simulating.operator.press("escape")
        assert simulating.operator.read("#submit-answer") == ""


async def test_a_score_that_was_accepted_stays_on_the_screen() -> None:
    async with open_simulate() as simulating:
        await simulating.operator.press("h", *"4", "tab", *"7", "enter", "enter", "escape")
        assert "session 1001" in simulating.operator.read("#submit-answer")


async def test_what_the_service_refused_stays_until_something_else_is_said() -> None:
    async with open_simulate() as simulating:
        operator = simulating.operator
        refused = "404 user_not_found: There is no such user. (2.0 ms)"
        simulating.submitter.answer = SubmitAnswer(accepted=False, known=True, text=refused)
        await operator.press("h", *"4", "tab", *"7", "enter", "enter", "escape")
        assert operator.read("#submit-answer") == f"✕ player 4, +7, solo: {refused}"
        # What was typed wrong since takes its place, and goes as it does elsewhere.
        await operator.press("h", "x", "enter")
        assert "whole numbers" in operator.read("#submit-answer")
        await operator.press("escape")
        assert operator.read("#submit-answer") == ""
        await operator.press("h", "y", "enter", "backspace", "4", "enter", "enter", "escape")
        assert refused in operator.read("#submit-answer")


async def test_a_paused_run_claims_no_rate() -> None:
    runs = Runs()
    runs.show(make_report(state=RunState.PAUSED))
    async with open_simulate(runs) as simulating:
        assert "achieved ‖ paused   target 300/s" in simulating.operator.read("#run")


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.PAUSED, RunState.DRAINING])
async def test_figures_of_a_run_that_writes_none_any_more_are_old_ones(state: RunState) -> None:
    runs = Runs(written_at=START)
    runs.show(make_report(state=state))
    async with open_simulate(runs) as simulating:
        operator = simulating.operator
        assert " ◐ " not in operator.screen_text
        await operator.pass_time(600.0, step=5.0)
        notice = " ".join(operator.notice.split())
        assert notice.startswith("◐ stale as of 12:00:00, 10 min ago: the run writes no figures")
        assert "its process 4300 hangs, or its disk is full" in notice
        run = operator.read("#run")
        assert "◐ writes no figures   seed 7" in run
        assert "running" not in run
        assert "41 of 90 s" in run
        assert "run: no figures for 10 min" in operator.read("#status")
        await operator.press("4")
        assert " 3 Simulate ◐ " in operator.screen_text
        events = operator.read("#events")
        assert "✕ Run        cafe00 writes no figures since 12:00:00" in events
        runs.written_at = operator.console.state.clock.now()
        runs.show(make_report())
        await operator.press("3")
        await simulating.look()
        assert operator.notice.startswith(" ● live")
        assert "▶ running" in operator.read("#run")
        await operator.press("4")
        assert "· Run        cafe00 writes figures again" in operator.read("#events")


@pytest.mark.parametrize("report", [None, make_report(state=RunState.FINISHED)])
async def test_a_run_that_seldom_writes_is_not_said_to_hang(report: RunReport | None) -> None:
    runs = Runs(written_at=START)
    runs.show(report)
    async with open_simulate(runs) as simulating:
        await simulating.operator.pass_time(60.0, step=5.0)
        assert "writes no figures" not in simulating.text
        assert "no figures for" not in simulating.text


async def test_all_percentiles_are_there_over_ten_seconds_too() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs) as simulating:
        recent = simulating.operator.read("#latency").splitlines()[1]
        assert recent.split("  ")[-1].strip() == "120 ms"
        assert "·" not in recent


async def test_the_chart_of_users_speaks_of_no_target() -> None:
    runs = Runs()
    runs.show(make_report(model="closed", rate=None, users=30, target_rate=None, active_users=30))
    async with open_simulate(runs) as simulating:
        assert "─ Answered a second ─" in simulating.text
        runs.show(make_report())
        await simulating.look()
        assert "─ Answered a second, and the target ─" in simulating.text
