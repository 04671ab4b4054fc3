"""A small board that is folded and in the index, before something happens to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players, make_players_with_scores, record_scores
from tests.support.fire.truth import check_standings, wait_until_drained
from tests.support.serving import connect_client, run_app

SCORES = [5, 5, -3, 0, 2**31 - 1, 7]

_TERMINATE_LOCK_HOLDER = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_locks
WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def make_board(database: Database, refresher: Refresher) -> list[int]:
    """Make players whose first scores stand; return their ids."""
    user_ids = await make_players_with_scores(database, SCORES)
    await refresher.refresh()
    return user_ids


async def score_again(database: Database, user_ids: list[int]) -> None:
    """Give players another score, and somebody new a first one; nobody is woken."""
    (newcomer,) = await make_players(database, 1)
    await record_scores(database, *((user_id, 3) for user_id in [*user_ids, newcomer]))


async def check_board(database: Database, redis: Redis) -> None:
    """Assert that everything is folded by now, or in a moment, and right."""
    await wait_until_drained(database, redis, seconds=10)
    await check_standings(database, redis)


async def terminate_lock_holder(database: Database) -> None:
    """Take the writer's lock away, as a lost connection does."""
    assert await database.fetch(_TERMINATE_LOCK_HOLDER), "nobody holds a lock"


@asynccontextmanager
async def start_app(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Start an application in this process and give a client of it."""
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        yield client
