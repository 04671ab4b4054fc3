"""What all screens have: tabs, the state of the data, a prompt and the status bar."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from dashboard.client.link_state import Connected
from dashboard.client.rights import Right
from dashboard.keys.keymap import KeyNames
from dashboard.screens.bars import KIND_TONES, WIDE, draw_badge, draw_status
from dashboard.screens.styled_once import StyledOnce
from dashboard.state.address import Address
from dashboard.state.console_state import ConsoleState
from dashboard.state.data_state import DataState, Kind, judge_board
from dashboard.text.wrapping import wrap_text
from dashboard.widgets.footer import KeyFooter
from dashboard.widgets.lines import Lines
from dashboard.widgets.prompt import Prompt
from dashboard.widgets.tabs import Tab, Tabs
from dashboard.widgets.tones import (
    SEVERITIES,
    TONE_CLASSES,
    Span,
    ToneLine,
    fold_text,
)

MODES: Final = (
    ("live", "Live"),
    ("player", "Player"),
    ("simulate", "Simulate"),
    ("health", "Health"),
)

LEAST_SIZE: Final = (80, 24)
SLIM_SIZE: Final = (60, 38)
"""The smallest terminals in which nothing hides anything else: where one is not as wide, as a phone
is that is held upright, what else stands side by side stands one below the other."""

_SHORTEST_NOTICE: Final = 20
_MOST_LINES: Final = 4
_MOST_SLIM_LINES: Final = 6
"""How many lines a notice takes at most: all that the console says by itself has room in them."""
_READ_ONLY: Final = "read-only"
_TOO_SMALL: Final = "this terminal is too small to show what it does"

_SIGNS: Final = {"plus", "minus"}
"""Keys that write into a field, of which Textual does not know that they have characters."""

Row = Mapping[str, object]
"""One line of an export: column names and values."""


class WorkerFailed(Message):
    """A worker failed unexpectedly: a defect of the console."""

    def __init__(self, worker: Worker[object]) -> None:
        super().__init__()
        self.text = f"{worker.name} failed: {type(worker.error).__name__}: {worker.error}"


class WorkerReporter(MessagePump):
    """Reports its failed workers to the console: Textual tells only the widget that started one."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report a failed worker."""
        if event.state is WorkerState.ERROR:
            self.post_message(WorkerFailed(event.worker))


