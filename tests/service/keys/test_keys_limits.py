"""How many requests a key may send, and how many may be under way."""

import asyncio
import time
from collections import Counter
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar
from litestar.types import Receive, Scope, Send

from service.api.middleware import AccessControl
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.http.auth import Authorizer, RouteAccess
from service.keys.keyring import Keyring
from service.keys.rate_limit import _COUNTED_AT_ONCE, KeyLimiter
from service.keys.roles import Role
from service.keys.service import make_key
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.api_keys import bear, start
from tests.support.factories import make_player, record_scores
from tests.support.redis_proxy import is_question, keep_none, run_redis_proxy
from tests.support.serving import serve_app
from tests.support.waiting import wait_until

TOP = "/api/leaderboard/top"
SUBMIT = "/api/leaderboard/submit"
STREAM = "/api/leaderboard/stream"


@pytest.fixture(autouse=True)
async def warm(refresher: Refresher) -> None:
    await refresher.refresh()


async def test_streams_take_only_places_of_their_own(
    settings: Settings, database: Database
) -> None:
    user_id = await make_player(database)
    limited = settings.model_copy(
        update={"request_limit": 1, "stream_limit": 2, "stream_heartbeat_seconds": 0.1}
    )
    async with serve_app(limited) as (_, client):
        async with client.stream("GET", STREAM), client.stream("GET", STREAM):
            answer = await client.get(STREAM)
            assert answer.status_code == 503
            assert answer.json()["code"] == "too_busy"
            assert answer.headers["Retry-After"] == "1"
            submit = await client.post(SUBMIT, json={"user_id": user_id, "score": 1})
            assert submit.status_code == 200
            assert (await client.get(TOP)).status_code == 200

        async def is_free() -> bool:
            async with client.stream("GET", STREAM) as stream:
                return stream.status_code == 200

        await wait_until(is_free)


async def test_reads_leave_places_to_writes(settings: Settings, app: Litestar) -> None:
    going_on = asyncio.Event()

    async def answer_late(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == TOP:
            await going_on.wait()
        await app(scope, receive, send)

    keyring = Keyring(settings)
    await keyring.start()
    control = AccessControl(
        answer_late,
        access=RouteAccess(app.routes),
        authorizer=Authorizer(keyring, may_be_open=True, public_reads=True),
        key_limiter=None,
        request_limit=5,
        stream_limit=1,
        on_failure=None,
    )
    transport = httpx.ASGITransport(cast("Any", control))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        reads = [asyncio.create_task(client.get(TOP)) for _ in range(6)]
        refused, _ = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        assert {read.result().status_code for read in refused} == {503}
        submit = await client.post(SUBMIT, json={"user_id": 1, "score": 1})
        assert submit.status_code == 404
        going_on.set()
        codes = Counter(read.status_code for read in await asyncio.gather(*reads))
    assert codes == {200: 4, 503: 2}
    await keyring.stop()


async def test_limit_of_each_key_over_two_processes(settings: Settings, database: Database) -> None:
    one, other = [await make_key(database, name=name, role=Role.ADMIN) for name in ("one", "other")]
    limited = settings.model_copy(update={"key_requests_per_minute": 6})
    async with start(limited) as first, start(limited) as second:

        async def submit(client: httpx.AsyncClient, key: str) -> httpx.Response:
            return await client.post(SUBMIT, json={}, headers=bear(key))

        for _ in range(3):
            for client in (first, second):
                assert (await submit(client, one)).status_code == 400
        for client in (first, second):
            refused = await submit(client, one)
            assert refused.status_code == 429
            assert refused.json()["code"] == "rate_limited"
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
            assert (await submit(client, other)).status_code == 400


async def test_limit_of_a_key_in_a_flood(
    settings: Settings, database: Database, refresher: Refresher
) -> None:
    user_id = await make_player(database)
    await record_scores(database, (user_id, 1))
    await refresher.refresh()
    key = await make_key(database, name="game", role=Role.SUBMIT)
    limited = settings.model_copy(update={"key_requests_per_minute": 100})
    async with start(limited) as client:
        submits = [client.post(SUBMIT, json={}, headers=bear(key)) for _ in range(300)]
        reads = [client.get(f"/api/leaderboard/rank/{user_id}") for _ in range(10)]
        begun_at = time.monotonic()
        answers = await asyncio.gather(*submits, *reads)
        minutes = (time.monotonic() - begun_at) / 60
    statuses = Counter(answer.status_code for answer in answers[:300])
    # The window slides while they are counted, by whole requests.
    assert 100 <= statuses[400] <= 101 + 100 * minutes
    assert statuses[429] == 300 - statuses[400]
    assert not any("stale" in answer.json() for answer in answers[300:])


async def test_redis_that_hangs_holds_up_a_flood_once(settings: Settings) -> None:
    async with run_redis_proxy(settings.require_redis_url()) as proxy:
        own = settings.model_copy(update={"redis_url": proxy.url, "redis_timeout_seconds": 0.3})
        redis = connect_redis(own)
        limiter = KeyLimiter(redis, proxy.url, per_minute=1)
        proxy.keeps = is_question
        refused = await asyncio.gather(*(limiter.take("game") for _ in range(200)))
        assert set(refused) == {None}
        # Those that were counted at once wait for one time-out together; nobody asks after that.
        asked = [question for question in proxy.kept if b"PING" not in question]
        assert 1 <= len(asked) <= _COUNTED_AT_ONCE
        proxy.keeps = keep_none

        async def is_counted_again() -> bool:
            return await limiter.take("game") is not None

        await wait_until(is_counted_again)
        await limiter.stop()
        await redis.aclose()


async def test_no_limit_while_redis_is_away(settings: Settings, database: Database) -> None:
    key = await make_key(database, name="game", role=Role.SUBMIT)
    limited = settings.model_copy(
        update={"key_requests_per_minute": 1, "redis_url": "redis://127.0.0.1:1"}
    )
    async with start(limited) as client:
        for _ in range(3):
            assert (await client.post(SUBMIT, json={}, headers=bear(key))).status_code == 400
