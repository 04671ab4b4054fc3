"""Why it is slow: where the time goes, what PostgreSQL waits for, and the last slow requests."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.cells import cell_len
from textual import work
from textual.binding import Binding, BindingType

from dashboard.client.gateway import Gateway, GatewayError
from dashboard.client.waits import Latency, PostgresWaits, RouteWaits, SlowRequest, Waits
from dashboard.screens.dialog import PanelDialog, draw_error
from dashboard.state.console_state import ConsoleState
from dashboard.state.slowness import (
    STAGES,
    Finding,
    Looks,
    choose_route,
    describe_lock,
    find_route,
    judge,
)
from dashboard.text.names import clean_name, fit_name
from dashboard.text.numbers import write_age, write_amount, write_count, write_ms, write_time
from dashboard.text.wrapping import wrap_text
from dashboard.widgets.tones import SEVERITIES, ToneLine, fold_text

_AGAIN_SECONDS: Final = 1.0
_LABEL: Final = 33
_FIGURE: Final = 10
_QUANTILES: Final = ("p50", "p95", "p99")
_ROUTE: Final = 28
_EVENT: Final = 24
_SHORT_EVENT: Final = 18
_SEEN: Final = 10
_STATUS: Final = 4
_MOST_EVENTS: Final = 5
_MOST_LOCKS: Final = 3


class SlowScreen(PanelDialog):
    """Asks the service each second for as long as it is open."""

    LINK = "slow"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,n", "turn(1)", "Next route", id="slow.next"),
        Binding("left,p", "turn(-1)", "Previous route", id="slow.previous"),
        Binding("escape,q,W,enter", "dismiss", "Close", id="slow.close"),
    ]

    def __init__(self, gateway: Gateway, state: ConsoleState, route: str | None) -> None:
        super().__init__(gateway, state, "Why is it slow")
        self._route = route
        self._looks = Looks()
        self._waits: Waits | None = None

    def on_mount(self) -> None:
        """Ask."""
        self.watch_waits()

    @work(exit_on_error=False)
    async def watch_waits(self) -> None:
        """Ask, and show what is answered, again and again."""
        while True:
            try:
                self._waits = await self._gateway.read_waits()
            except GatewayError as error:
                self._show(error)
            else:
                self._looks.add(self._waits.postgresql)
                self._route = self._route or choose_route(self._waits)
                self._show()
            await self._state.clock.sleep(_AGAIN_SECONDS)

    def action_turn(self, step: int) -> None:
        """Look at another route."""
        names = [route.route for route in self._waits.routes] if self._waits else []
        if names:
            place = names.index(self._route) if self._route in names else 0
            self._route = names[(place + step) % len(names)]
            self._show()

    def _show(self, error: GatewayError | None = None) -> None:
        waits, route = self._waits, self._route
        lines = draw_error(error, self.room) if error is not None else []
        if waits is None or route is None:
            self._panel.show(lines)
            return
        self._panel.set_title(f"Why is it slow: {shorten_route(route)}")
        status = self._state.status
        processes = status.parts.api.processes if status else ()
        if error is None:
            # What is away comes first: no route explains that.
            now = self._state.clock.now()
            bad = [trouble for trouble in self._state.list_troubles() if trouble.is_bad]
            told = [wrap_text(f"✕ {trouble.describe(now)}.", self.room) for trouble in bad]
            lines += [[(line, "bad")] for part in told for line in part]
        lines += _draw_finding(judge(waits, self._looks, route, processes), self.room)
        lines += [[("", "")], *self._draw_route(find_route(waits, route))]
        lines += [[("", "")], *_draw_postgres(waits.postgresql, self._looks, self.room)]
        lines += [[("", "")], *self._draw_slow(waits)]
        # Of an answer that is not renewed nothing is current.
        self._panel.show(lines, dim=error is not None)

    def _draw_route(self, route: RouteWaits | None) -> list[ToneLine]:
        keys = self._state.keys
        turn = f"{keys['slow.previous']} and {keys['slow.next']}: another route"
        if route is None:
            return [[(f"Nobody has asked for it yet. {turn}", "muted")]]
        # The one in the middle goes first.
        shown = _QUANTILES if self.room >= _LABEL + 3 * _FIGURE else _QUANTILES[::2]
        titles = "".join(f"{title:>{_FIGURE}}" for title in shown)
        lines: list[ToneLine] = [
            [(f"{'In the last minute':<{_LABEL}}{titles}", "muted")],
            _draw_latency(write_amount(route.requests, "request"), route.latency, shown),
        ]
        lines += [
            _draw_latency(f"  for {STAGES.get(stage.stage, stage.stage)}", stage.latency, shown)
            for stage in route.stages
        ]
        longest = f"; the longest took {write_ms(route.max_ms)}" if route.requests else ""
        return [*lines, [(turn + longest, "muted")]]

    def _draw_slow(self, waits: Waits) -> list[ToneLine]:
        limit = write_ms(waits.slow_from_ms)
        if not waits.slow:
            return [[(f"No request has taken {limit} or longer.", "muted")]]
        head = wrap_text(
            f"Took {limit} or longer, newest first, with their X-Request-Id", self.room
        )
        lines: list[ToneLine] = [[(line, "muted")] for line in head]
        for slow in waits.slow:
            lines += self._draw_request(slow)
        return lines

    def _draw_request(self, slow: SlowRequest) -> list[ToneLine]:
        at = write_time(slow.at, self._state.clock.now().tzinfo)
        took = f"{slow.status:>{_STATUS}} {write_ms(slow.ms):>{_FIGURE - 1}}"
        own_id = clean_name(slow.request_id or "without an id")
        route = fit_name(shorten_route(slow.route), _ROUTE)
        line: ToneLine = [(f"{at} ", "muted"), (route, ""), (took, "strong")]
        if sum(cell_len(text) for text, _ in line) + 1 + cell_len(own_id) <= self.room:
            return [[*line, (f" {own_id}", "")]]
        # Whole, however long the caller made it: half an id finds nothing.
        parts: list[ToneLine] = [[(f"  {part}", "")] for part in wrap_text(own_id, self.room - 2)]
        return [line, *parts]


def shorten_route(route: str) -> str:
    """Return the name of a route without what all have in common."""
    name = route.replace("/api/leaderboard/", "").replace("/api/", "")
    # Where a name is cut, what tells the routes of a board apart is still to be seen.
    return name.replace("{user_id}", "{id}").replace("{slug}", "*")


def _draw_finding(finding: Finding, room: int) -> list[ToneLine]:
    mark, tone = SEVERITIES[finding.severity]
    if finding.is_fine:
        mark, tone = "✓", "good"
    text = f"{finding.text[0].upper()}{finding.text[1:]}."
    return fold_text(f"{mark} ", tone, text, room, "strong")


def _draw_latency(label: str, latency: Latency, quantiles: Sequence[str]) -> ToneLine:
    figures = [getattr(latency, f"{quantile}_ms") for quantile in quantiles]
    return [
        (f"{label:<{_LABEL}}", ""),
        *((f"{write_ms(figure):>{_FIGURE}}", "strong") for figure in figures),
    ]


def _draw_postgres(now: PostgresWaits | None, looks: Looks, room: int) -> list[ToneLine]:
    """Return what PostgreSQL waits for, as it was seen lately and as it is now."""
    number = f"{len(looks)} seconds" if len(looks) > 1 else "second"
    seen = f"seen in the last {number}" if now is not None else "it last said"
    lines: list[ToneLine] = [[(f"PostgreSQL, as {seen}", "muted")]]
    events = looks.count_events()
    width = _EVENT if room >= _LABEL + _EVENT + _SEEN else _SHORT_EVENT
    for process, event, times in events[:_MOST_EVENTS]:
        often = f"{times} of {len(looks)}"
        name = fit_name(process, min(_LABEL, room - width - _SEEN) - 2)
        lines.append([(f"  {name}", ""), (f"{event:<{width}}", "strong"), (f" {often}", "muted")])
    if not events and len(looks):
        lines.append([("  nothing was at work", "muted")])
    if now is None:
        return [*lines, [("  it gives no answer now", "warn")]]
    if now.longest is not None:
        age, name = write_age(now.longest.seconds), clean_name(now.longest.process)
        text = f"  longest statement now: {age}, process {now.longest.pid} ({name})"
        lines += [[(f"  {line}", "")] for line in wrap_text(text.strip(), room - 2)]
    for lock in now.locks[:_MOST_LOCKS]:
        text = f"process {lock.pid} ({clean_name(lock.process)}) waits for {describe_lock(lock)}"
        lines += [[(f"  {line}", "warn")] for line in wrap_text(text, room - 2)]
    if not now.locks:
        lines.append([("  nobody waits for a lock", "muted")])
    if now.hidden:
        hidden = write_count(now.hidden)
        lines.append(
            [(f"  connections of other roles, of which nothing is told: {hidden}", "muted")]
        )
    return lines
