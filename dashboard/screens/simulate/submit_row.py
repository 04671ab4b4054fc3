"""One row in which a single score is submitted by hand."""

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from dashboard.client.submitter import SingleSubmit, SubmitAnswer, Submitter
from dashboard.runs.single_submit import LONGEST_MODE, IdempotencyKeys, parse_score
from dashboard.screens.console_screen import WorkerFailed
from dashboard.simulation.workload.scores import LARGEST_SCORE
from dashboard.text.names import clean_name
from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import Tone, ToneLine

_HINTS = {"user": "a player's id", "score": "a whole number", "mode": "empty means solo"}
_WARNING: ToneLine = [
    ("▲ ", "warn"),
    ("Enter writes it to the live board for ever: nothing takes it back.", ""),
]
_ALLOWED: ToneLine = [
    (f"Score {-LARGEST_SCORE - 1:,} to {LARGEST_SCORE:,}; ", "muted"),
    (f"mode any text up to {LONGEST_MODE} characters.", "muted"),
]


class SubmitRow(Vertical):
    """User, score and mode, and below them the service's answer."""

    DEFAULT_CSS = """
    SubmitRow {
        height: 6;
        border: round $primary 60%;
        border-title-color: $text-accent;
        & Horizontal { height: 1; }
        & .label { width: 8; height: 1; padding: 0 1; }
        & Input { width: 1fr; }
        & #submit-hint { height: 2; padding: 0 1; }
        & #submit-answer { height: 1; padding: 0 1; }
    }
    """

    class Answered(Message):
        """The service answered, or nobody knows what became of the score."""

        def __init__(self, text: str, *, accepted: bool) -> None:
            super().__init__()
            self.text = text
            self.accepted = accepted

    def __init__(self, submitter: Submitter, *, read_only: bool = False) -> None:
        super().__init__(id="submit")
        self.border_title = "One score by hand"
        self._submitter = submitter
        self._keys = IdempotencyKeys()
        self._read_only = read_only
        self._is_asking = False
        self._complains = False

    def compose(self) -> ComposeResult:
        """The fields and the answer."""
        with Horizontal():
            for name, hint in _HINTS.items():
                yield Lines(id=f"submit-label-{name}", classes="label")
                yield Input(placeholder=hint, compact=True, id=f"submit-{name}")
        yield Lines(id="submit-hint")
        yield Lines(id="submit-answer")

    def on_mount(self) -> None:
        """Write the labels."""
        for name in _HINTS:
            self.query_one(f"#submit-label-{name}", Lines).show([[(name.capitalize(), "muted")]])
        self.query_one("#submit-hint", Lines).show([_WARNING, _ALLOWED])

    def focus_first(self) -> None:
        """Let the operator type."""
        self.screen.set_focus(self.query_one("#submit-user", Input))

    def on_descendant_blur(self) -> None:
        """Forget what was typed wrong once the operator is elsewhere; what was sent stays."""
        if self._complains and not self.has_focus_within:
            self._complains = False
            self.query_one("#submit-answer", Lines).show([])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Submit what is typed."""
        event.stop()
        # What becomes of the last one is to be known before there is another.
        if self._read_only or self._is_asking:
            return
        user, score, mode = (self.query_one(f"#submit-{name}", Input).value for name in _HINTS)
        try:
            wanted = parse_score(user, score, mode)
        except ValueError as error:
            self._say("✕ ", str(error), "bad")
            self._complains = True
        else:
            self._say("… ", "asking; the next one can follow its answer", "muted")
            self._is_asking = True
            self._submit(wanted)

    @work(exit_on_error=False)
    async def _submit(self, score: SingleSubmit) -> None:
        try:
            answer = await self._submitter.submit(score, self._keys.choose(score))
        finally:
            self._is_asking = False
        if answer.known:
            self._keys.settle()
        self._show_answer(score, answer)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report a failed worker to the console: Textual tells only the widget that started it."""
        if event.state is WorkerState.ERROR:
            self._say("▲ ", "what became of it is unknown. Enter sends it again.", "warn")
            self.post_message(WorkerFailed(event.worker))

    def _show_answer(self, score: SingleSubmit, answer: SubmitAnswer) -> None:
        what = f"player {score.user_id}, {score.score:+,}, {score.game_mode}: {answer.text}"
        self.post_message(self.Answered(clean_name(what), accepted=answer.accepted))
        if answer.accepted:
            self._say("✓ ", what, "good")
        elif answer.known:
            self._say("✕ ", what, "bad")
        else:
            self._say("▲ ", f"{what}. Enter sends it again under the same key.", "warn")

    def _say(self, mark: str, text: str, tone: Tone) -> None:
        self._complains = False
        self.query_one("#submit-answer", Lines).show([[(mark, tone), (clean_name(text), "")]])
