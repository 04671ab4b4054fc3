"""Simulate: starting, watching and commanding runs, which the test makes up."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from textual.widgets import Input

from dashboard.screens.console_screen import ConsoleScreen
from dashboard.screens.simulate.rate_chart import RateChart
from dashboard.screens.simulate.run_view import list_answered
from dashboard.simulation.reports.report import (
    RunState,
    SecondReport,
    TrafficReport,
    describe_options,
)
from dashboard.simulation.reports.run_directory import Command
from dashboard.simulation.workload.plan import RunOptions
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.service_peer import ServicePeer
from tests.support.console.simulating import (
    IDENTITY,
    REASON,
    Runs,
    Simulating,
    make_ended_report,
    make_report,
    open_simulate,
    simulate_closed,
    simulate_ended,
    simulate_running,
    simulate_stages,
    simulate_wrong,
)


async def test_starting_passes_the_form_on_and_shows_the_run() -> None:
    async with open_simulate() as simulating:
        await simulate_stages(simulating)
        await simulating.operator.press("s")
        assert simulating.runs.started == [
            [
                "--stages=0-300x30,300x60",
                "--mix=submit=70,top=10,rank=20",
                "--scores=lognormal",
                "--players=1000",
            ]
        ]
        await simulating.look()
        assert "Finding players" in simulating.operator.notice
        simulating.runs.show(make_report())
        await simulating.look()
        assert "41 of 90 s" in simulating.operator.read("#run")
        assert "running 41/90 s" in simulating.operator.read("#status")


async def test_keys_that_do_nothing_now_say_why_and_what_does() -> None:
    runs = Runs()
    async with open_simulate(runs) as simulating:
        operator = simulating.operator

        async def press(key: str) -> str:
            operator.console.clear_notifications()
            await operator.press(key)
            return " ".join(operator.toasts)

        assert await press("x") == await press("plus") == "No run goes on."
        assert await press("n") == "This is the form of a new run: s starts it."
        assert await press("l") == "No run has left a trace here."
        runs.show(make_report())
        await simulating.look()
        for key in ("s", "u", "h", "n", "l"):
            assert await press(key) == "A run goes on: x stops it."
        runs.show(make_ended_report(), alive=False, ended=True)
        await simulating.look()
        assert await press("s") == "This run has ended: n is for a new one."
        assert "h, then u undoes a score by hand" in await press("u")
        assert "This run has ended" in await press("minus")
        assert runs.started == []
        assert simulating.submitter.submitted == []


async def test_a_run_reads_the_board_that_is_chosen_and_names_it() -> None:
    async with open_simulate(peer=drive_laps()) as simulating:
        operator = simulating.operator
        await choose_board(operator, "laps")
        assert "A run reads Weekly laps." in " ".join(operator.notice.split())
        await operator.press("s")
        assert simulating.runs.started[0][-1] == "--board=weekly-laps"
        simulating.runs.show(make_report(board="weekly-laps"))
        await simulating.look()
        assert "run cafe00, board weekly-laps" in operator.read("#run")
        await operator.press("y")
        assert operator.console.clipboard.startswith("cafe00\tweekly-laps\trunning\t195.0/s")
        screen = operator.console.screen
        assert isinstance(screen, ConsoleScreen)
        rows = list(screen.list_rows())
        assert {(row["run"], row["board"]) for row in rows} == {("cafe00", "weekly-laps")}
        # The file of a run is named after its own board, whichever is shown.
        await choose_board(operator, "global")
        await operator.press("e")
        name = operator.read_field("Prompt Input")
        assert name.startswith("leaderboard-simulate-weekly-laps-20261123-12")


async def test_a_closed_run_has_users_and_no_rate() -> None:
    async with open_simulate() as simulating:
        await simulate_closed(simulating)
        simulating.operator.console.screen.query_one("#field-users", Input).value = "12"
        simulating.operator.console.screen.query_one("#field-seed", Input).value = "5"
        await simulating.operator.press("escape", "s")
    assert simulating.runs.started == [
        [
            "--users=12",
            "--think=1",
            "--duration=60",
            "--mix=submit=70,top=10,rank=20",
            "--scores=lognormal",
            "--players=1000",
            "--seed=5",
        ]
    ]


async def test_a_wrong_field_starts_nothing_and_says_what_is_allowed() -> None:
    async with open_simulate() as simulating:
        await simulate_wrong(simulating)
        assert simulating.runs.started == []
        assert "'walk=3' is not a weight" in simulating.operator.toasts[0]


def read_chart(simulating: Simulating) -> str:
    return simulating.operator.console.screen.query_one("#rate-chart", RateChart).text


async def test_a_pause_takes_no_room_in_the_chart_of_the_plan() -> None:
    runs = Runs()
    steady = [SecondReport(second, 300, 300, 0, 0) for second in range(42)]
    paused = [SecondReport(second, 0, 0, 0, 0) for second in range(20, 50)]
    later = [SecondReport(second, 300, 300, 0, 0) for second in range(50, 72)]
    plan = {"stages": "300x90", "rate": 300.0}
    runs.show(make_report(seconds=tuple(steady), **plan))
    async with open_simulate(runs) as simulating:
        without_pause = read_chart(simulating)
        assert "█" * 20 in without_pause
        seconds = (*steady[:20], *paused, *later)
        pauses = {"paused_seconds": 30.0, "pauses": ((20.0, 50.0),), "elapsed_seconds": 71.2}
        runs.show(make_report(seconds=seconds, **pauses, **plan))
        await simulating.look()
        assert read_chart(simulating) == without_pause


class Counted(tuple[Any, ...]):
    """Counts how often all of it is gone through, or part of it taken."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        self.walks += 1
        return super().__iter__()

    def __getitem__(self, key: Any) -> Any:
        self.walks += isinstance(key, slice)
        return super().__getitem__(key)


