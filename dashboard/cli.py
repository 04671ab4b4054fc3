"""The command line of `leaderboard dashboard`."""

import sys

import click

from dashboard.app import Console
from dashboard.gateway import Gateway
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
def dashboard(*, url: str) -> int:
    """Watch the board, the players and the system's health in the terminal.

    Press ? in the console for its keys.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("the console needs a terminal for its input and output")
    console = Console(Gateway(url))
    console.run()
    return console.return_code or 0


def main() -> None:
    """Run the command and exit with its status; a user's mistake is one line."""
    try:
        status = dashboard.main(prog_name=_PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        reason = " ".join(error.format_message().split())
        click.echo(f"{_PROGRAM}: {reason}", err=True)
        sys.exit(1)
    sys.exit(status)
