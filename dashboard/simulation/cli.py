"""The command line of `leaderboard simulate`.

The summary, or with `--json` the report (see `reports`), goes to stdout; progress and the reason
of an exit status of 1 go to stderr.
"""

import asyncio
import secrets
import signal
import sys
from collections.abc import Callable

import click
import httpx
import msgspec
import uvloop
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dashboard.simulation.errors import SimulationError
from dashboard.simulation.exchange import Target
from dashboard.simulation.plan import Mix, RequestKind, RunOptions
from dashboard.simulation.players import find_players
from dashboard.simulation.presentation import (
    describe_progress,
    describe_shortfall,
    summarize_run,
)
from dashboard.simulation.reports import RunReport
from dashboard.simulation.run import Run

_PROGRAM = "leaderboard simulate"

# Taking a snapshot keeps the event loop for some 2 ms, in which no request leaves.
_REFRESH_SECONDS = 0.5

_SEEDS = 2**32

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def parse_mix(_context: click.Context, _parameter: click.Parameter, value: str) -> Mix:
    """Return the weights of `submit=70,top=10,rank=20`; a kind left out has none."""
    weights = dict.fromkeys((kind.value for kind in RequestKind), 0.0)
    for part in value.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[RequestKind(name.strip())] = float(weight)
        except ValueError:
            kinds = ", ".join(RequestKind)
            raise click.BadParameter(
                f"{part!r} is not a weight such as submit=70, of one of {kinds}"
            ) from None
    try:
        return Mix(**weights)
    except ValueError as error:
        raise click.BadParameter(f"{value}: {error}") from None


def check_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return the URL of a service if it is one."""
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL as error:
        raise click.BadParameter(f"{value!r}: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise click.BadParameter(f"{value!r} is not like http://host:port")
    return value


@click.command()
@click.option("--rate", default=200.0, show_default=True, help="Requests a second.")
@click.option("--duration", default=60.0, show_default=True, help="Length of the run in seconds.")
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    callback=check_url,
    help="The service.",
)
@click.option(
    "--players",
    type=int,
    default=1000,
    show_default=True,
    help="Players to send for: existing ones, and new ones where they run out.",
)
@click.option("--seed", type=int, help="Makes the plan reproducible; without it, a random one.")
@click.option(
    "--mix",
    default="submit=70,top=10,rank=20",
    show_default=True,
    callback=parse_mix,
    help="Weights of submits, tops and ranks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def simulate(
    *,
    rate: float,
    duration: float,
    url: str,
    players: int,
    seed: int | None,
    mix: Mix,
    as_json: bool,
) -> int:
    """Send traffic to a leaderboard at a set rate and tell how it was answered.

    Requests leave at times fixed in advance (Poisson arrivals, from the seed) and latency counts
    from those, so that a server that stalls cannot hide it. Exit status 0: the whole run was
    carried out and every request succeeded. Ctrl-C ends the run early; a second one gives up the
    requests in flight.
    """
    try:
        options = RunOptions(
            rate=rate,
            duration_seconds=duration,
            players=players,
            seed=secrets.randbelow(_SEEDS) if seed is None else seed,
            mix=mix,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    screen = Console(stderr=True, quiet=as_json)
    report = uvloop.run(_simulate(options, Target(url), screen))
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        Console().print(summarize_run(report))
    shortfall = describe_shortfall(report)
    if shortfall is None:
        return 0
    click.echo(f"{_PROGRAM}: {shortfall}", err=True)
    return 1


def main() -> None:
    """Run the command and exit with its status; a user's mistake is one line."""
    try:
        status = simulate.main(prog_name=_PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        reason = " ".join(error.format_message().split())
    except SimulationError as error:
        reason = str(error)
    except (asyncio.CancelledError, click.Abort):
        reason = "interrupted before the run began"
    else:
        sys.exit(status)
    click.echo(f"{_PROGRAM}: {reason}", err=True)
    sys.exit(1)


async def _simulate(options: RunOptions, target: Target, screen: Console) -> RunReport:
    """Find the players and carry out the run, with progress on `screen` if it is a terminal."""
    preparation = asyncio.create_task(_find_players(options, target, screen))
    _on_interrupt(preparation.cancel)
    run = Run(options, target, await preparation)
    execution = asyncio.create_task(run.execute())

    def stop() -> None:
        run.stop()
        _on_interrupt(execution.cancel)

    _on_interrupt(stop)
    with Live(console=screen, auto_refresh=False, transient=True) as live:
        while not execution.done():
            await asyncio.wait({execution}, timeout=_REFRESH_SECONDS)
            if screen.is_terminal and not screen.quiet:
                live.update(describe_progress(run.snapshot()), refresh=True)
    _ignore_interrupts()
    # Cancelled or not, the run has its figures; any other end is a defect and shows itself.
    if not execution.cancelled():
        execution.result()
    return run.snapshot()


async def _find_players(options: RunOptions, target: Target, screen: Console) -> list[int]:
    columns = (TextColumn("Finding players"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("players", total=options.players)
        return await find_players(
            target, options.players, options.seed, lambda found: bar.update(task, completed=found)
        )


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
