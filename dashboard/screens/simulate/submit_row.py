"""One row in which a single score is submitted by hand."""

from dataclasses import dataclass
from typing import Final

from textual import work
from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.message import Message
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from dashboard.client.gateway import Gateway, GatewayError
from dashboard.client.submitter import ServiceSubmitter, SingleSubmit, SubmitAnswer
from dashboard.keys.keymap import KeyNames
from dashboard.runs.single_submit import LONGEST_MODE, IdempotencyKeys, parse_score
from dashboard.screens.console_screen import WorkerReporter
from dashboard.simulation.workload.scores import LARGEST_SCORE
from dashboard.text.names import clean_name, fit_name
from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import Tone, fold_text

_NAME: Final = 24
_LINES: Final = 2
"""How many an answer takes at most, as the style below has it."""
_UNDO_REASON: Final = "undone: it was written by hand in the console"
_HINTS = {"user": "a player's id", "score": "a whole number", "mode": "empty means solo"}
_ALLOWED: Final = (
    f"Score {-LARGEST_SCORE:,} to {LARGEST_SCORE:,}; mode up to {LONGEST_MODE} letters"
)


class SubmitRow(WorkerReporter, Vertical):
    """User, score and mode, and below them the service's answer.

    Enter shows whose score it would be, the next Enter writes it, and it is written once until a
    field is changed. The last one written can be undone: its session is revoked.
    """

    # Rules that look at the size of the screen reach beyond the widget.
    SCOPED_CSS = False

    DEFAULT_CSS = """
    SubmitRow {
        height: 7;
        border: round $primary 60%;
        border-title-color: $text-accent;
        & Grid { height: 1; grid-size: 6 1; grid-columns: 8 1fr 8 1fr 8 1fr; }
        & .label { height: 1; padding: 0 1; }
        & #submit-hint { height: 2; padding: 0 1; }
        & #submit-answer { height: 2; padding: 0 1; }
    }
    .-slim SubmitRow {
        height: 11;
        & Grid { height: 3; grid-size: 2 3; grid-columns: 8 1fr; grid-rows: 1; }
        & #submit-hint { height: 4; }
    }
    """

    @dataclass
    class Answered(Message):
        """The service answered, or nobody knows what became of the score."""

        text: str
        accepted: bool

    def __init__(self, submitter: ServiceSubmitter, gateway: Gateway, keys: KeyNames) -> None:
        super().__init__(id="submit")
        self.border_title = "One score by hand"
        self._submitter = submitter
        self._gateway = gateway
        self._keys = keys
        self._shown: SingleSubmit | None = None
        self._written: SingleSubmit | None = None
        # What the next undoing revokes: a score, and its session.
        self._undoable: tuple[SingleSubmit, int] | None = None
        # The session that may be revoked already.
        self._in_doubt: int | None = None
        self._idempotency_keys = IdempotencyKeys()
        self._is_asking = False
        self._complains = False

    def compose(self) -> ComposeResult:
        """The fields and the answer."""
        with Grid():
            for name, hint in _HINTS.items():
                yield Lines(id=f"submit-label-{name}", classes="label")
                yield Field(placeholder=hint, id=f"submit-{name}")
        yield Lines(id="submit-hint")
        yield Lines(id="submit-answer")

    def on_mount(self) -> None:
        """Write the labels."""
        for name in _HINTS:
            self.query_one(f"#submit-label-{name}", Lines).show([[(name.capitalize(), "muted")]])

    def on_resize(self) -> None:
        """Write what a score by hand is, in the room there is."""
        leave, undo = (self._keys[f"simulate.{action}"] for action in ("leave", "undo"))
        steps = f"Enter shows the player, Enter again writes it; after {leave} {undo} undoes it."
        room, most = self._room, 2 if self.screen.has_class("-slim") else 1
        lines = fold_text("", "", steps, room, most=most)
        lines += fold_text("", "", _ALLOWED, room, "muted", most=most)
        self.query_one("#submit-hint", Lines).show(lines)

    def focus_first(self) -> None:
        """Let the operator type."""
        self.screen.set_focus(self.query_one("#submit-user", Input))

    def undo(self) -> None:
        """Revoke the session of the last score written here; one is undone once."""
        if self._is_asking:
            return
        if self._undoable is None:
            self._say("· ", "nothing written by hand here is left to undo", "muted")
            return
        self._is_asking = True
        score, session_id = self._undoable
        self._say("… ", f"revoking session {session_id}", "muted")
        self._revoke(score, session_id)

    def on_descendant_blur(self) -> None:
        """Forget what was typed wrong once the operator is elsewhere; what was sent stays."""
        if self._complains and not self.has_focus_within:
            self._complains = False
            self.query_one("#submit-answer", Lines).show([])

    def on_input_changed(self) -> None:
        """Take what is typed from now on for another score, even if it comes out the same."""
        self._shown = self._written = None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Show whose score it would be, or submit it once that was shown."""
        event.stop()
        # What becomes of the last one is to be known before there is another.
        if self._is_asking:
            return
        user, score, mode = (self.query_one(f"#submit-{name}", Input).value for name in _HINTS)
        try:
            wanted = parse_score(user, score, mode)
        except ValueError as error:
            self._say("✕ ", str(error), "bad")
            self._complains = True
            return
        if wanted == self._written:
            self._say("✓ ", "written already, once: change a field for another score", "good")
            return
        self._is_asking = True
        if wanted == self._shown:
            self._say("… ", "asking; the next one can follow its answer", "muted")
            self._submit(wanted)
        else:
            self._say("… ", f"looking for player {wanted.user_id}", "muted")
            self._show_player(wanted)

    @work(exit_on_error=False)
    async def _show_player(self, score: SingleSubmit) -> None:
        try:
            player = await self._gateway.find_player(score.user_id)
        except GatewayError as error:
            self._say("✕ ", f"nothing written: {error.code}: {error.message}", "bad")
            return
        finally:
            self._is_asking = False
        self._shown = score
        name = fit_name(player.username, _NAME).rstrip()
        what = f"player {score.user_id} is {name}: Enter writes {score.score:+,}, {score.game_mode}"
        self._say("? ", what, "accent")

    @work(exit_on_error=False)
    async def _submit(self, score: SingleSubmit) -> None:
        try:
            answer = await self._submitter.submit(score, self._idempotency_keys.choose(score))
        finally:
            self._is_asking = False
        if answer.known:
            self._idempotency_keys.forget()
        if answer.accepted:
            self._written = score
        if answer.session_id is not None:
            self._undoable = score, answer.session_id
        self._show_answer(score, answer)

    @work(exit_on_error=False)
    async def _revoke(self, score: SingleSubmit, session_id: int) -> None:
        what = f"player {score.user_id}, {score.score:+,}, {score.game_mode}: session {session_id}"
        try:
            await self._gateway.revoke_session(session_id, _UNDO_REASON)
        except GatewayError as error:
            if error.maybe_done:
                self._in_doubt = session_id
            if self._in_doubt == session_id:
                how = f"{self._keys['simulate.undo']} undoes it again."
                why = f"{what}: {error.message.removesuffix('.')}."
                self._say("▲ ", why, "warn", f" {how}")
            else:
                self._say("✕ ", f"{what} not undone: {error.code}: {error.message}", "bad")
            return
        finally:
            self._is_asking = False
        # Enter may write the same again: what it wrote before is gone.
        self._undoable = self._written = self._shown = None
        text = f"{what} undone: it is revoked"
        self._say("✓ ", text, "good")
        self.post_message(self.Answered(clean_name(text), accepted=True))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say that nobody knows what became of it."""
        if event.state is WorkerState.ERROR:
            self._say("▲ ", "what became of it is unknown. Enter sends it again.", "warn")

    def _show_answer(self, score: SingleSubmit, answer: SubmitAnswer) -> None:
        what = f"player {score.user_id}, {score.score:+,}, {score.game_mode}: {answer.text}"
        self.post_message(self.Answered(clean_name(what), accepted=answer.accepted))
        if answer.accepted:
            self._say("✓ ", what, "good")
        elif answer.known:
            self._say("✕ ", what, "bad")
        else:
            self._say("▲ ", f"{what}.", "warn", " Enter sends it again under the same key.")

    @property
    def _room(self) -> int:
        return self.content_size.width - 2

    def _say(self, mark: str, text: str, tone: Tone, last: str = "") -> None:
        self._complains = False
        lines = fold_text(mark, tone, clean_name(text), self._room, most=_LINES, last=last)
        answer = self.query_one("#submit-answer", Lines)
        answer.show(lines)
        # What is wrong with the service takes lines of the screen, and it may be why.
        answer.scroll_visible(animate=False)
