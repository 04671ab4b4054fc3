"""The command line of `leaderboard boards`."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from service.boards.errors import BoardExists
from service.boards.words import Direction, Operator, Ties
from service.command_line import (
    WholeNumber,
    echo_columns,
    require_consent,
    write_time,
    yes_option,
)
from service.commands.target import ask_database, data_dir_option
from service.errors import FieldError, InvalidRequest
from service.validation import MAX_SCORE, MAX_SEASON, MIN_SCORE, SLUG

if TYPE_CHECKING:
    from service.backends.database import Database
    from service.boards.schemas import BoardAnswer, BoardRule, ChangeBoard, SeasonAnswer

Answer = TypeVar("Answer")
Wanted = TypeVar("Wanted", bound="BoardRule | ChangeBoard")
_Command = Callable[..., Any]

_SEASONS_SHOWN: Final = 10
_BOARDS_AT_ONCE: Final = 1_000
_SCORE: Final = WholeNumber(MIN_SCORE, MAX_SCORE)
_FORMATS: Final = "integer, decimal:1 to decimal:6, duration:ms or duration:s"
_FORMAT: Final = re.compile("integer|decimal:[1-6]|duration:(ms|s)")
# Where the command line has other words than the body over HTTP.
_OPTIONS: Final = {"schedule.cron": "cron", "schedule.timezone": "timezone"}


@click.group()
def boards() -> None:
    """List, make, change and show boards, and end their seasons.

    A board is a view over the ledger: every score counts on each board whose rule it meets.
    """


@boards.command(name="list")
@data_dir_option
def list_all(data_dir: Path | None) -> None:
    """List all boards with their rules."""
    from service.boards.service import list_boards

    async def read(database: "Database") -> "list[BoardAnswer]":
        found: list[BoardAnswer] = []
        after: str | None = ""
        while after is not None:
            page = await list_boards(database, after, _BOARDS_AT_ONCE)
            found += page.boards
            after = page.next
        return found

    rows = [("slug", "state", "rule", "season", "ends", "players")]
    for board in _ask(data_dir, read):
        rule = f"{board.operator.value} {board.direction.value} {board.ties.value}"
        season = board.season
        rows.append(
            (
                board.slug,
                board.state,
                rule if board.game_mode is None else f"{rule} of {board.game_mode}",
                f"{season.number} {season.state}",
                write_time(season.ends_at),
                f"{board.players:,}",
            )
        )
    echo_columns(rows)


def _rule_options(*, of_new: bool) -> Callable[[_Command], _Command]:
    """Return the options of a board's rule, of which a new board has defaults."""

    def default(word: str) -> dict[str, Any]:
        return {"default": word, "show_default": True} if of_new else {}

    options = [
        click.option("--title", help="For people." + ("  [default: the slug]" if of_new else "")),
        click.option(
            "--operator",
            type=click.Choice([operator.value for operator in Operator]),
            metavar="OPERATOR",
            help=f"How a player's sessions make one score: {', '.join(Operator)}.",
            **default("sum"),
        ),
        click.option(
            "--direction",
            type=click.Choice([direction.value for direction in Direction]),
            help="Which score is better.",
            **default("high"),
        ),
        click.option(
            "--ties",
            type=click.Choice([ties.value for ties in Ties]),
            help="Equal scores share a rank, or who got there first is before the others.",
            **default("shared"),
        ),
        click.option("--game-mode", help="Count sessions of this mode only."),
        click.option("--min-score", type=_SCORE, metavar="N", help="Count no session below it."),
        click.option("--max-score", type=_SCORE, metavar="N", help="Count no session above it."),
        click.option(
            "--format",
            metavar="FORMAT",
            callback=_check_format,
            help=f"How scores are written: {_FORMATS}.",
            **default("integer"),
        ),
        click.option("--cron", help="When seasons end, like '0 0 * * 1'; needs --timezone."),
        click.option("--timezone", help="An IANA name, like Europe/Berlin."),
    ]

    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _check_format(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    """Return a format as the API has it."""
    if value is None:
        return None
    if not _FORMAT.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not {_FORMATS}")
    kind, _, detail = value.partition(":")
    if kind == "decimal":
        return {"kind": kind, "scale": int(detail)}
    return {"kind": kind, "unit": detail} if detail else {"kind": kind}


@boards.command()
@click.argument("slug")
@_rule_options(of_new=True)
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
    from service.boards.schemas import BoardRule
    from service.boards.service import create_board, describe_board

    if not re.fullmatch(SLUG, slug):
        raise click.BadParameter(f"{slug!r} is not 1 to 64 of a-z, 0-9 and hyphens")
    wanted = _read_rule(rule, BoardRule)
    row, is_new = _ask(data_dir, lambda database: create_board(database, slug, wanted))
    click.echo(f"{slug} is there{'' if is_new else ' already'}")
    _echo_board(describe_board(row))


@boards.command()
@click.argument("slug")
@_rule_options(of_new=False)
@click.option(
    "--recount",
    is_flag=True,
    help="Count the open season anew by it, instead of the next season on.",
)
@data_dir_option
def change(slug: str, *, recount: bool, data_dir: Path | None, **rule: Any) -> None:
    """Change a board's title at once, and its rule from the next season on.

    What is not named stays. Taking a mode, a bound or the schedule away is for the API.
    """
    from service.boards.schemas import ChangeBoard
    from service.boards.service import change_board, describe_board

    if not recount and all(value is None for value in rule.values()):
        raise click.UsageError("name what is to change")
    wanted = _read_rule(rule | ({"apply": "recount"} if recount else {}), ChangeBoard)
    row = _ask(data_dir, lambda database: change_board(database, slug, "*", wanted))
    click.echo(f"{slug} counts by this {'now' if recount else 'from its next season on'}")
    _echo_board(describe_board(row))


@boards.command()
@click.argument("slug")
@data_dir_option
def show(slug: str, data_dir: Path | None) -> None:
    """Show a board, its rule and its last seasons."""
    from service.boards.finder import find_board
    from service.boards.seasons import list_seasons
    from service.boards.service import describe_board

    async def read(database: "Database") -> "tuple[BoardAnswer, list[SeasonAnswer]]":
        board = describe_board(await find_board(database, slug))
        found = await list_seasons(database, slug, MAX_SEASON, _SEASONS_SHOWN)
        return board, found.seasons

    board, seasons = _ask(data_dir, read)
    _echo_board(board)
    rows = [("season", "state", "began", "ends", "closed", "players")]
    rows += [
        (
            str(season.number),
            season.state,
            write_time(season.starts_at),
            write_time(season.ends_at),
            write_time(season.closed_at),
            f"{season.players:,}",
        )
        for season in seasons
    ]
    echo_columns(rows)


@boards.command()
@click.argument("slug")
@click.option(
    "--season",
    type=WholeNumber(1, MAX_SEASON),
    metavar="N",
    help="Only this season, if it is not over yet: sent again, that ends no other.  "
    "[default: the current one]",
)
@yes_option
@data_dir_option
def close(slug: str, season: int | None, *, is_sure: bool, data_dir: Path | None) -> None:
    """End a board's season now; the next begins at that instant.

    Its result is stored by the workers, as soon as all its sessions are counted. Nothing opens it
    again: at a terminal there is a question first. A script that may be run again names the season.
    """
    from service.boards.seasons import read_season_answer
    from service.boards.service import find_changeable
    from service.seasons.service import end_season

    async def look(database: "Database") -> "SeasonAnswer":
        board = await find_changeable(database, slug)
        return await read_season_answer(database, slug, season or board["number"])

    found = _ask(data_dir, look)
    if found.state != "open":
        click.echo(f"season {found.number} of {slug} is over already")
        return
    require_consent(f"End season {found.number} of {slug} now, for good?", is_sure=is_sure)
    # The one that was asked about, whatever has ended by the time of the answer.
    _ask(data_dir, lambda database: end_season(database, slug, found.number))
    click.echo(f"season {found.number} of {slug} is over; {found.number + 1} has begun")


def _read_rule(given: dict[str, Any], shape: "type[Wanted]") -> "Wanted":
    """Return what the options say, those that were named, as the API would take it."""
    import msgspec

    from service.http.requests import locate_error

    named = {name: value for name, value in given.items() if value is not None}
    if ("cron" in named) != ("timezone" in named):
        raise click.UsageError("--cron and --timezone go together")
    if "cron" in named:
        named["schedule"] = {"cron": named.pop("cron"), "timezone": named.pop("timezone")}
    try:
        return msgspec.convert(named, shape)
    except msgspec.ValidationError as error:
        wrong = locate_error(str(error), shape)
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
    if isinstance(board.applies_from_season, int):
        facts.append(("rule counts", f"from season {board.applies_from_season} on"))
    echo_columns(facts)


def _write_bound(score: int | None) -> str:
    return "any" if score is None else f"{score:,}"


def _ask(data_dir: Path | None, ask: "Callable[[Database], Awaitable[Answer]]") -> Answer:
    try:
        return ask_database(data_dir, ask, application_name="leaderboard boards")
    except InvalidRequest as error:
        error.fields = tuple(
            FieldError(_name_option(wrong.field), wrong.message) for wrong in error.fields
        )
        if isinstance(error, BoardExists):
            raise
        raise click.UsageError(error.explain()) from error
