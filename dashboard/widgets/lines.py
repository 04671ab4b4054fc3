"""A few lines of text that change often."""

from collections.abc import Sequence

from textual.geometry import Region, Size
from textual.strip import Strip

from dashboard.widgets.tones import Toned, ToneLine


class Lines(Toned):
    """Shows lines of toned text, and redraws only those that changed."""

    DEFAULT_CSS = """
    Lines { height: auto; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: list[ToneLine] = []
        self._dimmed = False

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    @property
    def text(self) -> str:
        """What is shown, without its tones."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    def show(self, lines: Sequence[ToneLine], *, dim: bool = False) -> None:
        """Show these lines; `dim` where they must not be taken for current."""
        before, self._lines = self._lines, list(lines)
        if dim is not self._dimmed:
            self._dimmed = dim
            self.refresh()
        if len(before) != len(self._lines) and self.styles.is_auto_height:
            self.refresh(layout=True)
            return
        for y in range(max(len(before), len(self._lines))):
            if before[y : y + 1] != self._lines[y : y + 1]:
                self.refresh(Region(0, y, self.size.width, 1))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take all the width there is."""
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Take a row for each line."""
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        line = self._lines[y] if y < len(self._lines) else ()
        return self.draw_line(line, self.size.width, dim=self._dimmed)
