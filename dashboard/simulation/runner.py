"""A run from finding its players to its comparison with the ledger, in a process of its own.

Its figures go into the run's directory, where the console reads them; the operator's commands come
from there.
"""

import asyncio
import secrets
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dashboard.simulation.client.requests import Target
from dashboard.simulation.errors import RunUnfindable, SimulationError
from dashboard.simulation.ledger_check import compare_with_ledger, find_ledger_end
from dashboard.simulation.players import find_players
from dashboard.simulation.reports.presentation import describe_progress
from dashboard.simulation.reports.report import RunReport
from dashboard.simulation.reports.run_directory import Command, RunDirectory, RunSnapshot
from dashboard.simulation.run import Run, RunLimits
from dashboard.simulation.workload.plan import RunOptions

# Taking a snapshot keeps the event loop for some 2 ms, in which no request leaves.
_REFRESH_SECONDS = 0.5

# A run of a day has 86,400 of them, which take 10 ms to write and 50 ms to read; an hour takes one.
_SHOWN_SECONDS = 3600

_PLAYERS_BETWEEN_SNAPSHOTS = 100

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


async def run_simulation(
    options: RunOptions,
    target: Target,
    limits: RunLimits,
    screen: Console,
    runs: Path,
    *,
    must_be_found: bool = False,
) -> RunReport:
    """Find the players, carry out the run and compare it with the ledger; return its report.

    Progress goes to `screen` if it is a terminal, and into a directory below `runs`. A run that
    cannot have one goes on without, so that no console finds it, unless it `must_be_found`. Raises
    `SimulationError`.
    """
    run_id = secrets.token_hex(6)
    directory = _make_directory(runs, run_id, target.url, screen, must_be_found=must_be_found)
    snapshots = _Snapshots(directory)
    try:
        return await _prepare_and_run(run_id, options, target, limits, screen, snapshots)
    except SimulationError as error:
        snapshots.end(problem=str(error))
        raise
    except asyncio.CancelledError:
        snapshots.end(problem="interrupted before the run began")
        raise
    finally:
        if directory is not None:
            directory.close()


class _Snapshots:
    """The run as a console sees it."""

    def __init__(self, directory: RunDirectory | None) -> None:
        self.directory = directory
        self._last = RunSnapshot()

    def show_players(self, found: int) -> None:
        if found % _PLAYERS_BETWEEN_SNAPSHOTS == 0:
            self._write(RunSnapshot(players_found=found))

    def show(self, report: RunReport) -> None:
        shown = report.seconds[-_SHOWN_SECONDS:]
        self._write(RunSnapshot(report=msgspec.structs.replace(report, seconds=shown)))

    def end(self, problem: str | None = None) -> None:
        self._write(msgspec.structs.replace(self._last, ended=True, problem=problem))

    def _write(self, snapshot: RunSnapshot) -> None:
        self._last = snapshot
        if self.directory is not None:
            # A full disk must not end the run.
            with suppress(OSError):
                self.directory.write(snapshot)


async def _prepare_and_run(
    run_id: str,
    options: RunOptions,
    target: Target,
    limits: RunLimits,
    screen: Console,
    snapshots: _Snapshots,
) -> RunReport:
    preparation = asyncio.create_task(_find_players(options, target, screen, snapshots))
    _on_interrupt(preparation.cancel)
    _on_command(snapshots, {Command.STOP: preparation.cancel})
    players = await preparation
    ledger_end = await find_ledger_end(target)
    run = Run(options, target, players, limits, run_id)
    execution = asyncio.create_task(run.execute())

    def stop() -> None:
        run.stop()
        _on_interrupt(execution.cancel)

    _on_interrupt(stop)
    _on_command(
        snapshots,
        {
            Command.STOP: run.stop,
            Command.PAUSE: run.toggle_pause,
            Command.FASTER: lambda: run.change_pace(+1),
            Command.SLOWER: lambda: run.change_pace(-1),
        },
    )
    with Live(console=screen, auto_refresh=False, transient=True) as live:
        while not execution.done():
            await asyncio.wait({execution}, timeout=_REFRESH_SECONDS)
            report = run.snapshot()
            snapshots.show(report)
            if screen.is_terminal and not screen.quiet:
                live.update(describe_progress(report), refresh=True)
    _ignore_interrupts()
    # Cancelled or not, the run has its figures; any other end is a defect and shows itself.
    if not execution.cancelled():
        execution.result()
    report = await compare_with_ledger(
        target, run.snapshot(), ledger_end, limits.resubmission_seconds
    )
    snapshots.show(report)
    snapshots.end()
    return report


def _make_directory(
    runs: Path, run_id: str, url: str, screen: Console, *, must_be_found: bool
) -> RunDirectory | None:
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        return RunDirectory.make(runs, run_id, url, started_at)
    except OSError as error:
        if must_be_found:
            raise RunUnfindable(runs, error) from error
        screen.print(
            f"The console will not list this run: {error.strerror}: {error.filename}", markup=False
        )
        return None


async def _find_players(
    options: RunOptions, target: Target, screen: Console, snapshots: _Snapshots
) -> list[int]:
    columns = (TextColumn("Finding players"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("players", total=options.players)

        def show(found: int) -> None:
            bar.update(task, completed=found)
            snapshots.show_players(found)

        return await find_players(target, options.players, options.seed, show)


def _on_command(snapshots: _Snapshots, acts: dict[Command, Callable[[], object]]) -> None:
    def obey(command: Command) -> None:
        if command in acts:
            acts[command]()

    if snapshots.directory is not None:
        snapshots.directory.close()
        snapshots.directory.listen(obey)


def _on_interrupt(act: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in _INTERRUPTS:
        loop.add_signal_handler(number, act)


def _ignore_interrupts() -> None:
    """Let no further Ctrl-C keep the figures from being printed."""
    loop = asyncio.get_running_loop()
    for number in _INTERRUPTS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
