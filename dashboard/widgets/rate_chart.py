"""How the rate of a run should go, and how it went."""

from collections.abc import Mapping
from typing import Final

from textual.strip import Strip

from dashboard.simulation.stages import Course
from dashboard.widgets.tones import Span, Toned

_LABEL: Final = 8
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_STEPS: Final = 8


def fill_column(value: float, highest: float, height: int) -> str:
    """Return a column of `height` cells from the bottom up, filled up to a share of the highest."""
    eighths = round(min(value / highest, 1.0) * height * _STEPS) if highest > 0 else 0
    if value > 0:
        eighths = max(eighths, 1)
    return "".join(_EIGHTHS[min(max(eighths - _STEPS * row, 0), _STEPS)] for row in range(height))


class RateChart(Toned):
    """Draws the target of each moment; once there are figures, those, and the target as a line."""

    DEFAULT_CSS = """
    RateChart { height: 1fr; min-height: 3; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._course: Course | None = None
        self._scale = 1.0
        self._achieved: Mapping[int, float] | None = None
        self._wanted: Mapping[int, float] = {}

    def show(
        self,
        course: Course | None,
        achieved: Mapping[int, float] | None = None,
        scale: float = 1.0,
        wanted: Mapping[int, float] | None = None,
    ) -> None:
        """Show a course times `scale`, and what was achieved in each second of it that passed.

        Where the operator changed the rate, `wanted` has what it was in those seconds. With a scale
        of 0 the course only says how long it is.
        """
        shown = course, achieved, scale, wanted or {}
        if shown != (self._course, self._achieved, self._scale, self._wanted):
            self._course, self._achieved, self._scale, self._wanted = shown
            self.refresh()

    @property
    def text(self) -> str:
        """What is drawn, without its tones."""
        return "\n".join(self.render_line(y).text for y in range(self.size.height))

    def render_line(self, y: int) -> Strip:
        """Draw a row of columns, or the axis below them."""
        width, height = self.size.width, self.size.height
        columns, rows = width - _LABEL, height - 1
        course = self._course
        if course is None or columns < 1 or rows < 1:
            return self.draw_line([], width)
        if y == rows:
            return self.draw_line(self._draw_axis(course, columns), width)
        targets = [self._read_target(course, columns, column) for column in range(columns)]
        known = list(self._achieved.values()) if self._achieved else []
        highest = max([*targets, *known])
        label = f"{highest:,.0f}/s" if y == 0 else ""
        spans: list[Span] = [(f"{label:>{_LABEL - 1}} ", "muted")]
        for column, target in enumerate(targets):
            spans.append(self._draw_cell(course, columns, column, target, highest, rows, y))
        return self.draw_line(spans, width)

    def _draw_cell(
        self,
        course: Course,
        columns: int,
        column: int,
        target: float,
        highest: float,
        rows: int,
        y: int,
    ) -> Span:
        row = rows - 1 - y
        if self._achieved is None:
            return fill_column(target, highest, rows)[row], "accent"
        achieved = _average(self._achieved, course, columns, column)
        cell = fill_column(achieved or 0.0, highest, rows)[row]
        target_row = min(int(target / highest * rows), rows - 1) if highest else 0
        if cell == " " and target and row == target_row:
            return "─", "muted"
        return cell, "good"

    def _read_target(self, course: Course, columns: int, column: int) -> float:
        wanted = _average(self._wanted, course, columns, column)
        if wanted is not None:
            return wanted
        return course.read_rate((column + 0.5) / columns * course.duration_seconds) * self._scale

    def _draw_axis(self, course: Course, columns: int) -> list[Span]:
        duration = course.duration_seconds
        marks = {round(mark / duration * columns) for mark in course.list_marks()}
        line = "".join("┬" if column in marks else "─" for column in range(columns))
        end = f" {duration:g} s"
        return [(f"{'0 s':>{_LABEL - 1}} ", "muted"), (line[: -len(end)] + end, "muted")]


def _average(
    values: Mapping[int, float], course: Course, columns: int, column: int
) -> float | None:
    """Return the mean of what is known of the seconds that a column stands for."""
    first = int(column / columns * course.duration_seconds)
    last = max(first + 1, int((column + 1) / columns * course.duration_seconds))
    known = [values[second] for second in range(first, last) if second in values]
    return sum(known) / len(known) if known else None
