"""Rows about throughput: submits, tops and ranks over HTTP."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import httpx
import psutil

from tests.benchmarks.context import Context
from tests.benchmarks.load import LoadResult, run_closed_loop, run_load
from tests.benchmarks.plan import CONNECTIONS, HEADLINE_CONNECTIONS
from tests.benchmarks.references import InsertBenchmark, serve_bare_handler
from tests.benchmarks.requests import TOP_PATH, Kind, Target
from tests.benchmarks.results import Budget, LoadLine, Row, Series

_OURS = "leaderboard"
_WARM_UP_SECONDS = 1

READS: dict[Kind, tuple[str, Budget]] = {
    "top": ("`top`", Budget("ratio", least=0.9)),
    "rank": ("`rank` of random players", Budget("ratio", least=0.7)),
}
SUBMIT = "durable submits over HTTP"
SUBMIT_BUDGET = Budget("ratio", least=0.75)


async def measure_reads(context: Context, kind: Kind) -> Row:
    """Measure one kind of read against the bare handler, round by round."""
    plan = context.plan
    what, budget = READS[kind]
    async with httpx.AsyncClient(base_url=context.target.url) as client:
        size = len((await client.get(TOP_PATH)).content)
    bare_what = f"bare handler, {size} bytes"
    runs: dict[tuple[str, int], list[LoadResult]] = defaultdict(list)
    await context.stack.wait_until_quiet()
    async with serve_bare_handler(plan.processes, size) as bare:
        loads: Sequence[tuple[str, Target, Kind, Callable[[], list[psutil.Process]]]] = (
            (bare_what, bare.target, "top", bare.find_processes),
            (_OURS, context.target, kind, context.stack.find_processes),
        )
        for _, target, sent, find_processes in loads:
            await run_load(
                target,
                sent,
                connections=HEADLINE_CONNECTIONS,
                seconds=_WARM_UP_SECONDS,
                find_processes=find_processes,
            )
        for number in range(1, plan.rounds + 1):
            for connections in CONNECTIONS:
                context.say(f"{what}: round {number}, {connections} connections")
                for whose, target, sent, find_processes in loads:
                    runs[whose, connections].append(
                        await run_load(
                            target,
                            sent,
                            connections=connections,
                            seconds=plan.seconds,
                            find_processes=find_processes,
                        )
                    )
    for connections in CONNECTIONS:
        for whose in (_OURS, bare_what):
            line = LoadLine.of(f"{what}: {whose}", runs[whose, connections])
            context.results.load.append(line)
    figure = _throughput(runs[_OURS, HEADLINE_CONNECTIONS])
    reference = _throughput(runs[bare_what, HEADLINE_CONNECTIONS])
    return Row(
        name=kind,
        what=f"{what}, {HEADLINE_CONNECTIONS} connections",
        unit="/s",
        budget=budget,
        figure=figure,
        reference=reference,
        reference_what=bare_what,
        ratio=figure.over(reference),
        notes=(
            _compare_processor_time(
                runs[_OURS, HEADLINE_CONNECTIONS], runs[bare_what, HEADLINE_CONNECTIONS]
            ),
            *_note_errors(runs[_OURS, connections] for connections in CONNECTIONS),
        ),
    )


async def measure_submits(context: Context) -> Row:
    """Measure durable submits against pgbench, and compare the answers with the ledger."""
    plan, stack = context.plan, context.stack
    inserts = InsertBenchmark(stack, context.target)
    context.say(f"{SUBMIT}: making a table equal to the ledger")
    await inserts.prepare()
    await stack.wait_until_quiet()
    context.say(f"{SUBMIT}: finding pgbench's best client count")
    clients = await inserts.find_best_clients(max(1, plan.seconds // 2))
    run = partial(run_load, context.target, "submit", find_processes=stack.find_processes)
    await run(connections=HEADLINE_CONNECTIONS, seconds=_WARM_UP_SECONDS)
    await stack.wait_until_quiet()
    sessions_before = await stack.count_sessions()
    reference_runs: list[LoadResult] = []
    runs: dict[int, list[LoadResult]] = defaultdict(list)
    for number in range(1, plan.rounds + 1):
        context.say(f"{SUBMIT}: round {number}, pgbench with {clients} clients")
        reference_runs.append(await inserts.run(clients, plan.seconds))
        for connections in sorted(CONNECTIONS, key=lambda count: count != HEADLINE_CONNECTIONS):
            context.say(f"{SUBMIT}: round {number}, {connections} connections")
            runs[connections].append(await run(connections=connections, seconds=plan.seconds))
    await stack.wait_until_quiet()
    notes = [
        _compare_processor_time(runs[HEADLINE_CONNECTIONS], reference_runs),
        _compare_with_ledger(
            [result for some in runs.values() for result in some],
            await stack.count_sessions() - sessions_before,
        ),
        await _count_exactly(context),
        *_note_errors(runs.values()),
    ]
    await inserts.drop()
    reference_what = f"pgbench INSERT, {clients} clients"
    for connections in CONNECTIONS:
        line = LoadLine.of(f"submit: {_OURS}", runs[connections])
        context.results.load.append(line)
    context.results.load.append(LoadLine.of(f"submit: {reference_what}", reference_runs))
    figure, reference = _throughput(runs[HEADLINE_CONNECTIONS]), _throughput(reference_runs)
    return Row(
        name="submit",
        what=f"{SUBMIT}, {HEADLINE_CONNECTIONS} connections",
        unit="/s",
        budget=SUBMIT_BUDGET,
        figure=figure,
        reference=reference,
        reference_what=reference_what,
        ratio=figure.over(reference),
        notes=tuple(notes),
    )


def _compare_with_ledger(runs: Sequence[LoadResult], growth: int) -> str:
    """Say whether the ledger grew by what was answered.

    wrk hangs up at the end of a run: what it had sent by then is recorded without an answer.
    """
    answers = sum(run.answers for run in runs)
    most = answers + sum(run.connections for run in runs)
    verdict = "as it must be" if answers <= growth <= most else "WRONG"
    return (
        f"{answers:,} answered with 200, the ledger grew by {growth:,} "
        f"(up to {most - answers:,} more were under way when a run ended): {verdict}"
    )


async def _count_exactly(context: Context) -> str:
    """Submit with the generator that waits for every answer, and compare."""
    stack = context.stack
    before = await stack.count_sessions()
    result = await run_closed_loop(
        context.target,
        "submit",
        connections=HEADLINE_CONNECTIONS,
        seconds=1,
        find_processes=stack.find_processes,
    )
    growth = await stack.count_sessions() - before
    verdict = "equal" if growth == result.answers else "WRONG"
    return f"with every answer waited for: {result.answers:,} and {growth:,}, {verdict}"


def _compare_processor_time(runs: Sequence[LoadResult], references: Sequence[LoadResult]) -> str:
    """Say what an answer takes of the servers; where processors are scarce, this is the ratio."""
    ours, theirs = (statistics.median(run.server_us for run in some) for some in (runs, references))
    return (
        f"processor time of the servers an answer: {ours:.0f} µs, reference {theirs:.0f} µs, "
        f"ratio {theirs / ours:.2f}"
    )


def _throughput(runs: Sequence[LoadResult]) -> Series:
    return Series.of([run.per_second for run in runs])


def _note_errors(runs: Iterable[Sequence[LoadResult]]) -> tuple[str, ...]:
    errors = sum(result.errors for some in runs for result in some)
    return (f"{errors:,} ERRORS",) if errors else ()
