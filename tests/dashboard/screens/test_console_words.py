"""What the console says of itself: which keys do something now, what is held, what it was told."""

from dashboard.simulation.reports.report import RunState
from dashboard.widgets.lines import Lines
from tests.support.console.operating import Operator, watch_live
from tests.support.console.simulating import Runs, make_ended_report, make_report, open_simulate
from tests.support.waiting import wait_until


def read_footer(operator: Operator) -> str:
    return operator.screen_text.splitlines()[-1]


async def footer_has(operator: Operator, words: str) -> bool:
    """Return whether the footer shows that; for 50 ms of real time a new screen draws nothing."""
    await operator.lay_out()
    return words in read_footer(operator)


async def read_help(operator: Operator) -> str:
    await operator.press("question_mark")
    shown = operator.read("#keys")
    await operator.press("escape")
    return shown


async def test_what_is_paused_is_offered_to_be_resumed_on_every_screen() -> None:
    async with watch_live() as operator:
        assert "space Pause" in read_footer(operator)
        await operator.press("space")
        assert "space Resume" in read_footer(operator)
        assert "Resume" in await read_help(operator)
        await operator.press("4")
        await wait_until(lambda: footer_has(operator, "space Resume"))
        assert "‖ figures: 0 held" in operator.read("#status")
        await operator.press("p")
        assert "space Pause" in read_footer(operator)
        assert not operator.console.state.paused


async def test_the_pause_of_the_run_and_that_of_the_figures_are_told_apart() -> None:
    runs = Runs()
    async with open_simulate(runs) as simulating:
        operator = simulating.operator
        assert "space Pause figures" in read_footer(operator)
        await operator.press("space")
        assert "space Resume figures" in read_footer(operator)
        assert "figures are held: space lets them go on" in " ".join(operator.notice.split())
        runs.show(make_report())
        await simulating.look()
        assert "space Pause run" in read_footer(operator)
        assert "p Resume figures" in read_footer(operator)
        assert "figures are held: p lets them go on" in " ".join(operator.notice.split())
        runs.show(make_report(state=RunState.PAUSED))
        await simulating.look()
        assert "space Resume run" in read_footer(operator)
        assert "run: paused 41/90 s" in operator.read("#status")
        await operator.press("p")
        assert not operator.console.state.paused
        assert "figures" not in read_footer(operator)
        assert "held" not in operator.notice


async def test_only_keys_that_do_something_are_offered_on_simulate() -> None:
    runs = Runs()
    async with open_simulate(runs) as simulating:
        operator = simulating.operator
        form = await read_help(operator)
        assert "Filter" not in read_footer(operator) + form
        assert "By hand" in form
        for word in ("Faster", "Slower", "Stop", "New run", "Last run"):
            assert word not in form
        runs.show(make_report())
        await simulating.look()
        running = await read_help(operator)
        assert "Faster" in running
        for word in ("Filter", "By hand", "  s  ", "New run", "Last run"):
            assert word not in running
        runs.show(make_ended_report(), alive=False, ended=True)
        await simulating.look()
        ended = await read_help(operator)
        assert "New run" in ended
        assert "By hand" in ended
        for word in ("Faster", "Slower", "Stop"):
            assert word not in ended
        await operator.press("n")
        assert "Last run" in await read_help(operator)
        await operator.press("1")
        await wait_until(lambda: footer_has(operator, "/ Find"))


async def test_retry_says_what_it_did() -> None:
    async with watch_live() as operator:
        await operator.pass_time(2.0)
        before = len(operator.peer.requests)
        await operator.press("r")
        assert operator.toasts == ["Asked for the board."]
        assert any("/page" in request for request in operator.peer.requests[before:])
        operator.peer.go_away()
        await operator.pass_time(1.0)
        await operator.press("r")
        assert operator.toasts[-1] == "Connecting now."


async def test_what_is_said_covers_neither_status_nor_keys_and_ends_with_the_next_answer() -> None:
    async with watch_live() as operator:
        await operator.press("g", *"999", "enter")
        assert operator.toasts == ["Ranks go from 1 to 9."]
        shown = operator.screen_text.splitlines()
        assert any("Ranks go from" in line for line in shown[:-2])
        assert "connected" in shown[-2]
        assert "no run" in shown[-2]
        assert "^p palette" in shown[-1]
        await operator.press("g", *"4", "enter")
        assert operator.toasts == []
        await operator.press("g", *"999", "enter", "2")
        assert operator.toasts == []


async def test_what_is_said_is_shown_to_its_last_word() -> None:
    async with watch_live() as operator:
        for size, room in (((120, 36), 56), ((100, 30), 46), ((80, 24), 36)):
            await operator.resize(*size)
            assert " end" not in operator.screen_text, size
            for length in (room - 1, room, room + 1, room + 2):
                operator.console.notify(f"{'-' * (length - 4)} end", markup=False)
                await operator.pass_time()
                assert " end" in operator.screen_text, (size, length)
                operator.console.clear_notifications()
                await operator.pass_time()


async def test_a_panel_that_has_the_screen_leaves_the_head_line_and_says_how_to_go_back() -> None:
    async with watch_live() as operator:
        await operator.press("m")
        assert "m or escape: back to all panels. " in operator.notice
        shown = operator.screen_text.splitlines()
        assert any("● live m or escape" in line for line in shown)
        assert "● connected" in shown[-2]
        assert "m All panels" in shown[-1]
        await operator.press("space")
        assert any("‖ paused" in line for line in operator.screen_text.splitlines())
        await operator.press("space", "escape")
        assert "all panels" not in operator.notice
        assert "Movers" in operator.screen_text
        assert "All panels" not in read_footer(operator)


async def test_behind_a_dialog_figures_are_renewed_every_two_seconds_and_alarms_at_once() -> None:
    async with watch_live() as operator:
        await operator.press("b")
        live = operator.console.screen_stack[0]
        notice, verdict = live.query_one("#notice", Lines), live.query_one("#verdict", Lines)
        await operator.pass_time()
        before = notice.text
        await operator.pass_time(1.4)
        assert notice.text == before
        await operator.pass_time(0.8)
        assert notice.text != before
        operator.peer.away = {"postgresql"}
        await operator.pass_time(4.0)
        assert "✕ PostgreSQL away" in verdict.text
        assert "│ Global " in operator.screen_text
