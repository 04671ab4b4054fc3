"""A field in which one of a few words is chosen."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from dashboard.widgets.tones import Toned


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

        def __init__(self, choice: "Choice") -> None:
            super().__init__()
            self.choice = choice

    def __init__(self, words: Sequence[str], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._words = list(words)
        self.value = self._words[0]

    def action_turn(self, step: int) -> None:
        """Choose the next word, or the one before."""
        at = (self._words.index(self.value) + step) % len(self._words)
        self.value = self._words[at]
        self.refresh()
        self.post_message(self.Changed(self))

    def on_click(self) -> None:
        """Choose the next word."""
        self.focus()
        self.action_turn(1)

    def render_line(self, y: int) -> Strip:
        """Draw the word."""
        return self.draw_line(
            [("◂ ", "muted"), (self.value, "accent"), (" ▸", "muted")], self.size.width
        )
