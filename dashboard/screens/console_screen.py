"""What all screens have: tabs, the condition of the figures, a prompt and the status bar."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from textwrap import wrap
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.screen import Screen
from textual.widgets import Footer

from dashboard.client.link_state import Connected, Connecting, Faulty
from dashboard.keys.keymap import KeyNames
from dashboard.state.console_state import BOARD_NAME, Picture
from dashboard.state.data_state import Condition, Kind
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_age, write_ms
from dashboard.widgets.lines import Lines
from dashboard.widgets.prompt import Prompt
from dashboard.widgets.tones import Span, Tone, ToneLine, choose_line

MODES: Final = (
    ("live", "Live"),
    ("player", "Player"),
    ("simulate", "Simulate"),
    ("health", "Health"),
)

_TONES: Final[Mapping[Kind, Tone]] = {
    Kind.LOADING: "muted",
    Kind.EMPTY: "accent",
    Kind.LIVE: "good",
    Kind.STALE: "warn",
    Kind.DISCONNECTED: "bad",
    Kind.ERROR: "bad",
    Kind.PAUSED: "accent",
}

_WIDE: Final = 100
_SHORTEST_NOTICE: Final = 20

Row = Mapping[str, object]
"""One line of an export: column names and values."""


class ConsoleScreen(Screen[None]):
    """A screen of the console. The app calls `show` with each tick while it is in front."""

    MODE: ClassVar[str]

    WORDS: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Words and marks of the screen, and what they mean: for the list of keys."""

    SEARCHES: ClassVar[bool] = True
    """Whether there is something to search for on it."""

    # What the figures are worth is to be seen also beside a panel that has the screen to itself.
    ALLOW_IN_MAXIMIZED_VIEW = "#notice, #status, Footer"

    # Otherwise each screen and dialog that closes would put the operator back into a field.
    AUTO_FOCUS = ""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture = picture

    def compose(self) -> ComposeResult:
        """The screen's own part between what all of them have."""
        yield Lines(id="tabs")
        yield Lines(id="notice")
        yield from self.compose_body()
        yield Prompt()
        yield Lines(id="status")
        yield Footer()

    def compose_body(self) -> ComposeResult:
        """The screen's own part."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Fill the screen at once, not with the next tick."""
        self.show()

    def on_screen_resume(self) -> None:
        """Catch up with what was not shown while another screen was in front."""
        if self.is_mounted:
            self.show()

    def watch_maximized(self) -> None:
        """Say how to go back from a panel that has the screen to itself, whoever gave it that."""
        if self.is_mounted:
            self.refresh_bindings()
            self.show()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings that do something now, under the names of what that is."""
        return {
            key: active._replace(binding=self.adapt_binding(active.binding))
            for key, active in super().active_bindings.items()
            if self.applies(active.binding.action)
        }

    def adapt_binding(self, binding: Binding) -> Binding:
        """Return a binding as it is called now: what was paused can only be resumed."""
        if binding.action == "pause" and self.picture.paused:
            return replace(binding, description="Resume")
        if binding.action == "maximize" and self.maximized is not None:
            return replace(binding, description="All panels", show=True)
        return binding

    def applies(self, action: str) -> bool:
        """Return whether there is anything that an action could do now."""
        return action != "search" or self.SEARCHES

    def show(self) -> None:
        """Show what the console knows now."""
        self.query_one("#tabs", Lines).show([self._draw_tabs()])
        condition = self.judge()
        self.show_body(condition)
        self.query_one("#notice", Lines).show(self._draw_notice(condition))
        self.query_one("#status", Lines).show([self._draw_status()])

    def show_body(self, condition: Condition) -> None:
        """Show the screen's own part; its figures are in that condition."""
        raise NotImplementedError

    def judge(self) -> Condition:
        """Return in what condition the screen's figures are."""
        return self.picture.judge_board()

    def describe_live(self) -> str:
        """Return the sentence in place of the condition's while all is well."""
        return ""

    @property
    def keys(self) -> KeyNames:
        """How to name the keys in effect."""
        return self.picture.keys

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

    def describe_selection(self) -> str | None:
        """Return what copying takes, None where nothing is selected."""
        return None

    def start_search(self) -> None:
        """Let the operator search on this screen."""

    def toggle_maximized(self) -> None:
        """Give the widget in focus the whole screen, or take it back."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is None or not self.maximize(self.focused, container=False):
            self.notify(f"Press {self.next_panel_key} to choose a panel first.", markup=False)

    def ask(self, purpose: str, question: str, value: str = "", hint: str = "") -> None:
        """Ask the operator; the answer comes as a message of the prompt."""
        # A panel that has the screen to itself would cover the question.
        self.minimize()
        self.query_one(Prompt).ask(purpose, question, value, hint)

    def _draw_tabs(self) -> ToneLine:
        spans: list[Span] = [(" leaderboard ", "strong")]
        for mode, title in MODES:
            spans.append((" ", ""))
            key = self.keys[f"mode.{mode}"]
            spans.append((f" {key} {title} ", "marked" if mode == self.MODE else "muted"))
        return spans

    def _draw_notice(self, condition: Condition) -> list[ToneLine]:
        sentence = condition.sentence or self.describe_live()
        if self.maximized is not None:
            key = self.keys["console.maximize"]
            # Escape is Textual's own way back.
            sentence = f"{key} or escape: back to all panels. {sentence}"
        mark = _write_mark(condition.kind)
        first, *rest = wrap(sentence, max(_SHORTEST_NOTICE, self.size.width - len(mark))) or [""]
        lines: list[ToneLine] = [[(mark, _TONES[condition.kind]), (first, "")]]
        # Longer ones are rare, and all of them are trouble: they may move the screen down.
        lines.extend([(" " * len(mark) + more, "")] for more in rest[:2])
        return lines

    def _draw_status(self) -> ToneLine:
        # What there is no room for goes as a whole: a figure without its words says nothing.
        return choose_line(
            self.size.width, *(self._write_status(fullness) for fullness in (3, 2, 1, 0))
        )

    def _write_status(self, fullness: int) -> ToneLine:
        """Return the status bar; 3 has everything, less fullness leaves more out."""
        picture = self.picture
        link = picture.link
        if isinstance(link, Connected):
            state: Span = ("● connected", "good")
        elif isinstance(link, Connecting):
            state = ("… connecting", "warn")
        else:
            state = ("! error" if isinstance(link, Faulty) else "✕ disconnected", "bad")
        spans: list[Span] = [(" ", ""), state]
        if self.size.width >= _WIDE and fullness > 2:
            spans.append((f" {picture.address}", "muted"))
        if picture.paused:
            paused = "‖ figures:" if fullness else "‖"
            spans.append((f" │ {paused} {picture.held:,} held", "accent"))
        spans.append((f" │ round trip {write_ms(picture.round_trip_ms)}", ""))
        age = picture.age_seconds
        spans.append((f" │ data {'none' if age is None else write_age(age) + ' old'}", ""))
        if fullness > 1:
            spans.append((f" │ board {BOARD_NAME}", ""))
        spans.append((f" │ {clean_name(picture.run_state)}", ""))
        return spans


def _write_mark(kind: Kind) -> str:
    return f" {kind.value} {kind.name.lower()} "
