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
        border-subtitle-color: $text-muted;
        & > .header { dock: top; display: none; }
    }
    """

    def __init__(self, title: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._title = ""
        self.set_title(title)
        self._header = Lines(classes="header")
        self._lines = Lines()
        self._hidden = ""

    def compose(self) -> ComposeResult:
        """The header, which stays while the lines scroll, and the lines."""
        yield self._header
        yield self._lines

    @property
    def text(self) -> str:
        """What is shown."""
        header = f"{self._header.text}\n" if self._header.display else ""
        return header + self._lines.text

    @property
    def room(self) -> int:
        """The width of its lines: a scroll bar takes some of the panel's."""
        return self.scrollable_content_region.width

    def set_title(self, title: str) -> None:
        """Give it another title, which may hold what somebody typed, or any key."""
        # Textual draws the whole panel again for each title that it is given.
        if title != self._title:
            self._title = title
            # A title that is a string is read as markup.
            self.border_title = Content(title)

    def show(
        self, lines: Sequence[ToneLine], *, header: ToneLine | None = None, dim: bool = False
    ) -> None:
        """Show these lines; `dim` where they must not be taken for current."""
        self._header.display = header is not None
        if header is not None:
            self._header.show([header], dim=dim)
        self._lines.show(lines, dim=dim)
        self._count_hidden()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Count again what is out of sight."""
        super().watch_scroll_y(old_value, new_value)
        self._count_hidden()

    def on_resize(self) -> None:
        """Count again what is out of sight."""
        self._count_hidden()

    def _count_hidden(self) -> None:
        above = round(self.scroll_offset.y)
        height = self.scrollable_content_region.height - self._header.display
        below = max(0, self._lines.count - height - above) if height > 0 else 0
        hidden = [f"▲ {above:,}"] * bool(above) + [f"▼ {below:,} more"] * bool(below)
        subtitle = " ".join(hidden)
        if subtitle != self._hidden:
            self._hidden = self.border_subtitle = subtitle