def test_pauses_are_gone_through_once_for_all_seconds() -> None:
    seconds = tuple(SecondReport(second, 9, 9, 0, 0) for second in range(101))
    pauses = Counted((start + 0.25, start + 2.0) for start in range(0, 100, 10))
    answered = list_answered(make_report(seconds=seconds, pauses=pauses))
    assert pauses.walks == 1
    assert [part[:2] for part in answered[:4]] == [
        (0, 0.25),
        (0.25, 0.25),
        (0.25, 1.25),
        (1.25, 2.25),
    ]
    assert answered[99].end == 100 - 10 * 1.75


async def test_the_seconds_of_a_run_are_charted_once_for_each_report() -> None:
    runs = Runs()
    seconds = [SecondReport(second, 300, 300, 0, 0) for second in range(42)]
    first = Counted(seconds[:21])
    runs.show(make_report(seconds=first))
    async with open_simulate(runs) as simulating:
        await simulating.operator.pass_time(2.0)
        assert first.walks == 1
        before = read_chart(simulating)
        runs.show(make_report(seconds=tuple(seconds)))
        await simulating.look()
        assert read_chart(simulating) != before


async def test_seconds_that_are_not_kept_are_not_drawn_as_nothing() -> None:
    runs = Runs()
    seconds = tuple(SecondReport(second, 300, 300, 0, 0) for second in range(45, 61))
    runs.show(make_report(seconds=seconds, stages="300x90", elapsed_seconds=60.2))
    async with open_simulate(runs) as simulating:
        lowest = read_chart(simulating).splitlines()[-2]
        assert lowest.strip() == "?" * 25 + "█" * 9


async def test_seconds_that_are_not_kept_are_told_from_those_without_an_answer() -> None:
    runs = Runs()
    seconds = tuple(SecondReport(second, 300, 0, 0, 0) for second in range(45, 61))
    runs.show(make_report(seconds=seconds, stages="300x90", elapsed_seconds=60.2))
    async with open_simulate(runs) as simulating:
        assert read_chart(simulating).splitlines()[-2].strip() == "?" * 25


