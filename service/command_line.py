"""Runs our programs from the command line: their errors and exit statuses."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NoReturn

import click

from service.errors import ServiceError, UsageError
from service.output import guarded_output


def run_command(command: click.Command, *, name: str) -> NoReturn:
    """Run a command and exit: 0, or 1 after one line on stderr, or 130 after Ctrl-C.

    74 where standard output could not be written.
    """
    with guarded_output():
        _run(command, name)


def _run(command: click.Command, name: str) -> NoReturn:
    try:
        arguments = [_read_argument(argument) for argument in sys.argv[1:]]
        _refuse_bytes(command, name, arguments)
        command.main(arguments, prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.UsageError as error:
        place = error.ctx.command_path if error.ctx else name
        _fail(f"{error.format_message().rstrip('.')}; see `{place} --help`")
    except click.ClickException as error:
        _fail(error.format_message())
    except click.Abort:
        sys.exit(130)
    except UsageError as error:
        _fail(str(error))
    except ServiceError as error:
        _fail(error.explain())
    except UnicodeEncodeError as error:
        if error.encoding != "ascii":
            raise
        # Python opens no file whose name the locale lacks.
        _fail(f"{error.object!r} cannot be a file's name in this locale: set LC_ALL=C.UTF-8")
    sys.exit(0)


def _read_argument(argument: str) -> str:
    """Return an argument as text, also where a locale of ASCII alone could not read its UTF-8."""
    if _is_text(argument):
        return argument
    with suppress(UnicodeDecodeError):
        return os.fsencode(argument).decode()
    return argument


def _is_text(argument: str) -> bool:
    """Return whether no byte in it stands for itself, as Python has what it cannot read."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_bytes(command: click.Command, name: str, arguments: Sequence[str]) -> None:
    """Raise `click.BadParameter` for an argument that is no text, naming what it was meant for."""
    wrong = next((argument for argument in arguments if not _is_text(argument)), None)
    if wrong is None:
        return
    place: click.Parameter | None = None
    context, rest = click.Context(command, info_name=name), list(arguments)
    # What else is wrong with the line is not told before this.
    with suppress(click.UsageError):
        while isinstance(context.command, click.Group):
            word, found, rest = context.command.resolve_command(context, rest)
            assert found is not None
            context = click.Context(found, context, info_name=word)
        values, _, _ = context.command.make_parser(context).parse_args(rest)
        for parameter in context.command.params:
            given = values.get(parameter.name)
            for value in given if isinstance(given, (list, tuple)) else (given,):
                if isinstance(value, str) and not _is_text(value):
                    place, wrong = parameter, value
    readable = os.fsencode(wrong).decode(errors="backslashreplace")
    raise click.BadParameter(f"'{readable}' is not UTF-8", context, place)


class WholeNumber(click.IntRange):
    """A whole number between two others, of which the complaint names both."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; raises `click.BadParameter`."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"'{value}' is not a whole number from {self.min} to {self.max}", param, ctx)


yes_option = click.option("--yes", "is_sure", is_flag=True, help="Do not ask whether to do it.")


def require_consent(question: str, *, is_sure: bool) -> None:
    """Ask at a terminal before what nobody can undo; a script that says it means it."""
    if not is_sure and sys.stdin.isatty() and not click.confirm(question, err=True):
        raise UsageError("nothing was changed")


def write_time(moment: datetime | None) -> str:
    """Return a time in UTC, which it says, or `-` for none."""
    return "-" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def echo_columns(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows of cells as lines whose columns are as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _fail(message: str) -> NoReturn:
    click.echo("error: " + " ".join(message.split()), err=True)
    sys.exit(1)
