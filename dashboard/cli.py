"""The command line of `leaderboard dashboard`."""

import sys
from pathlib import Path

import click

from dashboard.app import Console, list_action_ids
from dashboard.clock import SystemClock
from dashboard.gateway import Gateway
from dashboard.hand_submission import ServiceSubmitter
from dashboard.keymap import UnusableKeymap, read_keymap
from dashboard.run_desk import RunDesk
from dashboard.run_source import LocalRuns
from dashboard.simulation.cli import check_url

_PROGRAM = "leaderboard dashboard"


@click.command()
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    callback=check_url,
    help="The service.",
)
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help='TOML file with other keys, such as "console.pause" = "p".',
)
def dashboard(*, url: str, keys: Path | None) -> int:
    """Watch the board, the players and the system's health in the terminal.

    Press ? in the console for its keys.
    """
    keymap = read_keymap(keys, list_action_ids()) if keys else {}
    # Textual reads from the one and writes to the other.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("the console needs a terminal for its input and output")
    clock = SystemClock()
    desk = RunDesk(LocalRuns(url), ServiceSubmitter(url), clock)
    console = Console(Gateway(url), clock, desk=desk)
    console.set_keymap(keymap)
    console.run()
    return console.return_code or 0


def main() -> None:
    """Run the command and exit with its status; a user's mistake is one line."""
    try:
        status = dashboard.main(prog_name=_PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        reason = " ".join(error.format_message().split())
    except UnusableKeymap as error:
        reason = " ".join(str(error).split())
    else:
        sys.exit(status)
    click.echo(f"{_PROGRAM}: {reason}", err=True)
    sys.exit(1)
