"""Which columns the board has."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from dashboard.configuration.columns import COLUMNS, LEAST_COLUMNS
from dashboard.screens.dialog import Dialog
from dashboard.state.console_state import ConsoleState


class ColumnsScreen(Dialog[tuple[str, ...]]):
    """Lists the columns; answers those that are marked, in the order in which they are shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "mark", "Show or hide", id="columns.mark"),
        Binding("escape,q", "done", "Done", id="columns.done"),
    ]

    AUTO_FOCUS = "OptionList"

    def __init__(self, state: ConsoleState) -> None:
        super().__init__()
        self._keys = state.keys
        self._shown = list(state.columns)
        # Those that are hidden go where they usually are, behind all others.
        self._names = [*self._shown, *(name for name in COLUMNS if name not in self._shown)]

    def compose(self) -> ComposeResult:
        """The columns, those that are shown first."""
        with Vertical(classes="frame") as frame:
            frame.border_title = "Columns"
            keys = self._keys
            frame.border_subtitle = Content(
                f"{keys['columns.mark']} shows or hides, {keys['columns.done']} is done"
            )
            yield OptionList(*(Option(self._draw(name)) for name in self._names))

    def on_mount(self) -> None:
        """Begin with the first."""
        self.query_one(OptionList).highlighted = 0

    def action_mark(self) -> None:
        """Show the column under the cursor, or hide it."""
        options = self.query_one(OptionList)
        row = options.highlighted
        if row is None:
            return
        name = self._names[row]
        if name in LEAST_COLUMNS:
            self.notify(f"{COLUMNS[name].title} is always there.", markup=False)
        elif name in self._shown:
            self._shown.remove(name)
        else:
            self._shown.append(name)
        options.replace_option_prompt_at_index(row, self._draw(name))

    def on_option_list_option_selected(self) -> None:
        """Show or hide with enter, or a click, too."""
        self.action_mark()

    def action_done(self) -> None:
        """Show the board with these columns."""
        self.dismiss(tuple(name for name in self._names if name in self._shown))

    def _draw(self, name: str) -> Content:
        mark = "[x]" if name in self._shown else "[ ]"
        return Content(f"{mark} {COLUMNS[name].title:<8} {COLUMNS[name].means}")
