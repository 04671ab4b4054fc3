"""A run that goes on, or that has ended: progress, rates, latencies, errors."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from math import inf
from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from dashboard.screens.simulate.rate_chart import Answered, RateChart
from dashboard.simulation.reports.presentation import describe_comparison, describe_count
from dashboard.simulation.reports.report import (
    ENDED_STATES,
    LatencySummary,
    RunReport,
    RunState,
)
from dashboard.simulation.workload.stages import Course, Stage, parse_stages
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_count, write_ms, write_rate
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import Span, Tone, ToneLine, fold_text

_RATES: Final = "Answered a second"
_TARGET: Final = ", and the target ─"

_BESIDE_BAR: Final = 24
_LABEL: Final = 15
_COUNT: Final = 10
_SHARE: Final = 7
_BOUNDS_MS: Final = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"

_NEVER: Final = (inf, inf)

_STATES: Final[dict[RunState, tuple[str, Tone]]] = {
    RunState.RUNNING: ("▶ running", "good"),
    RunState.PAUSED: ("‖ paused", "accent"),
    RunState.DRAINING: ("▷ awaiting the last answers", "warn"),
    RunState.RESUBMITTING: ("▷ sending again what found no answer", "warn"),
    RunState.FINISHED: ("✓ finished", "good"),
    RunState.STOPPED: ("■ stopped", "warn"),
}
_DIED: Final[tuple[str, Tone]] = ("✕ died", "bad")
_SILENT: Final[tuple[str, Tone]] = ("◐ writes no figures", "warn")


class RunView(Vertical):
    """Shows one report after the other."""

    # Rules that look at the size of the screen reach beyond the widget.
    SCOPED_CSS = False

    DEFAULT_CSS = """
    RunView {
        height: 1fr;
        & #run { height: 8; }
        & #run-middle { height: 1fr; min-height: 4; }
        & #latency { height: 5; }
        & #rates { width: 1fr; border: round $primary 60%; border-title-color: $text-accent; }
        & #histogram { width: 1fr; height: 100%; }
        & #errors { height: 4; }
    }
    .-low RunView #run { height: 7; }
    .-low RunView #rates { display: none; }
    .-low RunView #errors { height: 3; }
    .-high RunView #errors { height: 6; }
    .-slim RunView #run-middle { layout: vertical; }
    .-slim RunView #rates, .-slim RunView #histogram { width: 1fr; height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._charted: RunReport | None = None
        self._shown: RunReport | None = None
        self._died = self._silent = False

    def compose(self) -> ComposeResult:
        """From what is asked first to what is asked last."""
        yield Panel("Run", id="run")
        yield Panel("Latency from the intended start", id="latency")
        with Horizontal(id="run-middle"):
            with Vertical(id="rates") as box:
                box.border_title = _RATES
                yield RateChart(id="rate-chart")
            yield Panel("Latencies of the run", id="histogram")
        yield Panel("Errors", id="errors")

    def on_resize(self) -> None:
        """Draw the bars as wide as there is room now, once the panels have their sizes."""
        if self._shown is not None:
            shown = partial(self.show, self._shown, died=self._died, silent=self._silent)
            self.call_after_refresh(shown)

    def show(self, report: RunReport | None, *, died: bool = False, silent: bool = False) -> None:
        """Show a report; None before there is one.

        It is the last of a process that `died`, or an old one where the run is `silent`.
        """
        self._shown, self._died, self._silent = report, died, silent
        names = ("run", "latency", "histogram", "errors")
        panels = {name: self.query_one(f"#{name}", Panel) for name in names}
        chart = self.query_one("#rate-chart", RateChart)
        if report is None:
            for panel in panels.values():
                panel.show([[("… nothing was sent yet", "muted")]])
            chart.show(None)
            self._charted = None
            return
        state = _DIED if died else _SILENT if silent else _STATES[report.state]
        panels["run"].show(_draw_run(report, panels["run"].room, state), dim=silent)
        panels["latency"].show(_draw_latencies(report, panels["latency"].room), dim=silent)
        panels["histogram"].show(_draw_histogram(report, panels["histogram"].room), dim=silent)
        panels["errors"].show(_draw_errors(report), dim=silent)
        # A long run has many seconds, and a report is shown several times before there is another.
        if report is not self._charted:
            self._charted = report
            has_target = report.rate is not None
            self.query_one("#rates").border_title = _RATES + (_TARGET if has_target else "")
            scale = report.pace if has_target else 0.0
            chart.show(_find_course(report), list_answered(report), scale)


