"""The command line of `leaderboard import` and `leaderboard export`."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from service.boards.words import GLOBAL_BOARD
from service.commands.target import check_schema, data_dir_option, find_settings
from service.errors import InvalidRequest, UsageError
from service.output import OUTPUT_LOST
from service.validation import SEASON

if TYPE_CHECKING:
    from service.settings.settings import Settings
    from service.transfer.exporting import Kind
    from service.transfer.formats import Format
    from service.transfer.importing import Tally

_READ_AT_ONCE: Final = 1024 * 1024
_ERRORS_SHOWN: Final = 100


@click.command(name="export")
@click.argument("kind", type=click.Choice(["players", "sessions", "standings"]))
@click.option(
    "--format",
    "row_format",
    type=click.Choice(["csv", "ndjson"]),
    default="csv",
    show_default=True,
    help="CSV with a header, safe to open in a spreadsheet, or a JSON object a line.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, which is there once it is whole.  [default: standard output]",
)
@click.option(
    "--board", metavar="SLUG", help="The board whose standings these are.  [default: global]"
)
@click.option(
    "--season",
    metavar="SEASON",
    help="The season: current, previous or its number.  [default: current]",
)
@data_dir_option
def export_(
    kind: "Kind",
    row_format: "Format",
    output: Path | None,
    board: str | None,
    season: str | None,
    data_dir: Path | None,
) -> None:
    """Write all players, all sessions, or the standings of a board.

    `leaderboard import` reads players and sessions again.
    """
    if kind != "standings" and not (board is None and season is None):
        raise click.UsageError("--board and --season are for standings")
    season = "current" if season is None else season
    if not re.fullmatch(SEASON, season):
        raise click.UsageError(f"--season: {season!r} is not current, previous or a number")
    settings = check_schema(find_settings(data_dir, with_cache=False))
    board = GLOBAL_BOARD if board is None else board

    def write(file: BinaryIO) -> None:
        asyncio.run(_write(settings, kind, row_format, board, season, file))

    if output is None:
        _write_to_pipe(write)
        return
    try:
        if output.exists() and not output.is_file():
            # A device or a pipe, whose place no file may take.
            with output.open("wb") as file:
                write(file)
        else:
            _write_whole(write, output)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error


def _write_whole(write: Callable[[BinaryIO], None], output: Path) -> None:
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(output)
    finally:
        # Gone, or never there; why it could not be written is what is told.
        with suppress(OSError):
            unfinished.unlink()


def _write_to_pipe(write: Callable[[BinaryIO], None]) -> None:
    try:
        # `sys.stdout` drops what nobody reads; an export ends with its reader.
        with open(sys.stdout.fileno(), "wb", closefd=False) as output:
            write(output)
    except BrokenPipeError:
        # As of any output: what its reader no longer wants is dropped.
        return
    except OSError as error:
        click.echo(f"error: standard output cannot be written: {error.strerror}", err=True)
        sys.exit(OUTPUT_LOST)


async def _write(
    settings: "Settings",
    kind: "Kind",
    row_format: "Format",
    board: str,
    season: str,
    file: BinaryIO,
) -> None:
    from service.maintenance.connections import open_database
    from service.maintenance.report import Report
    from service.transfer.exporting import ROW_TYPES, export_rows, find_exported_season
    from service.transfer.formats import write_head, write_rows

    rows = done = 0
    async with open_database(settings, application_name="leaderboard export") as database:
        found = None
        if kind == "standings":
            found = await find_exported_season(database, board, season)
        file.write(write_head(ROW_TYPES[kind], row_format))
        with Report(stderr=True).step(kind.capitalize(), total=100) as step:
            async for batch in export_rows(database, kind, found):
                file.write(write_rows(batch.rows, row_format))
                rows += len(batch.rows)
                percent = 100 * batch.done // max(1, batch.total)
                step.advance(percent - done, f"{rows:,} {kind}")
                done = percent
            step.facts = f"{rows:,} {kind}"


@click.command(name="import")
@click.argument("file", type=click.File("rb"))
@data_dir_option
def import_(file: BinaryIO, data_dir: Path | None) -> None:
    """Read players or sessions from a file of CSV or NDJSON, or from standard input: -.

    Which of them it holds its fields tell. A player has a username, and may have an external_id, a
    user_id, a joined_at and a state with its state_until. A session is the body of a submit, whose
    player may also be named by username, with an idempotency_key and a submitted_at; it may have a
    session_id and a revoked_at.

    What is there already is left as it is, so an import that was interrupted is run again. The exit
    status is 1 if a line was refused; the others are imported.
    """
    settings = check_schema(find_settings(data_dir))
    try:
        tally = asyncio.run(_read(settings, file))
    except InvalidRequest as error:
        raise UsageError(error.message) from error
    for refusal in tally.errors[:_ERRORS_SHOWN]:
        fields = "; ".join(f"{wrong.field}: {wrong.message}" for wrong in refusal.fields)
        click.echo(f"line {refusal.line}: {fields or refusal.error}", err=True)
    if tally.refused:
        more = tally.refused - _ERRORS_SHOWN
        if more > 0:
            click.echo(f"and {more:,} more", err=True)
        raise UsageError(
            f"{tally.refused:,} of {tally.lines:,} lines were refused; mend them and import the "
            "file again, in which the others are present"
        )


async def _read(settings: "Settings", file: BinaryIO) -> "Tally":
    from service.maintenance.connections import open_connections
    from service.maintenance.report import Report
    from service.transfer.formats import detect_kind, read_lines
    from service.transfer.importing import import_lines

    first = _read_part(file)
    row_type, row_format = detect_kind(first)
    size = os.fstat(file.fileno()).st_size if file.seekable() else None
    async with (
        open_connections(settings, application_name="leaderboard import") as connections,
        connections.lend_signal() as signal,
    ):
        with Report().step("Import", total=size) as step:
            read = shown = 0

            async def read_parts() -> AsyncIterator[bytes]:
                nonlocal read
                part = first
                while part:
                    read += len(part)
                    yield part
                    part = _read_part(file)

            def note_commit(tally: "Tally") -> None:
                nonlocal shown
                signal.raise_soon()
                step.advance(read - shown, tally.describe())
                shown = read

            tally = await import_lines(
                connections.database, read_lines(read_parts(), row_type, row_format), note_commit
            )
            step.facts = tally.describe()
    return tally


def _read_part(file: BinaryIO) -> bytes:
    try:
        return file.read(_READ_AT_ONCE)
    except OSError as error:
        raise UsageError(f"cannot read {file.name}: {error.strerror}") from error
