"""Health: every part of the service, how far it is behind, and what happened."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical

from dashboard.client.answers import Status
from dashboard.screens.console_screen import ConsoleScreen, Row
from dashboard.screens.health.flow import draw_flow
from dashboard.screens.health.history import draw_history
from dashboard.screens.health.routes import RoutesPanel
from dashboard.state.access import Access
from dashboard.state.data_state import DataState, Kind, judge_error, judge_link, judge_pause
from dashboard.state.parts.health import Sample
from dashboard.state.parts.rules import (
    DETAIL_SEPARATOR,
    PART_RULES,
    PartHealth,
    PartRule,
    Verdict,
    judge_part,
)
from dashboard.text.names import clean_name
from dashboard.text.numbers import (
    choose_text,
    write_age,
    write_count,
    write_time,
)
from dashboard.text.wrapping import wrap_text
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from dashboard.widgets.prompt import Prompt
from dashboard.widgets.tones import SEVERITIES, Span, Tone, ToneLine

_MARKS: Final[dict[Verdict, tuple[str, Tone]]] = {
    "ok": ("✓ ok", "good"),
    "slow": ("▲ over", "warn"),
    "still": ("▲ stands still", "warn"),
    "unknown": ("? unknown", "muted"),
    "looping": ("✕ restarts", "bad"),
    "away": ("✕ away", "bad"),
}

_WAS_OK: Final[tuple[str, Tone]] = ("? ok", "muted")
"""Of a status that is not current: whether it still is, nobody knows."""

_PART: Final = 11
_BESIDE_TEXT: Final = len("12:00:00 · ") + _PART
_BRIEF: Final = {
    "oldest pending": "oldest",
    "refreshes behind": "behind",
    "since message": "silent",
    "behind the ledger": "behind",
}
"""What is measured, where there is no room for all of it."""


class Tile(Lines, can_focus=True):
    """Shows one part: its verdict, the value behind it, the threshold and the history."""

    DEFAULT_CSS = """
    Tile {
        height: 5;
        border: round $primary 60%;
        border-title-color: $text-accent;
        border-subtitle-color: $text-muted;
        padding: 0 1;
        &:focus { border: round $accent; }
    }
    """

    def __init__(self, rule: PartRule) -> None:
        super().__init__(id=f"tile-{rule.name}")
        self.border_title = rule.title
        self.border_subtitle = f"limit {rule.write(rule.limit)}"

    def show_part(self, health: PartHealth, history: Sequence[Sample], *, dim: bool) -> None:
        """Show a part in the last status, and its history."""
        rule = health.rule
        is_told = health.value is not None or health.verdict not in {"ok", "slow"}
        verdict: Verdict = health.verdict if is_told else "unknown"
        mark, tone = _WAS_OK if dim and verdict == "ok" else _MARKS[verdict]
        graph = draw_history(history, self.size.width, limit=rule.limit)
        value: Span = ("", "")
        if health.value is not None:
            value_text = rule.write(health.value)
            words = (rule.measure, _BRIEF.get(rule.measure, ""))
            # Where no word fits, the limit below still says what is measured.
            texts = [*(f"{value_text} {word}".strip() for word in words), value_text]
            value = (choose_text(self.content_size.width - len(mark) - 1, *texts), "strong")
        headline: ToneLine = [(mark, tone), (" ", ""), value]
        parts = health.detail.split(DETAIL_SEPARATOR)
        # Whole parts go where there is no room: half a number would be another number.
        details = (DETAIL_SEPARATOR.join(parts[:kept]) for kept in range(len(parts), 0, -1))
        detail = choose_text(self.content_size.width, *details)
        self.show([headline, [graph], [(detail, "muted")]], dim=dim)


def _draw_without_status(part: str, access: Access | None) -> list[ToneLine]:
    """Return what is said of a part before the first status, or with a key that is not for it."""
    if access is None:
        return [[("… no status yet", "muted")]]
    words = access.parts.get(part)
    if words is None:
        return [[("? needs an admin's key", "muted")]]
    if words == "ok":
        return [[("✓ ok", "good")]]
    state, _, effect = clean_name(words).partition(": ")
    mark, tone = _MARKS["unknown" if state.startswith("unknown") else "away"]
    return [[(f"{mark[0]} {state}", tone)], [(effect, "muted")]]


class HealthScreen(ConsoleScreen):
    """Tiles for the parts, the flow of scores, latency by route, and the event log."""

    MODE = "health"
    KEY_OWNERS = (RoutesPanel,)

    DEFAULT_CSS = """
    HealthScreen {
        & #health { height: 1fr; }
        & #tiles { grid-size: 3 2; height: 10; grid-rows: 5; }
        & #middle { height: 15; }
        & #flow { width: 46; height: 100%; }
        & #routes { width: 1fr; height: 100%; }
        & #events { height: 1fr; min-height: 4; }
        &.-low #tiles { grid-rows: 4; height: 8; }
        &.-low Tile { height: 4; }
        /* What is wrong, and what is asked, takes its lines of this first. */
        &.-low #middle { height: 2fr; }
        &.-narrow #flow { width: 40; }
        &.-slim #tiles { grid-size: 2 3; grid-rows: 5; height: 15; }
        &.-slim Tile { height: 5; }
        &.-slim #middle { layout: vertical; height: 22; }
        &.-slim #flow { width: 1fr; height: 12; }
        &.-slim #routes { height: 10; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next panel", id="health.next"),
        Binding(
            "enter",
            "slow",
            "Why",
            tooltip="Why is it slow: the route under the cursor, or the slowest",
            id="health.slow",
        ),
        Binding("escape", "clear", "Clear filter", show=False, id="health.clear"),
    ]

    WORDS = (
        ("pending", "scores in the ledger that are not in the standings yet"),
        ("oldest", "how long the oldest of these has waited"),
        ("? unknown", "it is only heard of through a part that is away, or nothing was measured"),
        ("▲ stands still", "the index is there, and shows nothing new for that long"),
        ("? ok", "it was, by the last status; whether it still is, nobody knows"),
        ("✕ restarts", "its processes end again and again, and are started anew"),
        ("freshness", "time from a score's submit to its being in the ranks"),
        ("refresh", "a worker adds pending scores to the standings and the index"),
        ("index", "the ranks in Redis; away, PostgreSQL answers until it is rebuilt"),
        ("refreshes behind", "refreshes that the index in Redis does not have yet"),
        ("re-rank", "all ranks stored in PostgreSQL, once a minute, for when Redis is away"),
        ("queued", "messages for the workers that are not done, of all queues; dead: given up"),
        ("waiting", "submits that wait for the next commit"),
        ("database", "connections of the API processes, and those that nobody uses"),
        ("loop lag", "longest wait in 10 s for other work of an API process"),
        ("host", "the busiest machine with an API process: processors in use, load of a minute"),
        ("errors", "answers 500 and above since the API's start"),
        ("limit", "above it a part is ▲ over; its graph is drawn from 0 to this limit"),
        ("↻", "a process of this part was started anew"),
    )

    _wanted = ""

    def compose_body(self) -> ComposeResult:
        """Tiles above, then flow and routes side by side, then the log."""
        with Vertical(id="health"):
            with Grid(id="tiles"):
                for rule in self.state.watch.rules.values():
                    yield Tile(rule)
            with Horizontal(id="middle"):
                yield Panel("Flow of scores", id="flow")
                yield RoutesPanel("Last minute; errors since start", id="routes")
            yield Panel("Events", id="events")

    def on_mount(self) -> None:
        """Let the arrow keys walk the events at once."""
        self.query_one("#events", Panel).focus()

    @property
    def next_panel_key(self) -> str:
        """The key that gives the focus to the next panel, which is offered here."""
        return self.keys["health.next"]

    def judge(self) -> DataState:
        """Return the state of the status, which is polled separately from the board."""
        state = self.state
        status = state.status
        age = state.describe_age(state.status_at, status.at) if status else ""
        trouble = judge_link(state, age)
        if trouble is not None:
            return trouble
        if state.status_error is not None:
            return judge_error(state.status_error, "every 2 s")
        if state.access is not None:
            return DataState(Kind.CLOSED, f"T{state.access.describe()[1:]}.")
        pause = judge_pause(state)
        if pause is not None:
            return pause
        if status is None:
            return DataState(Kind.LOADING, f"Waiting for the first status of {state.address}")
        troubles = state.list_troubles()
        if troubles:
            now, is_bad = state.clock.now(), troubles[0].is_bad
            # The first one has a line of its own where it is bad.
            named = "; ".join(
                trouble.describe_time(now) if trouble.is_bad else trouble.describe(now)
                for trouble in troubles
            )
            return DataState(Kind.ALARM if is_bad else Kind.WARNING, named)
        return DataState(Kind.LIVE, "")

    @property
    def current_at(self) -> float | None:
        """When the status that is shown came."""
        return self.state.status_at

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
                self.query_one(f"#tile-{rule.name}", Tile).show(
                    _draw_without_status(rule.name, self.state.access)
                )
            for name in ("flow", "routes") if self.state.access else ():
                self.query_one(f"#{name}", Panel).show(
                    _draw_without_status(name, self.state.access)
                )
            return
        health, now = self.state.health, self.state.clock.now()
        dim = data_state.is_dim
        for rule in self.state.watch.rules.values():
            self.query_one(f"#tile-{rule.name}", Tile).show_part(
                self._judge(rule, status, now),
                health.history.get(rule.name, ()),
                dim=dim,
            )
        flow = self.query_one("#flow", Panel)
        flow.show(draw_flow(status, health, self.state.watch.rules, *flow.content_size), dim=dim)
        routes = self.query_one("#routes", RoutesPanel)
        routes.show_routes(status.routes, health.history, dim=dim)

    def _judge(self, rule: PartRule, status: Status, now: datetime) -> PartHealth:
        """Return what the last status says of a part, and what is said of it by now."""
        health = judge_part(rule, status, self.state.status_round_trip_ms, now)
        watch = self.state.watch
        verdict = watch.read_verdict(rule.name)
        measured = {"ok", "slow"}
        # A figure beside its limit speaks for itself; what is away is said when it has lasted.
        if verdict != health.verdict and not {verdict, health.verdict} <= {*measured, "unknown"}:
            # The figure of a part that is away no more is not one of a part that is.
            value = None if verdict == "away" and health.verdict in measured else health.value
            detail = watch.healths[rule.name].detail
            health = health._replace(verdict=verdict, value=value, detail=detail)
        lag = status.parts.index.lag_seconds
        if rule.name == "index" and watch.lags and lag and health.verdict in measured:
            rule = rule._replace(write=write_age, measure="behind the ledger")
            health = health._replace(rule=rule, verdict="still", value=lag)
        return health

    def list_rows(self) -> Iterable[Row]:
        """Return the parts, the routes and the events."""
        status = self.state.status
        if status is not None:
            now = self.state.clock.now()
            for rule in self.state.watch.rules.values():
                part = self._judge(rule, status, now)
                yield {
                    "kind": "part",
                    "name": rule.title,
                    "state": part.verdict,
                    "text": f"{part.rule.measure} {part.rule.write(part.value)}; {part.detail}",
                }
            for route in status.routes:
                text = f"{route.count} requests, p50 {route.p50_ms} ms, p99 {route.p99_ms} ms"
                yield {"kind": "route", "name": route.route, "state": "", "text": text}
        for event in self.state.log:
            name = f"{event.at:%Y-%m-%d %H:%M:%S} {event.part}"
            yield {"kind": "event", "name": name, "state": event.severity, "text": event.text}

    def name_board(self) -> str:
        """Parts, routes and events are those of all boards."""
        return ""

    def describe_selection(self) -> str | None:
        """Return the newest event that the filter shows."""
        events = self.state.log.search(self._wanted)
        if not events:
            return None
        return f"{events[0].at:%Y-%m-%d %H:%M:%S}\t{events[0].part}\t{events[0].text}"

    def start_filter(self) -> None:
        """Filter the events."""
        hint = f"a part, warn, bad, or a word; {self.keys['prompt.cancel']} shows all"
        self.ask("events", "Filter events", hint=hint)

    async def action_slow(self) -> None:
        """Ask why it is slow: the route under the cursor, else the slowest."""
        await self.run_action(f"app.slow({self.query_one('#routes', RoutesPanel).chosen!r})")

    def on_routes_panel_moved(self) -> None:
        """Show where the cursor is."""
        self.show()

    def on_descendant_focus(self) -> None:
        """Show the cursor of the routes only while they have the focus."""
        if self.is_mounted:
            self.show()

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
        panel = self.query_one("#events", Panel)
        room = panel.room - _BESIDE_TEXT
        lines: list[ToneLine] = []
        for event in self.state.log.search(self._wanted):
            mark, tone = SEVERITIES[event.severity]
            time = f"{event.at:%H:%M:%S} "
            gap = " " * max(1, _PART - len(event.part))
            part = f"{mark} {event.part}"
            first, *rest = wrap_text(event.text, room) or [""]
            lines.append([(time, "muted"), (part, tone), (gap, ""), (first, "")])
            lines += [[(" " * _BESIDE_TEXT + line, "")] for line in rest]
        title = f"Events with “{clean_name(self._wanted)}”" if self._wanted else "Events"
        panel.set_title(title)
        nothing = "no event has these words" if self._wanted else "nothing has happened yet"
        panel.show(lines or [[(nothing, "muted")]])
