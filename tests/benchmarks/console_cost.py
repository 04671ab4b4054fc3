"""What the console costs while a full board moves: `python -m tests.benchmarks.console_cost`.

A board of 1,000 players, one of twenty, 100 scores changed a tick, four ticks a second, shown in a
pseudo-terminal of 120 by 36, since a headless run skips the writes to the terminal. The peer is in
the console's own process with its answers made beforehand, so that decoding is counted and serving
hardly is. `--list-boards` measures with the table of all boards open over it.

Prints the lag of the event loop (how late a timer of 10 ms wakes), how much of it is the console's
own processor time and not the wait for a busy machine, the share of one core, and memory each
minute; after ten minutes also how far the median of the last third of these is above that of the
middle third. Exit status 1 if a figure is beyond its budget, or the board was not shown.
"""

import asyncio
import fcntl
import json
import os
import pty
import random
import resource
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import click
import httpx
import psutil

from dashboard.app import Console
from dashboard.client.connection import TopArrived
from dashboard.client.gateway import BoardSeason, Gateway
from dashboard.client.link_state import Connected
from dashboard.state.address import Address
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.service_peer import URL, PeerBoard, PeerSeason, ServicePeer

PLAYERS = 1_000
BOARDS = 20
SHOWN = "board-07"
CHANGES_PER_TICK = 100
TICKS_PER_SECOND = 4
BODIES = 60
WARM_UP_SECONDS = 5.0
_MEMORY_SECONDS = 60.0

LAG_BUDGET_MS = 50.0
CPU_BUDGET_PERCENT = 15.0
# What an allocator's whims are worth: 0.35 MiB were seen over half an hour.
GROWTH_BUDGET_MIB = 1.0
_LEAST_MEMORY_SAMPLES = 10


def prepare_bodies() -> list[tuple[bytes, bytes]]:
    """Return the events of fifteen seconds, each a hundred scores further than the last.

    With each comes the page that is read when it was heard of.
    """
    draws = random.Random(4)
    scores = {number: draws.randrange(100_000, 200_000) for number in range(1, PLAYERS + 1)}
    bodies = []
    for _ in range(BODIES):
        for number in draws.sample(list(scores), CHANGES_PER_TICK):
            scores[number] += draws.randrange(1, 2_000)
        rows = sorted(
            ((number, f"player_{number}", score) for number, score in scores.items()),
            key=lambda row: -row[2],
        )
        season = PeerSeason(1, rows)
        entries = PeerBoard(SHOWN, "", [season]).list_entries(season)
        facts = {"board": SHOWN, "season": season.describe(), "as_of": "2026-11-23T12:00:00Z"}
        page = facts | {"entries": entries, "players": PLAYERS, "next": None, "prev": None}
        top = page | {"entries": entries[:100]}
        event = f"event: top\ndata: {json.dumps(top)}\n\n".encode()
        bodies.append((event, json.dumps(page).encode()))
    return bodies


class BusyPeer(ServicePeer):
    """Sends a prepared board with each tick, forward and backward again."""

    def prepare(self) -> None:
        slugs = [f"board-{number:02}" for number in range(1, BOARDS)]
        for slug in slugs:
            self.boards[slug] = PeerBoard(slug, f"Board of {slug}", [PeerSeason(1, self.scores)])
        pending = {"sessions": 12, "oldest_seconds": 0.1}
        self.boards_status = {
            "pending": [{"board": slug} | pending for slug in slugs],
            "pending_limit": 1_000,
        }
        there = prepare_bodies()
        self._bodies = there + there[::-1]
        self._page = there[0][1]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        # A test wants to know all of them; here they would only pile up.
        self.requests.clear()
        if request.url.path.endswith("/page"):
            return httpx.Response(200, content=self._page)
        return await super()._answer(request)

    async def _stream(self) -> AsyncIterator[bytes]:
        yield b": leaderboard\n\n"
        while True:
            for event, page in self._bodies:
                self._page = page
                yield event
                await asyncio.sleep(1 / TICKS_PER_SECOND)


