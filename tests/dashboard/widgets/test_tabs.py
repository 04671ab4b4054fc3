"""The tabs: what a mouse does on them."""

import pytest

from dashboard.screens.console_screen import MODES
from dashboard.widgets.tabs import Tabs
from tests.support.console.operating import Operator, watch_live


async def click_tab(operator: Operator, words: str) -> None:
    line = operator.screen_text.splitlines()[0]
    await operator.click(Tabs, (line.index(words), 0))


@pytest.mark.parametrize("width", [60, 120])
async def test_a_click_on_a_tab_goes_there(width: int) -> None:
    async with watch_live(size=(width, 48)) as operator:
        for mode, title in [*reversed(MODES), *MODES]:
            await click_tab(operator, title)
            assert operator.console.current_mode == mode


async def test_a_tab_takes_the_mouse_also_while_a_field_takes_keys() -> None:
    async with watch_live() as operator:
        await operator.press("2")
        await operator.type("4711")
        await click_tab(operator, "Health")
        assert operator.console.current_mode == "health"
        await click_tab(operator, "Player")
        assert operator.read_field("#search Input") == "4711"


async def test_a_click_beside_all_tabs_goes_nowhere() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        for words in ("leaderboard", "Health"):
            await click_tab(operator, words)
            assert operator.console.current_mode == "health"
        await operator.click(Tabs, (119, 0))
        assert operator.console.current_mode == "health"


async def test_a_tab_is_found_behind_the_badge_of_another() -> None:
    async with watch_live() as operator:
        await operator.press("3")
        operator.peer.away = {"redis"}
        operator.peer.stale = True
        operator.peer.publish()
        await operator.pass_time(6.0)
        assert "✕" in operator.screen_text.splitlines()[0]
        await click_tab(operator, "✕")
        assert operator.console.current_mode == "health"
