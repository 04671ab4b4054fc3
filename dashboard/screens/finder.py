"""One field that finds whatever the operator names: a player, a rank, a board, a run, an action."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import tzinfo
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option
from textual.worker import WorkerCancelled, WorkerFailed

from dashboard.client.gateway import Gateway, GatewayError
from dashboard.screens.dialog import ListDialog, draw_error
from dashboard.state.console_state import ConsoleState
from dashboard.state.finding import (
    Found,
    Known,
    PlayersFound,
    asks_for_players,
    describe,
    find_players,
    list_found,
)
from dashboard.text.names import fit_name, quote_name
from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import ToneLine, fold_text

_PAUSE_SECONDS: Final = 0.2
"""How long typing must pause before the service is asked."""

_LONGEST: Final = 255
_NAME: Final = 34
_FACT: Final = 28
_KIND: Final = 7
_EXAMPLE: Final = 11

_EXAMPLES: Final = (
    ("4711", "a player by id"),
    ("steam:7656", "a player by the external id, all of it"),
    ("ada", "players by a part of the name; one or two letters: its start"),
    ("#40000", "a rank of the board that is shown"),
    ("laps", "a board, and laps 7 a season of it; season 7: of this board"),
    ("run", "a run of traffic"),
    (":export", "an action"),
)


class FinderScreen(ListDialog[Found | None]):
    """Lists what may be meant while it is typed, and returns what was chosen."""

    DEFAULT_CSS = """
    FinderScreen {
        & #found { padding: 0 1; height: auto; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "list_move(-1)", "Up", show=False, id="finder.up"),
        Binding("down", "list_move(1)", "Down", show=False, id="finder.down"),
        Binding("pageup", "list_page(-1)", "Page up", show=False, id="finder.page_up"),
        Binding("pagedown", "list_page(1)", "Page down", show=False, id="finder.page_down"),
        # Before the field, which would only post a message: the finder lives on while this waits.
        Binding("enter", "choose", "Go there", show=False, priority=True, id="finder.choose"),
        Binding("escape", "dismiss", "Close", id="finder.close"),
    ]

    def __init__(self, gateway: Gateway, state: ConsoleState, known: Known, start: str) -> None:
        super().__init__()
        self._gateway = gateway
        self._state = state
        self._known = known
        self._start = start
        self._players = PlayersFound()
        self._listed: list[Found] = []
        self._error: GatewayError | None = None
        self._asking = False

    def compose(self) -> ComposeResult:
        """A field, what is the matter, and what is found."""
        with Vertical(id="finder", classes="frame"):
            yield Field(self._start, max_length=_LONGEST, select_on_focus=False)
            yield Lines(id="found")
            yield OptionList()

    def on_mount(self) -> None:
        """Show what can be typed, and ask what boards there are."""
        frame = self.query_one("#finder")
        frame.border_title = Content("Find")
        choose, close = (self._state.keys[f"finder.{action}"] for action in ("choose", "close"))
        frame.border_subtitle = Content(f"{choose} goes there, up and down choose, {close} closes")
        self._show_rows()
        self.read_boards()

    @work(exclusive=True, group="boards", exit_on_error=False)
    async def read_boards(self) -> None:
        """Read what boards there are."""
        try:
            boards = await self._gateway.list_boards()
        except GatewayError as error:
            self._error = error
        else:
            self._known = replace(self._known, boards=boards)
        self._show_rows()

    @work(exclusive=True, group="players", exit_on_error=False)
    async def read_players(self, wanted: str, pause: float) -> None:
        """Ask for the players who may be meant, unless the typing goes on."""
        if pause:
            await self._state.clock.sleep(pause)
        try:
            self._players, self._error = await find_players(self._gateway, wanted), None
        except GatewayError as error:
            self._players, self._error = PlayersFound(), error
        self._asking = False
        self._show_rows()

    def on_input_changed(self, event: Input.Changed) -> None:
        """List what is here at once, and ask for players when the typing pauses."""
        self._players, self._error = PlayersFound(), None
        self._asking = asks_for_players(event.value)
        if self._asking:
            self.read_players(event.value, _PAUSE_SECONDS)
        else:
            self.workers.cancel_group(self, "players")
        self._show_rows()

    async def action_choose(self) -> None:
        """Choose the line under the cursor, of all that there are: not before they are here."""
        if not self._wanted.strip():
            self.dismiss(None)
            return
        if self._asking:
            try:
                await self.read_players(self._wanted, 0.0).wait()
            except (WorkerCancelled, WorkerFailed):
                # What is typed on cancels it, and so does closing; a defect is told of by itself.
                return
        row = self.options.highlighted
        if self.is_current and row is not None and row < len(self._listed):
            self.dismiss(self._listed[row])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose the line that was clicked."""
        self.dismiss(self._listed[event.option_index])

    def on_resize(self) -> None:
        """Show all of it in the new width."""
        if self.is_mounted:
            self._show_rows()

    @property
    def _wanted(self) -> str:
        return self.query_one(Input).value

    def _show_rows(self) -> None:
        options, row = self.options, self.options.highlighted
        under_cursor = self._listed[row] if row and row < len(self._listed) else None
        self._listed = list_found(self._wanted, self._known, self._players)
        options.clear_options()
        zone = self._state.clock.now().tzinfo
        options.add_options(
            Option(Content(_draw_row(found, self.room, zone))) for found in self._listed
        )
        options.display = bool(self._listed)
        if self._listed:
            # What the operator has gone to stays under the cursor when others are found.
            options.highlighted = (
                self._listed.index(under_cursor) if under_cursor in self._listed else 0
            )
        lines = list(self._describe())
        self.query_one("#found", Lines).show(lines)
        self.query_one("#found", Lines).display = bool(lines)

    def _describe(self) -> Iterator[ToneLine]:
        """Say what is the matter, what is still asked, and what can be typed."""
        wanted = self._wanted.strip()
        if self._error is not None:
            yield from draw_error(self._error, self.room)
        elif self._asking:
            yield [("… asking for players", "muted")]
        elif self._players.more:
            yield [("There are more of that name: type more of it.", "muted")]
        elif wanted and not self._listed:
            nothing = f"Nothing and nobody found for {quote_name(wanted)}."
            yield from fold_text("", "", nothing, self.room, "warn")
        if not wanted:
            for example, meaning in _EXAMPLES:
                head = f"{example:<{_EXAMPLE}}"
                yield from fold_text(head, "strong", meaning, self.room, "muted")


def _draw_row(found: Found, room: int, zone: tzinfo | None) -> str:
    kind, name, fact = describe(found, zone)
    # The facts tell players of one name apart.
    name = fit_name(name, min(_NAME, room - _KIND - _FACT - 2))
    return f"{kind:<{_KIND}} {name} {fit_name(fact, _FACT)}".rstrip()
