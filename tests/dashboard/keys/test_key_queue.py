"""Keys that arrive together act one after the other."""

import asyncio

from textual import events
from textual.binding import Binding

from dashboard.app import Console
from dashboard.client.gateway import Gateway
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, watch_live
from tests.support.console.service_peer import URL, ServicePeer
from tests.support.waiting import wait_until


async def test_keys_that_arrive_together_go_where_they_would_one_by_one() -> None:
    async with watch_live() as operator:
        await operator.press_together("F", *"qa")
        assert operator.console.is_running
        assert "Nobody of these 9 matches" in operator.notice
        await operator.press_together("ctrl+u", *"gra")
        assert "1 of the 9 listed match “gra”" in operator.notice
        await operator.press("escape")
        await operator.press_together("g", "4", "enter")
        await operator.press("y")
        assert operator.console.clipboard.startswith("4\t4\tbarbara")
        await operator.press_together("2", "4")
        assert "… looking for “4”" in operator.screen_text
        await operator.press("enter")
        await operator.press_together("c", "1", "enter")
        assert "ada is 2,250 points and 3 ranks ahead of barbara" in operator.screen_text
        await operator.press_together("3", "h", "4", "2", "enter")
        assert "user and score are whole numbers" in operator.read("#submit-answer")


async def test_editing_keys_that_arrive_with_text_act_in_their_place() -> None:
    async with watch_live() as operator:
        await operator.press("2", *"123456")
        await operator.press_together(*["backspace"] * 4, *"555")
        assert operator.read_field("PlayerScreen #search Input") == "12555"
        await operator.press_together("ctrl+a", "ctrl+k", *"121")
        assert operator.read_field("PlayerScreen #search Input") == "121"
        await operator.press_together(*"4", "left", "left", "delete", *"78", "home", *"9")
        assert operator.read_field("PlayerScreen #search Input") == "912784"


async def test_text_that_is_pasted_goes_into_the_field_that_a_key_before_it_opened() -> None:
    async with watch_live() as operator:
        operator.send_key("F")
        operator.send(events.Paste("grace"))
        operator.send_key("enter")
        await operator.pass_time()
        await operator.press("y")
        assert operator.console.clipboard.startswith("2\t2\tgrace")


async def test_keys_behind_an_enter_act_on_what_it_brought() -> None:
    async with watch_live() as operator:
        await operator.press_together("F", *"grace", "enter", "f", "y")
        assert operator.console.clipboard.startswith("2\t2\tgrace")
        await operator.press_together("escape", "enter", "c", "1", "enter")
        assert "700 points" in operator.screen_text


async def test_an_enter_from_before_the_console_was_there_is_an_enter() -> None:
    async with watch_live() as operator:
        # The terminal, not yet in a mode of its own, made a newline of it.
        await operator.press_together("2", "4", "ctrl+j", "escape", "y")
        assert "barbara  id 4" in operator.screen_text
        assert operator.console.clipboard.startswith("4\t4\tbarbara")


class Hanging(Console):
    """A console with an action that does not come to an end."""

    BINDINGS = [Binding("b", "hang", "Hang", id="test.hang")]  # noqa: RUF012

    async def action_hang(self) -> None:
        await asyncio.Event().wait()


async def test_a_key_whose_action_hangs_holds_neither_the_screen_nor_the_keys_behind_it() -> None:
    peer = ServicePeer(FrozenClock())
    console = Hanging(Gateway(URL, peer.transport), peer.clock)
    async with console.run_test(size=(120, 36), notifications=True):
        operator = Operator(console, peer)
        await operator.pass_time(1.0)
        await operator.press_together("b")
        peer.add_score(9, 100_000)
        await operator.pass_time(2.0)
        assert "99,965" in operator.screen_text
        operator.send_key("space")
        await wait_until(lambda: console.state.paused)
