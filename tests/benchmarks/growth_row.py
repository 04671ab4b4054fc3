"""The row about growth: what a refresh and a rank cost on boards of different sizes."""

from collections import defaultdict
from contextlib import AsyncExitStack

from tests.benchmarks.plan import HEADLINE_CONNECTIONS
from tests.benchmarks.processor_time import Cost
from tests.benchmarks.results import Budget, Context, GrowthPoint, Row, Series, compare_costs
from tests.benchmarks.stack import Stack, run_stack
from tests.benchmarks.standings_rows import reach_steady_state, time_refresh
from tests.benchmarks.traffic import LoadResult, Target, run_load

_SUBMITS = 1_000
_REFRESHES_PER_ROUND = 3
_BUDGET = Budget("ratio", most=2)


async def measure_growth(context: Context) -> list[Row]:
    """Measure boards of all sizes in turn, round by round; the largest is the one of the run."""
    plan = context.plan
    refreshes: dict[int, list[Cost]] = defaultdict(list)
    ranks: dict[int, list[LoadResult]] = defaultdict(list)
    async with AsyncExitStack() as running:
        boards: dict[int, tuple[Stack, Target]] = {}
        for players in sorted(plan.growth_players):
            stack, target = context.stack, context.target
            if players != plan.players:
                context.say(f"growth: a board of {players:,} players")
                stack = await running.enter_async_context(run_stack(plan.processes))
                await stack.populate(players, plan.sessions_for(players))
                target = await stack.find_target()
            boards[players] = stack, target
        for stack, _ in boards.values():
            await stack.wait_until_quiet()
            await running.enter_async_context(stack.paused("worker", "scheduler"))
        for stack, target in boards.values():
            await reach_steady_state(stack, target)
        for number in range(1, plan.rounds + 1):
            context.say(f"growth: round {number}")
            for players, (stack, target) in boards.items():
                for _ in range(_REFRESHES_PER_ROUND):
                    refreshes[players].append(await time_refresh(stack, target, _SUBMITS))
                ranks[players].append(
                    await run_load(
                        target,
                        "rank",
                        connections=HEADLINE_CONNECTIONS,
                        seconds=max(1, plan.seconds // 2),
                        find_processes=stack.find_processes,
                    )
                )
    for players in boards:
        context.results.growth.append(
            GrowthPoint(
                players=players,
                refresh_ms=Series.of([1000 * cost.seconds for cost in refreshes[players]]),
                rank_p50_ms=Series.of([run.p50_ms for run in ranks[players]]),
                rank_p99_ms=Series.of([run.p99_ms for run in ranks[players]]),
            )
        )
    least, most = min(boards), max(boards)
    return compare_costs(
        "growth",
        f"refresh after {_SUBMITS:,} submits, {least:,} → {most:,} players",
        refreshes[most],
        refreshes[least],
        reference_what=f"the same with {least:,} players",
        is_speed_up=False,
        time_budget=_BUDGET,
        processor_budget=_BUDGET,
    )
