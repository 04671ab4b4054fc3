"""Player: any player by id or name, and two of them side by side."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from dashboard.client.gateway import FILLING, Gateway
from dashboard.screens.console_screen import ConsoleScreen, Row
from dashboard.screens.player.comparison import EXACTLY, draw_comparison
from dashboard.screens.player.decide import DecideScreen
from dashboard.screens.player.pane import PlayerPane
from dashboard.screens.player.proposals import (
    Proposal,
    Scores,
    propose_correction,
    propose_deletion,
    propose_name,
)
from dashboard.screens.player.sessions import SessionsScreen
from dashboard.screens.player.states import StateScreen
from dashboard.state.address import LONGEST_NAME, Address
from dashboard.state.console_state import ConsoleState
from dashboard.state.data_state import (
    ARCHIVED,
    DataState,
    Kind,
    judge_error,
    judge_filling,
    judge_link,
    judge_pause,
)
from dashboard.state.event_log import Event
from dashboard.state.lookup import Lookup, Stage
from dashboard.text.names import clean_name, quote_name
from dashboard.text.numbers import choose_text
from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines
from dashboard.widgets.prompt import Prompt

_NAME = 24
_SCORES: Mapping[str, Scores] = {"keep": "keep", "revoke": "revoke"}
_DIGITS = tuple("0123456789")


class PlayerScreen(ConsoleScreen):
    """Looks players up and watches them."""

    MODE = "player"
    KEY_OWNERS = (SessionsScreen, StateScreen, DecideScreen)
    HAS_PLAYERS = True
    FILTERS = False
    WRITES = dict.fromkeys(("revoke", "change_state", "rename", "delete", "correct"), "moderation")

    DEFAULT_CSS = """
    PlayerScreen {
        & #search { height: 1; background: $surface; }
        & #search-label { width: 8; height: 1; }
        & #search Input { width: 1fr; }
        & #comparison { display: none; }
        & #panes { height: 1fr; }
        & #second { display: none; }
        &.-comparing #comparison { display: block; }
        &.-comparing #second { display: block; }
        &.-narrow .neighbours { width: 48; }
        &.-narrow.-comparing .neighbours { width: 1fr; }
        &.-slim .way { layout: vertical; }
        &.-slim .neighbours { width: 1fr; height: 13; }
        &.-slim .charts { height: 1fr; }
        &.-low .scores { display: none; }
        &.-comparing .charts { display: none; }
        /* Half a screen has no room for words beside big digits. */
        &.-comparing .facts { display: none; }
        &.-comparing .facts-below { display: block; }
        &.-narrow.-comparing .big { display: none; }
        &.-low.-comparing .big { display: none; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "Compare", id="player.compare"),
        Binding("c", "part", "Stop comparing", id="player.part"),
        Binding(
            "v",
            "revoke",
            "Revoke",
            tooltip="Revoke or restore sessions",
            show=False,
            id="player.revoke",
        ),
        Binding(
            "t",
            "change_state",
            "State",
            tooltip="Ban or hide the player, or end that",
            show=False,
            id="player.state",
        ),
        Binding("n", "rename", "Rename the player", show=False, id="player.rename"),
        Binding("D", "delete", "Delete the player", show=False, id="player.delete"),
        Binding("C", "correct", "Correct the closed season", show=False, id="player.correct"),
        Binding("escape", "leave", "Leave the field", id="player.leave"),
    ]

    WORDS = (
        ("FINAL", "the season is closed: its result stays unless it is corrected"),
        ("»", "the player looked up, among the neighbours"),
        ("=", "shares its rank with others"),
        ("▲ ▼", "ranks climbed or fallen among these neighbours within a minute"),
        ("percentile", "share of all players whom this one is level with or ahead of"),
        ("while watched", "since this player was looked up here"),
        ("revoked", "a session that was taken away by a moderator: it counts nowhere"),
        ("board as of", "when the board last changed; it is asked for every 2 s"),
    )

    class Moderated(Message):
        """Something was done that boards are to show."""

    def __init__(self, state: ConsoleState, gateway: Gateway) -> None:
        super().__init__(state)
        self._gateway = gateway
        self._field = Field(
            placeholder="a player's id or exact name (capitals count), then enter",
            max_length=LONGEST_NAME,
            # A number is typed on in it: what was typed must not be replaced by the next digit.
            select_on_focus=False,
        )
        self._first = PlayerPane(state, gateway, id="first")
        self._second = PlayerPane(state, gateway, id="second")
        self._offered = (False, False)
        self._types_on = False

    def compose_body(self) -> ComposeResult:
        """The field, the comparison and the first of two panes."""
        with Horizontal(id="search"):
            yield Lines(id="search-label")
            yield self._field
        yield Lines(id="comparison")
        with Horizontal(id="panes"):
            yield self._first

    def on_mount(self) -> None:
        """Let the operator type at once."""
        self.query_one("#search-label", Lines).show([[(" Player ", "strong")]])
        # At once: whoever is looked up right after this takes the focus away again.
        self.set_focus(self._field)

    def look_up(self, wanted: str) -> None:
        """Show a player, or nobody."""
        with self._field.prevent(Input.Changed):
            self._field.value = wanted
        self._first.look_up(wanted)
        self._types_on = False
        self.set_focus(None if wanted else self._field)
        self.show()

    def judge(self) -> DataState:
        """Return the state of the first player's data."""
        lookup = self._first.lookup
        rank = lookup.rank
        age = self.state.describe_age(lookup.current_at, rank.as_of) if rank else ""
        trouble = judge_link(self.state, age)
        if trouble is not None:
            return trouble
        if lookup.error is not None and lookup.error.code == FILLING:
            return judge_filling(self.state)
        if lookup.error is not None:
            return judge_error(lookup.error, "every 2 s")
        pause = judge_pause(self.state)
        if pause is not None:
            return pause
        # The result of a closed season is stored: whatever lags, it does not.
        is_final = rank is not None and rank.season.is_final
        lag = self.state.find_lag()
        if lag is None and rank is not None and rank.stale:
            lag = "ranks may lag"
        if is_final or lag is None:
            over = is_final or self.state.is_archived
            if over and lookup.stage is Stage.FOUND:
                return DataState(Kind.FINAL, "")
            return self._judge_stage(lookup.stage, "")
        return self._judge_stage(lookup.stage, f"{age}: {lag}")

    def _judge_stage(self, stage: Stage, lag: str) -> DataState:
        wanted = quote_name(self._first.lookup.wanted) if self._first.lookup.wanted else ""
        match stage:
            case Stage.IDLE:
                key = self.keys["console.search"]
                return DataState(
                    Kind.EMPTY, f"Type a player's id or exact name. {key} finds a part of a name."
                )
            case Stage.SEARCHING:
                return DataState(Kind.LOADING, f"Looking for {wanted}")
            case Stage.MISSING:
                return DataState(
                    Kind.EMPTY,
                    f"Not found: no player has the id or name {wanted}. {EXACTLY}",
                )
            case _ if lag:
                return DataState(Kind.STALE, lag)
            case Stage.BANNED:
                return DataState(Kind.EMPTY, "This player is banned, and stands on no open board.")
            case Stage.UNPLAYED:
                return DataState(Kind.EMPTY, "No sessions yet: this player has not played.")
            case Stage.UNCOUNTED if self.state.chosen.is_global:
                revoked = "Last sessions tells which were revoked."
                return DataState(Kind.EMPTY, f"No session of this player counts. {revoked}")
            case Stage.UNCOUNTED:
                key = self.keys["console.boards"]
                return DataState(
                    Kind.EMPTY,
                    f"No score of this player counts in {self.state.board_name}. "
                    f"{key} chooses another board or season.",
                )
            case _:
                return DataState(Kind.LIVE, "")

    @property
    def current_at(self) -> float | None:
        """When the first player's place was last current."""
        lookup = self._first.lookup
        return lookup.current_at if lookup.rank is not None else super().current_at

    def describe_live(self) -> str:
        """Tell how to go on."""
        keys = self.keys
        if self._comparing:
            also = f"{keys['player.part']} stops comparing"
        else:
            also = f"{keys['player.compare']} compares with another player"
        search = f"{keys['console.search']} looks up another"
        if self._types_on:
            search = "digits find another"
        rank = self._first.lookup.rank
        if rank is not None and rank.season.is_final:
            ended = f"season {rank.season.number} ended {self.state.describe_end()}"
            return choose_text(self.notice_width, f"{ended}; {also}, {search}", f"{ended}; {also}")
        if self.state.is_archived:
            return choose_text(self.notice_width, f"{ARCHIVED}; {also}", ARCHIVED)
        return f"asked every 2 s; {also}, {search}"

    def show_body(self, data_state: DataState) -> None:
        """Show the players."""
        self._first.show(dim=data_state.is_dim)
        comparing = self._comparing
        offered = comparing, self._may_compare
        if offered != self._offered:
            self._offered = offered
            self.set_class(comparing, "-comparing")
            self.refresh_bindings()
            # The panes have another width then.
            self.call_after_refresh(self.show)
        if comparing:
            self._second.show(dim=data_state.is_dim)
            lookups = self._first.lookup, self._second.lookup
            compared = draw_comparison(*lookups, self.keys, self.size.width)
            self.query_one("#comparison", Lines).show(compared)

    def list_rows(self) -> Iterable[Row]:
        """Return the neighbours of the players shown."""
        for pane in (self._first, self._second):
            player = pane.lookup.player
            for entry in pane.lookup.neighbours.entries if player else ():
                yield self.state.board_columns | {
                    "looked_up": player.user_id if player else None,
                    "rank": entry.rank,
                    "user_id": entry.user_id,
                    "username": entry.username,
                    "score": entry.score,
                    "score_text": entry.score_text,
                }

    def find_selected(self) -> int | None:
        """Return the player shown."""
        player = self._first.lookup.player
        return player.user_id if player else None

    def locate(self) -> Address | None:
        """Return the address of the player shown, and of the one compared with."""
        first, second = _name(self._first.lookup), _name(self._second.lookup)
        if first is None or second is None:
            return None
        return Address(self.MODE, first, compare=second if first else "")

    def visit(self, address: Address) -> None:
        """Show the players of an address."""
        if address.compare:
            self._mount_second()
        self._second.look_up(address.compare)
        self.look_up(address.player)

    def describe_selection(self) -> str | None:
        """Return the player shown."""
        rank = self._first.lookup.rank
        if rank is None:
            return None
        # Of a sum of no sessions, `global` says that it is 0.
        score = rank.score_text or ("0" if self.state.chosen.is_global else "")
        place = f"{rank.rank or ''}\t{rank.user_id}\t{clean_name(rank.username)}\t{score}"
        return place + self.state.copied_board

    def action_compare(self) -> None:
        """Ask for a second player."""
        self._mount_second()
        self.ask("compare", "Compare with", hint="a player's id or exact name (capitals count)")

    def _mount_second(self) -> None:
        """Make the second pane: few look at it, and it is half of the screen's parts."""
        if not self._second.is_attached:
            self.query_one("#panes").mount(self._second)

    def action_revoke(self) -> None:
        """Ask which sessions of the player are to be revoked or restored."""
        player = self._first.lookup.player
        if player is not None:
            self.app.push_screen(SessionsScreen(self._gateway, self.state, player), self._tell)

    def action_change_state(self) -> None:
        """Ask which state the player is to have."""
        player = self._first.lookup.player
        if player is not None:
            self.app.push_screen(StateScreen(self._gateway, self.state, player), self._decide)

    def action_rename(self) -> None:
        """Ask for another name."""
        player = self._first.lookup.player
        if player is not None:
            name = quote_name(player.username, _NAME)
            self.ask("rename", f"New name of {name}", hint="1 to 255 characters")

    def action_delete(self) -> None:
        """Ask what becomes of the scores."""
        player = self._first.lookup.player
        if player is not None:
            hint = "keep: they stay without a name; revoke: they go"
            self.ask("delete", f"Delete {player.user_id}, scores", hint=hint)

    def action_correct(self) -> None:
        """Have the season that is shown ranked again, once it is closed."""
        if self.state.is_final and self.state.season is not None:
            slug, number = self.state.chosen.slug, self.state.season.number
            self._decide(propose_correction(self._gateway, slug, number))

    def _propose(self, purpose: str, answer: str) -> None:
        """Go on with a new name, or with what becomes of the scores."""
        player = self._first.lookup.player
        if player is None or not answer:
            return
        if purpose == "rename":
            self._decide(propose_name(self._gateway, player, answer))
        elif answer in _SCORES:
            self._decide(propose_deletion(self._gateway, player, _SCORES[answer]))
        else:
            self.notify("Nothing is deleted: it takes keep or revoke.", markup=False)

    def _decide(self, proposal: Proposal | None) -> None:
        if proposal is not None:
            self.app.push_screen(
                DecideScreen(proposal, self.keys), partial(self._tell, proposal=proposal)
            )

    def _tell(self, done: str | None, proposal: Proposal | None = None) -> None:
        if done is None:
            return
        self.state.log.add(Event(self.state.clock.now(), "Moderation", "info", done))
        self.notify(done, markup=False)
        if proposal is not None and proposal.is_of_identity:
            self._first.look_up_again()
        self.ask_now()
        self.post_message(self.Moderated())

    def ask_now(self) -> None:
        """Ask for the players at once."""
        for pane in (self._first, self._second):
            pane.ask_now()

    def action_part(self) -> None:
        """Stop comparing."""
        self._second.look_up("")
        self.show()

    def take_key(self, key: events.Key) -> bool:
        """Take digits that follow what was typed into the field for the next one.

        Whoever typed one number there types the next, and is not to find another screen by it.
        """
        types_on, self._types_on = self._types_on, False
        if types_on and self.focused is None and key.character in _DIGITS:
            self.set_focus(self._field)
            self._field.value = key.character
            self._field.cursor_position = 1
            return True
        return False

    def name_mode_key(self, mode: str) -> str:
        """Return the key of a screen; while digits are a number, the one beside them."""
        return self.keys.list_names(f"mode.{mode}")[-1 if self._types_on else 0]

    def find_lack(self, action: str) -> str | None:
        """Without a player, and without a rank, there is less to do."""
        match action:
            case "revoke" | "change_state" | "rename" | "delete" | "explain":
                if self._first.lookup.player is None:
                    return f"No player is shown: {self.keys['console.search']} finds one"
            case "compare" if not (self._may_compare or self._comparing):
                return "Only a player who has a rank can be compared"
            case "correct" if not self.state.is_final:
                boards = self.keys["console.boards"]
                return f"Only a season that is closed is corrected: {boards} chooses one"
        return super().find_lack(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done now; the keys of a field write into it."""
        match action:
            case "leave":
                return isinstance(self.focused, Input)
            case "compare":
                return self._may_compare and not self._comparing
            case "part":
                return self._comparing
            case "revoke" | "change_state" | "rename" | "delete":
                return self._first.lookup.player is not None
            case "correct":
                return self.state.is_final
        return True

    @property
    def _comparing(self) -> bool:
        return bool(self._second.lookup.wanted)

    @property
    def _may_compare(self) -> bool:
        return self._first.lookup.rank is not None

    def action_leave(self) -> None:
        """Give the keys back to the screen."""
        self.set_focus(None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look up what is typed, once the typing pauses."""
        self._first.look_up(event.value, typing=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look up what was typed at once, and give the keys back to the screen."""
        self._first.look_up(event.value)
        self.set_focus(None)
        self._types_on = True

    def on_prompt_answered(self, event: Prompt.Answered) -> None:
        """Compare with the player named, or propose what was asked for."""
        if event.purpose in {"rename", "delete"}:
            self._propose(event.purpose, event.value.strip())
        elif event.purpose == "compare":
            if self._first.lookup.is_about(event.value):
                self.notify("That is the player shown here: name another.", markup=False)
            else:
                self._second.look_up(event.value)
        self.set_focus(None)

    def on_prompt_cancelled(self) -> None:
        """Give the keys back to the screen."""
        self.set_focus(None)


def _name(lookup: Lookup) -> str | None:
    """Return a player's id, or what was typed where there is none; None while one is sought."""
    if lookup.player is not None:
        return str(lookup.player.user_id)
    return lookup.wanted if lookup.stage in {Stage.IDLE, Stage.MISSING} else None
