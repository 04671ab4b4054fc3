"""HTTP load from a generator that is not the bottleneck: wrk, or our own where there is none."""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import psutil

from tests.benchmarks.processor_time import GENERATOR, ProcessorMeter
from tests.benchmarks.requests import Kind, Target

_WRK_SCRIPT = Path(__file__).with_name("wrk.lua")
_seeds = count(1)

FindProcesses: TypeAlias = Callable[[], Iterable[psutil.Process]]


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


def name_generator() -> str:
    """Return what the load comes from."""
    return "wrk" if shutil.which("wrk") else "tests.benchmarks.closed_loop (no wrk on PATH)"


async def run_load(
    target: Target,
    kind: Kind,
    *,
    connections: int,
    seconds: int,
    find_processes: FindProcesses,
) -> LoadResult:
    """Keep so many connections busy for so long; account for the time of the processes."""
    command = _wrk_command if shutil.which("wrk") else _own_command
    return await _run(command(target, kind, connections, seconds), connections, find_processes)


async def run_closed_loop(
    target: Target,
    kind: Kind,
    *,
    connections: int,
    seconds: int,
    find_processes: FindProcesses,
) -> LoadResult:
    """Do so with our own generator, which waits for the answer to everything it has sent."""
    return await _run(_own_command(target, kind, connections, seconds), connections, find_processes)


async def _run(
    command: Sequence[str], connections: int, find_processes: FindProcesses
) -> LoadResult:
    meter = ProcessorMeter(find_processes)
    output = await run_program(*command)
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
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


async def run_program(*command: str) -> str:
    """Run a program to its end and return what it printed; raise with its complaint."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaint = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{complaint.decode()[-4000:]}")
    return output.decode()


def _wrk_command(target: Target, kind: Kind, connections: int, seconds: int) -> list[str]:
    return [
        *("wrk", "--threads", "1", "--connections", str(connections)),
        *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(_WRK_SCRIPT)),
        # Without a script's request function, wrk asks for the path of the URL.
        f"{target.url}/api/leaderboard/top",
        *("--", kind, str(target.first_player), str(target.last_player), str(next(_seeds))),
        *([target.api_key] if target.api_key else []),
    ]


def _own_command(target: Target, kind: Kind, connections: int, seconds: int) -> list[str]:
    return [
        *(sys.executable, "-m", "tests.benchmarks.closed_loop", target.url, kind),
        *("--first-player", str(target.first_player), "--last-player", str(target.last_player)),
        *("--connections", str(connections), "--seconds", str(seconds)),
        *("--seed", str(next(_seeds))),
        *(["--api-key", target.api_key] if target.api_key else []),
    ]
