"""The command line of `leaderboard boards`."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from service.boards.words import Operator
from service.command_line import align_columns
from service.commands.target import check_schema, data_dir_option, find_settings
from service.errors import InvalidRequest, UsageError

if TYPE_CHECKING:
    from service.backends.database import Database
    from service.boards.schemas import BoardAnswer, SeasonAnswer

_SEASONS_SHOWN: Final = 10
_BOARDS_AT_ONCE: Final = 1_000
_LARGEST_NUMBER: Final = 2**31 - 1
# Where the command line has other words than the body over HTTP.
_OPTIONS: Final = {"schedule.cron": "cron", "schedule.timezone": "timezone"}


@click.group()
def boards() -> None:
    """List, make and show boards, and end their seasons.

    A board is a view over the ledger: every score counts on each board whose rule it meets.
    """


@boards.command(name="list")
@data_dir_option
def list_all(data_dir: Path | None) -> None:
    """List all boards with their rules."""
    from service.boards.service import list_boards

    async def read() -> "list[BoardAnswer]":
        found: list[BoardAnswer] = []
        after: str | None = ""
        async with _open_database(data_dir) as database:
            while after is not None:
                page = await list_boards(database, after, _BOARDS_AT_ONCE)
                found += page.boards
                after = page.next
        return found

    rows = [("slug", "state", "rule", "season", "ends", "players")]
    for board in asyncio.run(read()):
        rule = f"{board.operator.value} {board.direction.value} {board.ties.value}"
        season = board.season
        rows.append(
            (
                board.slug,
                board.state,
                rule if board.game_mode is None else f"{rule} of {board.game_mode}",
                f"{season.number} {season.state}",
                _write_time(season.ends_at),
                f"{board.players:,}",
            )
        )
    for line in align_columns(rows):
        click.echo(line)


@boards.command()
@click.argument("slug")
@click.option("--title", help="For people.  [default: the slug]")
@click.option(
    "--operator",
    metavar="OPERATOR",
    default="sum",
    show_default=True,
    help=f"How a player's sessions make one score: {', '.join(Operator)}.",
)
@click.option(
    "--direction",
    type=click.Choice(["high", "low"]),
    default="high",
    show_default=True,
    help="Which score is better.",
)
@click.option(
    "--ties",
    type=click.Choice(["shared", "first"]),
    default="shared",
    show_default=True,
    help="Equal scores share a rank, or who got there first is before the others.",
)
@click.option("--game-mode", help="Count sessions of this mode only.")
@click.option("--min-score", type=int, metavar="N", help="Count no session below it.")
@click.option("--max-score", type=int, metavar="N", help="Count no session above it.")
@click.option(
    "--format",
    "score_format",
    metavar="FORMAT",
    default="integer",
    show_default=True,
    help="How scores are written: integer, decimal:1 to decimal:6, duration:ms or duration:s.",
)
@click.option("--cron", help="When seasons end, like '0 0 * * 1'; needs --timezone.")
@click.option("--timezone", help="An IANA name, like Europe/Berlin.")
@click.option(
    "--count-from",
    default="now",
    show_default=True,
    help="How far back the ledger counts: now, ever or a time like 2026-11-01T00:00:00Z.",
)
@data_dir_option
def create(slug: str, data_dir: Path | None, **rule: Any) -> None:
    """Make a board.

    The same again changes nothing; another rule for a board that exists is an error.
    """
    from service.boards.service import create_board, describe_board

    wanted = _read_rule(slug, rule)

    async def make() -> "tuple[BoardAnswer, bool]":
        async with _open_database(data_dir) as database:
            row, is_new = await create_board(database, slug, wanted)
            return describe_board(row), is_new

    board, is_new = asyncio.run(make())
    click.echo(f"{slug} is there{'' if is_new else ' already'}")
    _echo_board(board)


@boards.command()
@click.argument("slug")
@data_dir_option
def show(slug: str, data_dir: Path | None) -> None:
    """Show a board, its rule and its last seasons."""
    from service.boards.service import describe_board, find_board, list_seasons

    async def read() -> "tuple[BoardAnswer, list[SeasonAnswer]]":
        async with _open_database(data_dir) as database:
            board = describe_board(await find_board(database, slug))
            found = await list_seasons(database, slug, _LARGEST_NUMBER, _SEASONS_SHOWN)
            return board, found.seasons

    board, seasons = asyncio.run(read())
    _echo_board(board)
    rows = [("season", "state", "began", "ends", "closed", "players")]
    rows += [
        (
            str(season.number),
            season.state,
            _write_time(season.starts_at),
            _write_time(season.ends_at),
            _write_time(season.closed_at),
            f"{season.players:,}",
        )
        for season in seasons
    ]
    for line in align_columns(rows):
        click.echo(line)


@boards.command()
@click.argument("slug")
@data_dir_option
def close(slug: str, data_dir: Path | None) -> None:
    """End a board's season now; the next begins at that instant.

    Its result is stored by the workers, as soon as all its sessions are counted.
    """
    from service.boards.service import describe_board
    from service.seasons.service import close_current_season

    async def end() -> "BoardAnswer":
        async with _open_database(data_dir) as database:
            return describe_board(await close_current_season(database, slug))

    season = asyncio.run(end()).season
    click.echo(f"season {season.number - 1} of {slug} is over; {season.number} has begun")


def _read_rule(slug: str, given: dict[str, Any]) -> Any:
    """Return the rule that the options say, as the API would take it."""
    import re

    import msgspec

    from service.boards.schemas import BoardRule
    from service.http.requests import locate_error
    from service.validation import SLUG

    if not re.fullmatch(SLUG, slug):
        raise click.BadParameter(f"{slug!r} is not 1 to 64 of a-z, 0-9 and hyphens")
    kind, _, detail = given.pop("score_format").partition(":")
    named = {"decimal": "scale", "duration": "unit"}.get(kind)
    written: dict[str, Any] = {"kind": kind}
    if named is not None:
        written[named] = int(detail) if detail.isdecimal() else detail
    elif detail:
        written["detail"] = detail
    cron, timezone = given.pop("cron"), given.pop("timezone")
    if (cron is None) != (timezone is None):
        raise click.UsageError("--cron and --timezone go together")
    schedule = None if cron is None else {"cron": cron, "timezone": timezone}
    try:
        return msgspec.convert({**given, "format": written, "schedule": schedule}, BoardRule)
    except msgspec.ValidationError as error:
        wrong = locate_error(str(error), BoardRule)
        raise click.UsageError(f"{_name_option(wrong.field)}: {wrong.message}") from error


def _name_option(field: str) -> str:
    name = _OPTIONS.get(field, field.partition(".")[0])
    return f"--{name.replace('_', '-')}"


def _echo_board(board: "BoardAnswer") -> None:
    schedule = "none: a season ends when it is closed"
    if board.schedule is not None:
        schedule = f"{board.schedule.cron} in {board.schedule.timezone}"
    facts = [
        ("title", board.title),
        ("state", board.state),
        ("operator", board.operator.value),
        ("direction", board.direction.value),
        ("ties", board.ties.value),
        ("game mode", board.game_mode or "any"),
        ("scores", f"{_write_bound(board.min_score)} to {_write_bound(board.max_score)}"),
        ("format", board.format.text),
        ("schedule", schedule),
        ("players", f"{board.players:,}"),
    ]
    for line in align_columns(facts):
        click.echo(line)


def _write_bound(score: int | None) -> str:
    return "any" if score is None else f"{score:,}"


def _write_time(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


@asynccontextmanager
async def _open_database(data_dir: Path | None) -> "AsyncIterator[Database]":
    from service.maintenance.connections import open_database

    settings = find_settings(data_dir, with_cache=False)
    # In a thread, since it runs an event loop of its own.
    await asyncio.to_thread(check_schema, settings)
    async with open_database(settings, application_name="leaderboard boards") as database:
        try:
            yield database
        except InvalidRequest as error:
            fields = "; ".join(
                f"{_name_option(wrong.field)}: {wrong.message}" for wrong in error.fields
            )
            raise UsageError(f"{error.message} {fields}".strip()) from error
