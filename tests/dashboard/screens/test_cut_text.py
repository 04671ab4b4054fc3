"""What there is no room for: it ends with an ellipsis, and what to do stays to be read."""

from functools import partial

import httpx
import pytest
from rich.cells import cell_len

from dashboard.client.submitter import SubmitAnswer
from dashboard.simulation.reports.report import GeneratorReport, RunReport
from dashboard.state.event_log import Event
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import drive_laps
from tests.support.console.operating import Operator, look_up, open_console, watch_live
from tests.support.console.service_peer import ServicePeer
from tests.support.console.simulating import (
    Runs,
    Simulating,
    make_ended_report,
    make_report,
    open_simulate,
)

SIZES = ((80, 24), (60, 38))
SCREENS = ("f1", "f2", "f3", "f4")
WIDE_NAME = "漢字" * 18
LIMITED = make_report(generator=GeneratorReport(20.0, 80.0, 300.0, limited=True, cpu_share=0.98))


def read_notice(operator: Operator) -> str:
    """Return the notice as it is drawn, on one line."""
    height = len(operator.notice.splitlines())
    top = operator.console.screen.query_one("#notice").region.y
    lines = operator.screen_text.splitlines()[top : top + height]
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize("size", SIZES)
async def test_a_key_that_is_refused_leaves_retry_and_age_in_sight(size: tuple[int, int]) -> None:
    async with watch_live(size=size) as operator:
        await operator.pass_time(3)
        operator.peer.refuse(401, "key_refused", "The key is not known; send another.")
        operator.peer.close_streams()
        await operator.pass_time(4)
        for screen in SCREENS:
            await operator.press(screen)
            notice = read_notice(operator)
            assert "--api-key or LEADERBOARD_API_KEY and one that was not revoked;" in notice
            assert "(r: now)" in notice
            assert ("shown as of 12:00:02," in notice) is (screen in {"f1", "f4"})


def refuse_boards(message: str, request: httpx.Request) -> httpx.Response | None:
    problem = {"error": message, "code": "role_insufficient", "role": "submit"}
    return httpx.Response(403, json=problem) if "/boards/" in request.url.path else None


@pytest.mark.parametrize("size", SIZES)
async def test_a_refusal_of_any_length_leaves_retry_and_age_in_sight(size: tuple[int, int]) -> None:
    words = "A key of the role read is needed for this, and this one has the role submit."

    async with watch_live(size=size) as operator:
        await operator.pass_time(3)
        for message in (words, f"{words} " * 20):
            operator.peer.fail = partial(refuse_boards, message)
            await operator.pass_time(4)
            notice = read_notice(operator)
            assert notice.endswith(" ago.")
            assert "Asked again each second. Shown as of 12:00:0" in notice
            assert ("LEADERBOARD_API_KEY" in notice) is (message == words)
            assert ("…" in notice) is (message != words)
            assert "ada" in operator.screen_text


@pytest.mark.parametrize("size", SIZES)
async def test_a_long_title_leaves_what_to_press_in_sight(size: tuple[int, int]) -> None:
    peer = drive_laps()
    peer.boards["new-cup"].title = "Autumn championship of the northern leagues, round two " * 4
    async with open_console(peer, size) as operator:
        await operator.pass_time()
        await operator.press("b")
        await operator.type("new-cup")
        await operator.press("enter")
        await operator.pass_time(2)
        assert read_notice(operator).endswith("b chooses another board.")
        await operator.press("3")
        assert "A run reads Autumn championship of the no…." in read_notice(operator)


async def test_no_word_is_lost_beside_wide_characters() -> None:
    async with open_console(ServicePeer(FrozenClock()), (80, 24)) as operator:
        await operator.pass_time()
        await operator.press("2")
        await operator.type(WIDE_NAME)
        await operator.press("enter")
        notice = read_notice(operator)
        assert notice.endswith("…”. Names must match exactly, capitals too.")


async def test_a_comparison_with_nobody_says_how_names_match() -> None:
    async with watch_live(size=(80, 24)) as operator:
        await look_up(operator, "donald")
        await operator.press("c")
        await operator.type("n" * 60)
        await operator.press("enter")
        await operator.pass_time()
        comparison = " ".join(operator.screen_text.split())
        assert "…”. Names must match exactly, capitals too." in comparison


async def test_a_prompt_has_room_for_wide_characters() -> None:
    peer = drive_laps()
    peer.boards["weekly-laps"].title = WIDE_NAME
    async with open_console(peer, (80, 24)) as operator:
        await operator.pass_time()
        await operator.press("b")
        await operator.type("laps")
        await operator.press("enter", "enter")
        await operator.pass_time(2)
        await operator.press("F")
        assert "…, season 7 " in operator.screen_text.splitlines()[-3]


