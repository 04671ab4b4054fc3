"""Runs our programs from the command line: their errors and exit statuses."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

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
    sys.exit(0)


def _read_argument(argument: str) -> str:
    """Return an argument in which no byte stands for itself, as Python has what it cannot read.

    A locale of ASCII alone cannot read UTF-8. Raises `UsageError` for what is not UTF-8.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(argument).decode()
        except UnicodeDecodeError as error:
            readable = os.fsencode(argument).decode(errors="replace")
            raise UsageError(f"the argument {readable!r} is not UTF-8") from error
    return argument


def align_columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows of cells as lines whose columns are as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _fail(message: str) -> NoReturn:
    click.echo("error: " + " ".join(message.split()), err=True)
    sys.exit(1)