def _find_course(report: RunReport) -> Course:
    """Return how the rate should go; for users, who have no rate, only how long they send."""
    if report.stages:
        return Course(parse_stages(report.stages))
    rate = 1.0 if report.rate is None else report.rate
    return Course((Stage(rate, rate, report.duration_seconds),))


def _draw_run(report: RunReport, width: int, state: Span) -> list[ToneLine]:
    """Return state and progress, rates, and what is under way."""
    position = min(report.elapsed_seconds - report.paused_seconds, report.duration_seconds)
    total = report.total
    is_paused = report.state is RunState.PAUSED
    achieved = "‖ paused" if is_paused else write_rate(_read_achieved(report))
    load: list[Span] = [("achieved ", "muted"), (achieved, "accent" if is_paused else "strong")]
    if report.target_rate is None:
        users = f"{report.active_users}, {report.users} planned"
        load += [("   users ", "muted"), (users, "strong")]
    else:
        load += [("   target ", "muted"), (write_rate(report.target_rate), "strong")]
        load += [("   over the run ", "muted"), (write_rate(total.answered_per_second), "strong")]
    if report.pace != 1:
        load.append((f"   {report.pace:.0%} of the plan", "accent"))
    return [
        [
            *_draw_progress(report, position, max(10, width - _BESIDE_BAR)),
            (f" {position:.0f} of {report.duration_seconds:g} s", "strong"),
        ],
        [
            state,
            (f"   seed {report.seed}, run {report.run_id}{_name_board(report)}", "muted"),
        ],
        load,
        [
            ("in flight ", "muted"),
            (write_count(report.in_flight), "strong"),
            ("   dropped ", "muted"),
            (write_count(total.dropped), "warn" if total.dropped else "strong"),
            ("   failed ", "muted"),
            (write_count(total.failed), "bad" if total.failed else "strong"),
            ("   sent ", "muted"),
            (write_count(total.started), "strong"),
        ],
        *_draw_verdicts(report, width),
    ]


def _name_board(report: RunReport) -> str:
    """Return whose tops and ranks are read, where the trace of the run tells it."""
    return f", board {clean_name(report.board)}" if report.board else ""


def _read_achieved(report: RunReport) -> float | None:
    """Return the requests answered in the last second that is complete."""
    return float(report.seconds[-2].succeeded) if len(report.seconds) > 1 else None


def list_answered(report: RunReport) -> list[Answered]:
    """Return what was answered in each second that is complete, by its place in the plan.

    The second that goes on would look like a slump.
    """
    complete = report.seconds[:-1]
    moments = chain.from_iterable((second.second, second.second + 1) for second in complete)
    positions = _find_positions(moments, report.pauses)
    return [
        Answered(start, end, second.succeeded, second.pace)
        for second, start, end in zip(complete, positions, positions, strict=True)
    ]


def _find_positions(
    moments: Iterable[float], pauses: Iterable[tuple[float, float]]
) -> Iterator[float]:
    """Yield how far the plan was at each moment; in pauses it does not go on.

    Both are in the order of time, so that many pauses take no longer than a few.
    """
    rest = iter(pauses)
    start, end = next(rest, _NEVER)
    paused = 0.0
    for moment in moments:
        while end <= moment:
            paused += end - start
            start, end = next(rest, _NEVER)
        yield min(moment, start) - paused


def _draw_latencies(report: RunReport, width: int) -> list[ToneLine]:
    """Return the percentiles of the last seconds and of the run, from the intended start."""
    names = ("p50", "p90", "p95", "p99", "p99.9", "max")
    label, column = (9, 9) if width >= 9 + 9 * len(names) else (5, 8)
    header = " " * label + "".join(f"{name:>{column}}" for name in names)
    return [
        [(header, "muted")],
        _draw_percentiles(f"{'10 s':<{label}}", report.total.recent_latency, column),
        _draw_percentiles(f"{'run':<{label}}", report.total.latency, column),
    ]


