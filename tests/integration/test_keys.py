"""API keys over HTTP: who may what, and how the others are refused."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.cache import connect_redis
from service.database import Database
from service.keys.limiting import _COUNTED_AT_ONCE, KeyLimiter
from service.keys.roles import Role
from service.keys.service import list_keys, make_key, revoke_key
from service.settings import Settings
from service.standings.refresh import Refresher
from tests.factories import make_player, record_scores
from tests.integration.event_stream import EventStream, open_stream
from tests.integration.redis_proxy import is_question, keep_none, run_redis_proxy
from tests.serving import connect_client, run_app, serve_app
from tests.waiting import wait_until

TOP = "/api/leaderboard/top"
SUBMIT = "/api/leaderboard/submit"
STATUS = "/api/ops/status"
STREAM = "/api/leaderboard/stream"


def bear(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def start(
    settings: Settings, *, may_be_open: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, may_be_open=may_be_open)
    async with run_app(app), connect_client(app) as client:
        yield client


async def make_keys(database: Database) -> dict[str, str]:
    return {role.word: await make_key(database, name=role.word, role=role) for role in Role}


async def call(
    client: httpx.AsyncClient, user_id: int, headers: dict[str, str]
) -> tuple[int, int, int, int, int]:
    """Return the statuses of a read, a submit, a bulk submit, a new player and an operation."""
    score = {"user_id": user_id, "score": 1}
    name = {"username": f"by {headers or 'nobody'}"}
    answers = [
        await client.get(f"/api/players/{user_id}", headers=headers),
        await client.post(SUBMIT, headers=headers, json=score),
        await client.post(f"{SUBMIT}/bulk", headers=headers, json=[score]),
        await client.post("/api/players", headers=headers, json=name),
        await client.get(STATUS, headers=headers),
    ]
    read, submit, bulk, player, status = (answer.status_code for answer in answers)
    return read, submit, bulk, player, status


@pytest.fixture(autouse=True)
async def warm(refresher: Refresher) -> None:
    await refresher.refresh()


async def test_open_until_the_first_key_and_closed_from_then_on(
    settings: Settings, database: Database
) -> None:
    user_id = await make_player(database)
    async with start(settings) as client:
        assert await call(client, user_id, {}) == (200, 200, 200, 201, 200)
        await make_key(database, name="first", role=Role.READ)
        await revoke_key(database, "first")

        async def is_closed() -> bool:
            return (await client.post(SUBMIT, json={})).status_code == 401

        await wait_until(is_closed)
        assert await call(client, user_id, {}) == (200, 401, 401, 401, 401)
    async with start(settings) as client:
        assert await call(client, user_id, {}) == (200, 401, 401, 401, 401)


async def test_roles(settings: Settings, database: Database) -> None:
    user_id = await make_player(database)
    keys = await make_keys(database)
    async with start(settings) as client:
        assert await call(client, user_id, bear(keys["read"])) == (200, 403, 403, 403, 403)
        assert await call(client, user_id, bear(keys["submit"])) == (200, 200, 200, 201, 403)
        assert await call(client, user_id, bear(keys["admin"])) == (200, 200, 200, 201, 200)


async def test_reads_can_be_for_holders_of_keys(settings: Settings, database: Database) -> None:
    user_id = await make_player(database)
    keys = await make_keys(database)
    async with start(settings.model_copy(update={"public_reads": False})) as client:
        for path in (TOP, f"/api/leaderboard/rank/{user_id}", "/api/leaderboard/stream"):
            assert (await client.get(path)).status_code == 401
        for key in keys.values():
            assert (await client.get(TOP, headers=bear(key))).status_code == 200
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/schema")).status_code == 200


async def test_not_open_where_other_machines_come_in(
    settings: Settings, database: Database
) -> None:
    user_id = await make_player(database)
    async with start(settings, may_be_open=False) as client:
        assert await call(client, user_id, {}) == (200, 401, 401, 401, 401)


async def test_refusals_have_the_one_shape(settings: Settings, database: Database) -> None:
    keys = await make_keys(database)
    async with start(settings) as client:
        missing = await client.post(SUBMIT, json={})
        assert missing.status_code == 401
        assert missing.headers["WWW-Authenticate"] == "Bearer"
        assert missing.headers["Content-Type"] == "application/json"
        assert missing.json()["code"] == "key_required"
        assert "leaderboard keys create" in missing.json()["error"]
        wrong = await client.post(SUBMIT, json={}, headers=bear("lb_wrong"))
        assert wrong.status_code == 401
        assert wrong.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert wrong.json()["code"] == "key_refused"
        low = await client.post(SUBMIT, json={}, headers=bear(keys["read"]))
        assert low.status_code == 403
        assert low.json() == {
            "error": "The role of this key is 'read'; this needs the role 'submit'.",
            "code": "role_insufficient",
        }


async def test_bad_authorization_headers(settings: Settings, database: Database) -> None:
    key = await make_key(database, name="game", role=Role.ADMIN)
    async with start(settings) as client:

        async def ask(*values: bytes) -> int:
            headers = [(b"authorization", value) for value in values]
            return (await client.get(STATUS, headers=headers)).status_code

        good = f"Bearer {key}".encode()
        assert await ask(good) == 200
        assert await ask(f"bEARER   {key} ".encode()) == 200
        for bad in (
            b"", b" ", b"Bearer", b"Bearer ", key.encode(), b"Basic " + key.encode(),
            b"Bearer " + key[:-1].encode(), b"Bearer " + key.encode() + b"x",
            b"Bearer \xff\xfe\x00",
            b"Bearer " + b"x" * 60_000, b"Token " + key.encode(), b"Bearer " + key.upper().encode(),
            b"Bearer " + key.encode() + b", Bearer x", f"Bearer {key},".encode(),
        ):  # fmt: skip
            assert await ask(bad) == 401, bad
        assert await ask(good, good) == 401
        assert await ask(good, b"Bearer x") == 401


async def test_spelling_a_path_otherwise_opens_nothing(
    settings: Settings, database: Database
) -> None:
    key = await make_key(database, name="game", role=Role.SUBMIT)
    async with start(settings) as client:
        for path in (
            "//api/ops/status",
            "/api/ops/status/",
            "/api//ops///status",
            "/api/%6Fps/status",
        ):
            assert (await client.get(httpx.URL(f"http://leaderboard{path}"))).status_code == 401
            answer = await client.get(httpx.URL(f"http://leaderboard{path}"), headers=bear(key))
            assert answer.status_code == 403


async def test_only_a_digest_is_kept(database: Database) -> None:
    key = await make_key(database, name="game", role=Role.SUBMIT)
    row = await database.fetch_one("SELECT * FROM api_key")
    assert row is not None
    assert key not in str(dict(row))
    assert len(row["digest"]) == 32
    [record] = await list_keys(database)
    assert (record.name, record.role, record.hint) == ("game", "submit", key[-4:])
    assert record.revoked_at is None


async def test_keys_cost_no_query_a_request(settings: Settings, database: Database) -> None:
    key = await make_key(database, name="game", role=Role.ADMIN)
    async with start(settings) as client:
        before = await count_reads(database)
        started = time.monotonic()
        for _ in range(200):
            (await client.get(TOP, headers=bear(key))).raise_for_status()
            assert (await client.post(SUBMIT, json={}, headers=bear(key))).status_code == 400
        polls = (time.monotonic() - started) / 0.4 + 2
        assert await count_reads(database) - before <= 3 * polls


async def count_reads(database: Database) -> int:
    row = await database.fetch_one(
        "SELECT seq_scan + coalesce(idx_scan, 0) AS scans"
        " FROM pg_stat_user_tables WHERE relname = 'api_key'"
    )
    assert row is not None
    scans = row["scans"]
    assert isinstance(scans, int)
    return scans


async def test_revoked_under_load_on_two_processes(settings: Settings, database: Database) -> None:
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
                    refused.setdefault(number, time.monotonic())
                    return
                assert answer.status_code == 200
                last_success[number] = time.monotonic()

        traffic = [
            asyncio.create_task(submit(number, client))
            for number, client in ((0, one), (1, other))
            for _ in range(4)
        ]
        await wait_until(lambda: len(last_success) == 2)
        await revoke_key(database, "game")
        revoked_at = time.monotonic()
        await asyncio.gather(*traffic)
    assert refused.keys() == {0, 1}
    assert max(last_success.values()) - revoked_at < 1.0


async def test_streams_end_with_their_key(settings: Settings, database: Database) -> None:
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
            revoked_at = time.monotonic()
            while await stream.read_block() is not None:
                pass
            assert time.monotonic() - revoked_at < 1.0
            assert await other.read_comment() == "still here"
        assert (await client.get(STREAM, headers=bear(keys["read"]))).status_code == 401


async def test_stream_of_nobody_ends_with_the_first_key(
    settings: Settings, database: Database
) -> None:
    async with serve_app(settings.model_copy(update={"public_reads": False})) as (_, client):
        async with open_stream(client) as stream:
            assert await stream.read_block() is not None
            await make_key(database, name="first", role=Role.READ)
            while await stream.read_block() is not None:
                pass
        assert (await client.get(STREAM)).status_code == 401


async def test_too_many_requests_under_way(settings: Settings) -> None:
    limited = settings.model_copy(update={"request_limit": 2, "stream_heartbeat_seconds": 0.1})
    async with serve_app(limited) as (_, client):
        async with client.stream("GET", STREAM), client.stream("GET", STREAM):
            answer = await client.get(TOP)
            assert answer.status_code == 503
            assert answer.json()["code"] == "too_busy"
            assert answer.headers["Retry-After"] == "1"
            assert (await client.get("/health/live")).status_code == 200

        async def is_free() -> bool:
            return (await client.get(TOP)).status_code == 200

        await wait_until(is_free)


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
        answers = await asyncio.gather(*submits, *reads)
    statuses = Counter(answer.status_code for answer in answers[:300])
    # The window slides while they are counted.
    assert 100 <= statuses[400] <= 110
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


async def test_schema_tells_of_keys(settings: Settings) -> None:
    async with start(settings) as client:
        document: dict[str, Any] = (await client.get("/schema")).json()
    scheme = document["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, item in document["paths"].items():
        for operation in item.values():
            if path.startswith("/health"):
                assert "security" not in operation
                continue
            assert operation["security"] == [{"key": []}, {}]
            for status in ("401", "403", "429", "503"):
                content = operation["responses"][status]["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}
    submit = document["paths"]["/api/leaderboard/submit"]["post"]
    assert submit["description"].endswith("Needs the role `submit`.")
