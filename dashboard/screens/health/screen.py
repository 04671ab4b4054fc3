"""Health: every part of the service, how far it is behind, and what happened."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical

from dashboard.client.answers import Refresh, Rerank, Route, Status
from dashboard.screens.console_screen import ConsoleScreen, Row
from dashboard.state.data_state import DataState, Kind
from dashboard.state.health import (
    DETAIL_SEPARATOR,
    PART_RULES,
    PartHealth,
    PartRule,
    Sample,
    Verdict,
    judge_part,
)
from dashboard.text.names import clean_name, fit_name
from dashboard.text.numbers import (
    choose_text,
    draw_sparkline,
    write_age,
    write_amount,
    write_count,
    write_ms,
    write_rate,
    write_time,
)
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from dashboard.widgets.prompt import Prompt
from dashboard.widgets.tones import SEVERITIES, Span, Tone, ToneLine

_MARKS: Final[dict[Verdict, tuple[str, Tone]]] = {
    "ok": ("✓ ok", "good"),
    "slow": ("▲ over", "warn"),
    "away": ("✕ away", "bad"),
}
RESTART: Final = "↻"

_LONGEST_GRAPH: Final = 10
_SHORTEST_GRAPH: Final = 4
_BESIDE_GRAPH: Final = 33
_LIMITS: Final = {
    "pending": next(rule.limit for rule in PART_RULES if rule.name == "worker"),
    "behind": next(rule.limit for rule in PART_RULES if rule.name == "index"),
}
_IN_TILES: Final = ("pending", "behind")

_ROUTE_GRAPH: Final = 8
_P50: Final = 8
_P99: Final = 9
_RATE: Final = 9
_ERRORS: Final = 7
_SHORTEST_ROUTE: Final = 18
_WIDE_ROUTES: Final = 54
_SCROLL_BAR: Final = 1

_FIRST_ROUTES: Final = (
    "POST /api/leaderboard/submit",
    "GET /api/leaderboard/top",
    "GET /api/leaderboard/rank/{user_id}",
)
"""What the service is there for; the others follow by path, so that no line ever jumps."""


class Tile(Lines):
    """Shows one part: its verdict, the value behind it, the threshold and the history."""

    DEFAULT_CSS = """
    Tile {
        height: 5;
        border: round $primary 60%;
        border-title-color: $text-accent;
        border-subtitle-color: $text-muted;
        padding: 0 1;
    }
    """

    def __init__(self, rule: PartRule) -> None:
        super().__init__(id=f"tile-{rule.name}")
        self.border_title = rule.title
        self.border_subtitle = f"limit {rule.write(rule.limit)}"

    def show_part(self, health: PartHealth, history: Sequence[Sample], *, dim: bool) -> None:
        """Show a part in the last status, and its history."""
        rule = health.rule
        mark, tone = _MARKS[health.verdict]
        graph = _draw_history(history, self.size.width, limit=rule.limit)
        value: Span = ("" if health.verdict == "away" else "unknown", "muted")
        if health.value is not None:
            value_text = rule.write(health.value)
            full = f"{value_text} {rule.measure}"
            # Where the words do not fit, the limit below still says what is measured.
            fits = len(f"{mark} {full}") <= self.content_size.width
            value = (full if fits else value_text, "strong")
        headline: ToneLine = [(f"{mark} ", tone), value]
        parts = health.detail.split(DETAIL_SEPARATOR)
        # Whole parts go where there is no room: half a number would be another number.
        details = (DETAIL_SEPARATOR.join(parts[:kept]) for kept in range(len(parts), 0, -1))
        detail = choose_text(self.content_size.width, *details)
        self.show([headline, [graph], [(detail, "muted")]], dim=dim)


def _draw_history(history: Sequence[Sample], width: int, *, limit: float | None = None) -> Span:
    """Return the last samples as a sparkline in which ↻ stands for a restart."""
    shown = list(history)[-width:] if width else []
    line = draw_sparkline([sample.value for sample in shown], len(shown), limit=limit)
    marked = "".join(
        RESTART if sample.restarted else block for sample, block in zip(shown, line, strict=True)
    )
    return marked.rjust(width), "accent"


def _draw_waiting() -> list[ToneLine]:
    """Return what a tile says before the first status."""
    return [[("… no status yet", "muted")]]


class HealthScreen(ConsoleScreen):
    """Tiles for the parts, the flow of scores, latency by route, and the event log."""

    MODE = "health"

    DEFAULT_CSS = """
    HealthScreen {
        & #health { height: 1fr; }
        & #tiles { grid-size: 3 2; height: 10; grid-rows: 5; }
        & #middle { height: 13; }
        & #flow { width: 46; height: 100%; }
        & #routes { width: 1fr; height: 100%; }
        & #events { height: 1fr; min-height: 4; }
        &.-low #tiles { grid-rows: 4; height: 8; }
        &.-low Tile { height: 4; }
        &.-low #middle { height: 8; }
        &.-low.-troubled #middle { height: 6; }
        &.-narrow #flow { width: 40; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next panel", id="health.next"),
        Binding("escape", "clear", "Clear filter", show=False, id="health.clear"),
    ]

    WORDS = (
        ("pending", "scores in the ledger that are not in the standings yet"),
        ("freshness", "time from a score's submit to its being in the ranks"),
        ("refresh", "a worker adds pending scores to the standings and the index"),
        ("index", "the ranks in Redis; away, PostgreSQL answers until it is rebuilt"),
        ("refreshes behind", "refreshes that the index in Redis does not have yet"),
        ("re-rank", "all ranks stored in PostgreSQL, once a minute, for when Redis is away"),
        ("queued", "messages for the workers that are not done, of all queues"),
        ("errors", "answers 500 and above since the API's start"),
        ("limit", "above it a part is ▲ over; its graph is drawn from 0 to this limit"),
        ("↻", "a process of this part was started anew"),
    )

    _wanted = ""

    def compose_body(self) -> ComposeResult:
        """Tiles above, then flow and routes side by side, then the log."""
        with Vertical(id="health"):
            with Grid(id="tiles"):
                for rule in PART_RULES:
                    yield Tile(rule)
            with Horizontal(id="middle"):
                yield Panel("Flow of scores", id="flow")
                yield Panel("Last minute by route, all errors", id="routes")
            yield Panel("Events", id="events")

    def on_mount(self) -> None:
        """Let the arrow keys walk the events at once."""
        self.query_one("#events", Panel).focus()
        super().on_mount()

    @property
    def next_panel_key(self) -> str:
        """The key that gives the focus to the next panel, which is offered here."""
        return self.keys["health.next"]

    def judge(self) -> DataState:
        """Return the state of the status, which is polled separately from the board."""
        state = self.state
        trouble = state.judge_link(has_data=state.status is not None)
        if trouble is not None:
            return trouble
        if state.status_error is not None:
            error = state.status_error
            sentence = f"{error.code}: {clean_name(error.message)} It is asked again every 2 s."
            return DataState(Kind.ERROR, sentence)
        if state.paused:
            return state.judge_board()
        if state.status is None:
            return DataState(Kind.LOADING, f"Waiting for the first status of {state.address}")
        troubles = state.list_troubles()
        if troubles:
            is_bad = any(trouble.severity == "bad" for trouble in troubles)
            now = state.clock.now()
            named = ", ".join(trouble.describe_time(now) for trouble in troubles)
            kind = Kind.ALARM if is_bad else Kind.WARNING
            return DataState(kind, f"{named}; {self.describe_live()}")
        return DataState(Kind.LIVE, "")

    def describe_live(self) -> str:
        """Tell which version answers, and of when the status is."""
        status = self.state.status
        if status is None:
            return ""
        at = write_time(status.at, self.state.clock.now().tzinfo)
        players = status.players.standing if status.players else None
        return f"leaderboard {status.version}, status of {at}, {write_count(players)} players"

    def show_body(self, data_state: DataState) -> None:
        """Show the last status."""
        status = self.state.status
        self._show_events()
        if status is None:
            for rule in PART_RULES:
                self.query_one(f"#tile-{rule.name}", Tile).show(_draw_waiting())
            return
        health, now = self.state.health, self.state.clock.now()
        dim = data_state.is_dim
        for rule in PART_RULES:
            self.query_one(f"#tile-{rule.name}", Tile).show_part(
                judge_part(rule, status, self.state.status_round_trip_ms, now),
                list(health.history.get(rule.name, ())),
                dim=dim,
            )
        self.query_one("#flow", Panel).show(self._draw_flow(status), dim=dim)
        routes = self.query_one("#routes", Panel)
        header, lines = _draw_routes(status.routes, health.history, routes.content_size.width)
        routes.show(lines, header=header, dim=dim)

    def list_rows(self) -> Iterable[Row]:
        """Return the parts, the routes and the events."""
        status = self.state.status
        if status is not None:
            now = self.state.clock.now()
            for rule in PART_RULES:
                part = judge_part(rule, status, self.state.status_round_trip_ms, now)
                yield {
                    "kind": "part",
                    "name": rule.title,
                    "state": part.verdict,
                    "text": f"{rule.measure} {rule.write(part.value)}; {part.detail}",
                }
            for route in status.routes:
                text = f"{route.count} requests, p50 {route.p50_ms} ms, p99 {route.p99_ms} ms"
                yield {"kind": "route", "name": route.route, "state": "", "text": text}
        for event in self.state.log:
            name = f"{event.at:%Y-%m-%d %H:%M:%S} {event.part}"
            yield {"kind": "event", "name": name, "state": event.severity, "text": event.text}

    def describe_selection(self) -> str | None:
        """Return the newest event that the filter shows."""
        events = self.state.log.search(self._wanted)
        if not events:
            return None
        return f"{events[0].at:%Y-%m-%d %H:%M:%S}\t{events[0].part}\t{events[0].text}"

    def start_search(self) -> None:
        """Filter the events."""
        hint = f"a part, warn, bad, or a word; {self.keys['prompt.cancel']} shows all"
        self.ask("events", "Filter events", hint=hint)

    def action_clear(self) -> None:
        """Show all events again."""
        self._filter("")

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        """Filter while the operator types."""
        if event.purpose == "events":
            self._filter(event.value)

    def on_prompt_answered(self) -> None:
        """Go to the events."""
        self.query_one("#events", Panel).focus()

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """Show all events again."""
        if event.purpose == "events":
            self._filter("")
        self.query_one("#events", Panel).focus()

    def _filter(self, wanted: str) -> None:
        self._wanted = wanted
        self._show_events()

    def _show_events(self) -> None:
        lines: list[ToneLine] = []
        for event in self.state.log.search(self._wanted):
            mark, tone = SEVERITIES[event.severity]
            time = f"{event.at:%H:%M:%S} "
            lines.append([(time, "muted"), (f"{mark} {event.part:<11}", tone), (event.text, "")])
        panel = self.query_one("#events", Panel)
        title = f"Events with “{clean_name(self._wanted)}”" if self._wanted else "Events"
        panel.set_title(title)
        nothing = "no event has these words" if self._wanted else "nothing has happened yet"
        panel.show(lines or [[(nothing, "muted")]])

    def _draw_flow(self, status: Status) -> list[ToneLine]:
        health = self.state.health
        submits, queue = health.read_values("submits"), health.read_values("queue")
        freshness = health.freshness
        p50, p99 = write_ms(freshness.read_p50_ms()), write_ms(freshness.read_p99_ms())
        rows: tuple[tuple[str, str, str], ...] = (
            ("submits", "submits", write_rate(submits[-1] if submits else None)),
            ("freshness", "freshness", f"p50 {p50} p99 {p99}"),
            ("pending", "pending", write_amount(status.pending_sessions, "session")),
            ("behind", "index", _write_behind(status.parts.index.behind)),
            ("queue", "queued", write_amount(queue[-1] if queue else None, "message")),
            ("refresh", "refresh", _write_run(status.refresh, status)),
            ("rerank", "re-rank", _write_run(status.rerank, status)),
        )
        width, height = self.query_one("#flow", Panel).content_size
        if 0 < height <= len(rows):
            # The tiles say these too.
            rows = tuple(row for row in rows if row[0] not in _IN_TILES)
        graph = max(_SHORTEST_GRAPH, min(_LONGEST_GRAPH, width - _BESIDE_GRAPH))
        lines: list[ToneLine] = [
            [
                _draw_history(health.history.get(name, ()), graph, limit=_LIMITS.get(name)),
                (f" {title:<10}", "muted"),
                (text, "strong"),
            ]
            for name, title, text in rows
        ]
        if status.freshness is None:
            notes = ["freshness unknown: no worker is heard of", "freshness unknown: no worker"]
        else:
            visible = f"submit to visible, {write_amount(freshness.sessions, 'session')}"
            notes = [f"freshness: {visible}", visible, "submit to visible"]
        note = choose_text(width or len(notes[0]), *notes)
        lines.append([(note, "muted")])
        return lines


