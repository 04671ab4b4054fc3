"""API keys over HTTP: who may what, and how the others are refused."""

import time
from typing import Any

import httpx
import pytest

from service.backends.database import Database
from service.keys.roles import Role
from service.keys.service import list_keys, make_key, revoke_key
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.api_keys import bear, make_keys, start
from tests.support.factories import make_player
from tests.support.waiting import wait_until

TOP = "/api/leaderboard/top"
SUBMIT = "/api/leaderboard/submit"
STATUS = "/api/ops/status"


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
            "role": "read",
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
