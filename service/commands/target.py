"""Which database and cache a command works on."""

# Imports inside the functions keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from service.errors import UsageError

if TYPE_CHECKING:
    from service.backends.database import Database
    from service.settings.settings import Settings

Answer = TypeVar("Answer")


def _find_directory(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> Path | None:
    if value is None:
        return None
    if not value:
        # A variable of the shell that is not set: not the directory that one happens to be in.
        raise click.BadParameter("'' is not the path of a directory")
    from service.settings.settings import expand_home

    try:
        return expand_home(Path(value))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not {error}") from error


_data_dir = partial(click.option, "--data-dir", type=click.Path(), callback=_find_directory)

own_data_dir_option = _data_dir(
    help="Directory of database, sockets and logs.  "
    "[default: LEADERBOARD_DATA_DIR, else .leaderboard]"
)
"""Of the command that keeps its data there."""

data_dir_option = _data_dir(
    help="Work on the servers of the `leaderboard up` that runs there, whatever else is set.  "
    "[default: DATABASE_URL and REDIS_URL, else LEADERBOARD_DATA_DIR, else .leaderboard]"
)
"""Of every command that `find_settings` tells where to work."""


def check_schema(settings: "Settings") -> "Settings":
    """Return the settings; raise `UsageError` where this version cannot use their database.

    Beside a newer version that can be used, there is a warning.
    """
    from service.schema.version import describe_newer, refuse_other_version

    newer = asyncio.run(refuse_other_version(settings))
    if newer is not None:
        click.echo(f"warning: {describe_newer(newer)} soon", err=True)
    return settings


def find_settings(data_dir: Path | None, *, with_cache: bool = True) -> "Settings":
    """Return settings that name a database and a cache.

    They are those of the `up` that runs in the directory which was named, else those that the
    environment names, else those of the `up` in its own directory. Never some of each: the one
    would be filled from the other. Raises `UsageError` that says the ways when there is none.
    """
    from service.local.embedded.data_directory import DataDirectory
    from service.local.supervisor.instance import find_running
    from service.settings.settings import environment_name, load_settings

    settings = load_settings(data_dir=data_dir)
    if data_dir is None and settings.database_url and (settings.redis_url or not with_cache):
        return settings
    place = DataDirectory(settings.data_dir).path
    names = "DATABASE_URL and REDIS_URL" if with_cache else "DATABASE_URL"
    instance = find_running(place)
    if instance is None:
        others = f"name its directory with --data-dir, or set {names}"
        if data_dir is not None:
            others = f"or leave out --data-dir and set {names}"
        raise UsageError(f"no `leaderboard up` runs in {place}: start one, {others}")
    servers = {
        "database_url": instance.database_url,
        "redis_url": instance.redis_url,
        "broker_url": instance.broker_url,
    }
    if data_dir is None and with_cache:
        for field, url in servers.items():
            if getattr(settings, field) not in {None, url}:
                raise UsageError(
                    f"{environment_name(field)} names another server than the `leaderboard up` in "
                    f"{place} uses: set both {names}, or name the directory with --data-dir"
                )
    return load_settings(data_dir=data_dir, **servers)


def ask_database(
    data_dir: Path | None,
    ask: "Callable[[Database], Awaitable[Answer]]",
    *,
    application_name: str,
) -> Answer:
    """Return what `ask` does with the database that a command works on, which needs no cache."""
    from service.maintenance.connections import open_database

    settings = check_schema(find_settings(data_dir, with_cache=False))

    async def work() -> Answer:
        async with open_database(settings, application_name=application_name) as database:
            return await ask(database)

    return asyncio.run(work())
