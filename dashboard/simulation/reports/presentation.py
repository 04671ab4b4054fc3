"""A run in words and tables for a terminal."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dashboard.simulation.reports.report import LatencySummary, RunReport, RunState, TrafficReport
from dashboard.simulation.reports.run_directory import FoundRun
from dashboard.text.numbers import write_age


def describe_progress(report: RunReport) -> Text:
    """Return one line about a run that goes on."""
    latency = report.total.recent_latency
    failed, dropped = report.total.failed, report.total.dropped
    parts = [
        f"{report.elapsed_seconds - report.paused_seconds:.0f} / {report.duration_seconds:g} s",
        describe_load(report),
        f"{report.in_flight} in flight",
        f"{failed:,} errors" + (f", {dropped:,} dropped" if dropped else ""),
    ]
    if latency:
        parts.append(f"p50 {format_ms(latency.p50_ms)} p99 {format_ms(latency.p99_ms)} ms")
    if report.generator.limited:
        parts.append("generator late")
    if report.state is RunState.DRAINING:
        parts.append("awaiting the last answers")
    elif report.state is RunState.RESUBMITTING:
        parts.append("sending again what found no answer")
    elif report.state is RunState.PAUSED:
        parts.append("paused")
    return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def summarize_run(report: RunReport) -> RenderableType:
    """Return what came of a run: figures, errors, and what to know when reading them."""
    parts: list[RenderableType] = [_tabulate_traffic(report)]
    if report.errors:
        parts.append(_tabulate_errors(report))
    parts.append(_tabulate_notes(report))
    if report.generator.limited:
        advice = (
            "The generator, not the server, is the limit: most of the longest latencies is its own "
            "lag. Lower the rate, or give it a machine of its own."
        )
        parts.append(Text(f"\n{advice}", style="bold yellow"))
    return Group(*parts)


def describe_shortfall(report: RunReport) -> str | None:
    """Return why the run is not a full success, or nothing if it is one."""
    findings = []
    if report.state is RunState.STOPPED:
        findings.append(
            f"stopped after {report.elapsed_seconds:.1f} of {report.duration_seconds:g} s"
        )
    if report.total.failed:
        findings.append(f"{report.total.failed:,} of {report.total.started:,} requests failed")
    if report.total.dropped:
        findings.append(f"{report.total.dropped:,} requests were dropped")
    ledger = report.ledger
    if report.ledger_problem is not None:
        findings.append(f"the ledger could not be compared: {report.ledger_problem}")
    elif ledger is not None and ledger.is_wrong:
        findings.append(describe_comparison(report))
    return ", ".join(findings) or None


def describe_load(report: RunReport) -> str:
    """Return the rate achieved and the rate, or the users, asked for."""
    achieved = f"{report.total.answered_per_second:,.0f}"
    if report.rate is None:
        return f"{achieved}/s from {report.active_users} users"
    return f"{achieved} of {report.rate:g}/s"


def describe_comparison(report: RunReport) -> str:
    """Return what was sent against what the ledger counted."""
    submits, ledger = report.submits, report.ledger
    if report.ledger_problem is not None:
        return f"not compared: {report.ledger_problem}"
    if ledger is None:
        return "compared after the run"
    found = f"{ledger.lost:,} lost, {ledger.counted_twice:,} counted twice"
    if ledger.unexpected:
        found += f", {ledger.unexpected:,} counted though refused"
    if submits.unknown:
        found += f"; what became of {submits.unknown:,} more is unknown"
    return found


def describe_count(report: RunReport) -> str:
    """Return how many submits were acknowledged and how many the ledger has."""
    counted = "" if report.ledger is None else f", {report.ledger.sessions:,} kept"
    return f"{report.submits.acknowledged:,} acknowledged{counted}"


def list_alive(runs: Iterable[FoundRun], now: datetime) -> Iterator[str]:
    """Yield a line for each run that goes on."""
    alive = [run for run in runs if run.alive]
    if not alive:
        yield "no run goes on"
    for run in alive:
        report = run.snapshot.report
        progress = describe_progress(report).plain if report else "finding players"
        silence = run.measure_silence(now)
        if silence is not None:
            progress = f"no figures for {write_age(silence)}, the last: {progress}"
        board = f"  board {report.board}" if report and report.board else ""
        identity = run.identity
        yield f"{identity.run_id}  pid {identity.pid}  {identity.url}{board}  {progress}"


def format_ms(milliseconds: float) -> str:
    """Return milliseconds with three significant digits."""
    for digits, bound in ((2, 10), (1, 100)):
        if milliseconds < bound:
            return f"{milliseconds:.{digits}f}"
    return f"{milliseconds:,.0f}"


def _tabulate_traffic(report: RunReport) -> Table:
    # Narrow enough for a million requests on 80 columns.
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("request", no_wrap=True)
    for heading in ("sent", "failed", "dropped", "ok/s", "p50 ms", "p90 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, traffic in report.kinds.items():
        table.add_row(name, *_list_figures(traffic))
    table.add_section()
    table.add_row("total", *_list_figures(report.total), style="bold")
    return table


def _format_load(report: RunReport) -> str:
    achieved = f"{report.total.answered_per_second:,.1f}"
    if report.rate is None:
        return (
            f"{achieved} requests a second from {report.users} users who think for "
            f"{report.think_seconds:g} s"
        )
    stages = f" ({report.stages})" if report.stages else ""
    return f"{achieved} of {report.rate:g} requests a second{stages}"


def _list_figures(traffic: TrafficReport) -> list[str]:
    return [
        f"{traffic.started:,}",
        f"{traffic.failed:,}",
        f"{traffic.dropped:,}",
        f"{traffic.answered_per_second:,.1f}",
        *_list_latencies(traffic.latency),
    ]


def _list_latencies(latency: LatencySummary | None) -> list[str]:
    if latency is None:
        return ["-"] * 4
    return [
        format_ms(value)
        for value in (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.max_ms)
    ]


def _tabulate_notes(report: RunReport) -> Table:
    submits, generator = report.submits, report.generator
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    table.add_row(
        "Run",
        f"{_format_load(report)} for {report.elapsed_seconds:.1f} s, {report.players:,} players, "
        f"seed {report.seed}",
    )
    if report.board is not None:
        table.add_row("Board", report.board)
    table.add_row("Stays", "for ever: each submit, on every board whose rule it meets")
    table.add_row("Latency", "from the intended start to the end of the answer")
    table.add_row(
        "Ledger",
        f"{describe_comparison(report)}; {describe_count(report)}, {submits.refused:,} refused, "
        f"{submits.unknown:,} unknown, {submits.sent_again:,} sent again; keys "
        f"{submits.key_prefix}*",
    )
    table.add_row(
        "Generator",
        f"{format_ms(generator.lag_p99_ms)} ms late at p99, {generator.cpu_share:.0%} of a core",
    )
    return table


def _tabulate_errors(report: RunReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for heading in ("error", "request"):
        table.add_column(heading)
    for heading in ("count", "first", "last"):
        table.add_column(heading, justify="right")
    table.add_column("the first one said")
    for error in report.errors:
        table.add_row(
            # Text, because what a server says is data and never markup.
            Text(error.code),
            error.request,
            f"{error.count:,}",
            f"{error.first_seconds:.1f} s",
            f"{error.last_seconds:.1f} s",
            Text(error.sample),
        )
    return table
