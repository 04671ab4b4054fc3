"""Health: every part of the service, how far it is behind, and what happened."""

from collections.abc import Iterable
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical

from dashboard.client.answers import Refresh, Rerank, Status
from dashboard.screens.console_screen import ConsoleScreen, Row
from dashboard.screens.health.route_lines import draw_routes
from dashboard.screens.health.tile import Tile, draw_history, draw_waiting
from dashboard.state.data_state import Condition, Kind
from dashboard.state.health import PART_RULES, judge_part
from dashboard.text.names import clean_name
from dashboard.text.numbers import (
    choose_text,
    write_age,
    write_amount,
    write_count,
    write_ms,
    write_rate,
    write_time,
)
from dashboard.widgets.panel import Panel
from dashboard.widgets.prompt import Prompt
from dashboard.widgets.tones import Tone, ToneLine

_SEVERITIES: Final[dict[str, tuple[str, Tone]]] = {
    "info": ("·", "muted"),
    "warn": ("▲", "warn"),
    "bad": ("✕", "bad"),
}
_LONGEST_GRAPH: Final = 10
_SHORTEST_GRAPH: Final = 4
_BESIDE_GRAPH: Final = 33
_LIMITS: Final = {
    "pending": next(rule.limit for rule in PART_RULES if rule.name == "worker"),
    "behind": next(rule.limit for rule in PART_RULES if rule.name == "index"),
}
_IN_TILES: Final = ("pending", "behind")


class HealthScreen(ConsoleScreen):
    """Tiles for the parts, the flow of scores, latency by route, and the event log."""

    MODE = "health"

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
            with Horizontal(id="figures"):
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

    def judge(self) -> Condition:
        """Return in what condition the status is, which is asked for by itself."""
        picture = self.picture
        trouble = picture.judge_link(has_data=picture.status is not None)
        if trouble is not None:
            return trouble
        if picture.status_error is not None:
            error = picture.status_error
            sentence = f"{error.code}: {clean_name(error.message)} It is asked again every 2 s."
            return Condition(Kind.ERROR, sentence)
        if picture.paused:
            return picture.judge_board()
        if picture.status is None:
            return Condition(Kind.LOADING, f"Waiting for the first status of {picture.address}")
        return Condition(Kind.LIVE, "")

    def describe_live(self) -> str:
        """Tell which version answers, and of when the status is."""
        status = self.picture.status
        if status is None:
            return ""
        at = write_time(status.at, self.picture.clock.now().tzinfo)
        players = status.players.standing if status.players else None
        return f"leaderboard {status.version}, status of {at}, {write_count(players)} players"

    def show_body(self, condition: Condition) -> None:
        """Show the last status."""
        status = self.picture.status
        self._show_events()
        if status is None:
            for rule in PART_RULES:
                self.query_one(f"#tile-{rule.name}", Tile).show(draw_waiting())
            return
        health, now = self.picture.health, self.picture.clock.now()
        dim = condition.is_dim
        for rule in PART_RULES:
            self.query_one(f"#tile-{rule.name}", Tile).show_part(
                judge_part(rule, status, self.picture.status_round_trip_ms, now),
                list(health.history.get(rule.name, ())),
                dim=dim,
            )
        self.query_one("#flow", Panel).show(self._draw_flow(status), dim=dim)
        routes = self.query_one("#routes", Panel)
        header, lines = draw_routes(status.routes, health.history, routes.content_size.width)
        routes.show(lines, header=header, dim=dim)

    def list_rows(self) -> Iterable[Row]:
        """Return the parts, the routes and the events."""
        status = self.picture.status
        if status is not None:
            now = self.picture.clock.now()
            for rule in PART_RULES:
                part = judge_part(rule, status, self.picture.status_round_trip_ms, now)
                yield {
                    "kind": "part",
                    "name": rule.title,
                    "state": part.verdict,
                    "text": f"{rule.figure} {rule.write(part.value)}; {part.detail}",
                }
            for route in status.routes:
                text = f"{route.count} requests, p50 {route.p50_ms} ms, p99 {route.p99_ms} ms"
                yield {"kind": "route", "name": route.route, "state": "", "text": text}
        for event in self.picture.log:
            name = f"{event.at:%Y-%m-%d %H:%M:%S} {event.part}"
            yield {"kind": "event", "name": name, "state": event.severity, "text": event.text}

    def describe_selection(self) -> str | None:
        """Return the newest event that the filter shows."""
        events = self.picture.log.search(self._wanted)
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
        for event in self.picture.log.search(self._wanted):
            mark, tone = _SEVERITIES[event.severity]
            time = f"{event.at:%H:%M:%S} "
            lines.append([(time, "muted"), (f"{mark} {event.part:<11}", tone), (event.text, "")])
        panel = self.query_one("#events", Panel)
        title = f"Events with “{clean_name(self._wanted)}”" if self._wanted else "Events"
        panel.set_title(title)
        nothing = "no event has these words" if self._wanted else "nothing has happened yet"
        panel.show(lines or [[(nothing, "muted")]])

    def _draw_flow(self, status: Status) -> list[ToneLine]:
        health = self.picture.health
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
                draw_history(health.history.get(name, ()), graph, limit=_LIMITS.get(name)),
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
