"""Which database and cache a command works on."""

# Imports inside the function keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.errors import UsageError

if TYPE_CHECKING:
    from service.settings.settings import Settings

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Directory of database, sockets and logs.  "
    "[default: LEADERBOARD_DATA_DIR, else .leaderboard]",
)


def check_schema(settings: "Settings") -> "Settings":
    """Return the settings; raise `UsageError` where another version made their database."""
    from service.schema.version import refuse_other_version

    asyncio.run(refuse_other_version(settings))
    return settings


def find_settings(data_dir: Path | None, *, with_cache: bool = True) -> "Settings":
    """Return settings that name a database and a cache: the environment's, else a running `up`'s.

    Raises `UsageError` that says both ways when there is neither.
    """
    from service.local.supervisor.instance import find_running
    from service.settings.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    if settings.database_url and (settings.redis_url or not with_cache):
        return settings
    instance = find_running(settings.data_dir)
    if instance is None:
        names = "DATABASE_URL and REDIS_URL" if with_cache else "DATABASE_URL"
        raise UsageError(
            f"no `leaderboard up` runs in {settings.data_dir.expanduser().resolve()}: start one, "
            f"name its directory with --data-dir, or set {names}"
        )
    return load_settings(
        data_dir=data_dir,
        database_url=settings.database_url or instance.database_url,
        redis_url=settings.redis_url or instance.redis_url,
        broker_url=settings.broker_url or instance.broker_url,
    )
