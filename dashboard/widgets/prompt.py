"""One line at the bottom of a screen in which the operator answers a question."""

from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines


class Prompt(Horizontal):
    """Asks for a text. It is hidden while nothing is asked; escape cancels it."""

    DEFAULT_CSS = """
    Prompt {
        height: 1; display: none; background: $panel;
        & Lines { width: auto; height: 1; padding: 0 1; background: $primary 40%; }
        & Input { width: 1fr; background: $panel; }
        &.-asking { display: block; }
    }
    """

    BINDINGS = [Binding("escape", "cancel", "Cancel", id="prompt.cancel")]  # noqa: RUF012

    @dataclass
    class Changed(Message):
        """The operator is typing."""

        purpose: str
        value: str

    class Answered(Changed):
        """The operator pressed enter."""

    @dataclass
    class Cancelled(Message):
        """The operator cancelled."""

        purpose: str

    def __init__(self) -> None:
        super().__init__()
        self._purpose = ""

    @property
    def purpose(self) -> str:
        """What is asked now, empty while nothing is."""
        return self._purpose

    def compose(self) -> ComposeResult:
        """The question, and a field for the answer."""
        yield Lines()
        # Selecting on focus would let the first letter typed replace what is offered.
        yield Field(select_on_focus=False)

    def ask(self, purpose: str, question: str, value: str = "", hint: str = "") -> None:
        """Ask; the answer comes as this widget's messages, which carry `purpose`."""
        self._purpose = purpose
        label = self.query_one(Lines)
        label.styles.width = cell_len(question) + 2
        label.show([[(question, "strong")]])
        field = self.query_one(Input)
        field.value = value
        field.placeholder = hint
        field.cursor_position = len(value)
        self.add_class("-asking")
        # At once: what is typed from now on is the answer.
        self.screen.set_focus(field)

    def close(self) -> None:
        """Hide the question."""
        self.remove_class("-asking")
        self._purpose = ""

    def action_cancel(self) -> None:
        """Cancel the question."""
        purpose = self._purpose
        self.close()
        self.post_message(self.Cancelled(purpose))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass on what is typed."""
        event.stop()
        if self._purpose:
            self.post_message(self.Changed(self._purpose, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Pass on the answer."""
        event.stop()
        purpose = self._purpose
        self.close()
        # Complaints about the previous answer are out of date.
        self.app.clear_notifications()
        self.post_message(self.Answered(purpose, event.value))
