"""The keys of a screen, over it."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, NamedTuple

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import ModalScreen

from dashboard.keys.actions import Action
from dashboard.keys.keymap import KeyNames
from dashboard.screens.styled_once import StyledOnce
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import TONE_CLASSES, ToneLine, fold_text

_KEY: Final = len("refreshes behind")
_BESIDE: Final = _KEY + len("   ")
# Of the panel, as the style below has it, and what of it its border, padding and scroll bar take.
_WIDTH: Final = 64
_AROUND: Final = 5
_LEAST_ROOM: Final = 10


class KeyHelp(NamedTuple):
    """Where a key works, the key, and what it does; or a word and what it means."""

    place: str
    key: str
    description: str


def list_help(
    actions: Iterable[Action], everywhere: DOMNode, words: Iterable[tuple[str, str]]
) -> list[KeyHelp]:
    """Return the keys of these actions, of which one node's work everywhere, and the words."""
    return [
        KeyHelp(
            "Everywhere" if action.node is everywhere else "Here", action.keys, action.description
        )
        for action in actions
    ] + [KeyHelp("Words and marks here", *word) for word in words]


class KeysScreen(StyledOnce, ModalScreen[None]):
    """Lists keys until it is closed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}

    DEFAULT_CSS = """
    KeysScreen {
        align: center middle;
        & Panel { width: 64; max-width: 100%; height: auto; max-height: 90%; background: $surface; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="keys.close"),
    ]

    def __init__(self, listed: Sequence[KeyHelp], keys: KeyNames) -> None:
        super().__init__()
        self._listed = listed
        self._keys = keys

    def compose(self) -> ComposeResult:
        """One panel."""
        yield Panel(f"Keys and words ({self._keys['keys.close']} closes)", id="keys")

    def on_resize(self) -> None:
        """Fill it, in the width there is."""
        room = max(_LEAST_ROOM, min(_WIDTH, self.app.size.width) - _AROUND - _BESIDE)
        lines: list[ToneLine] = []
        place = ""
        for where, key, description in self._listed:
            if where != place:
                lines.append([(where, "accent")])
                place = where
            head = f"  {key:<{_KEY}} "
            if cell_len(head) > _BESIDE:
                lines.append([(head, "strong")])
                head = " " * _BESIDE
            lines += fold_text(head, "strong", description, _BESIDE + room)
        self.query_one(Panel).show(lines)
