"""What the dialogs over a screen have in common."""

from typing import ClassVar, TypeVar

from textual.screen import ModalScreen
from textual.worker import Worker, WorkerState

from dashboard.screens.console_screen import WorkerFailed
from dashboard.widgets.tones import TONE_CLASSES

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A frame over a screen, which waits for an answer or is only read."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}

    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        & > .frame {
            width: 78; height: auto; max-height: 92%;
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

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report a failed worker to the console: Textual tells only the widget that started it."""
        if event.state is WorkerState.ERROR:
            self.post_message(WorkerFailed(event.worker))
