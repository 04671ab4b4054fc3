"""Load over HTTP: closed loops from wrk, or from the simulator where there is no wrk.

The simulator (`dashboard.simulation`) also sends what has a rate (freshness, the soak) and what is
compared with the ledger.
"""

import asyncio
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias, overload

from dashboard.simulation.client import requests
from dashboard.simulation.ledger_check import compare_with_ledger, find_ledger_end
from dashboard.simulation.reports.report import RunReport
from dashboard.simulation.run import Run
from dashboard.simulation.workload.plan import MAX_PLAYERS, Mix, RunOptions
from dashboard.simulation.workload.scores import Scores
from tests.benchmarks.processor_time import GENERATOR, FindProcesses, ProcessorMeter

Kind: TypeAlias = Literal["submit", "top", "rank"]

TOP_PATH = "/api/leaderboard/top"
RANK_PATH = "/api/leaderboard/rank"
MAX_SCORE = 1_000

_WRK_SCRIPT = Path(__file__).with_name("wrk.lua")
_seeds = count(1)


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the players that it has: their ids follow one another."""

    url: str
    first_player: int
    last_player: int
    api_key: str | None = None
    board: str | None = None
    """The board that is read; None for `/api/leaderboard`."""

    @property
    def reads(self) -> str:
        """Where tops and ranks are."""
        return "/api/leaderboard" if self.board is None else f"/api/boards/{self.board}"

    @property
    def players(self) -> range:
        """The ids of all players."""
        return range(self.first_player, self.last_player + 1)

    def draw_players(self) -> list[int]:
        """Return as many players as a run may have, in any order."""
        return random.sample(self.players, min(MAX_PLAYERS, len(self.players)))


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one run of load came to. `processor_us` is the processor time an answer, by role."""

    connections: int
    seconds: float
    answers: int
    errors: int
    p50_ms: float
    p99_ms: float
    processor_us: dict[str, float]

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.answers / self.seconds

    @property
    def server_us(self) -> float:
        """Processor time an answer, the generator's left out."""
        return sum(us for role, us in self.processor_us.items() if role != GENERATOR)


def has_wrk() -> bool:
    """Tell whether wrk can be used."""
    return shutil.which("wrk") is not None


def name_generator() -> str:
    """Return what the closed loops come from."""
    if has_wrk():
        return "wrk"
    return (
        "dashboard.simulation: no wrk on PATH, so throughput is bounded by the generator; "
        "go by the processor time"
    )


async def run_load(
    target: Target, kind: Kind, *, connections: int, seconds: int, find_processes: FindProcesses
) -> LoadResult:
    """Keep so many connections busy for so long; account for the time of the processes."""
    run = _run_wrk if has_wrk() else _run_users
    meter = ProcessorMeter(find_processes)
    figures = await run(target, kind, connections, seconds)
    answers = int(figures["answers"])
    return LoadResult(
        connections=connections,
        seconds=figures["seconds"],
        answers=answers,
        errors=int(figures["errors"]),
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        processor_us=meter.divide(answers),
    )


async def simulate(
    target: Target, options: RunOptions, *, players: Sequence[int], check_ledger: bool = False
) -> RunReport:
    """Carry out a run of the simulator for these players, in this process."""
    service = requests.Target(target.url, target.api_key, target.board)
    ledger_end = await find_ledger_end(service) if check_ledger else 0
    report = await Run(options, service, players).execute()
    return await compare_with_ledger(service, report, ledger_end) if check_ledger else report


def make_closed_run(kind: Kind, users: int, seconds: float) -> RunOptions:
    """Return the options of users who send again as soon as they are answered."""
    return RunOptions(
        rate=1,
        duration_seconds=seconds,
        players=users,
        seed=next(_seeds),
        mix=Mix.parse(f"{kind}=1"),
        scores=Scores.UNIFORM,
        users=users,
        think_seconds=0,
    )


class AnyPlayers(Sequence[int]):
    """Players of a closed run: drawn anew for each request, as wrk does, not one for each user."""

    def __init__(self, players: Sequence[int]) -> None:
        self._players = players

    def __len__(self) -> int:
        return len(self._players)

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...

    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        return random.choice(self._players) if isinstance(place, int) else self._players[place]


async def run_program(*command: str) -> str:
    """Run a program to its end and return what it printed; raise with its complaint."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaint = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{complaint.decode()[-4000:]}")
    return output.decode()


async def _run_wrk(target: Target, kind: Kind, connections: int, seconds: int) -> dict[str, Any]:
    output = await run_program(
        *("wrk", "--threads", "1", "--connections", str(connections)),
        *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(_WRK_SCRIPT)),
        # Without a script's request function, wrk asks for the path of the URL.
        f"{target.url}{target.reads}/top",
        *("--", kind, str(target.first_player), str(target.last_player), str(next(_seeds))),
        *(target.reads, *([target.api_key] if target.api_key else [])),
    )
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
    return figures


async def _run_users(target: Target, kind: Kind, connections: int, seconds: int) -> dict[str, Any]:
    options = make_closed_run(kind, connections, seconds)
    report = await simulate(target, options, players=AnyPlayers(target.players))
    latency = report.total.latency
    assert latency is not None, report.errors
    return {
        "seconds": report.elapsed_seconds,
        "answers": report.total.succeeded,
        "errors": report.total.failed,
        "p50_ms": latency.p50_ms,
        "p99_ms": latency.p99_ms,
    }
