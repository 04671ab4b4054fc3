"""Operating the console in a test: time moves by hand, the screen is read as text."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random

from textual import events
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from dashboard.app import TICK_SECONDS, Console
from dashboard.client.gateway import Gateway
from dashboard.client.rights import Rights
from dashboard.configuration.preferences import Preferences
from dashboard.runs.desk import RunDesk
from dashboard.screens.console_screen import ConsoleScreen
from dashboard.screens.live.board_view import BoardView
from dashboard.state.address import Address
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.headless import read_screen
from tests.support.console.service_peer import URL, ServicePeer
from tests.support.waiting import PATIENCE_SECONDS

_CHARACTERS = {
    "space": " ",
    "underscore": "_",
    "minus": "-",
    "slash": "/",
    "full_stop": ".",
    "question_mark": "?",
    "number_sign": "#",
    "colon": ":",
}


class PatientConsole(Console):
    """Has all the time that a busy machine needs for a key.

    Its toasts stay, and so does each key until what it has set off is done: for both a console
    counts seconds of real time.
    """

    NOTIFICATION_TIMEOUT = 3600.0
    LONGEST_WAIT_SECONDS = 3600.0


class PatientGateway(Gateway):
    """Waits for a real service as long as a busy machine needs: the clock stands still."""

    def __init__(self, url: str, *, api_key: str | None = None) -> None:
        super().__init__(url, api_key=api_key)
        self._client.timeout = PATIENCE_SECONDS


class Operator:
    """Presses keys, lets time pass, reads what is shown."""

    def __init__(self, console: Console, peer: ServicePeer) -> None:
        self.console = console
        self.peer = peer
        self.clock = peer.clock

    async def pass_time(self, seconds: float = TICK_SECONDS, step: float = 0.0) -> None:
        """Let time pass, and whoever wakes in it do all there is to do.

        In steps of at least `step`: minutes need not be shown five times a second.
        """
        end = self.clock.seconds + seconds
        await self.lay_out()
        while (at := self.clock.find_next()) is not None and at <= end + 1e-9:
            self.clock.move(min(max(at, self.clock.seconds + step), end))
            await self.settle()
        self.clock.move(end)
        await self.lay_out()

    async def lay_out(self) -> None:
        """Lay out until nothing is left to be laid out or noted as to be drawn.

        Textual puts that off by a sixtieth of a second, of real time, and by a twentieth where
        another screen comes to the front; a new screen is laid out in several turns.
        """
        await self.settle()
        while self._end_delays() or self._is_unsettled():
            self.console.screen._on_timer_update()
            await self.settle()

    def _end_delays(self) -> bool:
        """Let the console draw that has just changed screens; return whether it did not."""
        timers = [timer for timer in self.console._timers if timer.name == "delay_update"]
        waiting = [timer for timer in timers if timer._task and not timer._task.done()]
        for timer in waiting:
            timer.stop()
            assert timer._callback is not None
            timer._callback()
        return bool(waiting)

    def _is_unsettled(self) -> bool:
        screen = self.console.screen
        return not self.console._batch_count and bool(
            screen._layout_required
            or screen._scroll_required
            or screen._repaint_required
            or screen._recompose_required
            or screen._dirty_widgets
            or screen._callbacks
        )

    async def settle(self) -> None:
        """Let everything happen that waits for nothing but its turn.

        Clock and service are both in this loop: when it has nothing left to run, all is done,
        however slow the machine.
        """
        loop = asyncio.get_running_loop()
        while True:
            if not loop._ready:  # type: ignore[attr-defined]
                return
            await asyncio.sleep(0)

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size, and show what the next tick would in it."""
        await Pilot(self.console).resize_terminal(width, height)
        await self.lay_out()
        for screen in self.console.screen_stack:
            if isinstance(screen, ConsoleScreen):
                screen.show()
        await self.lay_out()

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, and see what comes of them all."""
        for key in keys:
            self.send_key(key)
            await self.settle()
        await self.pass_time()

    async def press_together(self, *keys: str) -> None:
        """Press keys of which none has acted when the next arrives, as on a slow line."""
        for key in keys:
            self.send_key(key)
        await self.pass_time()

    def send_key(self, key: str) -> None:
        self.send(events.Key(key, key if len(key) == 1 else _CHARACTERS.get(key)))

    def send(self, event: events.Event) -> None:
        """Let the terminal send something."""
        driver = self.console._driver
        assert driver is not None
        event.set_sender(self.console)
        driver.send_message(event)

    async def click(self, kind: type[Widget], offset: tuple[int, int], times: int = 1) -> None:
        await Pilot(self.console).click(kind, offset=offset, times=times)
        await self.pass_time()

    async def type(self, text: str) -> None:
        names = {character: name for name, character in _CHARACTERS.items()}
        await self.press(*(names.get(character, character) for character in text))

    @property
    def screen_text(self) -> str:
        return read_screen(self.console)

    @property
    def notice(self) -> str:
        return self.read("#notice")

    def read(self, selector: str) -> str:
        widget = self.console.screen.query_one(selector, Widget)
        assert isinstance(widget, Lines | Panel)
        return widget.text

    def read_field(self, selector: str) -> str:
        return self.console.screen.query_one(selector, Input).value

    @property
    def toasts(self) -> list[str]:
        return [notification.message for notification in self.console._notifications]


@asynccontextmanager
async def open_console(
    peer: ServicePeer,
    size: tuple[int, int] = (120, 36),
    *,
    keymap: Mapping[str, str] | None = None,
    mode: str = "live",
    desk: RunDesk | None = None,
    plain_marks: bool = False,
    start: Address | None = None,
    rights: Rights | None = None,
    preferences: Preferences | None = None,
) -> AsyncIterator[Operator]:
    """Run the console against a peer, before its first tick; `mode` is the screen it opens on."""
    kind = type("PatientConsole", (PatientConsole,), {"DEFAULT_MODE": mode})
    console = kind(
        Gateway(URL, peer.transport, rights=rights, clock=peer.clock),
        peer.clock,
        Random(7),
        desk,
        preferences=preferences,
        plain_marks=plain_marks,
        start=start,
    )
    console.set_keymap(keymap or {})
    async with console.run_test(size=size, notifications=True):
        yield Operator(console, peer)
        # What nobody has read must be fit to be drawn, too.
        read_screen(console)


@asynccontextmanager
async def watch_live(
    peer: ServicePeer | None = None,
    size: tuple[int, int] = (120, 36),
    *,
    keymap: Mapping[str, str] | None = None,
) -> AsyncIterator[Operator]:
    """Run the console until it shows the peer's board."""
    peer = peer or ServicePeer(FrozenClock())
    async with open_console(peer, size, keymap=keymap) as operator:
        await operator.pass_time()
        yield operator


def find_board(operator: Operator) -> BoardView:
    return operator.console.screen.query_one(BoardView)


async def look_up(operator: Operator, wanted: str) -> None:
    await operator.press("2")
    await operator.type(wanted)
    await operator.press("enter")


async def look_up_again(operator: Operator, wanted: str) -> None:
    await operator.press("tab", "ctrl+u")
    await operator.type(wanted)
    await operator.press("enter")
