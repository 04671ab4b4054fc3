"""Promises P1 and P6 when the index is damaged, or rebuilt by two at once.

Everything in Redis may be dropped at any time: one key, all keys, in the middle of a rebuild.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import (
    EVENTS_CHANNEL,
    MUTEX_KEY,
    SeasonKeys,
    connect_redis,
    find_names_bucket,
)
from service.errors import ServiceError
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import find_global_season
from tests.support.fire.board import (
    SCORES,
    check_board,
    make_board,
    score_again,
    start_app,
    terminate_lock_holder,
)
from tests.support.fire.gate import Gate
from tests.support.fire.truth import add_up, check_reads, check_standings
from tests.support.waiting import wait_until

Damage = Callable[[Redis, SeasonKeys], Awaitable[object]]

# What Redis may lose by itself when its memory is full, and what others may do to it.
DAMAGES: dict[str, Damage] = {
    "everything lost": lambda redis, _: redis.flushall(),
    "index lost": lambda redis, keys: redis.delete(keys.index),
    "index incomplete": lambda redis, keys: redis.zremrangebyrank(keys.index, 0, 1),
    "index of another kind": lambda redis, keys: redis.set(keys.index, "nothing of ours"),
    "offset lost": lambda redis, keys: redis.delete(keys.offset),
    "offset of another kind": lambda redis, keys: redis.set(keys.offset, "nothing of ours"),
    "offset of another database": lambda redis, keys: redis.set(
        keys.offset, f"{uuid4()}:1/{len(SCORES)}@1"
    ),
    "top lost": lambda redis, keys: redis.delete(keys.top),
    "top of another kind": lambda redis, keys: redis.set(keys.top, "nothing of ours"),
    "event of another kind": lambda redis, _: redis.publish(EVENTS_CHANNEL, "nothing of ours"),
    "names lost": lambda redis, _: redis.delete(find_names_bucket(1)),
}


@pytest.fixture
async def board(database: Database, refresher: Refresher) -> list[int]:
    return await make_board(database, refresher)


@pytest.fixture
async def gate(redis_url: str, server_directory: Path) -> AsyncIterator[Gate]:
    gate = Gate(redis_url, server_directory / "gate.sock")
    async with gate.running():
        yield gate


@pytest.fixture
async def gated_refresher(settings: Settings, gate: Gate) -> AsyncIterator[Refresher]:
    """A worker that reaches Redis through the gate, as another process, with its own database."""
    redis = connect_redis(load_settings(redis_url=gate.url, redis_timeout_seconds=60))
    database = Database(settings, application_name="leaderboard tests")
    await database.open()
    yield Refresher(database, redis, settings)
    await database.close()
    await redis.aclose()


async def test_index_flushed_before_a_rebuilt_one_is_swapped_in(
    database: Database,
    redis: Redis,
    refresher: Refresher,
    settings: Settings,
    gated_refresher: Refresher,
    gate: Gate,
    board: list[int],
) -> None:
    async with start_app(settings) as client:
        await redis.flushall()
        gate.close_before_script("swap_index", "tie_keys")
        rebuilding = asyncio.create_task(gated_refresher.refresh())
        await gate.wait_until_reached()
        await redis.flushall()
        gate.open()
        await rebuilding
        await check_reads(client, await add_up(database), board, stale=True)
        await refresher.refresh()
        await check_board(database, redis)


async def test_writer_that_lost_its_lock_during_a_rebuild(
    database: Database,
    redis: Redis,
    refresher: Refresher,
    settings: Settings,
    gated_refresher: Refresher,
    gate: Gate,
    board: list[int],
) -> None:
    async with start_app(settings) as client:
        await redis.flushall()
        gate.close_before_script("swap_index", "tie_keys")
        rebuilding = asyncio.create_task(gated_refresher.refresh())
        await gate.wait_until_reached()
        await terminate_lock_holder(database)
        await redis.delete(MUTEX_KEY)
        await refresher.refresh()
        gate.open()
        with suppress(ServiceError):
            await rebuilding
        await check_reads(client, await add_up(database), board, stale=True)
        await refresher.refresh()
        await check_board(database, redis)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_key_misleads_nobody_and_is_mended(
    database: Database,
    redis: Redis,
    refresher: Refresher,
    settings: Settings,
    board: list[int],
    damage: str,
) -> None:
    keys = SeasonKeys.of(await find_global_season(database))
    truth = await add_up(database)
    async with start_app(settings) as before:
        await check_reads(before, truth, board)
        await DAMAGES[damage](redis, keys)
        async with start_app(settings) as after:
            for client in (before, after):
                await check_reads(client, truth, board, stale=True)
            await refresher.refresh()
            await check_standings(database, redis)
            for client in (before, after):
                await wait_until(partial(answers_freshly, client))
                await check_reads(client, truth, board)


async def answers_freshly(client: httpx.AsyncClient) -> bool:
    """Tell whether the top is said to be up to date."""
    return "stale" not in (await client.get("/api/leaderboard/top")).json()


async def test_scores_after_a_damage_go_into_a_whole_index(
    database: Database, redis: Redis, refresher: Refresher, board: list[int]
) -> None:
    keys = SeasonKeys.of(await find_global_season(database))
    await redis.zremrangebyrank(keys.index, 0, 0)
    await score_again(database, board[:1])
    await refresher.refresh()
    await check_standings(database, redis)
