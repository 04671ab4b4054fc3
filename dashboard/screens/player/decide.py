"""The last step of a moderator: what would change, why it is done, and a typed confirmation."""

from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from dashboard.client.gateway import GatewayError
from dashboard.client.moderation import ChangedEntry
from dashboard.keys.keymap import KeyNames
from dashboard.screens.dialog import Dialog, draw_error
from dashboard.screens.player.proposals import Proposal, write_rank
from dashboard.text.names import clean_name, fit_name
from dashboard.text.numbers import write_count
from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import Tone, ToneLine, fold_text

_LONGEST_REASON: Final = 1_000
_BOARD: Final = 20
_SCORE: Final = 17
_RANK: Final = 10


class DecideScreen(Dialog[str | None]):
    """Shows what a proposal changes, and does it; answers what was done, None where nothing was."""

    DEFAULT_CSS = """
    DecideScreen {
        & Panel { border: none; max-height: 14; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="decide.back"),
    ]

    AUTO_FOCUS = "#reason"

    def __init__(self, proposal: Proposal, keys: KeyNames) -> None:
        super().__init__()
        self._proposal = proposal
        self._keys = keys
        self._looked = False
        self._is_asking = False
        # From a call whose outcome nobody knows until it is known that it is done.
        self._in_doubt = False

    def compose(self) -> ComposeResult:
        """What would change, the reason and the confirmation."""
        with Vertical(classes="frame") as frame:
            frame.border_title = Content(self._proposal.title)
            back = self._keys["decide.back"]
            frame.border_subtitle = Content(f"enter goes on, {back} changes nothing")
            yield Panel("", id="changes")
            for name, hint in (
                ("reason", "for the moderation log"),
                ("confirm", f"type {self._proposal.phrase}, then enter, to have it done"),
            ):
                with Horizontal(classes="field"):
                    yield Lines(id=f"label-{name}", classes="label")
                    yield Field(placeholder=hint, id=name)
            yield Lines(id="said", classes="said")

    def on_mount(self) -> None:
        """Look what would be."""
        for name in ("reason", "confirm"):
            self.query_one(f"#label-{name}", Lines).show([[(name.capitalize(), "muted")]])
        self.look()

    @work(exit_on_error=False)
    async def look(self) -> None:
        """Ask what would change."""
        self._is_asking = True
        self.query_one(Panel).show([[("… asking what would change: it may take minutes", "muted")]])
        try:
            outcome = await self._proposal.look()
        except GatewayError as error:
            self.query_one(Panel).show(
                [
                    *draw_error(error, self.room),
                    [("Nothing is done before this is answered: enter asks again.", "")],
                ]
            )
            return
        finally:
            self._is_asking = False
        self._looked = True
        told = fold_text("? ", "accent", outcome.text, self.room, "strong")
        self.query_one(Panel).show([*told, *draw_changes(outcome.boards)])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the next field, or do it."""
        event.stop()
        reason = self.query_one("#reason", Input)
        confirm = self.query_one("#confirm", Input)
        if self._is_asking:
            return
        if not self._looked:
            self.look()
        elif not 0 < len(reason.value.strip()) <= _LONGEST_REASON:
            self._say("✕ ", f"a reason has 1 to {_LONGEST_REASON:,} characters", "bad")
            reason.focus()
        elif event.input is reason and not confirm.value:
            self._say("", "", "")
            confirm.focus()
        elif " ".join(confirm.value.split()) != self._proposal.phrase:
            self._say("✕ ", f"not done: it takes the words {self._proposal.phrase}", "bad")
            confirm.focus()
        else:
            self._is_asking = True
            self._say("… ", "under way: it may take minutes, and this waits for it", "muted")
            self.do(reason.value.strip())

    @work(exit_on_error=False)
    async def do(self, reason: str) -> None:
        """Have it done, and go."""
        again, self._in_doubt = self._in_doubt, True
        try:
            redo = self._proposal.redo or self._proposal.do
            outcome = await (redo if again else self._proposal.do)(reason)
        except GatewayError as error:
            # A later refusal says nothing of the call before it.
            self._in_doubt = again or error.maybe_done
            if self._in_doubt:
                how = "it may be done or not, the log says which. Enter does it unless it is done."
                self._say("▲ ", f"{error.message.removesuffix('.')}: {how}", "warn")
            else:
                self._say("✕ ", f"not done: {error.code}: {error.message}", "bad")
        else:
            self.dismiss(outcome.text)
        finally:
            self._is_asking = False

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say that nobody knows what became of it."""
        if event.state is WorkerState.ERROR:
            self._say("▲ ", "what became of it is unknown", "warn")

    def action_back(self) -> None:
        """Close it, unless the answer is to come: what is done by then is to be known."""
        if not (self._is_asking and self._looked):
            self.dismiss(None)

    def _say(self, mark: str, text: str, tone: Tone) -> None:
        said = fold_text(mark, tone, clean_name(text), self.room) if text else []
        self.query_one("#said", Lines).show(said)


def draw_changes(boards: tuple[ChangedEntry, ...]) -> list[ToneLine]:
    """Return a line for each entry that changes, below a head line."""
    if not boards:
        return [[("No entry of an open season changes.", "muted")]]
    head = f"{'Board':<{_BOARD}} {'Season':>6} {'Score':>{_SCORE}} {'Rank':>{_RANK}}"
    lines: list[ToneLine] = [[(head, "muted")]]
    for entry in boards:
        was = (
            f"{fit_name(entry.board, _BOARD)} {entry.season:>6} "
            f"{_write(entry.score_before):>{_SCORE}} {write_rank(entry.rank_before):>{_RANK}}"
        )
        becomes = (
            f"{'→':>{_BOARD + 7}} {_write(entry.score_after):>{_SCORE}} "
            f"{write_rank(entry.rank_after):>{_RANK}}"
        )
        lines += [[(was, "")], [(becomes, "accent")]]
    return lines


def _write(score: int | None) -> str:
    return "none" if score is None else write_count(score)
