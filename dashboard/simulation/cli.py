"""The command line of `leaderboard simulate`.

The summary, or with `--json` the report (see `reports.report`), goes to stdout; progress and the
reason for an exit status of 1 go to stderr.
"""

import asyncio
import math
import os
import re
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import httpx
import msgspec
import uvloop
from rich.console import Console

from dashboard.simulation.client.requests import Target
from dashboard.simulation.errors import SimulationError
from dashboard.simulation.reports.presentation import describe_shortfall, list_alive, summarize_run
from dashboard.simulation.reports.run_directory import list_runs, locate_runs
from dashboard.simulation.run import RunLimits
from dashboard.simulation.runner import run_simulation
from dashboard.simulation.workload.plan import Mix, RunOptions
from dashboard.simulation.workload.scores import Scores
from dashboard.simulation.workload.stages import Stage, parse_stages
from dashboard.text.plain_marks import needs_plain_marks, write_plain

_PROGRAM = "leaderboard simulate"

_Value = TypeVar("_Value")

_SEEDS = 2**32

_DEFAULT_RATE = 200.0
_DEFAULT_SECONDS = 60.0
_DEFAULT_THINK_SECONDS = 1.0


class Number(click.ParamType[int | float]):
    """A number, or a whole one; between two others, where they are given, which it names."""

    name = "number"

    def __init__(
        self, kind: type[int] | type[float], least: float = -math.inf, most: float = math.inf
    ) -> None:
        self._kind = kind
        self._least, self._most = least, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """Return the number; raises `click.BadParameter`."""
        bounds = "" if self._least == -math.inf else f" from {self._least:g} to {self._most:g}"
        name = "a whole number" if self._kind is int else "a number"
        try:
            number = self._kind(value)
        except ValueError:
            self.fail(f"'{value}' is not {name}{bounds}", param, ctx)
        if bounds and not self._least <= number <= self._most:
            self.fail(f"'{value}' is not {name}{bounds}", param, ctx)
        return number


