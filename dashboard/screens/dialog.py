"""What the dialogs over a screen have in common."""

from typing import ClassVar, Final, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import OptionList

from dashboard.client.gateway import Gateway, GatewayError
from dashboard.screens.console_screen import WorkerReporter
from dashboard.screens.styled_once import StyledOnce
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import clean_name
from dashboard.text.wrapping import wrap_text
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import TONE_CLASSES, ToneLine

# Of a frame, as the style below has it, and what of it its border, padding and scroll bar take.
_WIDTH: Final = 78
_AROUND: Final = 6
# No terminal that is used: what is beside a text in a line must leave it something.
_LEAST_ROOM: Final = 20

ASKING: Final[ToneLine] = [("… asking the service", "muted")]

Result = TypeVar("Result")


def draw_error(error: GatewayError, room: int) -> list[ToneLine]:
    """Return the lines that say why the service did not answer, all of it."""
    text = f"! {error.code}: {clean_name(error.message)}"
    return [[(line, "bad")] for line in wrap_text(text, room)]


class Dialog(WorkerReporter, StyledOnce, ModalScreen[Result]):
    """A frame over a screen, which waits for an answer or is only read.

    `LINK` is its name in an address, empty for one that a link cannot open.
    """

    LINK = ""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}

    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        & > .frame {
            width: 78; max-width: 100%; height: auto; max-height: 92%;
            border: round $accent; border-title-color: $text-accent;
            border-subtitle-color: $text-muted; background: $surface;
        }
        & Input { width: 1fr; background: $panel; }
        & .field { height: 1; margin: 0 1; }
        & .label { width: 12; height: 1; }
        & .said { padding: 0 1; }
        & OptionList {
            height: auto; border: none; background: $surface; padding: 0 1;
            text-wrap: nowrap; scrollbar-size-vertical: 1;
            &:focus { border: none; }
        }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "app.keys", "Keys", id="console.keys"),
    ]

    @property
    def room(self) -> int:
        """The width of what is said in the frame."""
        return max(_LEAST_ROOM, min(_WIDTH, self.app.size.width) - _AROUND)


class PanelDialog(Dialog[None]):
    """A dialog of one panel, which is filled with what the service answers."""

    AUTO_FOCUS = "Panel"

    def __init__(self, gateway: Gateway, state: ConsoleState, title: str) -> None:
        super().__init__()
        self._gateway = gateway
        self._state = state
        self._panel = Panel(title, id=self.LINK)
        self._panel.add_class("frame", update=False)

    def compose(self) -> ComposeResult:
        """The panel."""
        yield self._panel

    def on_mount(self) -> None:
        """Say that it is asked."""
        self._panel.show([ASKING])


class ListDialog(Dialog[Result]):
    """A dialog with a field that says what is listed: keys move the cursor while one types."""

    DEFAULT_CSS = """
    ListDialog {
        & > .frame { max-height: 90%; }
        & Input { margin: 0 1; padding: 0 1; }
    }
    """

    AUTO_FOCUS = "Input"

    @property
    def options(self) -> OptionList:
        """The list."""
        return self.query_one(OptionList)

    def action_list_move(self, rows: int) -> None:
        """Move the cursor by lines."""
        if count := self.options.option_count:
            row = (self.options.highlighted or 0) + rows
            self.options.highlighted = max(0, min(row, count - 1))

    def action_list_page(self, pages: int) -> None:
        """Move the cursor by what is in sight."""
        self.action_list_move(pages * max(1, self.options.size.height - 1))
