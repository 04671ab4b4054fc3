"""The fields of a run that is about to be started, and its course as they say."""

from dataclasses import fields
from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from dashboard.run_form import CLOSED, OPEN, RunForm
from dashboard.simulation.scores import Scores
from dashboard.widgets.choice import Choice
from dashboard.widgets.lines import Lines
from dashboard.widgets.rate_chart import RateChart
from dashboard.widgets.tones import ToneLine

_LABELS: Final = {
    "model": "Model",
    "rate": "Rate a second",
    "users": "Users",
    "think": "Think seconds",
    "duration": "Seconds",
    "stages": "or stages",
    "mix": "Mix",
    "scores": "Scores",
    "players": "Players",
    "seed": "Seed",
}
_HINTS: Final = {
    "stages": "0-300x30,300x60: a climb",
    "seed": "empty: a new one",
}
_OPEN_ONLY: Final = ("rate", "stages")
_CLOSED_ONLY: Final = ("users", "think")


class RunFormView(Horizontal):
    """A field for each option beside a chart of what they make. Enter in a field starts."""

    # Rules that look at the size of the screen reach beyond the widget.
    SCOPED_CSS = False

    DEFAULT_CSS = """
    RunFormView {
        height: 12;
        & .fields { width: 58; border: round $primary 60%; border-title-color: $text-accent; }
        & .course { width: 1fr; border: round $primary 60%; border-title-color: $text-accent; }
        & .field { height: 1; }
        & .label { width: 16; height: 1; padding: 0 1; }
        & Input { width: 1fr; }
        & .course Lines { height: 2; }
    }
    .-narrow RunFormView .fields { width: 44; }
    """

    class Submitted(Message):
        """The operator wants the run that the form describes."""

    def __init__(self) -> None:
        super().__init__()
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
        names = {field.name for field in fields(RunForm)}
        with Vertical(classes="fields") as box:
            box.border_title = "New run"
            for name in (name for name in _LABELS if name in names):
                with Horizontal(classes="field", id=f"row-{name}"):
                    yield Lines(id=f"label-{name}", classes="label")
                    yield self._choices.get(name) or self._make_input(name, defaults)
        with Vertical(classes="course") as box:
            box.border_title = "Course"
            yield RateChart(id="course-chart")
            yield Lines(id="course-text")

    def on_mount(self) -> None:
        """Write the labels and draw the course of what is offered."""
        for name, label in _LABELS.items():
            self.query_one(f"#label-{name}", Lines).show([[(label, "muted")]])
        self._show_course()

    def focus_first(self) -> None:
        """Let the operator fill in."""
        self.screen.set_focus(self._choices["model"])

    def on_choice_changed(self) -> None:
        """Show what the other choice makes."""
        self._show_course()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what the field makes."""
        event.stop()
        self._show_course()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Start."""
        event.stop()
        self.post_message(self.Submitted())

    def _make_input(self, name: str, defaults: RunForm) -> Input:
        field = Input(
            getattr(defaults, name),
            placeholder=_HINTS.get(name, ""),
            compact=True,
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
        except ValueError as error:
            chart.show(None)
            text.show([[("✕ ", "bad"), (str(error), "")]])
            return
        lines: list[ToneLine]
        if options.users is None:
            chart.show(options.course)
            stages = len(options.stages)
            parts = f" in {stages} stages" if stages else ""
            seconds = f"{options.course.duration_seconds:g} s"
            lines = [[(f"{options.requests:,} requests in {seconds}{parts}", "strong")]]
        else:
            chart.show(None)
            lines = [
                [(f"{options.users:,} users for {options.course.duration_seconds:g} s", "strong")],
                [(f"each waits for the answer, then thinks {options.think_seconds:g} s", "muted")],
            ]
        text.show(lines)
