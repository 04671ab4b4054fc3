"""Bad input: always a 4xx in the one shape that names what is wrong, and nothing is written."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from service.app import create_app
from service.database import Database
from service.embedded import PostgresServer, ValkeyServer
from service.settings import Settings, load_settings
from tests.conftest import create_database, flush
from tests.factories import make_player
from tests.serving import connect_client, run_app

SUBMIT = "/api/leaderboard/submit"
TOP = "/api/leaderboard/top"
PLAYERS = "/api/players"
JSON = {"Content-Type": "application/json"}

# Well past the recursion limit of anybody, and within the limit of the body.
DEEP = 60_000


# One application for the whole module, because nothing here may leave a trace.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(
    postgres: PostgresServer, valkey: ValkeyServer, template_database: str
) -> AsyncIterator[Settings]:
    async with create_database(postgres, template_database) as url:
        yield load_settings(database_url=url, redis_url=flush(valkey))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A database with one player, whose id is 1."""
    database = Database(settings, application_name="leaderboard tests")
    await database.open()
    assert await make_player(database, "ada") == 1
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        yield client


def check_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the one shape of errors and return the answer."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = response.json()
    assert answer.keys() - {"fields"} == {"error", "code"}
    assert answer["code"] == code
    assert len(answer["error"]) > 10
    for field in answer.get("fields", []):
        assert field.keys() == {"field", "message"}
        assert field["message"]
    return answer


def list_fields(answer: dict[str, Any]) -> list[str]:
    return [field["field"] for field in answer.get("fields", [])]


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
        (b'{"user_id":1.0,"score":1}', "user_id"),
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
        (b"{}", "user_id"),
        (b'{"user_id":1}', "score"),
        (b'{"user_id":1,"score":"42"}', "score"),
        (b'{"user_id":1,"score":""}', "score"),
        (b'{"user_id":1,"score":42.0}', "score"),
        (b'{"user_id":1,"score":4.2e1}', "score"),
        (b'{"user_id":1,"score":1e400}', "score"),
        (b'{"user_id":1,"score":false}', "score"),
        (b'{"user_id":1,"score":null}', "score"),
        (b'{"user_id":1,"score":2147483648}', "score"),
        (b'{"user_id":1,"score":-2147483649}', "score"),
        (b'{"user_id":1,"score":9223372036854775808}', "score"),
        (b'{"user_id":1,"score":-99999999999999999999999}', "score"),
        (b'{"user_id":1,"score":1,"game_mode":null}', "game_mode"),
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
        b'\xef\xbb\xbf{"user_id":1,"score":1}',
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


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"x" * 5_000, b"a\x00b"])
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


@pytest.mark.parametrize("path", [TOP, "/api/leaderboard/stream", "/api/leaderboard/around/1"])
@pytest.mark.parametrize(
    "value",
    [
        *("0", "-1", "101", "1.5", "abc", "", "true", "null", "NaN", "1;2", "%00", "%ff", "٣"),
        *("5.0", "5e0", "1.0000000000000000000001"),
        *("9223372036854775808", "-9223372036854775809", "9" * 5_000),
    ],
)
async def test_wrong_limit_is_refused(client: httpx.AsyncClient, path: str, value: str) -> None:
    name = "radius" if "around" in path else "limit"
    answer = check_error(await client.get(f"{path}?{name}={value}"), 400, "invalid_request")
    assert list_fields(answer) == [name]


@pytest.mark.parametrize(
    "query", ["offset=-1", "offset=1.0", "limit=0", "limit=1001", "limit=", "limit=1&limit=1"]
)
async def test_wrong_page_is_refused(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/api/leaderboard/page?{query}")
    answer = check_error(response, 400, "invalid_request")
    assert list_fields(answer) == [query.partition("=")[0]]


async def test_radius_beyond_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/leaderboard/around/1?radius=51")
    assert list_fields(check_error(response, 400, "invalid_request")) == ["radius"]


@pytest.mark.parametrize(
    "prefix", ["/api/leaderboard/rank", "/api/leaderboard/around", "/api/players"]
)
@pytest.mark.parametrize(
    "value",
    [
        *(
            "0",
            "-1",
            "1.0",
            "1e0",
            "1.5",
            "abc",
            "null",
            "NaN",
            "%00",
            "%ff",
            "1%00",
            "%201",
            "٣",
            "1,2",
            "%2e%2e",
        ),
        *("9223372036854775807", "9223372036854775808", "9" * 19, "9" * 5_000, "x" * 5_000),
    ],
)
async def test_absurd_id_is_refused(client: httpx.AsyncClient, prefix: str, value: str) -> None:
    answer = check_error(await client.get(f"{prefix}/{value}"), 400, "invalid_request")
    assert list_fields(answer) == ["user_id"]


@pytest.mark.parametrize("query", ["", "?username=", "?username=" + "x" * 256, "?username=a%00"])
async def test_wrong_name_to_look_up_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = check_error(await client.get(f"{PLAYERS}{query}"), 400, "invalid_request")
    assert list_fields(answer) == ["username"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/nothing", "/api", "/api/leaderboard", "/api/leaderboard/rank"),
        *("/api/leaderboard/rank/1/2", "/api/players/1/x", "/%00", "/%ff", "/" + "x" * 5_000),
    ],
)
async def test_unknown_address_is_404(client: httpx.AsyncClient, path: str) -> None:
    check_error(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", TOP),
        ("DELETE", TOP),
        ("BREW", TOP),
        ("GET", SUBMIT),
        ("PUT", SUBMIT),
        ("POST", "/api/leaderboard/rank/1"),
        ("PATCH", "/api/players/1"),
        ("DELETE", PLAYERS),
        ("POST", "/health/live"),
    ],
)
async def test_wrong_method_is_405(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)
    check_error(response, 405, "method_not_allowed")
    assert response.headers["allow"]
