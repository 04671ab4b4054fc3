"""`leaderboard`: starts the other programs and imports them only when they are asked for."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from service.command_line import WholeNumber, require_consent, run_command, yes_option
from service.commands.boards import boards
from service.commands.health import health
from service.commands.keys import keys
from service.commands.moderate import moderate
from service.commands.target import (
    check_schema,
    data_dir_option,
    find_settings,
    own_data_dir_option,
)
from service.commands.transfer import export_, import_
from service.errors import DatabaseUnavailable, describe_error

_Command = Callable[..., Any]

_PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_MOST_ROWS = 100_000_000
_LARGEST_SEED = 2**63 - 1


def main() -> NoReturn:
    """Run the command line and exit."""
    run_command(leaderboard, name="leaderboard")


def _set_root_path(_: click.Context, __: click.Parameter, root_path: str | None) -> None:
    if root_path is not None:
        # The processes that are started have their settings from there.
        os.environ["LEADERBOARD_ROOT_PATH"] = root_path


def _listening_options(command: _Command) -> _Command:
    options = [
        click.option(
            "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
        ),
        click.option(
            "--port",
            type=WholeNumber(0, 65535),
            metavar="N",
            default=8000,
            show_default=True,
            help="TCP port to listen on; 0 takes any free one.",
        ),
        click.option(
            "--processes",
            type=WholeNumber(1, 64),
            metavar="N",
            default=1,
            show_default=True,
            help="API processes that share the port.",
        ),
        click.option(
            "--root-path",
            metavar="/PATH",
            callback=_set_root_path,
            expose_value=False,
            help="The path under which a proxy serves the API, such as /lb.",
        ),
        click.option(
            "--insecure",
            is_flag=True,
            help="Serve other machines although no API key was ever made: anybody may write.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leaderboard", message="%(prog)s %(version)s")
def leaderboard() -> None:
    """A self-hosted leaderboard: every score kept exactly once, ranks at memory speed."""


@leaderboard.command()
@_listening_options
@own_data_dir_option
@click.option("--web", is_flag=True, help="Serve the operator's console to browsers too.")
@click.option(
    "--web-port",
    type=WholeNumber(0, 65535),
    metavar="N",
    help="--web on another TCP port than 3000; 0 takes any free one.",
)
def up(
    *,
    host: str,
    port: int,
    processes: int,
    insecure: bool,
    data_dir: Path | None,
    web: bool,
    web_port: int | None,
) -> None:
    """Run everything on this machine.

    That is the database, the cache, the API, a worker and the scheduler. PostgreSQL and Valkey
    are started in the data directory unless DATABASE_URL and REDIS_URL name others. Ctrl-C stops
    all of it and loses nothing.
    """
    from service.local.supervisor.up import run_up
    from service.settings.settings import load_settings

    run_up(
        load_settings(data_dir=data_dir),
        host=host,
        port=port,
        processes=processes,
        insecure=insecure,
        web_port=3000 if web and web_port is None else web_port,
    )


@leaderboard.command()
@_listening_options
def api(*, host: str, port: int, processes: int, insecure: bool) -> None:
    """Serve the HTTP API.

    DATABASE_URL and REDIS_URL name its servers.
    """
    from service.local.supervisor.api_processes import run_api
    from service.settings.settings import load_settings

    settings = check_schema(load_settings())
    run_api(settings, host=host, port=port, processes=processes, insecure=insecure)


@leaderboard.command()
@click.option(
    "--progress",
    type=click.Path(),
    metavar="FILE",
    help="Note in this file what runs, which `leaderboard health worker` reads.",
)
def worker(progress: str | None) -> None:
    """Run a worker.

    It refreshes and re-ranks the boards.
    """
    _check_settings()
    _become("workers", *(["--progress", progress] if progress else []))


@leaderboard.command()
@click.option(
    "--rounds",
    type=click.Path(),
    metavar="FILE",
    help="Note each round in this file, which `leaderboard health scheduler` reads.",
)
def scheduler(rounds: str | None) -> None:
    """Run the scheduler.

    It asks for the periodic work; one is enough.
    """
    _check_settings()
    _become("workers.scheduler", *(["--rounds", rounds] if rounds else []))


@leaderboard.command()
@data_dir_option
def migrate(data_dir: Path | None) -> None:
    """Bring the database's schema up to date."""
    import asyncpg

    from service.schema.migrate import migrate as apply_migrations
    from service.schema.version import refuse_other_version
    from service.settings.urls import describe_address

    settings = find_settings(data_dir, with_cache=False)
    asyncio.run(refuse_other_version(settings))
    database_url = settings.require_database_url()
    try:
        applied = asyncio.run(apply_migrations(database_url))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        place = describe_address(database_url)
        raise DatabaseUnavailable(describe_error(error), place) from error
    for name in applied:
        click.echo(name)
    count = f"{len(applied)} migration{'' if len(applied) == 1 else 's'} applied"
    click.echo(count if applied else "up to date")


