"""The chart of growth, drawn as SVG: readable on light and on dark paper."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from tests.benchmarks.results import GrowthPoint, Series

_WIDTH, _HEIGHT = 860, 384
_PANEL_WIDTH, _PANEL_HEIGHT = 330, 230
_LEFT, _TOP = 64, 88
_PANEL_STEP = _PANEL_WIDTH + 92
_TICKS = 4

_STYLE = """
  .paper { fill: #ffffff; } .ink { fill: #1f2328; } .faint { fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .first { stroke: #0969da; fill: #0969da; } .second { stroke: #bc4c00; fill: #bc4c00; }
  .line { fill: none; stroke-width: 2.5; } .spread { stroke-width: 1.5; opacity: 0.6; }
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; }
  text.first, text.second { stroke: none; }
  .title { font-size: 16px; font-weight: 600; } .name { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } .ink { fill: #e6edf3; } .faint { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .first { stroke: #58a6ff; fill: #58a6ff; } .second { stroke: #f0883e; fill: #f0883e; }
  }
"""


def write_chart(path: Path, points: Sequence[GrowthPoint]) -> None:
    """Write the chart of all sizes."""
    path.write_text(draw_chart(points), "utf-8")


def draw_chart(points: Sequence[GrowthPoint]) -> str:
    """Return the chart: refresh on the left, rank on the right, players on a log scale."""
    players = [point.players for point in points]
    refresh = _Panel(0, "Refresh after 1,000 submits, ms", players)
    rank = _Panel(1, "Rank at 64 connections, ms", players)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        "<title>Cost of a refresh and of a rank by size of the board</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>',
        _text(_LEFT, 34, "Cost by size of the board", "ink title"),
        *refresh.draw([("median", "first", [point.refresh_ms for point in points])]),
        *rank.draw(
            [
                ("p50", "first", [point.rank_p50_ms for point in points]),
                ("p99", "second", [point.rank_p99_ms for point in points]),
            ]
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Panel:
    """One diagram: its own scale of milliseconds, which begins at 0."""

    def __init__(self, number: int, title: str, players: Sequence[int]) -> None:
        self._left = _LEFT + number * _PANEL_STEP
        self._title = title
        self._players = players
        self._most = 1.0

    def draw(self, lines: Sequence[tuple[str, str, Sequence[Series]]]) -> list[str]:
        """Return the shapes; a line has a name, a class and a series for each size."""
        greatest = max(max(series.values) for _, _, line in lines for series in line)
        self._most = _round_up(greatest)
        return [
            _text(self._left, _TOP - 20, self._title, "ink name"),
            *self._draw_grid(),
            *self._draw_legend(lines),
            *(shape for _, style, line in lines for shape in self._draw_line(style, line)),
        ]

    def _draw_legend(self, lines: Sequence[tuple[str, str, Sequence[Series]]]) -> Iterator[str]:
        right = self._left + _PANEL_WIDTH
        for place, (name, style, _) in enumerate(reversed(lines)):
            yield _text(right - 36 * place, _TOP - 20, name, f"{style} name", anchor="end")

    def _draw_grid(self) -> list[str]:
        right, bottom = self._left + _PANEL_WIDTH, _TOP + _PANEL_HEIGHT
        shapes = []
        for tick in range(_TICKS + 1):
            value = self._most * tick / _TICKS
            y = self._find_y(value)
            shapes.append(
                f'<line class="grid" x1="{self._left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
            )
            shapes.append(_text(self._left - 8, y + 4, f"{value:g}", "faint", anchor="end"))
        for players in self._players:
            x = self._find_x(players)
            shapes.append(_text(x, bottom + 22, f"{players:,}", "faint", anchor="middle"))
        middle = self._left + _PANEL_WIDTH / 2
        shapes.append(_text(middle, bottom + 44, "players", "faint", anchor="middle"))
        return shapes

    def _draw_line(self, style: str, line: Sequence[Series]) -> list[str]:
        places = [
            (self._find_x(players), self._find_y(series.median))
            for players, series in zip(self._players, line, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        shapes = [f'<polyline class="line {style}" style="fill: none" points="{path}"/>']
        for (x, y), series in zip(places, line, strict=True):
            low, high = self._find_y(min(series.values)), self._find_y(max(series.values))
            shapes.append(
                f'<line class="spread {style}" x1="{x:.1f}" y1="{low:.1f}"'
                f' x2="{x:.1f}" y2="{high:.1f}"/>'
            )
            shapes.append(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
            label = f"{series.median:.0f}" if series.median >= 10 else f"{series.median:.1f}"
            shapes.append(_text(x + 8, y - 8, label, style))
        return shapes

    def _find_x(self, players: int) -> float:
        least, most = math.log10(self._players[0]), math.log10(self._players[-1])
        share = (math.log10(players) - least) / (most - least) if most > least else 0.5
        return self._left + 24 + share * (_PANEL_WIDTH - 64)

    def _find_y(self, value: float) -> float:
        return _TOP + _PANEL_HEIGHT * (1 - value / self._most)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 6, 8, 10 times a power of ten, which four ticks divide well."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def _text(x: float, y: float, text: str, style: str, *, anchor: str = "start") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
