"""Rows about submits, tops and ranks over HTTP: processor time an answer, then answers a second."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import httpx

from dashboard.simulation.reports.presentation import (
    describe_comparison,
    describe_count,
    describe_shortfall,
)
from tests.benchmarks.plan import CONNECTIONS, FEW_CONNECTIONS, HEADLINE_CONNECTIONS
from tests.benchmarks.processor_time import FindProcesses
from tests.benchmarks.references import InsertBenchmark, serve_bare_handler
from tests.benchmarks.results import Budget, Context, LoadLine, Row, Series
from tests.benchmarks.traffic import (
    TOP_PATH,
    AnyPlayers,
    Kind,
    LoadResult,
    Target,
    make_closed_run,
    run_load,
    simulate,
)

_OURS = "leaderboard"
_WARM_UP_SECONDS = 1
_CHECKED_SECONDS = 1
_SUBMIT_ANSWER_BYTES = len(b'{"status":"success","session_id":5000000}')

_WHATS: dict[Kind, str] = {
    "submit": "durable submits over HTTP",
    "top": "`top`",
    "rank": "`rank` of random players",
}
_PROCESSOR_BUDGETS = {"submit": Budget("ratio", most=1.2), "rank": Budget("ratio", most=1.2)}
_FEW_CALLERS_BUDGET = Budget("ratio", most=1.3)
_THROUGHPUT_BUDGETS = {"submit": Budget("ratio", least=0.75), "top": Budget("ratio", least=0.9)}


class _Load:
    """What is loaded, and what came of each run, by connections."""

    def __init__(
        self, what: str, target: Target, kind: Kind, find_processes: FindProcesses
    ) -> None:
        self.what = what
        self.runs: dict[int, list[LoadResult]] = defaultdict(list)
        self._target = target
        self._kind = kind
        self._find_processes = find_processes

    @property
    def headline(self) -> list[LoadResult]:
        return self.runs[HEADLINE_CONNECTIONS]

    async def run(self, connections: int, seconds: int) -> LoadResult:
        return await run_load(
            self._target,
            self._kind,
            connections=connections,
            seconds=seconds,
            find_processes=self._find_processes,
        )

    async def measure(self, connections: int, seconds: int) -> None:
        self.runs[connections].append(await self.run(connections, seconds))

    def list_lines(self, what: str) -> list[LoadLine]:
        return [LoadLine.of(f"{what}: {self.what}", runs) for _, runs in sorted(self.runs.items())]


async def measure_reads(context: Context, kind: Kind) -> list[Row]:
    """Measure one kind of read against the bare handler, round by round."""
    plan, what = context.plan, _WHATS[kind]
    async with httpx.AsyncClient(base_url=context.target.url) as client:
        size = len((await client.get(TOP_PATH)).content)
    await context.stack.wait_until_quiet()
    async with serve_bare_handler(plan.processes, size) as bare:
        reference = _Load(f"bare handler, {size} bytes", bare.target, "top", bare.find_processes)
        ours = _Load(_OURS, context.target, kind, context.stack.find_processes)
        for load in (reference, ours):
            await load.run(HEADLINE_CONNECTIONS, _WARM_UP_SECONDS)
        for number in range(1, plan.rounds + 1):
            for connections in CONNECTIONS:
                context.say(f"{what}: round {number}, {connections} connections")
                for load in (reference, ours):
                    await load.measure(connections, plan.seconds)
    context.results.load += [*ours.list_lines(what), *reference.list_lines(what)]
    return _make_rows(
        kind,
        ours.headline,
        throughput=Series.of([run.per_second for run in reference.headline]),
        throughput_what=reference.what,
        processor=Series.of([run.server_us for run in reference.headline]),
        processor_what=reference.what,
        notes=_note_errors(ours.runs.values()),
    )


async def measure_submits(context: Context) -> list[Row]:
    """Measure durable submits against pgbench and a bare handler; compare with the ledger."""
    plan, stack, what = context.plan, context.stack, _WHATS["submit"]
    inserts = InsertBenchmark(stack, context.target)
    context.say(f"{what}: making a table equal to the ledger")
    await inserts.prepare()
    await stack.wait_until_quiet()
    context.say(f"{what}: finding pgbench's best client count")
    clients = await inserts.find_best_clients(max(1, plan.seconds // 2))
    inserted: list[LoadResult] = []
    async with serve_bare_handler(plan.processes, _SUBMIT_ANSWER_BYTES) as bare:
        handler = _Load("bare handler", bare.target, "top", bare.find_processes)
        ours = _Load(_OURS, context.target, "submit", stack.find_processes)
        for load in (handler, ours):
            await load.run(HEADLINE_CONNECTIONS, _WARM_UP_SECONDS)
        for number in range(1, plan.rounds + 1):
            await stack.wait_until_quiet()
            context.say(f"{what}: round {number}, pgbench with {clients} clients, bare handler")
            inserted.append(await inserts.run(clients, plan.seconds))
            await handler.measure(HEADLINE_CONNECTIONS, plan.seconds)
            for connections in sorted(CONNECTIONS, key=lambda count: count != HEADLINE_CONNECTIONS):
                context.say(f"{what}: round {number}, {connections} connections")
                await ours.measure(connections, plan.seconds)
    await stack.wait_until_quiet()
    checked = await _check_ledger(context)
    await inserts.drop()
    pgbench = f"pgbench INSERT, {clients} clients"
    context.results.load += [
        *ours.list_lines("submit"),
        *handler.list_lines("submit"),
        LoadLine.of(f"submit: {pgbench}", inserted),
    ]
    return [
        *_make_rows(
            "submit",
            ours.headline,
            throughput=Series.of([run.per_second for run in inserted]),
            throughput_what=pgbench,
            processor=Series.of(
                [
                    insert.server_us + answer.server_us
                    for insert, answer in zip(inserted, handler.headline, strict=True)
                ]
            ),
            processor_what=f"bare handler + {pgbench}",
            notes=(checked, *_note_errors(ours.runs.values())),
        ),
        _make_few_callers_row(ours),
    ]


def _make_few_callers_row(ours: _Load) -> Row:
    """Compare a submit of few callers, who share a commit with few, with one of many."""
    few, many = (
        Series.of([run.server_us for run in runs])
        for runs in (ours.runs[FEW_CONNECTIONS], ours.headline)
    )
    return Row(
        name="submit",
        what=f"{_WHATS['submit']}, {FEW_CONNECTIONS} connections",
        unit="µs",
        figure=few,
        budget=_FEW_CALLERS_BUDGET,
        reference=many,
        reference_what=f"the same, {HEADLINE_CONNECTIONS} connections",
        ratio=few.over(many),
        processor=True,
    )


async def _check_ledger(context: Context) -> str:
    """Submit with the simulator, which waits for every answer, and compare with the ledger."""
    options = make_closed_run("submit", HEADLINE_CONNECTIONS, _CHECKED_SECONDS)
    players = AnyPlayers(context.target.players)
    report = await simulate(context.target, options, players=players, check_ledger=True)
    shortfall = describe_shortfall(report)
    verdict = f"WRONG: {shortfall}" if shortfall else describe_comparison(report)
    return f"submits of the simulator: {describe_count(report)}: {verdict}"


def _make_rows(
    kind: Kind,
    runs: Sequence[LoadResult],
    *,
    throughput: Series,
    throughput_what: str,
    processor: Series,
    processor_what: str,
    notes: tuple[str, ...],
) -> list[Row]:
    server_us = Series.of([run.server_us for run in runs])
    per_second = Series.of([run.per_second for run in runs])
    what = f"{_WHATS[kind]}, {HEADLINE_CONNECTIONS} connections"
    return [
        Row(
            name=kind,
            what=what,
            unit="µs",
            figure=server_us,
            budget=_PROCESSOR_BUDGETS.get(kind),
            reference=processor,
            reference_what=processor_what,
            ratio=server_us.over(processor),
            processor=True,
        ),
        Row(
            name=kind,
            what=what,
            unit="/s",
            figure=per_second,
            budget=_THROUGHPUT_BUDGETS.get(kind),
            reference=throughput,
            reference_what=throughput_what,
            ratio=per_second.over(throughput),
            notes=notes,
        ),
    ]


def _note_errors(runs: Iterable[Sequence[LoadResult]]) -> tuple[str, ...]:
    errors = sum(result.errors for some in runs for result in some)
    return (f"{errors:,} ERRORS",) if errors else ()
