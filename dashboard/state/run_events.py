"""Starts and ends of runs, as events."""

from datetime import datetime

from dashboard.simulation.reports.presentation import describe_comparison
from dashboard.simulation.reports.report import RunReport
from dashboard.simulation.reports.run_directory import FoundRun
from dashboard.state.event_log import Event, EventLog, Severity
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_amount, write_time


class RunEvents:
    """Logs when the run that the operator watches begins and ends."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._going_on: str | None = None
        self._is_silent = False

    def note(self, run: FoundRun | None, now: datetime) -> None:
        """Log a change in the run's state, if there is one."""
        if run is None:
            return
        run_id, report = run.identity.run_id, run.snapshot.report
        if run.alive and report is not None and run_id != self._going_on:
            self._going_on = run_id
            self._add(now, "info", f"{run_id} began at {_describe_start(report, now)}")
        elif not run.alive and run_id == self._going_on:
            self._going_on = None
            severity, text = _describe_end(run)
            self._add(now, severity, f"{run_id} {text}")
        is_silent = run.measure_silence(now) is not None
        if is_silent and not self._is_silent:
            at = write_time(run.written_at, now.tzinfo)
            self._add(now, "bad", f"{run_id} writes no figures since {at}")
        elif self._is_silent and run.alive and not is_silent:
            self._add(now, "info", f"{run_id} writes figures again")
        self._is_silent = is_silent

    def _add(self, now: datetime, severity: Severity, text: str) -> None:
        self._log.add(Event(now, "Run", severity, text))


def _describe_start(report: RunReport, now: datetime) -> str:
    at = write_time(datetime.fromisoformat(report.started_at), now.tzinfo)
    traffic = f"{report.rate:,.0f}/s" if report.rate else write_amount(report.users, "user")
    board = f" on {clean_name(report.board)}" if report.board else ""
    return f"{at}: {traffic} for {report.duration_seconds:,.0f} s{board}"


def _describe_end(run: FoundRun) -> tuple[Severity, str]:
    report = run.snapshot.report
    if report is None or not run.snapshot.ended:
        return "bad", "died: its process is gone"
    total, ledger = report.total, report.ledger
    wrong = ledger is None or ledger.is_wrong
    severity: Severity = "bad" if wrong else "warn" if total.failed else "info"
    answers = f"{total.succeeded:,} answered, {total.failed:,} failed"
    return severity, f"{report.state}: {answers}; {describe_comparison(report)}"