def _draw_histogram(report: RunReport, width: int) -> list[ToneLine]:
    """Return a bar for each bucket between the shortest and the longest latency."""
    counts = [0] * (len(_BOUNDS_MS) + 1)
    for bucket in report.latency_buckets:
        place = sum(bucket.upper_ms > bound for bound in _BOUNDS_MS)
        counts[place] += bucket.count
    filled = [place for place, count in enumerate(counts) if count]
    if not filled:
        return [[("no answer yet", "muted")]]
    most, total = max(counts), sum(counts)
    # The last cell is for the scroll bar, where there is one.
    room = max(5, width - _LABEL - _COUNT - _SHARE - 1)
    return [
        [
            (f"{_name_bucket(place):>{_LABEL - 1}} ", "muted"),
            (_draw_bar(counts[place] / most, room), "accent"),
            (f"{counts[place]:>{_COUNT},}", "strong"),
            (f"{counts[place] / total:>{_SHARE}.1%}", "muted"),
        ]
        for place in range(filled[0], filled[-1] + 1)
    ]


def _draw_errors(report: RunReport) -> list[ToneLine]:
    """Return each kind of failure with its count, first and last moment, and a sample."""
    if not report.errors:
        return [[("none", "good")]]
    return [
        [
            (" " * max(0, 7 - len(f"{error.count:,}")), ""),
            (f"{error.count:,}", "bad"),
            (" ", ""),
            (f"{error.request:<7}{clean_name(error.code)}", "strong"),
            (f"  first {error.first_seconds:.1f} s, last {error.last_seconds:.1f} s", "muted"),
            (f"  {clean_name(error.sample)}", ""),
        ]
        for error in report.errors
    ]


def _draw_verdicts(report: RunReport, width: int) -> list[ToneLine]:
    """Return whole sentences: what came of the run, and how well the generator keeps up."""
    lines: list[ToneLine] = []
    if report.state in ENDED_STATES:
        told = f"{clean_name(describe_comparison(report))}; {describe_count(report)}"
        lines += fold_text(*_judge_ledger(report), told, width, "strong")
    generator = report.generator
    late = write_ms(generator.lag_p99_ms)
    if generator.limited:
        limit = f"The generator, not the server, is the limit ({late} late): lower the rate"
        lines += fold_text("▲ ", "warn", limit, width, "warn")
    elif report.state not in ENDED_STATES:
        busy = f"{generator.cpu_share:.0%} of a core"
        told = f"load generator keeps up: 99% left at most {late} late, {busy} used"
        lines += fold_text("", "", told, width, "muted")
    return lines


def _judge_ledger(report: RunReport) -> Span:
    ledger = report.ledger
    if ledger is None:
        return ("▲ Ledger: ", "warn") if report.ledger_problem else ("… Ledger: ", "muted")
    if ledger.is_wrong:
        return "✕ Ledger: ", "bad"
    return "✓ Ledger: ", "good"


def _draw_progress(report: RunReport, position: float, width: int) -> list[Span]:
    duration = report.duration_seconds
    marks = {round(mark / duration * width) for mark in _find_course(report).list_marks()}
    done = round(position / duration * width)
    cells = ["┃" if x in marks else "█" if x < done else "░" for x in range(width)]
    return [("".join(cells[:done]), "accent"), ("".join(cells[done:]), "muted")]


def _draw_percentiles(title: str, summary: LatencySummary | None, column: int) -> ToneLine:
    values: tuple[float | None, ...] = (None,) * 6
    if summary is not None:
        values = (
            summary.p50_ms,
            summary.p90_ms,
            summary.p95_ms,
            summary.p99_ms,
            summary.p999_ms,
            summary.max_ms,
        )
    line: list[Span] = [(title, "muted")]
    line.extend((f"{write_ms(value):>{column}}", "strong") for value in values)
    return line


def _name_bucket(place: int) -> str:
    if place == len(_BOUNDS_MS):
        return f"over {write_ms(_BOUNDS_MS[-1])}"
    return f"to {write_ms(_BOUNDS_MS[place])}"


def _draw_bar(share: float, width: int) -> str:
    eighths = max(1, round(share * width * 8)) if share > 0 else 0
    full, part = divmod(eighths, 8)
    return ("█" * full + (_BLOCKS[part] if part else "")).ljust(width)
