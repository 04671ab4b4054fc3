"""What is asked of the service: latencies and errors by route."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

from textual.binding import Binding, BindingType
from textual.message import Message

from dashboard.client.answers import Route
from dashboard.screens.health.history import draw_history
from dashboard.screens.slow import shorten_route
from dashboard.state.parts.health import Sample
from dashboard.text.names import fit_name
from dashboard.text.numbers import write_ms, write_rate
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import Span, Tone, ToneLine

_GRAPH: Final = 8
_FIGURE: Final = 7
_ERRORS: Final = 7
_LONG_MS: Final = 10_000
_SHORTEST_NAME: Final = 18
_SCROLL_BAR: Final = 1

_FEWEST: Final = ("p99",)
_ALL: Final = ("p50", "p95", "p99", "max", "rate")

_FIRST_ROUTES: Final = (
    "POST /api/leaderboard/submit",
    "GET /api/leaderboard/top",
    "GET /api/leaderboard/rank/{user_id}",
)
"""What the service is there for; the others follow by path, so that no line ever jumps."""


class RoutesPanel(Panel):
    """The routes, one of which is under the cursor while the panel has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="routes.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="routes.down"),
    ]

    _names: Sequence[str] = ()
    _cursor = 0

    @property
    def chosen(self) -> str | None:
        """The route under the cursor, None without the focus."""
        is_there = self.has_focus and self._cursor < len(self._names)
        return self._names[self._cursor] if is_there else None

    def show_routes(
        self, routes: Iterable[Route], histories: Mapping[str, Sequence[Sample]], *, dim: bool
    ) -> None:
        """Show the routes as they are in the last status."""
        shown = list_routes(routes)
        self._names = [route.route for route in shown]
        header, lines = draw_routes(shown, histories, self.content_size.width, self.chosen)
        self.show(lines, header=header, dim=dim)

    def action_move(self, rows: int) -> None:
        """Move the cursor, and keep it in sight."""
        if not self._names:
            return
        self._cursor = max(0, min(self._cursor + rows, len(self._names) - 1))
        room = max(1, self.scrollable_content_region.height - 1)
        top = round(self.scroll_offset.y)
        if not top <= self._cursor < top + room:
            self.scroll_to(y=self._cursor - (room - 1 if rows > 0 else 0), animate=False)
        self.post_message(self.Moved())

    class Moved(Message):
        """The cursor is elsewhere."""


def list_routes(routes: Iterable[Route]) -> list[Route]:
    """Return the routes in the order in which they are listed."""
    # What the service times of a stream is how long somebody followed it.
    return sorted(
        (route for route in routes if not route.route.endswith("/stream")), key=_place_route
    )


def draw_routes(
    shown: Sequence[Route],
    histories: Mapping[str, Sequence[Sample]],
    width: int,
    chosen: str | None,
) -> tuple[ToneLine | None, list[ToneLine]]:
    """Return the header and a line for each route, of which one may be chosen.

    Where there is no room for everything, the graph goes first, and then all but the 99th
    percentile and the errors: who is woken looks for what fails and what is slow.
    """
    if not shown:
        return None, [[("nothing was asked yet", "muted")]]
    longest = max(_SHORTEST_NAME, *(len(shorten_route(route.route)) for route in shown))
    beside = _ERRORS + _SCROLL_BAR
    columns = _ALL if width >= _SHORTEST_NAME + len(_ALL) * _FIGURE + beside else _FEWEST
    room = width - len(columns) * _FIGURE - beside
    name_width = max(_SHORTEST_NAME, min(longest, room))
    graph = _GRAPH + 1 if room - name_width > _GRAPH else 0
    titles = "".join(f"{column:>{_FIGURE}}" for column in columns)
    header = f"{'':{graph + name_width}}{titles}{'errors':>{_ERRORS}}"
    return [(header, "muted")], [
        _draw_route(
            route,
            columns,
            name_width,
            histories.get(route.route, ()) if graph else None,
            is_chosen=route.route == chosen,
        )
        for route in shown
    ]


def _place_route(route: Route) -> tuple[int, str, str]:
    method, _, path = route.route.partition(" ")
    first = _FIRST_ROUTES.index(route.route) if route.route in _FIRST_ROUTES else len(_FIRST_ROUTES)
    return first, path, method


def write_long_ms(milliseconds: float | None) -> str:
    """Return a duration in at most six cells, however long it took."""
    if milliseconds is not None and milliseconds >= _LONG_MS:
        return f"{milliseconds / 1000:.0f} s"
    return write_ms(milliseconds)


def _draw_route(
    route: Route,
    columns: Iterable[str],
    name_width: int,
    history: Sequence[Sample] | None,
    *,
    is_chosen: bool,
) -> ToneLine:
    figures: Mapping[str, tuple[str, Tone]] = {
        "p50": (write_long_ms(route.p50_ms), ""),
        "p95": (write_long_ms(route.p95_ms), ""),
        "p99": (write_long_ms(route.p99_ms), "strong"),
        "max": (write_long_ms(route.max_ms), ""),
        "rate": (write_rate(route.per_second), ""),
    }
    name = fit_name(shorten_route(route.route), name_width)
    line: list[Span] = [(name, "marked" if is_chosen else "")]
    if history is not None:
        line = [draw_history(history, _GRAPH), (" ", ""), *line]
    for column in columns:
        text, tone = figures[column]
        line.append((text.rjust(_FIGURE), tone))
    errors: Tone = "bad" if route.server_errors else "muted"
    # The tone is of the number alone: reversed blanks would be a bar.
    count = f"{route.server_errors:,}"
    return [*line, (" " * (_ERRORS - len(count)), ""), (count, errors)]
