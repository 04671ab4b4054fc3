"""What there is no room for: it ends with an ellipsis, and what to do stays to be read."""

from rich.cells import cell_len

from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import drive_laps
from tests.support.console.operating import Operator, open_console, watch_live
from tests.support.console.service_peer import ServicePeer

SIZES = ((80, 24), (60, 38))
SCREENS = ("f1", "f2", "f3", "f4")
WIDE_NAME = "漢字" * 18


def read_notice(operator: Operator) -> str:
    """Return the notice as it is drawn, on one line."""
    height = len(operator.notice.splitlines())
    top = operator.console.screen.query_one("#notice").region.y
    lines = operator.screen_text.splitlines()[top : top + height]
    return " ".join(" ".join(lines).split())


async def test_no_word_is_lost_beside_wide_characters() -> None:
    async with open_console(ServicePeer(FrozenClock()), (80, 24)) as operator:
        await operator.pass_time()
        await operator.press("2")
        await operator.type(WIDE_NAME)
        await operator.press("enter")
        notice = read_notice(operator)
        assert notice.endswith("…”. Names must match exactly, capitals too.")


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


def read_shown(operator: Operator) -> str:
    """Return what is drawn, without the frames of panels."""
    return " ".join(operator.screen_text.replace("│", " ").split())


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
