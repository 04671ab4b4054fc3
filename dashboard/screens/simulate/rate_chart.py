"""How the rate of a run should go, and how it went."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from textual.strip import Strip

from dashboard.simulation.workload.stages import Course
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


class Answered(NamedTuple):
    """Requests answered while a run went on from one place in its plan to another, in seconds.

    `pace` is by how much the operator had multiplied the planned rate then.
    """

    start: float
    end: float
    requests: float
    pace: float = 1.0


def spread_rates(answered: Sequence[Answered], duration: float, columns: int) -> list[float | None]:
    """Return the rate in each of the columns of a plan, None where nothing is known of it."""
    requests, seconds = [0.0] * columns, [0.0] * columns
    width = duration / columns
    for start, end, count, _ in answered:
        first = int(start / width)
        for column in range(first, min(int(end / width) + 1, columns)):
            share = min(end, (column + 1) * width) - max(start, column * width)
            # In a second of a pause the plan does not go on, but answers still come.
            requests[column] += count * (share / (end - start) if end > start else 1.0)
            seconds[column] += share
    return [
        count / known if known > 0 else None for count, known in zip(requests, seconds, strict=True)
    ]


class RateChart(Toned):
    """Draws the target rate; once there are measurements, those, and the target as a line."""

    DEFAULT_CSS = """
    RateChart { height: 1fr; min-height: 3; }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._course: Course | None = None
        self._scale = 1.0
        self._answered: Sequence[Answered] | None = None
        self._rates: list[float | None] = []
        self._paces: list[float | None] = []
        self._known_columns = 0

    def show(
        self,
        course: Course | None,
        answered: Sequence[Answered] | None = None,
        scale: float = 1.0,
    ) -> None:
        """Show a course times `scale`, and what was answered in the part of it that passed.

        There the course is drawn at the pace that it had. With a scale of 0 it only says how long
        it is.
        """
        if (course, answered, scale) != (self._course, self._answered, self._scale):
            self._course, self._answered, self._scale = course, answered, scale
            self._rates, self._paces = [], []
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
        if self._answered is not None and len(self._rates) != columns:
            self._rates = spread_rates(self._answered, course.duration_seconds, columns)
            known = (end for end, rate in enumerate(self._rates, start=1) if rate is not None)
            self._known_columns = max(known, default=0)
            paces = [
                part._replace(requests=part.pace * (part.end - part.start))
                for part in self._answered
            ]
            self._paces = spread_rates(paces, course.duration_seconds, columns)
        targets = [self._read_target(course, column, columns) for column in range(columns)]
        planned = 0.0 if self._answered else course.highest_rate * self._scale
        highest = max([planned, *targets, *(rate for rate in self._rates if rate is not None)])
        label = f"{highest:,.0f}/s" if y == 0 else ""
        spans: list[Span] = [(f"{label:>{_LABEL - 1}} ", "muted")]
        for column, target in enumerate(targets):
            spans.append(self._draw_cell(column, target, highest, rows, y))
        return self.draw_line(spans, width)

    def _read_target(self, course: Course, column: int, columns: int) -> float:
        pace = self._paces[column] if self._paces else None
        rate = course.read_rate((column + 0.5) / columns * course.duration_seconds)
        return rate * (self._scale if pace is None or not self._scale else pace)

    def _draw_cell(self, column: int, target: float, highest: float, rows: int, y: int) -> Span:
        row = rows - 1 - y
        if self._answered is None:
            return fill_column(target, highest, rows)[row], "accent"
        rate = self._rates[column]
        if rate is None and row == 0 and column < self._known_columns:
            # It passed, but is not kept: that is not nothing.
            return "?", "muted"
        cell = fill_column(rate or 0.0, highest, rows)[row]
        target_row = min(int(target / highest * rows), rows - 1) if highest else 0
        if cell == " " and target and row == target_row:
            return "─", "muted"
        return cell, "good"

    def _draw_axis(self, course: Course, columns: int) -> list[Span]:
        duration = course.duration_seconds
        marks = {round(mark / duration * columns) for mark in course.list_marks()}
        line = "".join("┬" if column in marks else "─" for column in range(columns))
        end = f" {duration:g} s"
        return [(f"{'0 s':>{_LABEL - 1}} ", "muted"), (line[: -len(end)] + end, "muted")]
