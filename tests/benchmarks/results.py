"""What was measured: series, rows against their budgets, tables of load; and where it is kept."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.benchmarks.plan import Plan
from tests.benchmarks.processor_time import Cost
from tests.benchmarks.stack import Stack
from tests.benchmarks.traffic import LoadResult, Target


@dataclass(frozen=True, slots=True)
class Series:
    """Repeated measurements of one thing."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Series":
        """Return the series of some values."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def over(self, reference: "Series") -> "Series":
        """Return the ratio of each value to the reference measured in the same round."""
        return Series.of([a / b for a, b in zip(self.values, reference.values, strict=True)])


@dataclass(frozen=True, slots=True)
class Budget:
    """What is asked of the ratio to the reference, or of the figure itself."""

    of: Literal["ratio", "figure"]
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure, against its reference and its budget where it has them.

    `ratio` is the one that the budget is about, whichever way round. Rows of `processor` time come
    first: other work on the machine moves them least.
    """

    name: str
    what: str
    unit: str
    figure: Series
    budget: Budget | None = None
    reference: Series | None = None
    reference_what: str = ""
    ratio: Series | None = None
    notes: tuple[str, ...] = ()
    processor: bool = False

    def is_met(self) -> bool | None:
        """Tell whether the median keeps to the budget; None without one."""
        if self.budget is None:
            return None
        measured = self.ratio if self.budget.of == "ratio" else self.figure
        if measured is None:
            return None
        least, most = self.budget.least, self.budget.most
        return (least is None or measured.median >= least) and (
            most is None or measured.median <= most
        )


@dataclass(frozen=True, slots=True)
class LoadLine:
    """Throughput and latency of one server under one kind of load, over all rounds."""

    what: str
    connections: int
    per_second: Series
    p50_ms: Series
    p99_ms: Series
    errors: int
    processor_us: dict[str, float]

    @classmethod
    def of(cls, what: str, runs: Sequence[LoadResult]) -> "LoadLine":
        """Summarise runs with the same number of connections."""
        roles = {role for run in runs for role in run.processor_us}
        return cls(
            what=what,
            connections=runs[0].connections,
            per_second=Series.of([run.per_second for run in runs]),
            p50_ms=Series.of([run.p50_ms for run in runs]),
            p99_ms=Series.of([run.p99_ms for run in runs]),
            errors=sum(run.errors for run in runs),
            processor_us={
                role: statistics.median(run.processor_us.get(role, 0.0) for run in runs)
                for role in sorted(roles)
            },
        )


@dataclass(slots=True)
class Results:
    """Everything that a run of the benchmark found."""

    rows: list[Row] = field(default_factory=list)
    load: list[LoadLine] = field(default_factory=list)
    growth: list["GrowthPoint"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GrowthPoint:
    """What one size of board costs."""

    players: int
    refresh_ms: Series
    rank_p50_ms: Series
    rank_p99_ms: Series


@dataclass(frozen=True, slots=True)
class Context:
    """What every measurement is handed: the populated stack, the plan, and the results so far."""

    plan: Plan
    stack: Stack
    target: Target
    results: Results
    say: Callable[[str], None]
    """Tells the person who waits what is going on."""


def compare_costs(
    name: str,
    what: str,
    costs: Sequence[Cost],
    references: Sequence[Cost],
    *,
    reference_what: str,
    is_speed_up: bool,
    time_budget: Budget,
    processor_budget: Budget | None = None,
    notes: tuple[str, ...] = (),
) -> list[Row]:
    """Return a row of processor time and one of time; a speed-up is how often the figure fits."""
    rows = []
    for processor, budget in ((True, processor_budget), (False, time_budget)):
        figure, reference = (
            Series.of(
                [1000 * (cost.processor_seconds if processor else cost.seconds) for cost in some]
            )
            for some in (costs, references)
        )
        rows.append(
            Row(
                name=name,
                what=what,
                unit="ms",
                figure=figure,
                budget=budget,
                reference=reference,
                reference_what=reference_what,
                ratio=reference.over(figure) if is_speed_up else figure.over(reference),
                notes=() if processor else notes,
                processor=processor,
            )
        )
    return rows
