"""The console: wires connection, watch and screens together, and holds the keys they share."""

from functools import partial
from random import Random
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType

from dashboard.clock import Clock, SystemClock
from dashboard.connection import Connection
from dashboard.gateway import Gateway
from dashboard.messages import LinkChanged, StatusArrived, StatusRefused, Ticked, TopArrived
from dashboard.picture import Picture
from dashboard.screens.console_screen import ConsoleScreen
from dashboard.screens.live import LiveScreen
from dashboard.screens.simulate import SimulateScreen

TICK_SECONDS = 0.2
"""Pause between two looks of the screen; a flash lasts three of them."""


class Console(App[None]):
    """The operator console of one leaderboard service."""

    TITLE = "leaderboard"
    CSS_PATH = "dashboard.tcss"
    # Mypy takes the unions that Textual declares these with for instance variables.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1,f1", "switch_mode('live')", "Live", show=False, id="mode.live"),
        Binding("3,f3", "switch_mode('simulate')", "Simulate", show=False, id="mode.simulate"),
        Binding("r", "retry", "Retry", show=False, id="console.retry"),
        Binding("q", "quit", "Quit", id="console.quit"),
    ]

    def __init__(
        self, gateway: Gateway, clock: Clock | None = None, random: Random | None = None
    ) -> None:
        super().__init__()
        self._gateway = gateway
        self._clock = clock or SystemClock()
        self._random = random or Random()  # noqa: S311  spreads attempts, guards nothing
        self.picture = Picture(self._clock, gateway.url)
        self._connection = Connection(gateway, self._clock, self._random, self.post_message)
        self.add_mode("live", partial(LiveScreen, self.picture))
        self.add_mode("simulate", partial(SimulateScreen, self.picture))

    def on_mount(self) -> None:
        """Start watching."""
        self.switch_mode("live")
        self.keep_in_touch()
        self.tick()

    @work(exit_on_error=False)
    async def keep_in_touch(self) -> None:
        """Hear from the service for as long as the console runs."""
        await self._connection.run()

    @work(exit_on_error=False)
    async def tick(self) -> None:
        """Let time pass on the screen."""
        while True:
            await self._clock.sleep(TICK_SECONDS)
            self.post_message(Ticked())

    async def on_unmount(self) -> None:
        """Close the connections."""
        await self._gateway.close()

    def on_ticked(self) -> None:
        """Show what arrived since the last tick."""
        self.picture.advance()
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and screen.is_mounted:
                screen.show()

    def on_link_changed(self, event: LinkChanged) -> None:
        """Note the state of the connection."""
        self.picture.take_link(event.link)

    def on_top_arrived(self, event: TopArrived) -> None:
        """Keep the newest board for the next tick."""
        self.picture.take_top(event.top)

    def on_status_arrived(self, event: StatusArrived) -> None:
        """Keep the newest status for the next tick."""
        self.picture.take_status(event.status, event.round_trip_ms)

    def on_status_refused(self, event: StatusRefused) -> None:
        """Note that there is no status."""
        self.picture.take_status_error(event.error)

    def action_retry(self) -> None:
        """Try to connect now."""
        self._connection.retry_now()
