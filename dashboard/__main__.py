"""The operator console's command line: `python -m dashboard`."""

import sys

import click


@click.command()
def main() -> None:
    """Watch the board, the players and the system's health in the terminal."""
    click.echo("The console is not there yet; `leaderboard simulate` drives traffic.", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main(prog_name="leaderboard dashboard")
