"""A framed block of lines that scrolls and can be maximised."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import ToneLine


class Panel(VerticalScroll, can_focus=True):
    """Lines in a frame with a title."""

    ALLOW_MAXIMIZE = True

    DEFAULT_CSS = """
    Panel {
        height: auto;
        border: round $primary 60%;
        border-title-color: $text-accent;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        &:focus { border: round $accent; }
    }
    """

    def __init__(self, title: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.border_title = title
        self._lines = Lines()

    def compose(self) -> ComposeResult:
        """The lines."""
        yield self._lines

    @property
    def text(self) -> str:
        """What is shown."""
        return self._lines.text

    def set_title(self, title: str) -> None:
        """Give it another title, which may hold what somebody typed."""
        # A title that is a string is read as markup.
        self.border_title = Content(title)

    def show(self, lines: Sequence[ToneLine], *, dim: bool = False) -> None:
        """Show these lines; `dim` where they must not be taken for current ones."""
        self._lines.show(lines, dim=dim)
