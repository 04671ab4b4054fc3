"""A key that is revoked, or the first that is made, is heeded at once, also by streams."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from service.backends.database import Database
from service.keys.roles import Role
from service.keys.service import make_key, revoke_key
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.api_keys import bear, make_keys
from tests.support.event_stream import EventStream, open_stream
from tests.support.factories import make_player
from tests.support.serving import serve_app
from tests.support.waiting import PATIENCE_SECONDS, wait_until

SUBMIT = "/api/leaderboard/submit"
STREAM = "/api/leaderboard/stream"


@pytest.fixture(autouse=True)
async def warm(refresher: Refresher) -> None:
    await refresher.refresh()


async def test_revoked_under_load_on_two_processes(
    settings: Settings, database: Database, read_seconds: Callable[[], float]
) -> None:
    user_id = await make_player(database)
    key = await make_key(database, name="game", role=Role.SUBMIT)
    last_success: dict[int, float] = {}
    refused: dict[int, float] = {}
    async with serve_app(settings) as (_, one), serve_app(settings) as (_, other):

        async def submit(number: int, client: httpx.AsyncClient) -> None:
            while True:
                answer = await client.post(
                    SUBMIT, json={"user_id": user_id, "score": 1}, headers=bear(key)
                )
                if answer.status_code == 401:
                    refused.setdefault(number, read_seconds())
                    return
                assert answer.status_code == 200
                last_success[number] = read_seconds()

        traffic = [
            asyncio.create_task(submit(number, client))
            for number, client in ((0, one), (1, other))
            for _ in range(4)
        ]
        await wait_until(lambda: len(last_success) == 2)
        await revoke_key(database, "game")
        revoked_at = read_seconds()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*traffic)
    assert refused.keys() == {0, 1}
    assert max(last_success.values()) - revoked_at < 1.0


async def test_streams_end_with_their_key(
    settings: Settings, database: Database, read_seconds: Callable[[], float]
) -> None:
    keys = await make_keys(database)
    private = {"public_reads": False, "stream_heartbeat_seconds": 0.1}
    async with serve_app(settings.model_copy(update=private)) as (_, client):
        reading, submitting = [
            client.stream("GET", STREAM, headers=bear(keys[role])) for role in ("read", "submit")
        ]
        async with reading as ended, submitting as lasting:
            stream, other = EventStream(ended), EventStream(lasting)
            assert await stream.read_block() == await other.read_block() == [": leaderboard"]
            await revoke_key(database, "read")
            revoked_at = read_seconds()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await stream.read_block() is not None:
                    pass
            assert read_seconds() - revoked_at < 1.0
            assert await other.read_comment() == "still here"
        assert (await client.get(STREAM, headers=bear(keys["read"]))).status_code == 401


async def test_stream_of_nobody_ends_with_the_first_key(
    settings: Settings, database: Database
) -> None:
    async with serve_app(settings.model_copy(update={"public_reads": False})) as (_, client):
        async with open_stream(client) as stream:
            assert await stream.read_block() is not None
            await make_key(database, name="first", role=Role.READ)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await stream.read_block() is not None:
                    pass
        assert (await client.get(STREAM)).status_code == 401
