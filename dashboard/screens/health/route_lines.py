"""The latency of each route as a table that keeps its order while it is read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dashboard.client.answers import Route
from dashboard.screens.health.tile import draw_history
from dashboard.state.health import Sample
from dashboard.text.names import fit_name
from dashboard.text.numbers import write_ms, write_rate
from dashboard.widgets.tones import Span, Tone, ToneLine

_GRAPH: Final = 8
_P50: Final = 8
_P99: Final = 9
_RATE: Final = 9
_ERRORS: Final = 7
_SHORTEST_NAME: Final = 18
_WIDE: Final = 54
_SCROLL_BAR: Final = 1

_FIRST: Final = (
    "POST /api/leaderboard/submit",
    "GET /api/leaderboard/top",
    "GET /api/leaderboard/rank/{user_id}",
)
"""What the service is there for; the others follow by path, so that no line ever jumps."""


def draw_routes(
    routes: Iterable[Route], histories: Mapping[str, Sequence[Sample]], width: int
) -> tuple[ToneLine | None, list[ToneLine]]:
    """Return the header and a line for each route.

    Where there is no room for everything, errors stay and the median and the rate go: who is
    woken looks for what fails and what is slow.
    """
    # What the service times of a stream is how long somebody followed it.
    shown = sorted((route for route in routes if not route.route.endswith("/stream")), key=_place)
    if not shown:
        return None, [[("nothing was asked yet", "muted")]]
    wide = width >= _WIDE
    beside = _P99 + _ERRORS + _SCROLL_BAR
    beside += _GRAPH + 1 + _P50 + _RATE if wide else 0
    longest = max(len(_shorten(route)) for route in shown)
    name_width = max(_SHORTEST_NAME, min(longest, width - beside))
    graph, p50 = (" " * (_GRAPH + 1), "p50".rjust(_P50)) if wide else ("", "")
    rate = "rate".rjust(_RATE) if wide else ""
    header = f"{graph}{'':{name_width}}{p50}{'p99':>{_P99}}{rate}{'errors':>{_ERRORS}}"
    return [(header, "muted")], [
        _draw_route(route, histories.get(route.route, ()), name_width, wide=wide) for route in shown
    ]


def _place(route: Route) -> tuple[int, str, str]:
    method, _, path = route.route.partition(" ")
    first = _FIRST.index(route.route) if route.route in _FIRST else len(_FIRST)
    return first, path, method


def _shorten(route: Route) -> str:
    name = route.route.replace("/api/leaderboard/", "").replace("/api/", "")
    return name.replace("{user_id}", "{id}")


def _draw_route(
    route: Route, history: Sequence[Sample], name_width: int, *, wide: bool
) -> ToneLine:
    errors: Tone = "bad" if route.server_errors else "muted"
    line: list[Span] = [(fit_name(_shorten(route), name_width), "")]
    if wide:
        line = [draw_history(history, _GRAPH), (" ", ""), *line]
        line.append((write_ms(route.p50_ms).rjust(_P50), ""))
    line.append((write_ms(route.p99_ms).rjust(_P99), "strong"))
    if wide:
        line.append((write_rate(route.per_second).rjust(_RATE), ""))
    return [*line, (f"{route.server_errors:>{_ERRORS},}", errors)]
