"""Bad bodies: always a 4xx in the one shape that names what is wrong, and nothing is written."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from service.backends.database import Database
from tests.support.error_checks import check_error, list_fields
from tests.support.factories import make_player
from tests.support.shared_service import SharedService

SUBMIT = "/api/leaderboard/submit"
PLAYERS = "/api/players"
JSON = {"Content-Type": "application/json"}

# Well past the recursion limit of anybody, and within the limit of the body.
DEEP = 60_000


# One application for the whole module, because nothing here may leave a trace.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(shared: SharedService) -> Database:
    """A database with one player, whose id is 1."""
    assert await make_player(shared.database, "ada") == 1
    return shared.database


@pytest.fixture
def client(shared: SharedService) -> httpx.AsyncClient:
    return shared.client


async def assert_nothing_is_written(database: Database) -> None:
    row = await database.fetch_one(
        """
        SELECT
            (SELECT count(*) FROM game_session) AS sessions,
            (SELECT count(*) FROM pending_session) AS pending,
            (SELECT count(*) FROM standing) AS standings,
            (SELECT array_agg(username) FROM player) AS names
        """
    )
    assert row is not None
    assert tuple(row) == (0, 0, 0, ["ada"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"user_id":"1","score":1}', "user_id"),
        (b'{"user_id":1.5,"score":1}', "user_id"),
        (b'{"user_id":true,"score":1}', "user_id"),
        (b'{"user_id":null,"score":1}', "user_id"),
        (b'{"user_id":[1],"score":1}', "user_id"),
        (b'{"user_id":{"id":1},"score":1}', "user_id"),
        (b'{"user_id":0,"score":1}', "user_id"),
        (b'{"user_id":-1,"score":1}', "user_id"),
        (b'{"user_id":9223372036854775807,"score":1}', "user_id"),
        (b'{"user_id":9223372036854775808,"score":1}', "user_id"),
        (b'{"user_id":18446744073709551616,"score":1}', "user_id"),
        (b'{"user_id":-9223372036854775809,"score":1}', "user_id"),
        (b'{"user_id":' + b"9" * 5_000 + b',"score":1}', "user_id"),
        (b'{"score":1}', "user_id"),
        (b"{}", "score"),
        (b'{"user_id":1}', "score"),
        (b'{"user_id":1,"score":"42"}', "score"),
        (b'{"user_id":1,"score":""}', "score"),
        (b'{"user_id":1,"score":42.5}', "score"),
        (b'{"user_id":1,"score":4.2e0}', "score"),
        (b'{"user_id":1,"score":1e400}', "score"),
        (b'{"user_id":1,"score":false}', "score"),
        (b'{"user_id":1,"score":null}', "score"),
        (b'{"user_id":1,"score":9007199254740992}', "score"),
        (b'{"user_id":1,"score":-9007199254740992}', "score"),
        (b'{"user_id":1,"score":9223372036854775808}', "score"),
        (b'{"user_id":1,"score":-99999999999999999999999}', "score"),
        (b'{"user_id":1,"score":1,"game_mode":1}', "game_mode"),
        (b'{"user_id":1,"score":1,"game_mode":["solo"]}', "game_mode"),
        (b'{"user_id":1,"score":1,"game_mode":""}', "game_mode"),
        (b'{"user_id":1,"score":1,"game_mode":"' + b"x" * 51 + b'"}', "game_mode"),
        (b'{"user_id":1,"score":1,"game_mode":"a\\u0000b"}', "game_mode"),
        (b'{"user_id":1,"score":1,"game_mode":"\\u0000"}', "game_mode"),
        (b'{"user_id":1,"score":1,"colour":"red"}', "colour"),
        (b'{"user_id":1,"score":1,"session_id":7}', "session_id"),
        (b'{"user_id":1,"score":1,"":1}', ""),
        (b"[]", "body"),
        (b'[{"user_id":1,"score":1}]', "body"),
        (b"null", "body"),
        (b"42", "body"),
        (b'"text"', "body"),
        (b"true", "body"),
    ],
)
async def test_wrong_submit_names_the_field(
    client: httpx.AsyncClient, database: Database, body: bytes, field: str
) -> None:
    for headers in JSON, {"Content-Type": "application/json; charset=utf-8"}:
        response = await client.post(SUBMIT, content=body, headers=headers)
        answer = check_error(response, 400, "invalid_request")
        assert list_fields(answer) == [field or "body"]
    await assert_nothing_is_written(database)


@pytest.mark.parametrize(
    "body",
    [
        b"   ",
        b"{",
        b'{"user_id":1,"score":1',
        b'{"user_id":1,"score":',
        b'{"user_id":1,"score":1}}',
        b'{"user_id":1,"score":1}{"user_id":1,"score":1}',
        b'{"user_id":1,"score":NaN}',
        b'{"user_id":1,"score":Infinity}',
        b'{"user_id":1,"score":-Infinity}',
        b'{"user_id":NaN,"score":1}',
        b'{"user_id":01,"score":1}',
        b'{"user_id":+1,"score":1}',
        b'{"user_id":0x1,"score":1}',
        b"{'user_id':1,'score':1}",
        b'{"user_id":1,"score":1,}',
        b'{"user_id":1,"score":1,"game_mode":"a\x00b"}',
        b'{"user_id":1,"score":1,"game_mode":"\xff\xfe"}',
        b'{"user_id":1,"score":1,"game_mode":"\xed\xa0\x80"}',
        b'{"user_id":1,"score":1,"game_mode":"\\ud800"}',
        b'{"user_id":1,"score":1,"game_mode":"\\ud800x"}',
        b'{"user_id":1,"score":1,"game_mode":"\\udc00"}',
        b'\xef\xbb\xbf\xef\xbb\xbf{"user_id":1,"score":1}',
        '{"user_id":1,"score":1}'.encode("utf-16"),
        b"user_id=1&score=1",
        b"\x00",
        b"[" * DEEP,
        b'{"user_id":' + b"[" * DEEP,
        b'{"user_id":1,"score":1,"extra":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"a":' * (DEEP // 5),
    ],
    ids=lambda body: repr(body[:50]),
)
async def test_body_that_is_not_json_is_refused(
    client: httpx.AsyncClient, database: Database, body: bytes
) -> None:
    for headers in JSON, {"Content-Type": "application/json; charset=utf-8"}:
        response = await client.post(SUBMIT, content=body, headers=headers)
        check_error(response, 400, "invalid_request")
    await assert_nothing_is_written(database)


@pytest.mark.parametrize("path", [SUBMIT, PLAYERS])
async def test_missing_body_is_refused(
    client: httpx.AsyncClient, database: Database, path: str
) -> None:
    for headers in JSON, {}:
        answer = check_error(await client.post(path, headers=headers), 400, "invalid_request")
        assert list_fields(answer) == ["body"]
    await assert_nothing_is_written(database)


@pytest.mark.parametrize("size", [65_537, 10_000_000])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SUBMIT, b'{"user_id":1,"score":1,"game_mode":"%s"}'),
        (PLAYERS, b'{"username":"%s"}'),
    ],
)
async def test_body_that_is_too_large_is_refused(
    client: httpx.AsyncClient, database: Database, path: str, body: bytes, size: int
) -> None:
    response = await client.post(path, content=body % (b"x" * size), headers=JSON)
    answer = check_error(response, 413, "body_too_large")
    assert "fields" not in answer
    assert "65,536 bytes" in answer["error"]
    await assert_nothing_is_written(database)


async def test_body_that_is_too_large_is_refused_without_its_length(
    client: httpx.AsyncClient, database: Database
) -> None:
    async def send_parts() -> Any:
        yield b'{"user_id":1,"score":1,"game_mode":"'
        for _ in range(100):
            yield b"x" * 1_000
        yield b'"}'

    response = await client.post(SUBMIT, content=send_parts(), headers=JSON)
    check_error(response, 413, "body_too_large")
    await assert_nothing_is_written(database)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain; charset=utf-8",
        "text/json",
        "application/xml",
        "application/msgpack",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "garbage",
        "*/*",
    ],
)
@pytest.mark.parametrize("path", [SUBMIT, PLAYERS])
async def test_body_that_says_it_is_not_json_is_refused(
    client: httpx.AsyncClient, database: Database, path: str, content_type: str
) -> None:
    bodies = {SUBMIT: b'{"user_id":1,"score":1}', PLAYERS: b'{"username":"bob"}'}
    headers = {"Content-Type": content_type}
    response = await client.post(path, content=bodies[path], headers=headers)
    answer = check_error(response, 415, "unsupported_media_type")
    assert content_type.partition(";")[0] in answer["error"]
    assert "application/json" in answer["error"]
    await assert_nothing_is_written(database)


@pytest.mark.parametrize(
    "key", [b"", b" ", b"x" * 256, b"x" * 5_000, b"a\x00b", b"a b", "é".encode(), b"a\x7f"]
)
async def test_wrong_idempotency_key_is_refused(
    client: httpx.AsyncClient, database: Database, key: bytes
) -> None:
    headers = [(b"Content-Type", b"application/json"), (b"Idempotency-Key", key)]
    response = await client.post(SUBMIT, content=b'{"user_id":1,"score":1}', headers=headers)
    answer = check_error(response, 400, "invalid_request")
    assert list_fields(answer) == ["Idempotency-Key"]
    await assert_nothing_is_written(database)


@pytest.mark.parametrize(
    "body",
    [
        b'{"username":""}',
        b'{"username":"' + b"x" * 256 + b'"}',
        b'{"username":"a\\u0000b"}',
        b'{"username":1}',
        b'{"username":null}',
        b'{"username":["bob"]}',
        b"{}",
    ],
)
async def test_wrong_username_is_refused(
    client: httpx.AsyncClient, database: Database, body: bytes
) -> None:
    response = await client.post(PLAYERS, content=body, headers=JSON)
    answer = check_error(response, 400, "invalid_request")
    assert list_fields(answer) == ["username"]
    await assert_nothing_is_written(database)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"dry_run":true}', ["dry_run"]),
        (b'{"apply":"recount"}', ["apply"]),
        (b'{"\\u0000":1}', ["\x00"]),
        (b'{"\\ud800":1}', []),
        (b"garbage", []),
        (b"\xff", []),
        (b"null", ["body"]),
        (b"[]", ["body"]),
    ],
)
async def test_body_where_none_is_taken_is_refused(
    client: httpx.AsyncClient, database: Database, body: bytes, fields: list[str]
) -> None:
    paths = (await client.get("/schema")).json()["paths"]
    calls = {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "get" and "requestBody" not in operation
    }
    assert calls == {
        ("POST", "/api/boards/{slug}/archive"),
        ("POST", "/api/boards/{slug}/unarchive"),
        ("POST", "/api/boards/{slug}/seasons/current/close"),
        ("POST", "/api/boards/{slug}/seasons/{number}/close"),
        ("DELETE", "/api/players/{user_id}"),
    }
    await client.put("/api/boards/laps", json={})
    before = (await client.get("/api/boards/laps")).json()
    for method, path in calls:
        url = path.format(slug="laps", number=1, user_id=1)
        query = {"reason": "asked for"} if method == "DELETE" else None
        response = await client.request(method, url, params=query, content=body)
        assert list_fields(check_error(response, 400, "invalid_request")) == fields
    assert (await client.get("/api/boards/laps")).json() == before
    await assert_nothing_is_written(database)


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b"\xef\xbb\xbf{ }"])
async def test_body_without_fields_is_as_none(client: httpx.AsyncClient, body: bytes) -> None:
    await client.put("/api/boards/laps", json={})
    for act in ("archive", "unarchive"):
        answer = await client.post(f"/api/boards/laps/{act}", content=body)
        assert answer.status_code == 200, answer.text
