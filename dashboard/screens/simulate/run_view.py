"""A run that goes on, or that has ended: progress, rates, latencies, errors."""

from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from dashboard.screens.simulate.rate_chart import RateChart
from dashboard.screens.simulate.run_lines import (
    draw_errors,
    draw_histogram,
    draw_latencies,
    draw_run,
    find_course,
    list_answered,
)
from dashboard.simulation.reports.report import RunReport
from dashboard.widgets.panel import Panel

_RATES: Final = "Answered a second"
_TARGET: Final = ", and the target ─"


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
    """

    def __init__(self) -> None:
        super().__init__()
        self._charted: RunReport | None = None

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

    def show(self, report: RunReport | None) -> None:
        """Show a report; None before there is one."""
        names = ("run", "latency", "histogram", "errors")
        panels = {name: self.query_one(f"#{name}", Panel) for name in names}
        chart = self.query_one("#rate-chart", RateChart)
        if report is None:
            for panel in panels.values():
                panel.show([[("… nothing was sent yet", "muted")]])
            chart.show(None)
            self._charted = None
            return
        panels["run"].show(draw_run(report, panels["run"].content_size.width))
        panels["latency"].show(draw_latencies(report))
        panels["histogram"].show(draw_histogram(report, panels["histogram"].content_size.width))
        panels["errors"].show(draw_errors(report))
        # A long run has many seconds, and a report is shown several times before there is another.
        if report is not self._charted:
            self._charted = report
            has_target = report.rate is not None
            self.query_one("#rates").border_title = _RATES + (_TARGET if has_target else "")
            scale = report.pace if has_target else 0.0
            chart.show(find_course(report), list_answered(report), scale)