async def test_a_run_of_a_request_in_an_hour_is_shown() -> None:
    options = RunOptions(rate=0.0003, duration_seconds=3_600, players=1, seed=1)
    runs = Runs()
    runs.show(make_report(**describe_options(options)))
    async with open_simulate(runs) as simulating:
        assert "41 of 3600 s" in simulating.operator.read("#run")


async def test_a_run_that_goes_on_is_taken_up_when_the_console_opens() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs) as simulating:
        assert "run cafe00" in simulating.operator.read("#run")


async def test_keys_command_the_run() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs) as simulating:
        await simulating.operator.press("plus", "minus", "space", "x", "y")
        assert runs.told == [Command.FASTER, Command.SLOWER, Command.PAUSE, Command.STOP]
        assert not simulating.operator.console.state.paused


async def test_without_a_run_space_holds_the_console_still_and_no_command_is_offered() -> None:
    async with open_simulate() as simulating:
        await simulating.operator.press("space")
        assert simulating.operator.console.state.paused
        await simulating.operator.press("x")
        assert simulating.runs.told == []
        offered = simulating.operator.screen_text.splitlines()[-1]
        assert "Start" in offered
        assert "Stop" not in offered
        assert "Faster" not in offered


async def test_the_comparison_stays_until_a_new_run_is_wanted() -> None:
    async with open_simulate() as simulating:
        await simulate_ended(simulating)
        assert "0 lost, 0 counted twice" in simulating.operator.notice
        assert "✓ Ledger: 0 lost, 0 counted twice" in simulating.operator.read("#run")
        await simulating.operator.press("n")
        assert "No run goes on" in simulating.operator.notice
        await simulating.operator.press("l")
        assert "0 lost, 0 counted twice" in simulating.operator.notice


async def test_a_run_that_proves_nothing_ends_as_a_warning() -> None:
    figures = make_report().total
    failing = TrafficReport(8_000, 3_000, 5_000, 0, 75.0, figures.latency, figures.recent_latency)
    problem = "no answer within 30 s"
    async with open_simulate() as simulating:
        await simulate_running(simulating)
        for changes, words in (
            ({"ledger": None, "ledger_problem": problem}, f"not compared: {problem}. n for"),
            ({"total": failing}, "5,000 of 8,000 requests failed; 0 lost, 0 counted twice. n for"),
        ):
            simulating.runs.show(make_ended_report(**changes), alive=False, ended=True)
            await simulating.look()
            notice = " ".join(simulating.operator.notice.split())
            assert notice.startswith(f"▲ warning The run has ended: {words}")


async def test_a_run_that_others_start_is_taken_up_also_from_one_that_has_ended() -> None:
    async with open_simulate() as simulating:
        await simulate_ended(simulating)
        ended = simulating.runs.found
        assert ended is not None
        simulating.runs.show(make_report(run_id="beef00"))
        assert simulating.runs.found is not None
        beef = msgspec.structs.replace(IDENTITY, run_id="beef00")
        simulating.runs.found = msgspec.structs.replace(simulating.runs.found, identity=beef)
        simulating.runs.kept = {"cafe00": ended}
        await simulating.look()
        assert "run beef00" in simulating.operator.read("#run")
        assert "running 41/90 s" in simulating.operator.read("#status")
        await simulating.operator.press("x", "y")
        assert simulating.runs.told == [Command.STOP]


async def test_the_last_answers_of_a_run_are_not_beyond_its_end() -> None:
    runs = Runs()
    runs.show(make_report(state=RunState.DRAINING, elapsed_seconds=97.0))
    async with open_simulate(runs) as simulating:
        assert "draining 90/90 s" in simulating.operator.read("#status")