class Parsed(click.ParamType[_Value]):
    """What a function makes of a text; its `ValueError` says what is allowed."""

    name = "text"

    def __init__(self, parse: Callable[[str], _Value]) -> None:
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> _Value:
        """Return what the text says; raises `click.BadParameter`."""
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def check_url(text: str) -> str:
    """Return the URL of a service if it is one; raises `ValueError`."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r}: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"{text!r} is not like http://host:port")
    try:
        # As `socket.getaddrinfo` does it, where it would be a traceback.
        url.raw_host.decode().encode("idna")
    except UnicodeError:
        raise ValueError(
            f"{text!r} has no possible host: between its dots are 1 to 63 characters"
        ) from None
    return text


def check_api_key(text: str) -> str:
    """Return a key that can be sent; raises `ValueError`, which does not repeat it."""
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("not a key of `leaderboard keys create`")
    return text


def _check_board(text: str) -> str:
    if not re.fullmatch("[a-z0-9-]{1,64}", text):
        raise ValueError(f"{text!r} is not 1 to 64 of a-z, 0-9 and hyphens")
    return text


api_key_option = click.option(
    "--api-key",
    metavar="KEY",
    envvar="LEADERBOARD_API_KEY",
    type=Parsed(check_api_key),
    help="Key of `leaderboard keys create --role admin`.  [default: LEADERBOARD_API_KEY]",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--rate", type=Number(float), help=f"Requests a second.  [default: {_DEFAULT_RATE:g}]"
)
@click.option(
    "--duration",
    type=Number(float),
    help=f"Length of the run in seconds.  [default: {_DEFAULT_SECONDS:g}]",
)
@click.option(
    "--stages",
    type=Parsed(parse_stages),
    help="How the rate goes, in place of rate and duration: 0-300x30,300x60 climbs to 300 a second "
    "in 30 s and stays there for 60 s.",
)
@click.option(
    "--users",
    type=Number(int),
    help="Closed model: so many users who wait for each answer, in place of a rate.",
)
@click.option(
    "--think",
    type=Number(float),
    help="Seconds that a user thinks between answer and request, on average.  "
    f"[default: {_DEFAULT_THINK_SECONDS:g}]",
)
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    type=Parsed(check_url),
    help="The service.",
)
@api_key_option
@click.option(
    "--board",
    metavar="SLUG",
    type=Parsed(_check_board),
    help="The board whose tops and ranks are read; a submit counts on every board whose rule it "
    "meets.  [default: global]",
)
@click.option(
    "--players",
    type=Number(int),
    default=1000,
    show_default=True,
    help="Players to send for: existing ones, and new ones where they run out.",
)
@click.option(
    "--seed", type=Number(int), help="Makes the plan reproducible; without it, a random one."
)
@click.option(
    "--mix",
    default="submit=70,top=10,rank=20",
    show_default=True,
    type=Parsed(Mix.parse),
    help="Weights of submits, tops and ranks.",
)
@click.option(
    "--scores",
    type=click.Choice([scores.value for scores in Scores]),
    default=Scores.LOGNORMAL.value,
    show_default=True,
    help="How the scores are spread.",
)
@click.option(
    "--timeout",
    type=Number(float, 0.01, 600),
    default=10.0,
    show_default=True,
    help="Seconds to wait for an answer; after the end, submits without one are sent again, and "
    "the ledger is asked, for three times as long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--list", "list_only", is_flag=True, help="List the runs that go on, start none.")
# Of a run that a console starts: nobody could watch or stop one that it does not find.
@click.option("--must-be-found", is_flag=True, hidden=True)
def simulate(
    *,
    rate: float | None,
    duration: float | None,
    stages: tuple[Stage, ...] | None,
    users: int | None,
    think: float | None,
    url: str,
    api_key: str | None,
    board: str | None,
    players: int,
    seed: int | None,
    mix: Mix,
    scores: str,
    timeout: float,
    as_json: bool,
    list_only: bool,
    must_be_found: bool,
) -> int:
    """Send traffic to a leaderboard and tell how it was answered.

    Requests leave at times fixed in advance (Poisson arrivals, from the seed) and latency counts
    from those, so that a server that stalls cannot hide it. At the end the submits are compared
    with what the ledger counted, where they stay for ever: not for a board that counts. The console
    (`leaderboard dashboard`) finds the run and can pause it, change its rate and stop it.

    Exit status 0: the whole run was carried out, every request succeeded, and the ledger has each
    submit once. Ctrl-C ends the run early; a second one gives up the requests in flight.
    """
    if list_only:
        runs = [run for run in list_runs(locate_runs()) if run.alive]
        if as_json:
            click.echo(msgspec.json.encode(runs))
        else:
            for line in list_alive(runs, datetime.now(UTC)):
                _echo(line)
        return 0
    _check_model(rate=rate, duration=duration, stages=stages, users=users, think=think)
    try:
        options = RunOptions(
            rate=_DEFAULT_RATE if rate is None else rate,
            duration_seconds=_DEFAULT_SECONDS if duration is None else duration,
            players=players,
            seed=secrets.randbelow(_SEEDS) if seed is None else seed,
            mix=mix,
            scores=Scores(scores),
            stages=stages or (),
            users=users,
            think_seconds=_DEFAULT_THINK_SECONDS if think is None else think,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    screen = Console(stderr=True, quiet=as_json)
    limits = RunLimits.of_timeout(timeout)
    target = Target(url, api_key, board)
    report = uvloop.run(
        run_simulation(options, target, limits, screen, locate_runs(), must_be_found=must_be_found)
    )
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        screen = Console()
        with screen.capture() as captured:
            screen.print(summarize_run(report))
        for line in captured.get().splitlines():
            _echo(line.rstrip())
    shortfall = describe_shortfall(report)
    if shortfall is None:
        return 0
    click.echo(f"{_PROGRAM}: {shortfall}", err=True)
    return 1


def _echo(line: str) -> None:
    """Print a line, in ASCII where the output or its locale knows no more."""
    has_marks = sys.stdout.encoding.lower().startswith("utf") and not needs_plain_marks(os.environ)
    click.echo(line if has_marks else write_plain(line))


def main() -> None:
    """Run the command and exit with its status; a user's mistake is one line, and status 1."""
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


def _check_model(
    *,
    rate: float | None,
    duration: float | None,
    stages: tuple[Stage, ...] | None,
    users: int | None,
    think: float | None,
) -> None:
    """Raise `click.UsageError` where options contradict each other."""
    if stages and not (rate is None and duration is None):
        raise click.UsageError("--stages say rate and duration: leave --rate and --duration out")
    if users is not None and (stages or rate is not None):
        raise click.UsageError("--users makes the model closed: leave --rate and --stages out")
    if users is None and think is not None:
        raise click.UsageError("--think is for users: name their number with --users")
