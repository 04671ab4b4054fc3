"""The console: connects the service, its state and the screens, and holds the keys they share."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from textual import events, work
from textual.actions import parse
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.message import Message
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from dashboard.client.connection import (
    BoardDescribed,
    Connection,
    LinkChanged,
    StatusArrived,
    StatusClosed,
    StatusRefused,
    TopArrived,
    TopRefused,
)
from dashboard.client.gateway import Gateway
from dashboard.client.link_state import Connected
from dashboard.clipboard import NotCopied, copy_in_tmux, is_in_tmux
from dashboard.clock import Clock, SystemClock
from dashboard.configuration.preferences import Preferences
from dashboard.downloads import DownloadApp
from dashboard.keys.actions import PALETTE_ID, name_key, read_default_keys
from dashboard.keys.key_queue import KeyQueueApp
from dashboard.keys.keymap import KeyNames
from dashboard.palette import PaletteApp
from dashboard.preferred import PreferenceApp
from dashboard.runs.desk import RunDesk
from dashboard.screens import boards
from dashboard.screens.console_screen import ConsoleScreen, WorkerFailed
from dashboard.screens.explain import ExplainScreen
from dashboard.screens.finder import FinderScreen
from dashboard.screens.health.screen import HealthScreen
from dashboard.screens.keys_help import KeysScreen
from dashboard.screens.live.board_view import BoardView
from dashboard.screens.live.screen import LiveScreen
from dashboard.screens.moderation_log import ModerationLogScreen
from dashboard.screens.player.screen import PlayerScreen
from dashboard.screens.simulate.screen import SimulateScreen
from dashboard.screens.slow import SlowScreen
from dashboard.state.access import Access
from dashboard.state.address import Address
from dashboard.state.console_state import ConsoleState
from dashboard.state.event_log import Event
from dashboard.text.names import fit_name
from dashboard.widgets.plain_filter import PlainFilter
from dashboard.widgets.prompt import Prompt

TOAST_SECONDS = 3.0

TICK_SECONDS = 0.2
"""Time between two redraws; a flash lasts three of them."""


class Ticked(Message):
    """Time has passed: ages, countdowns and flashes look different now."""


class Console(KeyQueueApp, DownloadApp, PreferenceApp, PaletteApp):
    """The operator console of one leaderboard service."""

    TITLE = "leaderboard"
    DEFAULT_MODE = "live"
    NOTIFICATION_TIMEOUT = TOAST_SECONDS
    # Absolute, because a relative one is looked for beside the module of a subclass.
    CSS_PATH = Path(__file__).parent / "dashboard.tcss"
    # Mypy takes the unions that Textual declares these with for instance variables.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1,f1", "switch_mode('live')", "Live: the board", show=False, id="mode.live"),
        Binding("2,f2", "switch_mode('player')", "Player", show=False, id="mode.player"),
        Binding("3,f3", "switch_mode('simulate')", "Simulate", show=False, id="mode.simulate"),
        Binding("4,f4", "switch_mode('health')", "Health", show=False, id="mode.health"),
        Binding(
            "slash",
            "find",
            "Find",
            tooltip="Find a player, rank, board, season, run or action",
            id="console.search",
        ),
        Binding("colon", "find(':')", "Run an action by name", show=False, id="console.command"),
        Binding("F", "filter", "Filter", id="console.filter"),
        Binding("b", "boards", "Boards and seasons", show=False, id="console.boards"),
        Binding("w", "explain", "Why", tooltip="Why this rank", show=False, id="console.explain"),
        Binding("W", "slow", "Why slow", tooltip="Why is it slow", show=False, id="console.slow"),
        Binding("L", "moderation_log", "Moderation log", show=False, id="console.moderation_log"),
        Binding("space,p", "pause", "Pause", id="console.pause"),
        Binding("m", "maximize", "Maximise", show=False, id="console.maximize"),
        Binding("y", "copy", "Copy", show=False, id="console.copy"),
        Binding("e", "export", "Export", show=False, id="console.export"),
        Binding("S", "save_screenshot", "Screenshot", show=False, id="console.screenshot"),
        Binding("r", "retry", "Retry now", show=False, id="console.retry"),
        Binding("a", "acknowledge", "Seen", tooltip="Acknowledge", id="console.acknowledge"),
        Binding("question_mark", "keys", "Keys", id="console.keys"),
        # Textual's own has no id; the name is how the footer shows it.
        Binding("ctrl+p", "command_palette", "palette", show=False, priority=True, id=PALETTE_ID),
        Binding("q", "quit", "Quit", id="console.quit"),
    ]

    def __init__(
        self,
        gateway: Gateway,
        clock: Clock | None = None,
        random: Random | None = None,
        desk: RunDesk | None = None,
        *,
        preferences: Preferences | None = None,
        plain_marks: bool = False,
        start: Address | None = None,
    ) -> None:
        self._plain_marks = plain_marks
        # The styles have the profile's colour from the beginning.
        self.preferences = preferences or Preferences()
        super().__init__()
        self._start = start
        self.set_class(plain_marks, "-plain")
        self._gateway = gateway
        self._desk = desk
        self._clock = clock or SystemClock()
        self._random = random or Random()  # noqa: S311  spreads attempts, guards nothing
        self._key_names = KeyNames(list_default_keys(), name_key)
        self.state = ConsoleState(
            self._clock, gateway.url, self._key_names, gateway.rights, self.preferences
        )
        self._connection = Connection(gateway, self._clock, self._random, self.post_message)
        self._sought_id: int | None = None
        self.add_mode("live", partial(LiveScreen, self.state, gateway))
        self.add_mode("player", partial(PlayerScreen, self.state, gateway))
        self.add_mode("simulate", partial(SimulateScreen, self.state, gateway, desk))
        self.add_mode("health", partial(HealthScreen, self.state))

    def set_keymap(self, keymap: Mapping[str, str]) -> None:
        """Let other keys act, and be named wherever a key is."""
        super().set_keymap(dict(keymap))
        self._key_names.change(self._keymap)

    def get_key_display(self, binding: Binding) -> str:
        """Return how a key is shown; in ASCII one that has a sign of its own by its word."""
        shown = super().get_key_display(binding)
        return name_key(binding.key) if self._plain_marks and not shown.isascii() else shown

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line that is drawn goes through."""
        filters = super().get_line_filters()
        return [*filters, PlainFilter()] if self._plain_marks else filters

    def on_mount(self) -> None:
        """Start watching, in the colours that were chosen last."""
        self.follow_preferences()
        self.keep_in_touch()
        self.tick()
        if self._start is not None:
            self.call_next(self.go, self._start)

    @work(exit_on_error=False)
    async def keep_in_touch(self) -> None:
        """Stay connected to the service for as long as the console runs."""
        await self._connection.run()

    @work(exit_on_error=False)
    async def tick(self) -> None:
        """Redraw regularly, because ages and countdowns change by themselves."""
        while True:
            await self._clock.sleep(TICK_SECONDS)
            self.post_message(Ticked())

    async def on_unmount(self) -> None:
        """Close the connections."""
        await self._gateway.close()

    def on_ticked(self) -> None:
        """Show what arrived since the last tick."""
        if not self.is_running:
            # Parts of the screens are gone already.
            return
        self.state.advance()
        if self._desk is not None:
            # A run that goes on is known on every screen.
            self._desk.look()
            self.state.take_run(self._desk.run, self._desk.describe())
        had_news = bool(self.state.alarms.news)
        rings = self.state.note_alarms()
        if rings:
            self.bell()
        if bool(self.state.alarms.news) is not had_news:
            self.screen.refresh_bindings()
        if rings or self.is_due():
            self.show()
        self.tell_address()

    def on_link_changed(self, event: LinkChanged) -> None:
        """Note the state of the connection."""
        self.state.take_link(event.link)

    def on_top_arrived(self, event: TopArrived) -> None:
        """Keep the newest board for the next tick."""
        if event.board == self.state.chosen:
            self.state.take_top(event.top, event.first)
            is_news = event.top is not None and event.top.stale and not self.state.list_troubles()
            if is_news:
                # Why that is, the status says.
                self._connection.look_closer()

    def on_top_refused(self, event: TopRefused) -> None:
        """Note that the board was refused."""
        if event.board == self.state.chosen:
            self.state.take_top_error(event.error)

    def on_board_described(self, event: BoardDescribed) -> None:
        """Keep the title and the state of the board."""
        self.state.take_board_facts(event.facts)

    def on_live_screen_window_wanted(self, event: LiveScreen.WindowWanted) -> None:
        """Show another part of the board, and give up looking for a player."""
        self.workers.cancel_group(self, "follow")
        self._connection.look_at(event.first)

    def on_live_screen_player_wanted(self, event: LiveScreen.PlayerWanted) -> None:
        """Show the part of the board where that player is, unless that is under way."""
        # The screen asks each second; on a slow line no answer would ever be waited for.
        if event.user_id != self._sought_id:
            self.find_on_board(event.user_id)

    @work(exclusive=True, group="follow", exit_on_error=False)
    async def find_on_board(self, user_id: int) -> None:
        """Move the window to where a player is now."""
        self._sought_id = user_id
        try:
            await self._connection.look_for(user_id)
        finally:
            if self._sought_id == user_id:
                self._sought_id = None

    def on_status_arrived(self, event: StatusArrived) -> None:
        """Keep the newest status for the next tick."""
        self.state.take_status(event.status, event.round_trip_ms)
        if self.state.watch.is_turning:
            self._connection.look_closer()

    def on_status_refused(self, event: StatusRefused) -> None:
        """Note that the status was refused."""
        self.state.take_status_error(event.error)

    def on_status_closed(self, event: StatusClosed) -> None:
        """Note what this key may see."""
        self.state.take_access(Access(event.role, event.readiness.parts))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report a failed worker of the app itself; widgets report theirs."""
        if event.state is WorkerState.ERROR:
            self.post_message(WorkerFailed(event.worker))

    def on_worker_failed(self, event: WorkerFailed) -> None:
        """Log that a worker failed, and go on without it."""
        self.state.log.add(Event(self._clock.now(), "Console", "bad", event.text))
        self.notify(event.text, severity="error", markup=False)

    def on_board_view_chosen(self, event: BoardView.Chosen) -> None:
        """Show the player whom the operator chose on the board."""
        self.look_up(event.user_id)

    def on_prompt_answered(self, event: Prompt.Answered) -> None:
        """Write the file that the operator named."""
        name, screen = event.value.strip(), self.screen
        if event.purpose == "export" and name and isinstance(screen, ConsoleScreen):
            self.download_rows(screen.list_rows(), name, screen.describe_rows())

    async def take_key(self, key: events.Key) -> bool:
        """Let the screen in front take a key before the field in focus and the bindings do.

        The key of the finder finds from a field too, and that of the keys lists them while the
        field is empty, unless it is a letter or a digit: but not from an answer, to which it may
        belong.
        """
        screen, field = self.screen, self.focused
        is_sign = not (key.character or "").isalnum()
        if is_sign and isinstance(field, Input) and not isinstance(field.parent, Prompt):
            if not field.value and key.key in self._key_names.list_keys("console.keys"):
                self.action_keys()
                return True
            finds = key.key in self._key_names.list_keys("console.search")
            if finds and isinstance(screen, ConsoleScreen):
                await self.action_find()
                return True
        return isinstance(screen, ConsoleScreen) and screen.take_key(key)

    async def run_action(
        self,
        action: str | tuple[str, str, tuple[Any, ...]],
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key, a click or the palette asks for, or say why that is not done."""
        screen = self.screen if self.screen_stack else None
        if isinstance(screen, ConsoleScreen):
            _, name, _ = parse(action) if isinstance(action, str) else action
            refusal = screen.find_refusal(name)
            if refusal is not None:
                self.notify(f"Refused: {refusal}.", severity="warning", markup=False)
                return True
            lack = screen.find_lack(name)
            if lack is not None:
                self.notify(f"{lack}.", markup=False)
                return True
        return await super().run_action(action, default_namespace, namespaces)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what the screen in front has a use for."""
        screen = self.screen if self.screen_stack else None
        return not isinstance(screen, ConsoleScreen) or screen.applies(action)

    async def action_switch_mode(self, mode: str) -> None:
        """Go to a screen, without the notifications of the last one."""
        if mode != self.current_mode:
            self.clear_notifications()
        await super().action_switch_mode(mode)

    def action_filter(self) -> None:
        """Filter what the screen in front lists."""
        if isinstance(self.screen, ConsoleScreen):
            self.screen.start_filter()

    def action_pause(self) -> None:
        """Freeze what is shown, or go on."""
        self.state.toggle_pause()
        self.screen.refresh_bindings()
        self.show()

    def action_maximize(self) -> None:
        """Maximise the widget in focus, or restore all panels."""
        if isinstance(self.screen, ConsoleScreen):
            self.screen.toggle_maximized()

    async def action_copy(self) -> None:
        """Copy what is selected on the screen in front."""
        text = self.screen.describe_selection() if isinstance(self.screen, ConsoleScreen) else None
        if text is None:
            self.notify("Nothing to copy yet.", markup=False)
            return
        shown = fit_name(text.expandtabs(2), 60).rstrip()
        if self.is_web or not is_in_tmux():
            self.copy_to_clipboard(text)
            # Whether it takes it, a terminal does not say.
            self.notify(f"Handed to the terminal's clipboard: {shown}", markup=False)
            return
        try:
            await copy_in_tmux(text)
        except NotCopied as error:
            self.notify(f"Not copied. {error}", severity="warning", markup=False)
        else:
            self.notify(f"Copied: {shown}", markup=False)

    def action_export(self) -> None:
        """Ask for the name of a file."""
        screen = self.screen
        if isinstance(screen, ConsoleScreen):
            board = screen.name_board()
            name = f"leaderboard-{screen.MODE}{board}-{self._clock.now():%Y%m%d-%H%M%S}.csv"
            what = screen.describe_rows()
            question = f"Export {what} to" if what else "Export to"
            screen.ask("export", question, name, hint="a name that ends in .csv or .json")

    def action_save_screenshot(self) -> None:
        """Save the screen as an SVG file."""
        board = self.state.file_part
        self.download_screenshot(f"leaderboard{board}-{self._clock.now():%Y%m%d-%H%M%S}.svg")

    def action_acknowledge(self) -> None:
        """Note that the operator knows what is wrong."""
        self.state.acknowledge()
        self.screen.refresh_bindings()
        self.show()

    def action_retry(self) -> None:
        """Try to connect now; while connected, ask for the board at once."""
        self._connection.retry_now()
        if isinstance(self.screen, ConsoleScreen):
            self.screen.ask_now()
        connected = isinstance(self.state.link, Connected)
        self.notify("Asked for the board." if connected else "Connecting now.", markup=False)


def list_default_keys() -> dict[str, str]:
    """Return the keys of all actions by the ids by which they can be changed."""
    screens = (LiveScreen, PlayerScreen, SimulateScreen, HealthScreen)
    own = [owner for screen in screens for owner in (screen, *screen.KEY_OWNERS)]
    dialogs = (boards.BoardsScreen, FinderScreen, SlowScreen, ExplainScreen, ModerationLogScreen)
    return read_default_keys((Console, Prompt, KeysScreen, *own, *dialogs))
