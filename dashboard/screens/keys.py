"""The keys of a screen, over it."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import ToneLine


class KeyHelp(NamedTuple):
    """Where a key works, the key, and what it does."""

    place: str
    key: str
    description: str


class KeysScreen(ModalScreen[None]):
    """Lists keys until it is closed."""

    DEFAULT_CSS = """
    KeysScreen {
        align: center middle;
        & Panel { width: 64; height: auto; max-height: 90%; background: $surface; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="keys.close"),
    ]

    def __init__(self, keys: Sequence[KeyHelp]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """One panel."""
        yield Panel("Keys (escape closes)", id="keys")

    def on_mount(self) -> None:
        """Fill it."""
        lines: list[ToneLine] = []
        place = ""
        for where, key, description in self._keys:
            if where != place:
                lines.append([(where, "accent")])
                place = where
            lines.append([(f"  {key:<14}", "strong"), (description, "")])
        self.query_one(Panel).show(lines)
