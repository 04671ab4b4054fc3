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
async def test_what_is_not_there_is_denied_from_memory(
    finder: SeasonFinder,
    database: Database,
    slug: str,
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.boards.finder._DENIED_SECONDS", 60.0)
    await deny(finder, slug, wanted)
    async with hold_boards(database), asyncio.timeout(10):
        for _ in range(100):
            await deny(finder, slug, wanted)


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


async def test_season_that_begins_ends_the_denial(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.boards.finder._DENIED_SECONDS", 60.0)
    path = "/api/boards/cup/top?season=2"
    assert (await client.get(path)).json()["code"] == "board_not_found"
    assert (await client.put("/api/boards/cup", json={})).status_code == 201
    assert (await client.get(path)).json()["code"] == "season_not_found"
    assert (await client.post("/api/boards/cup/seasons/current/close")).status_code == 200
    assert (await client.get(path)).status_code == 200


async def test_denial_is_short(
    finder: SeasonFinder, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deny(finder, "cup", "2")
    assert (await client.post("/api/boards/cup/seasons/current/close")).status_code == 200
    monkeypatch.setattr("service.boards.finder._DENIED_SECONDS", 0.0)
    assert (await finder.find_season("cup", "2")).number == 2
    monkeypatch.setattr("service.boards.finder._MOST_DENIED", 10)
    for number in range(25):
        await deny(finder, f"no-{number}", "current")
    assert len(finder._denied_at) <= 10
