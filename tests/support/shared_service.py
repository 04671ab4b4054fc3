"""One service for many tests, each with players, boards and keys of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.local.embedded import PostgresServer, ValkeyServer
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.databases import create_database, flush
from tests.support.serving import connect_client, run_app

NOBODY = 10**9
"""The id of a player whom there is not, however many there are."""


@dataclass(frozen=True)
class SharedService:
    """An application, its database and what a worker does, called by hand.

    To start one takes ten times as long as most tests of what it answers.
    """

    settings: Settings
    database: Database
    redis: Redis
    refresher: Refresher
    client: httpx.AsyncClient


@asynccontextmanager
async def run_shared_service(
    postgres: PostgresServer, valkey: ValkeyServer, template: str
) -> AsyncIterator[SharedService]:
    """Run it on a database of its own, with an index to read from."""
    async with create_database(postgres, template) as url:
        # As in `settings` of tests/conftest.py.
        settings = load_settings(
            database_url=url,
            redis_url=flush(valkey),
            database_timeout_seconds=60.0,
            redis_timeout_seconds=60.0,
            stale_after_seconds=600.0,
        )
        database = Database(settings, application_name="leaderboard tests")
        await database.open()
        redis = connect_redis(settings)
        refresher = Refresher(database, redis, settings)
        while (await refresher.refresh()).more:
            pass
        async with run_app(create_app(settings)) as app, connect_client(app) as client:
            yield SharedService(settings, database, redis, refresher, client)
        await redis.aclose()
        await database.close()
