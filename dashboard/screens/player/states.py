"""Which state a player is to have, and until when."""

from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from dashboard.client.answers import Player
from dashboard.client.gateway import Gateway, GatewayError
from dashboard.screens.dialog import Dialog, draw_error
from dashboard.screens.player.proposals import Proposal, State, describe_player, propose_state
from dashboard.state.console_state import ConsoleState
from dashboard.text.moments import EXPECTED, parse_future
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_moment
from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines

_STATES: Final[tuple[tuple[State, str], ...]] = (
    ("active", "stands where the sessions put the player"),
    ("hidden", "left out of all answers but the player's own"),
    ("banned", "on no open board, and every submit is refused"),
)


class StateScreen(Dialog[Proposal | None]):
    """Lists the states; answers what is to be decided."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="states.up"),
        Binding("down", "move(1)", "Down", show=False, id="states.down"),
        Binding("escape", "dismiss", "Back", id="states.back"),
    ]

    AUTO_FOCUS = "#until"

    def __init__(self, gateway: Gateway, state: ConsoleState, player: Player) -> None:
        super().__init__()
        self._gateway = gateway
        self._state = state
        self._player = player

    def compose(self) -> ComposeResult:
        """The states, and a field for when it ends."""
        keys = self._state.keys
        with Vertical(classes="frame") as frame:
            frame.border_title = Content(f"State of {describe_player(self._player)}")
            move = f"{keys['states.up']} and {keys['states.down']} choose"
            back = keys["states.back"]
            frame.border_subtitle = Content(f"{move}, enter goes on, {back} goes back")
            yield Lines(id="now", classes="said")
            yield OptionList(*(Option(Content(f"{state:<8} {means}")) for state, means in _STATES))
            with Horizontal(classes="field"):
                yield Lines(id="label-until", classes="label")
                yield Field(placeholder=f"empty: for good; or {EXPECTED}", id="until")
            yield Lines(id="said", classes="said")

    def on_mount(self) -> None:
        """Ask which it is now."""
        self.query_one("#label-until", Lines).show([[("Until", "muted")]])
        self.query_one(OptionList).can_focus = False
        self.query_one(OptionList).highlighted = 0
        self.read_state()

    @work(exit_on_error=False)
    async def read_state(self) -> None:
        """Say which state it is now."""
        now = self.query_one("#now", Lines)
        now.show([[("… asking which it is now", "muted")]])
        try:
            told = await self._gateway.explain_rank(self._state.chosen, self._player.user_id)
        except GatewayError as error:
            now.show(draw_error(error, self.room))
            return
        zone = self._state.clock.now().tzinfo
        until = f" until {write_moment(told.until, zone)}" if told.until else ""
        now.show([[("Now: ", "muted"), (f"{told.state}{until}", "strong")]])

    def action_move(self, rows: int) -> None:
        """Choose another state."""
        options = self.query_one(OptionList)
        options.highlighted = ((options.highlighted or 0) + rows) % len(_STATES)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose the one that was clicked, and go on with enter."""
        self.query_one("#until").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on with the state chosen."""
        state, _ = _STATES[self.query_one(OptionList).highlighted or 0]
        text = event.value.strip()
        if text and state == "active":
            self._complain("active does not end by itself: leave the time empty")
            return
        try:
            until = parse_future(text, self._state.clock.now()) if text else None
        except ValueError as error:
            self._complain(str(error))
            return
        self.dismiss(propose_state(self._gateway, self._player, state, until))

    def _complain(self, text: str) -> None:
        self.query_one("#said", Lines).show([[("✕ ", "bad"), (clean_name(text), "")]])
