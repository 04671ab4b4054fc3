"""A console whose runs are made up by the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from textual.widgets import Input

from dashboard.client.rights import Rights
from dashboard.client.submitter import ServiceSubmitter, SingleSubmit, SubmitAnswer
from dashboard.runs.desk import RunDesk
from dashboard.runs.source import LocalRuns
from dashboard.simulation.errors import RunEnded
from dashboard.simulation.reports.report import (
    ErrorReport,
    GeneratorReport,
    LatencyBucket,
    LatencySummary,
    LedgerReport,
    RunReport,
    RunState,
    SecondReport,
    SubmitReport,
    TrafficReport,
)
from dashboard.simulation.reports.run_directory import Command, FoundRun, RunIdentity, RunSnapshot
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, open_console
from tests.support.console.service_peer import URL, ServicePeer

REASON = "this one only looks"
"""Why a read-only console is."""

IDENTITY = RunIdentity("cafe00", URL, "2026-11-23T12:00:00+00:00", 4_300, 1.0)

NEVER_OLD = datetime.max.replace(tzinfo=UTC)
"""When figures were written that are current whatever the time is."""

ACCEPTED = SubmitAnswer(accepted=True, known=True, text="session 1001 in 4.0 ms", session_id=1_001)


def make_report(**changes: Any) -> RunReport:
    """Return the figures of a run of two stages in its 41st second."""
    latency = LatencySummary(8_000, 4.0, 3.2, 6.1, 8.4, 21.0, 96.0, 480.0)
    recent = LatencySummary(2_900, 3.9, 3.1, 6.0, 8.0, 18.0, 90.0, 120.0)
    traffic = TrafficReport(8_003, 7_990, 10, 0, 195.0, latency, recent)
    report = RunReport(
        run_id="cafe00",
        url=URL,
        board="global",
        state=RunState.RUNNING,
        started_at="2026-11-23T12:00:00+00:00",
        model="open",
        rate=250.0,
        duration_seconds=90.0,
        players=1_000,
        mix={"submit": 70.0, "top": 10.0, "rank": 20.0},
        scores="lognormal",
        stages="0-300x30,300x60",
        users=None,
        think_seconds=None,
        seed=7,
        planned=22_500,
        pace=1.0,
        target_rate=300.0,
        active_users=None,
        elapsed_seconds=41.2,
        paused_seconds=0.0,
        in_flight=3,
        total=traffic,
        kinds={"submit": traffic, "top": traffic, "rank": traffic},
        latency_buckets=(
            LatencyBucket(1.9, 500),
            LatencyBucket(3.1, 5_000),
            LatencyBucket(8.0, 2_000),
            LatencyBucket(40.0, 480),
            LatencyBucket(480.0, 20),
        ),
        errors=(
            ErrorReport("submit", "queue_full", 9, 12.0, 14.5, "503: Too many submits wait."),
            ErrorReport("rank", "[/x]", 1, 20.0, 20.0, "404: [@click=app.quit]gone[/]"),
        ),
        seconds=tuple(
            SecondReport(second, min(second * 10, 300), min(second * 10, 300), 0, 0)
            for second in range(42)
        ),
        generator=GeneratorReport(0.2, 1.1, 4.0, limited=False, cpu_share=0.12),
        submits=SubmitReport("sim-cafe00-", 5_600, 5_590, 0, 10, 0, 5_590, 1, 5_590),
    )
    return msgspec.structs.replace(report, **changes)


def make_ended_report(**changes: Any) -> RunReport:
    """Return the figures of a run that lost nothing."""
    return make_report(
        **{
            "state": RunState.FINISHED,
            "elapsed_seconds": 90.1,
            "in_flight": 0,
            "submits": SubmitReport("sim-cafe00-", 15_700, 15_700, 0, 0, 4, 15_700, 1, 15_700),
            "ledger": LedgerReport(1_000, 15_700, 15_700, 0, 0, 0),
        }
        | changes
    )


@dataclass
class Runs(LocalRuns):
    """The test says what is found."""

    found: FoundRun | None = None
    kept: dict[str, FoundRun] = field(default_factory=dict)
    started: list[list[str]] = field(default_factory=list)
    told: list[Command] = field(default_factory=list)
    failure: str | None = None
    slow: bool = False
    written_at: datetime = NEVER_OLD

    def show(
        self,
        report: RunReport | None = None,
        *,
        alive: bool = True,
        ended: bool = False,
        problem: str | None = None,
        players_found: int = 0,
    ) -> None:
        snapshot = RunSnapshot(players_found, report, ended, problem)
        self.found = FoundRun(IDENTITY, snapshot, alive, self.written_at)

    def find_last(self) -> FoundRun | None:
        return self.found

    def list_runs(self) -> list[FoundRun]:
        return [*self.kept.values(), *([self.found] if self.found else [])]

    def read(self, run_id: str) -> FoundRun | None:
        return self.kept.get(run_id, self.found)

    def start(self, arguments: Sequence[str]) -> None:
        self.started.append(list(arguments))
        if not self.failure and not self.slow:
            self.show()

    def find_started(self) -> FoundRun | None:
        return self.found if self.started else None

    def read_failure(self) -> str | None:
        return self.failure if self.started else None

    def tell(self, run_id: str, command: Command) -> None:
        if self.found is None or not self.found.alive:
            raise RunEnded(run_id)
        self.told.append(command)


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class FakeSubmitter(ServiceSubmitter):
    """Answers as the test says, and keeps what it was given."""

    answer: SubmitAnswer = ACCEPTED
    submitted: list[tuple[SingleSubmit, str]] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=_set_event)

    async def submit(self, score: SingleSubmit, key: str) -> SubmitAnswer:
        self.submitted.append((score, key))
        await self.answering.wait()
        return self.answer


@dataclass
class Simulating:
    """An operator on the Simulate screen, with the runs and the submitter behind it."""

    operator: Operator
    runs: Runs
    submitter: FakeSubmitter

    async def look(self) -> None:
        """Let the console see what the runs say now."""
        await self.operator.pass_time(0.6)

    @property
    def text(self) -> str:
        return self.operator.screen_text


Scene = Callable[[Simulating], Awaitable[None]]


@asynccontextmanager
async def open_simulate(
    runs: Runs | None = None,
    size: tuple[int, int] = (120, 36),
    *,
    peer: ServicePeer | None = None,
    read_only: bool = False,
    keymap: Mapping[str, str] | None = None,
) -> AsyncIterator[Simulating]:
    """Run the console on its Simulate screen."""
    runs, submitter = runs or Runs(), FakeSubmitter()
    peer = peer or ServicePeer(FrozenClock())
    rights = Rights.of_reader(REASON) if read_only else Rights()
    desk = RunDesk(runs, submitter, peer.clock, rights)
    async with open_console(
        peer, size, keymap=keymap, mode="simulate", desk=desk, rights=rights
    ) as operator:
        await operator.pass_time(0.4)
        simulating = Simulating(operator, runs, submitter)
        await simulating.look()
        yield simulating


async def simulate_closed(simulating: Simulating) -> None:
    await simulating.operator.press("tab", "right")


async def simulate_running(simulating: Simulating) -> None:
    simulating.runs.show(make_report())
    await simulating.look()


async def simulate_ended(simulating: Simulating) -> None:
    await simulate_running(simulating)
    simulating.runs.show(make_ended_report(), alive=False, ended=True)
    await simulating.look()


async def simulate_stages(simulating: Simulating) -> None:
    simulating.operator.console.screen.query_one("#field-stages", Input).value = "0-300x30,300x60"
    await simulating.look()


async def simulate_wrong(simulating: Simulating) -> None:
    simulating.operator.console.screen.query_one("#field-mix", Input).value = "walk=3"
    await simulating.operator.press("s")


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
