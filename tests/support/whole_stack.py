"""Servers and a worker of a test's own, which it may freeze or kill."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from service.backends.heartbeats import note_schedule
from service.backends.redis import connect_redis
from service.local.embedded import PostgresServer, ValkeyServer
from service.schema.migrate import migrate
from service.settings.settings import Settings, load_settings
from tests.support.databases import THROW_AWAY, Clusters
from tests.support.fire.deployment import run_api_program
from tests.support.worker_process import run_worker

_numbers = count(1)


@dataclass
class WholeStack:
    """All that an API process needs beside itself."""

    settings: Settings
    postgres: PostgresServer
    valkey: ValkeyServer
    worker_pid: int


@asynccontextmanager
async def run_whole_stack(clusters: Clusters, *options: str) -> AsyncIterator[WholeStack]:
    """Run migrated servers and a worker, as if the scheduler had sent something just now.

    The options are the worker's.
    """
    folder = clusters.make(f"whole-{next(_numbers)}")
    with (
        PostgresServer(folder, settings=THROW_AWAY) as postgres,
        ValkeyServer(folder / "cache") as valkey,
    ):
        await migrate(postgres.url)
        settings = load_settings(database_url=postgres.url, redis_url=valkey.url)
        redis = connect_redis(settings)
        await note_schedule(redis)
        await redis.aclose()
        with run_worker(settings, *options) as worker:
            yield WholeStack(settings, postgres, valkey, worker.pid)


@asynccontextmanager
async def serve_process(stack: WholeStack) -> AsyncIterator[str]:
    """Run an API process on all that it needs, and give its URL."""
    log = stack.postgres.directory.logs / "api.log"
    async with run_api_program(stack.settings, log) as (_, url):
        yield url
