"""The form of a new run, and a chart of the rate it asks for."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widgets import Input

from dashboard.keys.keymap import KeyNames
from dashboard.runs.form import CLOSED, FIELD_NAMES, OPEN, RunForm, WrongField
from dashboard.screens.simulate.rate_chart import RateChart
from dashboard.simulation.workload.scores import Scores
from dashboard.text.numbers import write_amount
from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import Toned, ToneLine, fold_text

_HINTS: Final = {
    "stages": "such as 0-300x30,300x60",
    "seed": "empty means a new one",
}
_STAYS: Final = "The scores it submits stay for ever."
_NARROWEST: Final = 22
_OPEN_ONLY: Final = ("rate", "stages")
_CLOSED_ONLY: Final = ("users", "think")


class Choice(Toned, can_focus=True):
    """Shows the chosen word between arrows; the arrow keys, enter and a click take another."""

    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; &:focus { background: $surface-lighten-1; text-style: bold; } }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Choose the one before", show=False, id="choice.before"),
        Binding("right,enter", "turn(1)", "Choose the next", show=False, id="choice.next"),
    ]

    class Changed(Message):
        """Another word was chosen."""

    def __init__(self, words: Sequence[str], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._words = list(words)
        self.value = self._words[0]

    def action_turn(self, step: int) -> None:
        """Choose the next word, or the one before."""
        at = (self._words.index(self.value) + step) % len(self._words)
        self.value = self._words[at]
        self.refresh()
        self.post_message(self.Changed())

    def on_click(self) -> None:
        """Choose the next word."""
        self.focus()
        self.action_turn(1)

    def render_line(self, y: int) -> Strip:
        """Draw the word."""
        return self.draw_line(
            [("◂ ", "muted"), (self.value, "accent"), (" ▸", "muted")], self.size.width
        )


class RunFormView(Horizontal):
    """A field for each option beside a chart of the rate. Enter in a field starts the run."""

    # Rules that look at the size of the screen reach beyond the widget.
    SCOPED_CSS = False

    DEFAULT_CSS = """
    RunFormView {
        height: 12;
        & .fields {
            width: 58; border: round $primary 60%; border-title-color: $text-accent;
            border-subtitle-color: $text-muted;
        }
        & .course { width: 1fr; border: round $primary 60%; border-title-color: $text-accent; }
        & .field { height: 1; }
        & .label { width: 17; height: 1; padding: 0 1; }
        & .stays { height: 1; padding: 0 1; }
        & Input { width: 1fr; }
        & .course Lines { height: 2; }
        &.-wrong .course Lines { height: 1fr; }
        &.-wrong RateChart { display: none; }
    }
    .-narrow RunFormView .fields { width: 44; }
    .-slim RunFormView { layout: vertical; height: 24; }
    .-slim RunFormView .fields { width: 1fr; height: 12; }
    """

    class Submitted(Message):
        """The operator wants the run that the form describes."""

    def __init__(self, keys: KeyNames) -> None:
        super().__init__()
        self._keys = keys
        self._inputs: dict[str, Input] = {}
        self._choices = {
            "model": Choice((OPEN, CLOSED), id="field-model"),
            "scores": Choice([scores.value for scores in Scores], id="field-scores"),
        }

    @property
    def form(self) -> RunForm:
        """What is filled in."""
        values = {name: choice.value for name, choice in self._choices.items()}
        values |= {name: field.value for name, field in self._inputs.items()}
        return RunForm(**values)

    def compose(self) -> ComposeResult:
        """The fields on the left, the course on the right."""
        defaults = RunForm()
        with Vertical(classes="fields") as box:
            box.border_title = "New run"
            # A string is read as markup, and the key may be a bracket.
            start = self._keys["simulate.start"]
            box.border_subtitle = Content(f"{start} starts it; in a field, enter")
            for name in FIELD_NAMES:
                with Horizontal(classes="field", id=f"row-{name}"):
                    yield Lines(id=f"label-{name}", classes="label")
                    yield self._choices.get(name) or self._make_input(name, defaults)
            yield Lines(id="form-stays", classes="stays")
        with Vertical(classes="course") as box:
            box.border_title = "Course"
            yield RateChart(id="course-chart")
            yield Lines(id="course-text")

    def on_mount(self) -> None:
        """Write the labels and draw the course of what is offered."""
        self.query_one("#form-stays", Lines).show([[(_STAYS, "muted")]])
        self._show_course()

    def on_resize(self) -> None:
        """Wrap the error message to the new width."""
        self._show_course()

    def on_choice_changed(self) -> None:
        """Redraw the course for the new choice."""
        self._show_course()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Redraw the course for the new value."""
        event.stop()
        self._show_course()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Start."""
        event.stop()
        self.post_message(self.Submitted())

    def _make_input(self, name: str, defaults: RunForm) -> Input:
        field = Field(
            getattr(defaults, name),
            placeholder=_HINTS.get(name, ""),
            select_on_focus=False,
            id=f"field-{name}",
        )
        self._inputs[name] = field
        return field

    def _show_course(self) -> None:
        is_closed = self._choices["model"].value == CLOSED
        for name in (*_OPEN_ONLY, *_CLOSED_ONLY):
            shown = (name in _CLOSED_ONLY) is is_closed
            self.query_one(f"#row-{name}").display = shown
        chart, text = self.query_one(RateChart), self.query_one("#course-text", Lines)
        try:
            options = self.form.read_options()
        except WrongField as error:
            chart.show(None)
            room = max(self.query_one(".course").content_size.width, _NARROWEST)
            text.show(fold_text("✕ ", "bad", str(error), room))
            self._mark(error.field)
            return
        self._mark(None)
        lines: list[ToneLine]
        if options.users is None:
            chart.show(options.course)
            stages = len(options.stages)
            seconds = f"{options.course.duration_seconds:g} s"
            lines = [[(f"{options.requests:,} requests in {seconds}", "strong")]]
            lines += [[(f"in {write_amount(stages, 'stage')}", "muted")]] * bool(stages)
        else:
            chart.show(None)
            lines = [
                [(f"{options.users:,} users for {options.course.duration_seconds:g} s", "strong")],
                [(f"each thinks {options.think_seconds:g} s after an answer", "muted")],
            ]
        text.show(lines)

    def _mark(self, wrong: str | None) -> None:
        """Mark the field that is wrong, if one is."""
        self.set_class(wrong is not None, "-wrong")
        for name, label in FIELD_NAMES.items():
            line: ToneLine = [("✕ ", "bad"), (label, "")] if name == wrong else [(label, "muted")]
            self.query_one(f"#label-{name}", Lines).show([line])