async def submit(simulating: Simulating) -> Operator:
    operator = simulating.operator
    operator.peer.unplayed[4711] = "newcomer"
    await operator.press("h")
    await operator.type("4711")
    await operator.press("tab")
    await operator.type("500")
    await operator.press("enter", "enter")
    return operator


def read_shown(operator: Operator) -> str:
    """Return what is drawn, without the frames of panels."""
    return " ".join(operator.screen_text.replace("│", " ").split())


async def test_a_score_without_an_answer_says_in_eighty_columns_that_it_is_not_written_twice() -> (
    None
):
    async with open_simulate(size=(80, 24)) as simulating:
        for text in ("no answer within 10 s (10.01 s)", "no answer at all " * 20):
            simulating.submitter.answer = SubmitAnswer(accepted=False, known=False, text=text)
            operator = await submit(simulating)
            assert "Enter sends it again under the same key." in read_shown(operator)
            assert text.strip() in read_shown(operator) or "…" in read_shown(operator)
            await operator.press("escape")


async def test_the_answer_by_hand_is_in_sight_also_where_trouble_takes_lines() -> None:
    async with open_simulate(size=(80, 24)) as simulating:
        operator = simulating.operator
        operator.peer.away = {"postgresql"}
        await operator.pass_time(6)
        simulating.submitter.answer = SubmitAnswer(
            accepted=False, known=False, text="no answer within 10 s (10.01 s)"
        )
        await submit(simulating)
        assert "✕ PostgreSQL away" in operator.screen_text
        assert "Enter sends it again under the same key." in read_shown(operator)


async def test_a_refused_lookup_by_hand_is_told_in_two_lines() -> None:
    async with open_simulate(size=(80, 24)) as simulating:
        operator = simulating.operator
        words = "A key of the role read is needed for this, and this one has the role none."
        operator.peer.refuse(403, "role_insufficient", words, path="/api/players")
        await submit(simulating)
        assert "this one has the role none" in read_shown(operator)


async def test_a_long_event_is_read_to_its_end() -> None:
    text = "player 4711, +500, solo: no answer within 10 s (10.01 s), and so nobody knows"
    async with watch_live(size=(80, 24)) as operator:
        await operator.press("4")
        operator.console.state.log.add(
            Event(operator.clock.now(), "By hand", "bad", f"{text} {WIDE_NAME[:12]} end")
        )
        await operator.pass_time()
        await operator.press("m")
        assert text in read_shown(operator)
        assert f"{WIDE_NAME[:12]} end" in read_shown(operator)


async def test_a_copy_that_is_longer_than_its_toast_says_so() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores[0] = (1, "a" * 100, 9400)
    async with watch_live(peer) as operator:
        await operator.press("y")
        assert operator.toasts[-1].endswith("aaa…")
        assert "\t9400\t" in operator.console.clipboard


@pytest.mark.parametrize(
    ("report", "end"),
    [
        (LIMITED, "(80 ms late): lower the rate"),
        (make_ended_report(ledger_problem="no answer " * 9), "15,700 acknowledged, 15,700 kept"),
    ],
)
async def test_the_verdict_on_a_run_is_read_to_its_end(report: RunReport, end: str) -> None:
    runs = Runs()
    async with open_simulate(runs, size=(60, 38)) as simulating:
        runs.show(report)
        await simulating.look()
        # What needs a scroll bar has less room once that is laid out: the next look goes by it.
        await simulating.look()
        run = simulating.operator.console.screen.query_one("#run", Panel)
        assert all(cell_len(line) <= run.room for line in run.text.splitlines())
        assert end in " ".join(run.text.split())


async def test_what_keys_do_is_read_to_its_end_in_sixty_columns() -> None:
    async with watch_live(size=(60, 38)) as operator:
        await operator.press("question_mark")
        listed = operator.console.screen.query_one("#keys", Panel)
        assert all(cell_len(line) <= listed.room for line in listed.text.splitlines())
        assert "Find a player, rank, board, season, run or action" in read_shown(operator)


async def test_a_line_of_which_only_the_last_words_go_says_so() -> None:
    async with watch_live(size=(80, 24)) as operator:
        line = operator.console.screen.query_one("#moved", Lines)
        for words, shown in (("x" * 80, "x" * 80), ("x" * 81, "x" * 79 + "…")):
            for place in (40, 80, len(words)):
                line.show([[(words[:place], ""), (words[place:], "strong"), ("  ", "")]])
                assert line.render_line(0).text == shown