class ConsoleScreen(WorkerReporter, StyledOnce, Screen[None]):
    """A screen of the console. The app calls `show` with each tick while it is in front."""

    MODE: ClassVar[str]

    WORDS: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Words and marks of the screen, and what they mean: for the list of keys."""

    FILTERS: ClassVar[bool] = True
    """Whether it lists something that can be filtered."""

    HAS_PLAYERS: ClassVar[bool] = False
    """Whether a player can be selected on it."""

    WRITES: ClassVar[Mapping[str, Right]] = {}
    """The actions that write something, or begin to, and the right that each takes."""

    KEY_OWNERS: ClassVar[tuple[type[DOMNode], ...]] = ()
    """What else has keys, on this screen or over it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}

    # The state of the data must stay visible beside a maximised panel.
    ALLOW_IN_MAXIMIZED_VIEW = "#verdict, #notice, #status, Footer"

    # Otherwise each screen and dialog that closes would put the operator back into a field.
    AUTO_FOCUS = ""

    @dataclass
    class Chosen(Message):
        """The operator chose how something is to look, here and at the next start."""

        name: str
        chosen: object

    def __init__(self, state: ConsoleState) -> None:
        super().__init__()
        self.state = state
        # Else Textual reads all rules anew, twice, and styles the screen before by them.
        self._css_update_count = self.app._css_update_count  # noqa: SLF001
        self._take_size_classes()

    def compose(self) -> ComposeResult:
        """The screen's own part between what all of them have."""
        yield Tabs(id="tabs")
        yield Lines(id="verdict")
        yield Lines(id="small")
        yield Lines(id="notice")
        yield from self.compose_body()
        yield Prompt()
        yield Lines(id="status")
        yield KeyFooter()

    def compose_body(self) -> ComposeResult:
        """The screen's own part."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Fill the screen at once, not with the next tick."""
        self.show()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Catch up with what was not shown while another screen was in front."""
        if self.is_mounted:
            self.show()

    def on_resize(self) -> None:
        """Fill the new size at once, when all parts have theirs."""
        if self.is_mounted:
            self.set_class(self.size.width < LEAST_SIZE[0], "-slim")
            self.refresh_bindings()
            self.call_after_refresh(self.show)

    def watch_maximized(self) -> None:
        """Say how to leave a maximised panel, whichever way it was maximised."""
        if self.is_mounted:
            self.refresh_bindings()
            self.show()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings that do something now, under the names of what that is."""
        field = self.focused
        is_answer = field is not None and isinstance(field.parent, Prompt)
        # From a field that is no answer a slash finds.
        signs = {*_SIGNS, "slash"} if is_answer else _SIGNS if isinstance(field, Input) else ()
        return {
            key: active._replace(binding=self.name_binding(active.binding))
            for key, active in super().active_bindings.items()
            if self.applies(active.binding.action) and key not in signs
        }

    def name_binding(self, binding: Binding) -> Binding:
        """Return a binding under its present name, marked where what it does is refused."""
        binding = self.adapt_binding(binding)
        refusal = self.find_refusal(binding.action)
        if refusal is None:
            return binding
        why = "too small" if refusal == _TOO_SMALL else _READ_ONLY
        what = f"{binding.tooltip or binding.description} (refused: {why})"
        return replace(binding, description=f"✕ {binding.description}", tooltip=what)

    def find_right(self, action: str) -> Right | None:
        """Return the right that an action takes now, None for one that writes nothing."""
        return self.WRITES.get(action.partition("(")[0])

    def find_refusal(self, action: str) -> str | None:
        """Return why an action is refused, None where it is not."""
        right = self.find_right(action)
        if right is not None and self.has_class("-small"):
            return _TOO_SMALL
        return self.state.rights.find_refusal(right)

    def adapt_binding(self, binding: Binding) -> Binding:
        """Return a binding under its present name: what is paused can be resumed."""
        if binding.action == "pause" and self.state.paused:
            return replace(binding, description="Resume")
        if binding.action == "maximize" and self.maximized is not None:
            return replace(binding, description="All panels", show=True)
        if binding.action == "filter" and self.size.width < WIDE:
            # What works everywhere is to be seen first.
            return replace(binding, show=False)
        return binding

    def applies(self, action: str) -> bool:
        """Return whether an action has anything to do now."""
        if action == "acknowledge":
            return bool(self.state.alarms.news)
        if action == "explain":
            return self.HAS_PLAYERS
        return action != "filter" or self.FILTERS

    def find_lack(self, action: str) -> str | None:
        """Return why an action has nothing to do now, for whoever pressed its key all the same."""
        match action:
            case "acknowledge" if not self.applies(action):
                return "Nothing new is wrong"
            case "explain" if not self.applies(action):
                live, player = self.name_mode_key("live"), self.name_mode_key("player")
                return f"Why a rank is what it is, Live ({live}) and Player ({player}) tell"
            case "filter" if not self.applies(action):
                find = self.keys["console.search"]
                return f"Nothing is listed here that could be filtered: {find} finds anything"
        return None

    def show(self) -> None:
        """Show what the console knows now."""
        tabs = [self._draw_tab(*mode) for mode in MODES]
        # A profile has as much of its colour as there is room for.
        self.query_one(Tabs).show_tabs(
            self._draw_head(), tabs, "profile" if self.state.profile else ""
        )
        data_state = self.judge()
        self.show_body(data_state)
        verdict = self._draw_verdict(data_state)
        self._show_size()
        self.query_one("#verdict", Lines).show(verdict)
        self.query_one("#notice", Lines).show(self._draw_notice(data_state))
        self.query_one("#status", Lines).show(
            [draw_status(self.state, self.size.width, self.current_at)]
        )
        self.query_one(KeyFooter).follow(self.app.screen)

    def _show_size(self) -> None:
        """Say so where there is no room; a browser's has its own looks, and no other size."""
        width, height = self.app.size
        fits = any(width >= least and height >= low for least, low in (LEAST_SIZE, SLIM_SIZE))
        is_small = not fits and not self.app.is_web
        if is_small is not self.has_class("-small"):
            self.set_class(is_small, "-small")
            self.refresh_bindings()
        needed = "{}x{}".format(*LEAST_SIZE)
        lines: list[ToneLine] = [
            [("Too small", "strong"), (f": this terminal has {width}x{height}", "")],
            [("", ""), (f"and the console needs {needed}.", "")],
            [("Nothing that writes starts from here.", "")],
        ]
        self.query_one("#small", Lines).show(lines if is_small else [])

    def show_body(self, data_state: DataState) -> None:
        """Show the screen's own part; its data is in that state."""
        raise NotImplementedError

    def judge(self) -> DataState:
        """Return the state of the screen's data."""
        return judge_board(self.state)

    @property
    def current_at(self) -> float | None:
        """When what the screen shows was last current, in monotonic seconds; None: never yet."""
        return self.state.board_at

    def describe_live(self) -> str:
        """Return the sentence to show instead of the state's own while all is well."""
        return ""

    @property
    def keys(self) -> KeyNames:
        """How to name the keys in effect."""
        return self.state.keys

    def name_mode_key(self, mode: str) -> str:
        """Return the key that goes to a screen from here."""
        return self.keys[f"mode.{mode}"]

    @property
    def next_panel_key(self) -> str:
        """The key that gives the focus to the next panel: Textual's own, which stays."""
        return "tab"

    @property
    def notice_width(self) -> int:
        """The room for the sentence beside the mark that all is well."""
        return self.size.width - len(_write_mark(Kind.LIVE))

    def list_rows(self) -> Iterable[Row]:
        """Return what an export of this screen contains."""
        return ()

    def describe_rows(self) -> str:
        """Return what these rows are of all there are, empty where they are all."""
        return ""

    def name_board(self) -> str:
        """Return the board of these rows as a part of a file's name, empty where they have none."""
        return self.state.file_part

    def take_key(self, key: events.Key) -> bool:
        """Take a key before the field in focus and the bindings do; False leaves it to them."""
        return False

    def describe_selection(self) -> str | None:
        """Return what copying takes, None where nothing is selected."""
        return None

    def find_selected(self) -> int | None:
        """Return the id of the player who is selected."""
        return None

    def locate(self) -> Address | None:
        """Return the address of what is shown, but for the board; None while that is looked for."""
        return Address(self.MODE)

    def visit(self, address: Address) -> None:
        """Show what an address names besides the board."""

    def ask_now(self) -> None:
        """Ask at once for what this screen alone asks for."""

    def start_filter(self) -> None:
        """Let the operator filter what this screen lists."""

    def toggle_maximized(self) -> None:
        """Maximise the widget in focus, or restore all panels."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is None or not self.maximize(self.focused, container=False):
            self.notify(f"Press {self.next_panel_key} to choose a panel first.", markup=False)

    def ask(self, purpose: str, question: str, value: str = "", hint: str = "") -> None:
        """Ask the operator; the answer comes as a message of the prompt."""
        # A maximised panel would cover the question.
        self.minimize()
        self.query_one(Prompt).ask(purpose, question, value, hint)

    def _take_size_classes(self) -> None:
        """Take the classes of the terminal's size before any part is there.

        Textual gives them when all parts are laid out, and then styles every part again.
        """
        width, height = self.app.size
        self.add_class(
            *self._get_breakpoint_classes(width, self.app.HORIZONTAL_BREAKPOINTS or []),
            *self._get_breakpoint_classes(height, self.app.VERTICAL_BREAKPOINTS or []),
            update=False,
        )
        self.set_class(width < LEAST_SIZE[0], "-slim", update=False)

    def _draw_head(self) -> list[Span]:
        profile = self.state.profile
        is_slim = self.has_class("-slim")
        spans: list[Span] = [(f" {profile} ", "profile")] if profile else []
        if not (profile or is_slim):
            spans.append((" leaderboard ", "strong"))
        if self.state.rights.are_none:
            spans.append((" read-only ", "warn"))
        return [*spans, (" ", "")]

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        """Go to the screen whose tab was clicked, as its key does."""
        self.app.simulate_key(self.keys.list_keys(f"mode.{event.mode}")[-1])

    def _draw_tab(self, mode: str, title: str) -> Tab:
        is_here = mode == self.MODE
        name: Span = (f" {self.name_mode_key(mode)} {title} ", "marked" if is_here else "muted")
        between: list[Span] = [] if self.has_class("-slim") else [(" ", "")]
        return Tab(mode, [name, *([] if is_here else draw_badge(self.state, mode)), *between])

    def _draw_verdict(self, data_state: DataState) -> list[ToneLine]:
        """Return what is wrong with the service, cause first, and what to do about that."""
        troubles = [trouble for trouble in self.state.list_troubles() if trouble.is_bad]
        # That there is no connection most screens say by themselves.
        is_said = data_state.kind in {Kind.DISCONNECTED, Kind.ERROR, Kind.LOADING}
        if not troubles or (is_said and not isinstance(self.state.link, Connected)):
            return []
        first = troubles[0]
        mark, tone = SEVERITIES[first.severity]
        what = f"{mark} {first.describe(self.state.clock.now())}"
        keys = self.keys
        others = [f"{len(troubles) - 1} more: {self.name_mode_key('health')}"] * (len(troubles) > 1)
        seen = [f"{keys['console.acknowledge']}: seen"] * bool(self.state.alarms.news)
        beside = ", ".join([*others, *seen])
        advice = first.advice + f" ({beside})" * bool(beside)
        room = self.size.width - 2
        if cell_len(what) + cell_len(advice) + 3 <= room:
            return [[(" ", ""), (what, tone), (f" → {advice}", "")]]
        # What is wrong may be in a server's words, of any length: what to do has its own line.
        most = 2 if self.has_class("-slim") else 1
        room = max(_SHORTEST_NOTICE, room)
        said = [[(" ", ""), (line, tone)] for line in wrap_text(what, room, most=most)]
        return [*said, *fold_text(" → ", "", advice, room + 1)]

    def _draw_notice(self, data_state: DataState) -> list[ToneLine]:
        sentence = data_state.sentence or self.describe_live()
        if self.maximized is not None:
            key = self.keys["console.maximize"]
            # Escape is Textual's own way back.
            sentence = f"{key} or escape: back to all panels. {sentence}"
        mark = _write_mark(data_state.kind)
        room = max(_SHORTEST_NOTICE + len(mark), self.size.width)
        # Longer ones are rare, and all of them are trouble: they may move the screen down.
        most = _MOST_SLIM_LINES if self.has_class("-slim") else _MOST_LINES
        tone, last = KIND_TONES[data_state.kind], data_state.last
        return fold_text(mark, tone, sentence, room, most=most, last=last)


def _write_mark(kind: Kind) -> str:
    return f" {kind.value} {kind.name.lower()} "
