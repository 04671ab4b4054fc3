"""Finding seasons: who asks for what is not there leaves PostgreSQL alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database
from service.boards.errors import BoardNotFound, SeasonNotFound
from service.boards.finder import SeasonFinder
from tests.support.waiting import wait_until

NOT_THERE = [("cup", "99"), ("cup", "previous"), ("cup", "2"), ("nobody-made-it", "current")]


@pytest.fixture
async def finder(
    client: httpx.AsyncClient, database: Database, redis: Redis
) -> AsyncIterator[SeasonFinder]:
    """The finder of another process, which is to hear of the board `cup`."""
    assert (await client.put("/api/boards/cup", json={})).status_code == 201
    finder = SeasonFinder(database, redis, Breaker(redis))
    yield finder
    await finder.stop()


@asynccontextmanager
async def hold_boards(database: Database) -> AsyncIterator[None]:
    """Have nobody read a board from PostgreSQL inside the block."""
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE board")
        yield


async def count_waiting(database: Database) -> int:
    row = await database.fetch_one(
        """
        SELECT count(*) AS waiting FROM pg_locks
        WHERE relation = 'board'::regclass AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """
    )
    assert row is not None
    return int(row["waiting"])


async def deny(finder: SeasonFinder, slug: str, wanted: str) -> None:
    with pytest.raises((SeasonNotFound, BoardNotFound)):
        await finder.find_season(slug, wanted)


@pytest.mark.parametrize(("slug", "wanted"), NOT_THERE)
async def test_all_who_wait_for_a_season_ask_once(
    finder: SeasonFinder, database: Database, slug: str, wanted: str
) -> None:
    await finder.find("cup")
    async with hold_boards(database):
        asking = [asyncio.create_task(deny(finder, slug, wanted)) for _ in range(100)]
        others = [asyncio.create_task(deny(finder, f"no-{n}", "current")) for n in range(100)]
        await wait_until(lambda: count_waiting(database))
        assert await count_waiting(database) == 1
    await asyncio.gather(*asking, *others)


async def test_season_that_begins_is_there_at_once(
    finder: SeasonFinder, client: httpx.AsyncClient
) -> None:
    await deny(finder, "cup", "2")
    assert (await client.post("/api/boards/cup/seasons/current/close")).status_code == 200
    assert (await finder.find_season("cup", "2")).number == 2
    await deny(finder, "league", "current")
    assert (await client.put("/api/boards/league", json={})).status_code == 201
    assert (await finder.find_season("league", "current")).number == 1


async def test_the_season_before_is_told_from_the_one_of_now(
    finder: SeasonFinder, client: httpx.AsyncClient
) -> None:
    """A winner is asked for as soon as a season was ended, of whichever process."""
    close = "/api/boards/cup/seasons/current/close"
    assert (await client.post(close)).status_code == 200
    assert (await finder.find("cup")).number == 2
    assert (await client.post(close)).status_code == 200
    assert (await finder.find_season("cup", "previous")).number == 2