def _write_behind(behind: int | None) -> str:
    return "unknown" if behind is None else f"{write_amount(behind, 'refresh')} behind"


def _write_run(run: Refresh | Rerank | None, status: Status) -> str:
    if run is None or run.at is None:
        return "never"
    age = write_age((status.at - run.at).total_seconds())
    return f"{write_ms(run.duration_ms)}, {age} ago"


def _draw_routes(
    routes: Iterable[Route], histories: Mapping[str, Sequence[Sample]], width: int
) -> tuple[ToneLine | None, list[ToneLine]]:
    """Return the header and a line for each route.

    Where there is no room for everything, errors stay and the median and the rate go: who is
    woken looks for what fails and what is slow.
    """
    # What the service times of a stream is how long somebody followed it.
    shown = sorted(
        (route for route in routes if not route.route.endswith("/stream")), key=_place_route
    )
    if not shown:
        return None, [[("nothing was asked yet", "muted")]]
    wide = width >= _WIDE_ROUTES
    beside = _P99 + _ERRORS + _SCROLL_BAR
    beside += _ROUTE_GRAPH + 1 + _P50 + _RATE if wide else 0
    longest = max(len(_shorten_route(route)) for route in shown)
    name_width = max(_SHORTEST_ROUTE, min(longest, width - beside))
    graph, p50 = (" " * (_ROUTE_GRAPH + 1), "p50".rjust(_P50)) if wide else ("", "")
    rate = "rate".rjust(_RATE) if wide else ""
    header = f"{graph}{'':{name_width}}{p50}{'p99':>{_P99}}{rate}{'errors':>{_ERRORS}}"
    return [(header, "muted")], [
        _draw_route(route, histories.get(route.route, ()), name_width, wide=wide) for route in shown
    ]


def _place_route(route: Route) -> tuple[int, str, str]:
    method, _, path = route.route.partition(" ")
    first = _FIRST_ROUTES.index(route.route) if route.route in _FIRST_ROUTES else len(_FIRST_ROUTES)
    return first, path, method


def _shorten_route(route: Route) -> str:
    name = route.route.replace("/api/leaderboard/", "").replace("/api/", "")
    return name.replace("{user_id}", "{id}")


def _draw_route(
    route: Route, history: Sequence[Sample], name_width: int, *, wide: bool
) -> ToneLine:
    errors: Tone = "bad" if route.server_errors else "muted"
    line: list[Span] = [(fit_name(_shorten_route(route), name_width), "")]
    if wide:
        line = [_draw_history(history, _ROUTE_GRAPH), (" ", ""), *line]
        line.append((write_ms(route.p50_ms).rjust(_P50), ""))
    line.append((write_ms(route.p99_ms).rjust(_P99), "strong"))
    if wide:
        line.append((write_rate(route.per_second).rjust(_RATE), ""))
    return [*line, (f"{route.server_errors:>{_ERRORS},}", errors)]
