"""`GET /api/leaderboard/stream`: the top now and on every change, comments, an end, an outage."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar

from service.backends.database import Database
from service.backends.redis import EVENTS_CHANNEL, connect_redis
from service.local.embedded import ValkeyServer
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.event_stream import open_stream
from tests.support.factories import make_players_with_scores, make_season, record_scores
from tests.support.fresh_reads import read_fresh_top
from tests.support.serving import serve_app
from tests.support.waiting import wait_until


@pytest.fixture
async def served(
    settings: Settings, refresher: Refresher
) -> AsyncIterator[tuple[Litestar, httpx.AsyncClient]]:
    await refresher.refresh()
    async with serve_app(settings) as (app, client):
        yield app, client


async def test_stream_sends_the_top_now(
    served: tuple[Litestar, httpx.AsyncClient], database: Database, refresher: Refresher
) -> None:
    _, client = served
    await make_players_with_scores(database, [1, 2])
    await refresher.refresh()
    top = await read_fresh_top(client, database)
    async with open_stream(client) as stream:
        assert await stream.read_top() == top


async def test_stream_sends_the_top_on_every_change_and_only_then(
    served: tuple[Litestar, httpx.AsyncClient], database: Database, refresher: Refresher
) -> None:
    _, client = served
    best, second, third = await make_players_with_scores(database, [30, 20, 10])
    await refresher.refresh()
    await read_fresh_top(client, database)
    async with open_stream(client, limit=2) as stream:
        first = await stream.read_top()
        assert [entry["user_id"] for entry in first["leaderboard"]] == [best, second]
        # Below the entries shown, then not at all: neither is a change.
        await record_scores(database, (third, 1))
        await refresher.refresh()
        await refresher.refresh()
        await record_scores(database, (second, 50))
        await refresher.refresh()
        changed = await stream.read_top()
        assert [(entry["user_id"], entry["total_score"]) for entry in changed["leaderboard"]] == [
            (second, 70),
            (best, 30),
        ]
        assert changed == await read_fresh_top(client, database, limit=2)
        # A player more is a change of the number of players.
        await make_players_with_scores(database, [0])
        await refresher.refresh()
        assert (await stream.read_top())["players"] == 4


async def test_stream_reaches_every_client(
    served: tuple[Litestar, httpx.AsyncClient], database: Database, refresher: Refresher
) -> None:
    _, client = served
    async with open_stream(client) as one, open_stream(client, limit=1) as other:
        await asyncio.gather(one.read_top(), other.read_top())
        (user_id,) = await make_players_with_scores(database, [7])
        await refresher.refresh()
        for stream in one, other:
            assert (await stream.read_top())["leaderboard"][0]["user_id"] == user_id


async def test_stream_comments_while_nothing_happens(
    settings: Settings, refresher: Refresher
) -> None:
    await refresher.refresh()
    impatient = settings.model_copy(update={"stream_heartbeat_seconds": 0.1})
    async with serve_app(impatient) as (_, client), open_stream(client) as stream:
        await stream.read_top()
        assert [await stream.read_comment() for _ in range(3)] == ["still here"] * 3


async def test_stream_opens_before_there_is_any_top(settings: Settings) -> None:
    async with serve_app(settings) as (_, client), open_stream(client) as stream:
        assert await stream.read_comment()


async def test_stream_ends_when_the_service_is_told_to_stop(
    served: tuple[Litestar, httpx.AsyncClient],
) -> None:
    app, client = served
    async with open_stream(client) as stream:
        await stream.read_top()
        app.state.closing.set()
        assert await stream.read_block() is None


def is_first(top: dict[str, Any], user_id: int) -> bool:
    return bool(top["leaderboard"][0]["user_id"] == user_id)


async def test_stream_goes_on_while_redis_is_away_and_when_it_is_back(
    settings: Settings, database: Database, server_directory: Path
) -> None:
    with ValkeyServer(server_directory / "restarting") as valkey:
        settings = settings.model_copy(
            update={"redis_url": valkey.url, "stream_heartbeat_seconds": 0.1}
        )
        redis = connect_redis(settings)
        refresher = Refresher(database, redis, settings)
        first, second = await make_players_with_scores(database, [10, 5])
        await refresher.refresh()
        async with serve_app(settings) as (_, client), open_stream(client) as stream:
            assert (await stream.read_top())["leaderboard"][0]["user_id"] == first
            valkey.stop()
            await record_scores(database, (second, 50))
            await refresher.refresh()
            stale = await stream.read_until(lambda top: is_first(top, second))
            assert stale["stale"]
            valkey.start()
            await refresher.refresh()
            await record_scores(database, (first, 100))
            await refresher.refresh()
            await stream.read_until(lambda top: is_first(top, first) and not top.get("stale"))
        await redis.aclose()


async def test_what_was_published_while_nobody_could_listen_is_read_anew(
    settings: Settings, database: Database, server_directory: Path
) -> None:
    with ValkeyServer(server_directory / "channels") as valkey:
        own = {"redis_url": valkey.url, "stale_after_seconds": 600.0}
        settings = settings.model_copy(update=own)
        redis = connect_redis(settings)
        # The worker publishes as another user, whom nothing is taken from.
        await redis.acl_setuser(
            "worker",
            enabled=True,
            passwords=["+key"],
            keys=["*"],
            channels=["*"],
            commands=["+@all"],
        )
        url = valkey.url.replace("://", "://worker:key@")
        worker = connect_redis(settings.model_copy(update={"redis_url": url}))
        refresher = Refresher(database, worker, settings)
        await make_season(database, "low", direction="low")
        first, second = await make_players_with_scores(database, [10, 5])
        await refresher.refresh()

        async def are_listening(listeners: int) -> bool:
            ((_, found),) = await redis.pubsub_numsub(EVENTS_CHANNEL)
            return int(found) == listeners

        async with serve_app(settings) as (_, client):

            async def is_best(user_id: int) -> bool:
                answer = (await client.get("/api/boards/low/top")).json()
                return bool(answer["entries"][0]["user_id"] == user_id)

            await wait_until(lambda: are_listening(1))
            await wait_until(lambda: is_best(second))
            assert await is_best(second)
            await redis.acl_setuser("default", enabled=True, reset_channels=True)
            await wait_until(lambda: are_listening(0))
            await record_scores(database, (first, -20))
            await refresher.refresh()
            await redis.acl_setuser("default", enabled=True, channels=["*"])
            await wait_until(lambda: are_listening(1))
            # Before the process knows that it listens it asks Redis, and then its memory.
            assert [await is_best(first) for _ in range(50)] == [True] * 50
        await worker.aclose()
        await redis.aclose()
