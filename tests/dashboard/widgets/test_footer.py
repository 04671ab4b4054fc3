"""The line of keys: what a mouse does on it, and what it costs to name other keys."""

import pytest
from textual import events
from textual.pilot import Pilot

from dashboard.screens.keys_help import KeysScreen
from dashboard.widgets.footer import KeyLine
from tests.support.console.operating import Operator, watch_live


def find_place(operator: Operator, words: str) -> tuple[int, int]:
    """Return where in the last line these words are."""
    lines = operator.screen_text.splitlines()
    return lines[-1].index(words), len(lines) - 1


def find_lines(operator: Operator) -> list[KeyLine]:
    return list(operator.console.screen.query(KeyLine))


def find_colours(operator: Operator, words: str) -> set[str]:
    """Return the backgrounds of these words in the last line."""
    start, _ = find_place(operator, words)
    strip = operator.console.screen._compositor.render_strips()[-1]
    part = strip.crop(start, start + len(words))
    return {str(segment.style.bgcolor) for segment in part if segment.style}


@pytest.mark.parametrize("words", ["? Keys", "Keys"])
async def test_a_click_on_a_key_presses_it(words: str) -> None:
    async with watch_live() as operator:
        await Pilot(operator.console).click(offset=find_place(operator, words))
        await operator.pass_time()
        assert isinstance(operator.console.screen, KeysScreen)


async def test_a_click_beside_all_keys_presses_none() -> None:
    async with watch_live() as operator:
        shown = operator.screen_text
        x, y = find_place(operator, "▏^p palette")
        await Pilot(operator.console).click(offset=(x - 3, y))
        await operator.pass_time(0.0)
        assert operator.screen_text == shown


async def test_the_key_under_the_mouse_is_marked_and_no_other() -> None:
    async with watch_live() as operator:
        (plain,) = find_colours(operator, "q Quit")
        await Pilot(operator.console).hover(offset=find_place(operator, "Quit"))
        await operator.pass_time()
        (marked,) = find_colours(operator, "q Quit")
        assert marked != plain
        assert find_colours(operator, "? Keys") == {plain}
        await Pilot(operator.console).hover(offset=find_place(operator, "^p"))
        await operator.pass_time()
        assert find_colours(operator, "q Quit") == {plain}
        assert find_colours(operator, "▏^p palette") == {marked}
        await Pilot(operator.console).hover(offset=(0, 5))
        await operator.pass_time()
        assert find_colours(operator, "▏^p palette") == {plain}


async def test_a_tooltip_says_what_the_key_under_the_mouse_does() -> None:
    async with watch_live() as operator:
        keys, palette = find_lines(operator)
        await Pilot(operator.console).hover(offset=find_place(operator, "palette"))
        await operator.pass_time()
        assert (keys.tooltip, palette.tooltip) == (None, "palette")
        await Pilot(operator.console).hover(offset=(0, 5))
        await operator.pass_time()
        assert (keys.tooltip, palette.tooltip) == (None, None)


async def test_keys_change_in_the_parts_that_are_there() -> None:
    async with watch_live() as operator:
        lines = find_lines(operator)
        assert "f Follow" in operator.screen_text
        await operator.press("F")
        assert "f Follow" not in operator.screen_text
        assert "esc Cancel" in operator.screen_text
        assert find_lines(operator) == lines


async def test_keys_are_named_also_while_another_window_has_the_focus() -> None:
    async with watch_live() as operator:
        operator.send(events.AppBlur())
        await operator.press("4")
        assert "Next panel" in operator.screen_text.splitlines()[-1]


@pytest.mark.parametrize("width", [60, 70, 80])
async def test_a_key_is_named_whole_or_not_at_all(width: int) -> None:
    async with watch_live(size=(width, 48)) as operator:
        operator.peer.away = {"redis"}
        await operator.pass_time(6.0)
        for screen in ("f1", "f3", "f4"):
            await operator.press(screen)
            line = operator.screen_text.splitlines()[-1]
            assert "? Keys " in line
            assert "palette" in line
            assert "q " not in line or "q Quit " in line


async def test_under_a_dialog_its_own_keys_are_named() -> None:
    async with watch_live() as operator:
        for key, name in (("W", "esc Close"), ("b", "esc Back"), ("question_mark", "esc Close")):
            await operator.press(key)
            await operator.lay_out()
            line = operator.screen_text.splitlines()[-1]
            assert name in line, key
            assert "Follow" not in line, key
            await operator.press("escape")
            assert "f Follow" in operator.screen_text.splitlines()[-1], key