async def test_a_read_only_console_watches_and_commands_nothing() -> None:
    runs = Runs()
    async with open_simulate(runs, read_only=True) as simulating:
        assert REASON in simulating.operator.notice
        await simulating.operator.press("s")
        assert runs.started == []
        runs.show(make_report())
        await simulating.look()
        await simulating.operator.press("x", "plus", "space")
        assert runs.told == []
        assert "run cafe00" in simulating.operator.read("#run")


async def test_the_chart_keeps_the_target_that_each_second_had() -> None:
    seconds = tuple(
        SecondReport(second, 0, 0, 0, 0, pace=1.0 if second < 10 else 2.0) for second in range(21)
    )
    plan = {"stages": "", "rate": 150.0, "duration_seconds": 40.0}
    async with open_simulate() as simulating:
        simulating.runs.show(make_report(pace=1.0, seconds=seconds, **plan))
        await simulating.look()
        rows = [row[8:] for row in read_chart(simulating).splitlines()[:-1]]
    width = len(rows[0])
    # A column in which the pace changed has its mean, on a row between.
    high, *_, low = (row for row in rows if "─" in row)
    assert high.count("─") == pytest.approx(width / 4, abs=1)
    assert high.index("─") == pytest.approx(width / 4, abs=1)
    assert low.count("─") == pytest.approx(width * 3 / 4, abs=1)


async def test_a_run_is_watched_while_the_service_is_away() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs, peer=ServicePeer(FrozenClock())) as simulating:
        simulating.operator.peer.go_away()
        await simulating.operator.pass_time(3.0)
        assert "live" in simulating.operator.notice
        assert "✕ disconnected" in simulating.operator.read("#status")


async def test_a_run_that_was_started_here_is_stopped_at_once() -> None:
    async with open_simulate() as simulating:
        await simulating.operator.press("s")
        await simulating.look()
        simulating.runs.show(make_report())
        await simulating.look()
        await simulating.operator.press("x")
        assert simulating.runs.told == [Command.STOP]


async def test_a_run_that_was_not_started_here_is_stopped_after_a_question() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs, size=(80, 24)) as simulating:
        operator = simulating.operator
        for answer in (["escape"], ["enter"], ["n", "enter"]):
            await operator.press("x")
            assert "cafe00 was not started here, but at 12:00:00. Stop it?" in operator.screen_text
            await operator.press(*answer)
            assert runs.told == []
        await operator.press("x", "y")
        assert runs.told == [Command.STOP]


async def test_one_key_stops_a_run_of_others_and_head_and_footer_say_which() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs) as simulating:
        operator = simulating.operator
        await operator.press("x")
        assert operator.notice == " ● live y stops this run, escape leaves it."
        footer = operator.screen_text.splitlines()[-1]
        assert "y Stop it" in footer
        assert "esc Cancel" in footer
        assert "Faster" not in footer
        assert "Slower" not in footer
        # Another key is no answer, and does not take the place of what is asked.
        await operator.press("x", "n")
        assert runs.told == []
        assert "y stops it, escape leaves it" in operator.screen_text.splitlines()[-3]
        await operator.press("y")
        assert runs.told == [Command.STOP]
        assert "Stop it?" not in operator.screen_text
        assert "x stops." in operator.notice
        assert operator.console.clipboard == ""


async def test_a_score_by_hand_can_follow_a_run_that_has_ended() -> None:
    async with open_simulate() as simulating:
        operator = simulating.operator
        await simulate_running(simulating)
        await operator.press("h")
        assert "41 of 90 s" in operator.read("#run")
        await simulate_ended(simulating)
        assert "n for a new one, h for a score by hand." in " ".join(operator.notice.split())
        await operator.press("h", "7", "7")
        assert operator.read_field("#submit-user") == "77"
        await operator.press("escape", "l")
        assert "0 lost, 0 counted twice" in operator.notice


async def test_a_console_that_is_closed_ends_no_run() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs) as simulating:
        simulating.operator.send_key("q")
        await simulating.operator.settle()
        assert simulating.operator.console._exit
    assert runs.told == []
