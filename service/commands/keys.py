"""The command line of `leaderboard keys`."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import re
from functools import partial
from pathlib import Path
from typing import Final

import click

from service.command_line import echo_columns, require_consent, write_time, yes_option
from service.commands.target import ask_database, data_dir_option
from service.keys.roles import ROLE_WORDS, Role

_ask = partial(ask_database, application_name="leaderboard keys")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a name that can be a key's."""
    if not _NAME.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is not 1 to 64 letters, digits, dots, hyphens and underscores"
        )
    return value


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    Once a key was made, writes need one, even when all are revoked.
    """


@keys.command()
@click.option("--role", type=click.Choice(ROLE_WORDS), required=True, help="What it is for.")
@click.option("--name", required=True, callback=check_name, help="What it is called here.")
@data_dir_option
def create(role: str, name: str, data_dir: Path | None) -> None:
    """Make a key and show it, this once.

    The roles: read, submit (reads too, and makes players), moderator (revokes
    scores, bans players, and all that submit may), admin (everything).
    """
    from service.keys.service import make_key

    key = _ask(data_dir, lambda database: make_key(database, name=name, role=Role[role.upper()]))
    # The key alone on stdout, so that a script can take it.
    click.echo(f"{name} ({role}), shown this once; send it as `Authorization: Bearer …`:", err=True)
    click.echo(key)


@keys.command(name="list")
@data_dir_option
def list_all(data_dir: Path | None) -> None:
    """List all keys, by their names and last characters."""
    from service.keys.service import list_keys

    found = _ask(data_dir, list_keys)
    if not found:
        click.echo("no key was ever made")
        return
    rows = [("name", "role", "ends in", "made", "revoked")]
    for key in found:
        times = write_time(key.created_at), write_time(key.revoked_at)
        rows.append((key.name, key.role, key.hint, *times))
    echo_columns(rows)


@keys.command()
@click.argument("name")
@yes_option
@data_dir_option
def revoke(name: str, *, is_sure: bool, data_dir: Path | None) -> None:
    """Make a key worthless for good.

    Every process knows within a second. At a terminal there is a question first.
    """
    from service.keys.service import revoke_key

    require_consent(f"Make the key {name} worthless, for good?", is_sure=is_sure)
    revoked_at = _ask(data_dir, lambda database: revoke_key(database, name))
    click.echo(f"{name} is revoked since {write_time(revoked_at)}")