class MeasuredConsole(Console):
    """The console, with an eye on its own event loop."""

    def __init__(
        self, gateway: Gateway, seconds: float, report: Path, *, lists_boards: bool
    ) -> None:
        opened = "boards" if lists_boards else ""
        super().__init__(gateway, start=Address(board=BoardSeason(SHOWN), opened=opened))
        self._seconds = seconds
        self._report = report
        self._boards_read = 0

    def on_ready(self) -> None:
        self.run_worker(self._measure(), exit_on_error=True)

    def on_top_arrived(self, event: TopArrived) -> None:
        # Textual has the console's own handler take it too.
        self._boards_read += event.top is not None

    async def _measure(self) -> None:
        await asyncio.sleep(WARM_UP_SECONDS)
        process = psutil.Process()
        memory_mib: list[float] = []
        # Laid out before, so that what is measured does not grow by being measured.
        most = int(110 * self._seconds) + 1
        lags, own, count = array("d", [0.0]) * most, array("d", [0.0]) * most, 0
        cpu_before, began, read_before = _read_cpu(), time.perf_counter(), self._boards_read
        while (now := time.perf_counter()) - began < self._seconds:
            cpu = time.thread_time()
            await asyncio.sleep(0.01)
            lags[count] = 1000 * (time.perf_counter() - now) - 10
            own[count] = min(lags[count], 1000 * (time.thread_time() - cpu))
            count += 1
            if now - began >= _MEMORY_SECONDS * len(memory_mib):
                memory_mib.append(process.memory_info().rss / 2**20)
        elapsed = time.perf_counter() - began
        by_lag, by_own = sorted(lags[:count]), sorted(own[:count])
        figures = {
            "lag_p50_ms": by_lag[count // 2],
            "lag_p99_ms": by_lag[int(0.99 * count)],
            "lag_max_ms": by_lag[-1],
            "own_lag_p99_ms": by_own[int(0.99 * count)],
            "own_lag_max_ms": by_own[-1],
            "cpu_percent": 100 * (_read_cpu() - cpu_before) / elapsed,
            "memory_mib": memory_mib,
            "boards_read_per_second": (self._boards_read - read_before) / elapsed,
            "lines_shown": len(self.state.board) if isinstance(self.state.link, Connected) else 0,
        }
        self._report.write_text(json.dumps(figures))
        self.exit()


def _read_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def find_growth(samples: list[float]) -> float:
    """Return how far the median of the last third is above that of the middle third."""
    third = len(samples) // 3
    return statistics.median(samples[-third:]) - statistics.median(samples[-2 * third : -third])


def run_inside(seconds: float, report: Path, *, lists_boards: bool) -> None:
    """Run the console in this terminal and write its figures."""
    peer = BusyPeer(FrozenClock())
    peer.prepare()
    gateway = Gateway(URL, peer.transport)
    MeasuredConsole(gateway, seconds, report, lists_boards=lists_boards).run()


def run_in_terminal(seconds: float, *, lists_boards: bool = False) -> dict[str, Any]:
    """Run the console in a pseudo-terminal that takes whatever it writes; return its figures."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        command = [sys.executable, "-m", "tests.benchmarks.console_cost"]
        command += ["--seconds", str(seconds), "--inside", str(report)]
        command += ["--list-boards"] * lists_boards
        written = 0

        def drain() -> None:
            nonlocal written
            while True:
                try:
                    written += len(os.read(terminal, 65_536))
                except OSError:
                    # The other side is closed.
                    return

        process = Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environment)
        os.close(inside)
        reader = threading.Thread(target=drain)
        reader.start()
        process.wait()
        reader.join()
        os.close(terminal)
        figures: dict[str, Any] = json.loads(report.read_text())
        total_seconds = seconds + WARM_UP_SECONDS
        return figures | {"written_kib_per_second": written / 1024 / total_seconds}


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long to measure.")
@click.option("--list-boards", is_flag=True, help="With the table of all boards open.")
@click.option("--inside", type=click.Path(path_type=Path), hidden=True)
def main(*, seconds: float, list_boards: bool, inside: Path | None) -> None:
    """Measure the console in a pseudo-terminal and print what it costs."""
    if inside is not None:
        run_inside(seconds, inside, lists_boards=list_boards)
        return
    figures = run_in_terminal(seconds, lists_boards=list_boards)
    click.echo(
        f"{PLAYERS:,} rows, {BOARDS} boards, {CHANGES_PER_TICK} changes a tick, "
        f"{TICKS_PER_SECOND} ticks a second, {seconds:g} s, pseudo-terminal 120 by 36"
    )
    memory_mib = figures.pop("memory_mib")
    if len(memory_mib) >= _LEAST_MEMORY_SAMPLES:
        figures["memory_growth_mib"] = find_growth(memory_mib)
    memory = " ".join(f"{mib:.1f}" for mib in memory_mib)
    for name, value in figures.items():
        click.echo(f"{name:24} {value:8.2f}")
    click.echo(f"memory each {_MEMORY_SECONDS:g} s, MiB: {memory}")
    failed = (
        figures["lag_p99_ms"] >= LAG_BUDGET_MS
        or figures["cpu_percent"] >= CPU_BUDGET_PERCENT
        or figures.get("memory_growth_mib", 0.0) >= GROWTH_BUDGET_MIB
        or figures["lines_shown"] != PLAYERS
        or figures["boards_read_per_second"] < TICKS_PER_SECOND / 2
    )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
