"""A player's sessions, of which some are marked to be revoked or restored."""

from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from dashboard.client.answers import Player, Session
from dashboard.client.gateway import Gateway, GatewayError
from dashboard.screens.dialog import Dialog, draw_error
from dashboard.screens.player.decide import DecideScreen
from dashboard.screens.player.proposals import Mark, describe_player, propose_mark
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import fit_name
from dashboard.text.numbers import write_count, write_moment
from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import Tone

_PAGE: Final = 100
_MODE: Final = 12


class SessionsScreen(Dialog[str | None]):
    """Lists sessions, newest first, and has those marked decided; answers what was done."""

    DEFAULT_CSS = """
    SessionsScreen {
        & #columns { padding: 0 1; height: 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "mark", "Mark", id="sessions.mark"),
        Binding("o", "older", "Older", id="sessions.older"),
        Binding("escape,q", "dismiss", "Back", id="sessions.back"),
    ]

    AUTO_FOCUS = "OptionList"

    def __init__(self, gateway: Gateway, state: ConsoleState, player: Player) -> None:
        super().__init__()
        self._gateway = gateway
        self._state = state
        self._player = player
        self._sessions: list[Session] = []
        self._marked: set[int] = set()
        self._next: int | None = None

    def compose(self) -> ComposeResult:
        """The list, and below it what was wrong."""
        keys = self._state.keys
        with Vertical(classes="frame") as frame:
            frame.border_title = Content(f"Sessions of {describe_player(self._player)}")
            frame.border_subtitle = Content(
                f"{keys['sessions.mark']} marks, enter goes on, {keys['sessions.back']} goes back"
            )
            yield Lines(id="columns")
            yield OptionList()
            yield Lines(id="said", classes="said")

    def on_mount(self) -> None:
        """Ask for the newest."""
        columns = f"    {'Session':>10} {'When':<16} {'Score':>17} Mode"
        self.query_one("#columns", Lines).show([[(columns, "muted")]])
        self.read(None)

    @work(exclusive=True, exit_on_error=False)
    async def read(self, before: int | None) -> None:
        """Read the newest sessions, or those before one, and list them too."""
        self._say("… asking the service", "muted")
        try:
            part = await self._gateway.read_sessions(self._player.user_id, _PAGE, before)
        except GatewayError as error:
            self.query_one("#said", Lines).show(draw_error(error, self.room))
            return
        self._sessions += part.sessions
        self._next = part.next_before
        options = self.query_one(OptionList)
        options.add_options(Option(self._draw(session)) for session in part.sessions)
        if before is None and self._sessions:
            options.highlighted = 0
        self._describe()

    def action_older(self) -> None:
        """List older ones too."""
        if self._next is not None:
            self.read(self._next)

    def action_mark(self) -> None:
        """Mark the session under the cursor, or no longer."""
        options = self.query_one(OptionList)
        row = options.highlighted
        if row is None or row >= len(self._sessions):
            return
        session = self._sessions[row]
        self._marked ^= {session.session_id}
        options.replace_option_prompt_at_index(row, self._draw(session))
        self._describe()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go on with the sessions marked, or with this one where none is."""
        wanted = [one for one in self._sessions if one.session_id in self._marked]
        wanted = wanted or [self._sessions[event.option_index]]
        revoked = {one.revoked_at is not None for one in wanted}
        if len(revoked) > 1:
            self._say("✕ some of these are revoked and some count: mark only one kind", "bad")
            return
        mark: Mark = "restore" if revoked.pop() else "revoke"
        ids = [one.session_id for one in wanted]
        proposal = propose_mark(self._gateway, self._player, mark, ids)
        # Two frames one over the other are read as neither.
        self.query_one(".frame").display = False
        self.app.push_screen(DecideScreen(proposal, self._state.keys), self._end)

    def _end(self, done: str | None) -> None:
        """Close it where something was done, else go back to what is marked."""
        if done is not None:
            self.dismiss(done)
            return
        self.query_one(".frame").display = True
        self.query_one(OptionList).focus()

    def _describe(self) -> None:
        if not self._sessions:
            self._say("This player has no sessions.", "muted")
            return
        how = f"{len(self._marked):,} marked of {len(self._sessions):,} listed"
        if self._next is not None:
            how += f"; {self._state.keys['sessions.older']} lists older ones"
        self._say(how, "muted")

    def _say(self, text: str, tone: Tone) -> None:
        self.query_one("#said", Lines).show([[(text, tone)]])

    def _draw(self, session: Session) -> Content:
        zone = self._state.clock.now().tzinfo
        marked = "[x]" if session.session_id in self._marked else "[ ]"
        revoked = "revoked" if session.revoked_at else ""
        return Content(
            f"{marked} {session.session_id:>10} {write_moment(session.submitted_at, zone):<16} "
            f"{write_count(session.score):>17} {fit_name(session.game_mode, _MODE)} {revoked}"
        )
