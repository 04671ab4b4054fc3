"""A line chart in braille dots: eight to a cell."""

from collections.abc import Callable, Sequence
from typing import Final

from textual.strip import Strip

from dashboard.widgets.tones import Toned, ToneLine

_LABEL: Final = 10
_DOT_ROWS: Final = 4
_DOT_COLUMNS: Final = 2
_BRAILLE: Final = 0x2800
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def plot_braille(
    values: Sequence[float | None], width: int, height: int, *, inverted: bool = False
) -> list[str]:
    """Return the last values as `height` lines of `width` cells, the newest at the right.

    The lowest value is at the bottom, or if `inverted` at the top, as ranks are. Neighbouring
    values are joined; None leaves a gap. Values that are all equal are drawn in the middle.
    """
    cells = [[0] * width for _ in range(height)]
    shown = values[-width * _DOT_COLUMNS :]
    known = [value for value in shown if value is not None]
    if known:
        low, high = min(known), max(known)
        rows = height * _DOT_ROWS
        offset = width * _DOT_COLUMNS - len(shown)
        before: int | None = None
        for column, value in enumerate(shown, start=offset):
            if value is None:
                before = None
                continue
            share = (value - low) / (high - low) if high > low else 0.5
            row = round((share if inverted else 1 - share) * (rows - 1))
            start = row if before is None else before
            # From the dot after the last value's to this one's, so that steps are joined.
            step = 1 if row >= start else -1
            for dot in range(start + step if start != row else row, row + step, step):
                cells[dot // _DOT_ROWS][column // _DOT_COLUMNS] |= _DOTS[dot % _DOT_ROWS][
                    column % _DOT_COLUMNS
                ]
            before = row
    return ["".join(chr(_BRAILLE + cell) for cell in line) for line in cells]


class Chart(Toned):
    """Shows the history of one value between its lowest and its highest."""

    DEFAULT_CSS = """
    Chart {
        height: 1fr;
        min-height: 4;
        border: round $primary 60%;
        border-title-color: $text-accent;
    }
    """

    def __init__(
        self, title: str, write: Callable[[float], str], *, inverted: bool = False
    ) -> None:
        super().__init__()
        self.border_title = title
        self._write = write
        self._inverted = inverted
        self._values: Sequence[float | None] = ()
        self._dimmed = False
        self._dots: tuple[int, int, list[str]] | None = None

    def show(self, values: Sequence[float | None], *, dim: bool = False) -> None:
        """Show these values, oldest first."""
        if values != self._values or dim is not self._dimmed:
            self._values, self._dimmed = values, dim
            self._dots = None
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the scale's end at the first and the last, and the dots."""
        width, height = self.size
        if self._dots is None or self._dots[:2] != (width, height):
            lines = plot_braille(
                self._values, self._count_columns(), height, inverted=self._inverted
            )
            self._dots = width, height, lines
        line: ToneLine = [
            (self._label(y, height).rjust(_LABEL - 1) + " ", "muted"),
            (self._dots[2][y], "accent"),
        ]
        return self.draw_line(line, width, dim=self._dimmed)

    def _count_columns(self) -> int:
        return max(1, self.size.width - _LABEL)

    def _label(self, y: int, height: int) -> str:
        # Of what is drawn: the scale knows nothing of values that have left the chart.
        shown = self._values[-self._count_columns() * _DOT_COLUMNS :]
        known = [value for value in shown if value is not None]
        if not known or y not in {0, height - 1}:
            return ""
        low, high = min(known), max(known)
        if low == high:
            return self._write(low) if y == 0 else ""
        return self._write(low if (y == 0) is self._inverted else high)