@leaderboard.command()
@click.option(
    "--players",
    type=WholeNumber(1, _MOST_ROWS),
    metavar="N",
    required=True,
    help="How many players to make.",
)
@click.option(
    "--sessions",
    type=WholeNumber(0, _MOST_ROWS),
    metavar="N",
    required=True,
    help="How many game sessions to make for them.",
)
@click.option(
    "--seed",
    type=WholeNumber(-_LARGEST_SEED, _LARGEST_SEED),
    metavar="N",
    default=1,
    show_default=True,
    help="The same seed makes the same players and scores.",
)
@click.option(
    "--reset",
    is_flag=True,
    help="Delete all players and sessions first; at a terminal, after a question.",
)
@click.option(
    "--board",
    metavar="SLUG",
    help="Make what this board counts: of its mode, within its bounds, since its season began.  "
    "[default: scores of three modes in thirty days]",
)
@yes_option
@data_dir_option
def populate(
    *,
    players: int,
    sessions: int,
    seed: int,
    reset: bool,
    board: str | None,
    is_sure: bool,
    data_dir: Path | None,
) -> None:
    """Fill the database with players and sessions, ranked and warm.

    They stay for ever, like all others: not for a board that counts. With --board too they count on
    every other board whose rule they meet.
    """
    from service.maintenance.populate import populate as fill_database

    if reset:
        require_consent("Delete all players and all their scores?", is_sure=is_sure)
    settings = check_schema(find_settings(data_dir))
    asyncio.run(
        fill_database(
            settings, players=players, sessions=sessions, seed=seed, reset=reset, board=board
        )
    )


_board_option = click.option("--board", metavar="SLUG", help="Only this board.  [default: all]")


@leaderboard.command()
@_board_option
@data_dir_option
def audit(board: str | None, data_dir: Path | None) -> None:
    """Compare ledger, standings and index.

    The exit status is 1 if they differ.
    """
    from service.maintenance.audit import audit as compare

    if not asyncio.run(compare(check_schema(find_settings(data_dir)), board)):
        sys.exit(1)


@leaderboard.command()
@_board_option
@data_dir_option
def rebuild(board: str | None, data_dir: Path | None) -> None:
    """Make standings and index again from the ledger."""
    from service.maintenance.rebuild import rebuild as make_again

    asyncio.run(make_again(check_schema(find_settings(data_dir)), board))


leaderboard.add_command(health)
leaderboard.add_command(keys)
leaderboard.add_command(boards)
leaderboard.add_command(moderate)
leaderboard.add_command(import_)
leaderboard.add_command(export_)


@leaderboard.command(context_settings=_PASS_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Send traffic over HTTP and measure it (`simulate --help`)."""
    _become("dashboard.simulation", *arguments)


@leaderboard.command(context_settings=_PASS_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dashboard(arguments: tuple[str, ...]) -> None:
    """Open the operator's console (`dashboard --help`)."""
    _become("dashboard", *arguments)


def _check_settings() -> None:
    """Say what is wrong with the settings before a program starts that needs them."""
    from service.settings.settings import load_settings

    check_schema(load_settings())


def _become(module: str, *arguments: str) -> NoReturn:
    """Turn this process into another program of ours."""
    from service.local.supervisor.programs import hide_api_key, python_command

    os.execv(sys.executable, [*python_command(module), *hide_api_key(arguments)])  # noqa: S606


if __name__ == "__main__":
    main()
