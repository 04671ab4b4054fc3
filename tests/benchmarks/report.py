"""The tables a person reads, and the JSON a program does."""

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.benchmarks.plan import Plan
from tests.benchmarks.results import Budget, LoadLine, Results, Row, Series

_NOTHING = "-"
_WIDTH_OF_FILES = 150


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    return {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }


def make_console() -> Console:
    """Return a console that prints tables whole, into a file too."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console


def print_results(console: Console, results: Results, plan: Plan) -> None:
    """Print every table."""
    for processor in (True, False):
        rows = [row for row in results.rows if row.processor is processor]
        if rows:
            console.print(_make_budget_table(rows, plan, processor=processor))
    for row in results.rows:
        for note in row.notes:
            console.print(f"  {row.name}: {note}")
    if results.load:
        console.print()
        console.print(_make_load_table(results.load))
    if results.growth:
        console.print()
        console.print(_make_growth_table(results))


def write_json(path: Path, results: Results, plan: Plan, facts: dict[str, Any]) -> None:
    """Write everything that was measured."""
    document = {
        "plan": asdict(plan),
        "for_budgets": plan.is_for_budgets(),
        "facts": facts,
        "rows": [
            asdict(row)
            | {
                "met": row.is_met(),
                "figure_median": _find_median(row.figure),
                "reference_median": _find_median(row.reference),
                "ratio_median": _find_median(row.ratio),
            }
            for row in results.rows
        ],
        "load": [asdict(line) for line in results.load],
        "growth": [asdict(point) for point in results.growth],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def format_series(series: Series | None, unit: str = "") -> str:
    """Return the median, and the least and the greatest value where there are several."""
    if series is None:
        return _NOTHING
    text = _format(series.median) + (f" {unit}" if unit and not unit.startswith("/") else unit)
    if len(series.values) > 1:
        text += f"\n{_format(min(series.values))} to {_format(max(series.values))}"
    return text


def _make_budget_table(rows: list[Row], plan: Plan, *, processor: bool) -> Table:
    measure = "Processor time of all parts" if processor else "Throughput, time and size"
    size = f"{plan.players:,} players, {plan.sessions:,} sessions, {plan.processes} API processes"
    caveat = "" if plan.is_for_budgets() else "  NOT FOR BUDGETS: not the board they are about"
    table = Table(title=f"{measure}: {size}.{caveat}", title_justify="left", box=SIMPLE)
    for heading in ("what", "figure", "reference", "ratio", "budget", "met"):
        table.add_column(heading, justify="left" if heading in {"what", "met"} else "right")
    for row in rows:
        reference = format_series(row.reference, row.unit)
        table.add_row(
            row.what,
            format_series(row.figure, row.unit),
            f"{reference}\n{row.reference_what}" if row.reference else _NOTHING,
            format_series(row.ratio),
            _describe_budget(row.budget, row.unit) if row.budget else _NOTHING,
            {True: "✓", False: "✗", None: _NOTHING}[row.is_met()],
        )
    return table


def _make_load_table(lines: list[LoadLine]) -> Table:
    table = Table(
        title="Load: medians, least to greatest; processor µs an answer by role",
        title_justify="left",
        box=SIMPLE,
    )
    for heading in ("load", "connections", "a second", "p50 ms", "p99 ms", "errors", "processor"):
        table.add_column(heading, justify="left" if heading in {"load", "processor"} else "right")
    for line in lines:
        processor = ", ".join(
            f"{role} {us:.0f}" for role, us in line.processor_us.items() if us >= 1
        )
        table.add_row(
            line.what,
            str(line.connections),
            format_series(line.per_second).replace("\n", "  "),
            _format(line.p50_ms.median),
            _format(line.p99_ms.median),
            f"{line.errors:,}",
            processor,
        )
    return table


def _make_growth_table(results: Results) -> Table:
    table = Table(title="Growth", title_justify="left", box=SIMPLE)
    for heading in ("players", "refresh ms", "rank p50 ms", "rank p99 ms"):
        table.add_column(heading, justify="right")
    for point in results.growth:
        table.add_row(
            f"{point.players:,}",
            *(
                format_series(series).replace("\n", "  ")
                for series in (point.refresh_ms, point.rank_p50_ms, point.rank_p99_ms)
            ),
        )
    return table


def _describe_budget(budget: Budget, unit: str) -> str:
    suffix = " x" if budget.of == "ratio" else f" {unit}"
    if budget.least is not None:
        return f"≥ {budget.least:g}{suffix}"
    assert budget.most is not None
    return f"≤ {budget.most:g}{suffix}"


def _find_median(series: Series | None) -> float | None:
    return None if series is None else series.median


def _format(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
