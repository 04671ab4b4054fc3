"""The Simulate screen in every state, with runs that the test makes up."""

from collections.abc import Awaitable, Callable

import pytest

from dashboard.simulation.reports.report import GeneratorReport, LedgerReport, RunState
from tests.support.console.simulating import (
    Simulating,
    make_ended_report,
    make_report,
    open_simulate,
    simulate_closed,
    simulate_ended,
    simulate_running,
    simulate_stages,
    simulate_wrong,
)
from tests.support.console.snapshots import SIZES, check_snapshots

Scene = Callable[[Simulating], Awaitable[None]]


async def simulate_form(_: Simulating) -> None:
    pass


async def simulate_preparing(simulating: Simulating) -> None:
    simulating.runs.show(players_found=300)
    await simulating.look()


async def simulate_users(simulating: Simulating) -> None:
    users = make_report(
        model="closed", rate=None, stages="", users=30, think_seconds=0.2, planned=None,
        target_rate=None, active_users=33, pace=1.1,
    )  # fmt: skip
    simulating.runs.show(users)
    await simulating.look()


async def simulate_limited(simulating: Simulating) -> None:
    late = GeneratorReport(20.0, 80.0, 300.0, limited=True, cpu_share=0.98)
    simulating.runs.show(make_report(generator=late, pace=1.2, target_rate=360.0))
    await simulating.look()


async def simulate_paused(simulating: Simulating) -> None:
    simulating.runs.show(make_report(state=RunState.PAUSED, paused_seconds=6.0))
    await simulating.look()


async def simulate_lost(simulating: Simulating) -> None:
    await simulate_running(simulating)
    report = make_ended_report(ledger=LedgerReport(1_000, 15_701, 15_690, 10, 11, 0))
    simulating.runs.show(report, alive=False, ended=True)
    await simulating.look()


async def simulate_died(simulating: Simulating) -> None:
    await simulate_running(simulating)
    simulating.runs.show(make_report(), alive=False)
    await simulating.look()


async def simulate_refused(simulating: Simulating) -> None:
    simulating.runs.failure = "leaderboard simulate: no leaderboard answers at [/x]"
    await simulating.operator.press("s")
    await simulating.look()


async def simulate_disconnected(simulating: Simulating) -> None:
    simulating.operator.peer.go_away()
    await simulating.operator.pass_time(3.0)


SCENES: tuple[Scene, ...] = (
    simulate_form,
    simulate_stages,
    simulate_closed,
    simulate_wrong,
    simulate_preparing,
    simulate_running,
    simulate_users,
    simulate_limited,
    simulate_paused,
    simulate_ended,
    simulate_lost,
    simulate_died,
    simulate_refused,
    simulate_disconnected,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_screen_looks_as_designed(scene: Scene) -> None:
    async with open_simulate(size=SIZES["wide"]) as simulating:
        await scene(simulating)
        await check_snapshots(simulating.operator, scene.__name__)
