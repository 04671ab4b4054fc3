"""`POST /api/leaderboard/submit` and `/api/players`: status, body and headers of every answer."""

import gzip
from codecs import BOM_UTF8
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from service.backends.database import Database
from tests.support.factories import make_player
from tests.support.shared_service import NOBODY, SharedService

# Each test asks for what its own players have.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBMIT = "/api/leaderboard/submit"
KEY = "Idempotency-Key"

# A plain request is answered ahead of the framework, one with a charset by the route.
WAYS = {"fast path": "application/json", "route": "application/json; charset=utf-8"}


@pytest.fixture(params=WAYS)
def content_type(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"Content-Type": WAYS[request.param]}


@pytest.fixture
def client(shared: SharedService) -> httpx.AsyncClient:
    return shared.client


@pytest.fixture
def database(shared: SharedService) -> Database:
    return shared.database


async def fetch_sessions(database: Database, user_id: int) -> list[tuple[object, ...]]:
    rows = await database.fetch(
        """
        SELECT player_id, score, game_mode, idempotency_key FROM game_session
        WHERE player_id = $1 ORDER BY id
        """,
        user_id,
    )
    return [tuple(row) for row in rows]


async def test_submit_answers_with_the_session(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database)
    response = await client.post(
        SUBMIT, content=b'{"user_id":%d,"score":42}' % user_id, headers=content_type
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    row = await database.fetch_one("SELECT id FROM game_session WHERE player_id = $1", user_id)
    assert row is not None
    assert response.json() == {"status": "success", "session_id": row["id"]}
    assert await fetch_sessions(database, user_id) == [(user_id, 42, "solo", None)]


async def test_submit_keeps_game_mode_and_key(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database)
    response = await client.post(
        SUBMIT,
        content=f'{{"user_id":{user_id},"score":-7,"game_mode":"Düö 🎮"}}',
        headers=content_type | {KEY: "match-17"},
    )
    assert response.status_code == 200, response.text
    assert await fetch_sessions(database, user_id) == [(user_id, -7, "Düö 🎮", "match-17")]


@pytest.mark.parametrize("score", [-(2**53) + 1, -1, 0, 1, 2**53 - 1])
async def test_submit_takes_every_score_that_json_holds_exactly(
    client: httpx.AsyncClient, database: Database, score: int
) -> None:
    user_id = await make_player(database)
    response = await client.post(SUBMIT, json={"user_id": user_id, "score": score})
    assert response.status_code == 200
    assert await fetch_sessions(database, user_id) == [(user_id, score, "solo", None)]


async def test_submit_for_an_unknown_player(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    response = await client.post(
        SUBMIT, content=b'{"user_id":%d,"score":42}' % NOBODY, headers=content_type
    )
    assert response.status_code == 404
    assert response.json() == {"error": "User not found", "code": "user_not_found"}
    assert await fetch_sessions(database, NOBODY) == []


async def test_submit_with_a_key_of_another_body(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database)
    headers = content_type | {KEY: "k"}
    first = b'{"user_id":%d,"score":1}' % user_id
    other = b'{"user_id":%d,"score":2}' % user_id
    answered = await client.post(SUBMIT, content=first, headers=headers)
    refused = await client.post(SUBMIT, content=other, headers=headers)
    again = await client.post(SUBMIT, content=first, headers=headers)
    assert refused.status_code == 422
    assert refused.json().keys() == {"error", "code"}
    assert refused.json()["code"] == "idempotency_key_reused"
    assert (again.status_code, again.json()) == (200, answered.json())
    assert len(await fetch_sessions(database, user_id)) == 1


async def test_session_ids_ascend(client: httpx.AsyncClient, database: Database) -> None:
    user_id = await make_player(database)
    ids = [
        (await client.post(SUBMIT, json={"user_id": user_id, "score": 1})).json()["session_id"]
        for _ in range(3)
    ]
    assert ids == sorted(set(ids))


async def test_register_player(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/players", json={"username": "ada"})
    assert response.status_code == 201
    player = response.json()
    assert player.keys() == {"user_id", "username", "joined_at"}
    assert player["username"] == "ada"
    age = datetime.now(UTC) - datetime.fromisoformat(player["joined_at"])
    assert timedelta() <= age < timedelta(minutes=1)
    found = await client.get(f"/api/players/{player['user_id']}")
    assert (found.status_code, found.json()) == (200, player)


@pytest.mark.parametrize("username", ["x", "x" * 255, "[/red]", "a b", "Ö" * 255, "👩‍👩‍👧"])
async def test_register_player_keeps_any_name(client: httpx.AsyncClient, username: str) -> None:
    response = await client.post("/api/players", json={"username": username})
    assert response.status_code == 201, response.text
    assert response.json()["username"] == username
    found = await client.get("/api/players", params={"username": username})
    assert (found.status_code, found.json()) == (200, response.json())


async def test_register_player_under_a_taken_name(client: httpx.AsyncClient) -> None:
    await client.post("/api/players", json={"username": "grace"})
    response = await client.post("/api/players", json={"username": "grace"})
    assert response.status_code == 409
    assert response.json().keys() == {"error", "code"}
    assert response.json()["code"] == "username_taken"
    assert "'grace'" in response.json()["error"]


@pytest.mark.parametrize("path", [f"/api/players/{NOBODY}", "/api/players?username=nobody"])
async def test_look_up_nobody(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.json() == {"error": "User not found", "code": "user_not_found"}


async def fetch_metadata(database: Database, user_id: int) -> list[str | None]:
    rows = await database.fetch(
        "SELECT metadata::text FROM game_session WHERE player_id = $1 ORDER BY id", user_id
    )
    return [row["metadata"] for row in rows]


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ('{"car":"ae86","lap":[1,2.5,true,null]}', '{"car": "ae86", "lap": [1, 2.5, true, null]}'),
        ("{}", "{}"),
        ("null", None),
        ('{"n":123456789012345678901234567890}', '{"n": 123456789012345678901234567890}'),
        (r'{"path":"C:\\u0000","a":"\ud83c\udfae"}', r'{"a": "🎮", "path": "C:\\u0000"}'),
        ('{"a":"%s"}' % ("x" * 1_016), '{"a": "%s"}' % ("x" * 1_016)),
        (
            '{"end":1e3,"a":' + "[" * 490 + "1.5e-7" + "]" * 490 + "}",
            '{"a": ' + "[" * 490 + "0.00000015" + "]" * 490 + ', "end": 1000.0}',
        ),
        # Blanks do not count.
        ('{%s"a":1}' % (" " * 2_000), '{"a": 1}'),
    ],
)
async def test_submit_keeps_metadata(
    client: httpx.AsyncClient,
    database: Database,
    content_type: dict[str, str],
    metadata: str,
    kept: str | None,
) -> None:
    user_id = await make_player(database)
    body = f'{{"user_id":{user_id},"score":1,"metadata":{metadata}}}'
    keyed = content_type | {KEY: "k"}
    for headers in (content_type, keyed, keyed):
        response = await client.post(SUBMIT, content=body, headers=headers)
        assert response.status_code == 200, response.text
    assert await fetch_metadata(database, user_id) == [kept, kept]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("[1]", "Expected `object | null`, got `array`"),
        ('"{}"', "Expected `object | null`, got `str`"),
        ('{"a":"%s"}' % ("x" * 1_017), "Expected at most 1,024 bytes of JSON, got 1,025"),
        ('{"a":"%s"}' % ("ö" * 600), "Expected at most 1,024 bytes of JSON, got 1,208"),
        (r'{"a":"x\u0000"}', "Expected text without NUL characters"),
        (r'{"a":{"\\\u0000":1}}', "Expected text without NUL characters"),
        ('{"a":1e999}', "Expected a number that a double holds"),
        # PostgreSQL writes all digits of a number.
        ('{"a":[%s1]}' % ("1e300," * 10), "Expected at most 1,024 bytes of JSON, got 3,029"),
        ('{"a":[%s1]}' % ("1e-300," * 4), "Expected at most 1,024 bytes of JSON, got 1,221"),
    ],
)
async def test_submit_refuses_metadata_that_cannot_be_kept(
    client: httpx.AsyncClient,
    database: Database,
    content_type: dict[str, str],
    metadata: str,
    message: str,
) -> None:
    user_id = await make_player(database)
    body = f'{{"user_id":{user_id},"score":1,"metadata":{metadata}}}'
    response = await client.post(SUBMIT, content=body, headers=content_type)
    assert response.status_code == 400
    (field,) = response.json()["fields"]
    assert (field["field"].partition("[")[0], field["message"]) == ("metadata", message)
    assert await fetch_sessions(database, user_id) == []


async def test_metadata_of_any_depth_is_no_fault_of_ours(
    client: httpx.AsyncClient, content_type: dict[str, str]
) -> None:
    # JSON's depth and the calls under way share one limit, when it is read and when it is written.
    for depth in range(600, 1_001):
        metadata = '{"a":' * depth + "1" + "}" * depth
        body = f'{{"user_id":1,"score":1,"metadata":{metadata}}}'
        response = await client.post(SUBMIT, content=body, headers=content_type)
        assert response.status_code == 400, depth


@pytest.mark.parametrize("other", ['{"a":true}', '{"a":2}', "{}", "null"])
async def test_key_with_other_metadata_is_refused(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str], other: str
) -> None:
    user_id = await make_player(database)
    statuses = []
    for metadata in ('{"a":1,"b":2}', '{ "b": 2.0, "a": 1 }', other):
        response = await client.post(
            SUBMIT,
            content=f'{{"user_id":{user_id},"score":1,"metadata":{metadata}}}',
            headers=content_type | {KEY: "k"},
        )
        statuses.append(response.status_code)
    assert statuses == [200, 200, 422]


async def test_bulk_keeps_metadata_a_line(client: httpx.AsyncClient, database: Database) -> None:
    user_id = await make_player(database)
    line = {"user_id": user_id, "score": 1}
    response = await client.post(
        f"{SUBMIT}/bulk",
        json=[line | {"metadata": {"n": 1}}, line, line | {"metadata": {"a": "x" * 1_017}}],
    )
    assert [answer["status"] for answer in response.json()] == ["success", "success", "error"]
    assert await fetch_metadata(database, user_id) == ['{"n": 1}', None]


FORMS = ("5.0", "0.5e1", "5")


@pytest.mark.parametrize("score", FORMS)
async def test_metadata_is_what_was_sent_in_whatever_form_the_score_is(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str], score: str
) -> None:
    user_id = await make_player(database)
    metadata = '{"seed":2e30,"far":[1e40,-1e31],"half":2.50}'
    body = f'{{"user_id":{user_id},"score":{score},"metadata":{metadata}}}'
    response = await client.post(SUBMIT, content=body, headers=content_type)
    assert response.status_code == 200, response.text
    response = await client.post(f"{SUBMIT}/bulk", content=f"[{body}]", headers=content_type)
    assert response.json()[0]["status"] == "success"
    kept = await database.fetch(
        "SELECT score, metadata = $1::jsonb AS is_same FROM game_session WHERE player_id = $2",
        *(metadata, user_id),
    )
    assert [tuple(row) for row in kept] == [(5, True)] * 2


@pytest.mark.parametrize(
    ("seeds", "statuses"),
    [
        (("2e30",) * 3, {200}),
        (("2e30", "3e30", "2000000000000000000000000000001"), {200, 422}),
    ],
)
async def test_key_knows_a_body_in_whatever_form_its_score_is(
    client: httpx.AsyncClient,
    database: Database,
    content_type: dict[str, str],
    seeds: tuple[str, ...],
    statuses: set[int],
) -> None:
    user_id = await make_player(database)
    answers = []
    lines = []
    for score, seed in zip(FORMS, seeds, strict=True):
        body = f'{{"user_id":{user_id},"score":{score},"metadata":{{"seed":{seed}}}'
        headers = content_type | {KEY: "k"}
        answers.append((await client.post(SUBMIT, content=body + "}", headers=headers)).status_code)
        lines.append(body + ',"idempotency_key":"k"}')
    assert answers == [200] + [max(statuses)] * 2
    bulk = await client.post(
        f"{SUBMIT}/bulk", content="[" + ",".join(lines) + "]", headers=content_type
    )
    codes = [answer.get("code", 200) for answer in bulk.json()]
    assert codes == [200] + [200 if statuses == {200} else "idempotency_key_reused"] * 2
    assert len(await fetch_sessions(database, user_id)) == 1


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e99999999999999999999", "9" * 5_000])
async def test_number_that_nothing_holds_is_refused_in_whatever_form_the_score_is(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str], number: str
) -> None:
    user_id = await make_player(database)
    told = []
    for score in FORMS:
        body = f'{{"user_id":{user_id},"score":{score},"metadata":{{"a":[{number}]}}}}'
        single = await client.post(SUBMIT, content=body, headers=content_type)
        bulk = await client.post(f"{SUBMIT}/bulk", content=f"[{body}]", headers=content_type)
        assert (single.status_code, bulk.status_code) == (400, 200), single.text
        told += [single.json()["fields"], bulk.json()[0]["fields"]]
    (field,) = told[0]
    assert field["field"].partition("[")[0] == "metadata"
    assert told == [told[0]] * len(told)
    assert await fetch_sessions(database, user_id) == []


@pytest.mark.parametrize("sent", ["1200.0", "1200.00e0", "1.2e3", "12E+2", "120000e-2", "1200"])
async def test_number_without_a_fraction_is_an_integer(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str], sent: str
) -> None:
    user_id = await make_player(database)
    body = f'{{"user_id":{user_id}.0,"score":{sent}}}'
    response = await client.post(SUBMIT, content=body, headers=content_type)
    assert response.status_code == 200, response.text
    response = await client.post(f"{SUBMIT}/bulk", content=f"[{body}]", headers=content_type)
    assert response.json()[0]["status"] == "success"
    assert await fetch_sessions(database, user_id) == [(user_id, 1200, "solo", None)] * 2


@pytest.mark.parametrize(
    ("field", "sent", "message"),
    [
        ("score", "12.5", "Expected `int`, got `float`"),
        ("score", "1.00000000000000000000001", "Expected `int`, got `float`"),
        ("score", "1e-400", "Expected `int`, got `float`"),
        ("score", "9007199254740992.0", "Expected `int` <= 9007199254740991"),
        ("user_id", "9007199254740993.0", "Expected `int` <= 9007199254740991"),
        ("user_id", "1e300", "Expected `int` <= 9007199254740991"),
        ("user_id", "0.0", "Expected `int` >= 1"),
    ],
)
async def test_number_that_is_no_integer_or_too_large(
    client: httpx.AsyncClient,
    content_type: dict[str, str],
    field: str,
    sent: str,
    message: str,
) -> None:
    numbers = {"user_id": "1.0", "score": "1.0", field: sent}
    body = "{" + ",".join(f'"{name}":{number}' for name, number in numbers.items()) + "}"
    response = await client.post(SUBMIT, content=body, headers=content_type)
    assert response.status_code == 400
    assert response.json()["fields"] == [{"field": field, "message": message}]


async def test_mark_of_utf8_is_skipped(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database)
    body = BOM_UTF8 + b'{"user_id":%d,"score":1}' % user_id
    response = await client.post(SUBMIT, content=body, headers=content_type)
    assert response.status_code == 200, response.text
    for lines, kind in (
        (BOM_UTF8 + b"[" + body[3:] + b"]", "application/json"),
        (body + b"\n" + body[3:], "application/x-ndjson"),
    ):
        response = await client.post(
            f"{SUBMIT}/bulk", content=lines, headers={"Content-Type": kind}
        )
        assert "error" not in response.text
    assert len(await fetch_sessions(database, user_id)) == 4


async def test_coded_body_is_refused_unread(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database)
    body = b'{"user_id":%d,"score":1}' % user_id
    for path, content in (
        (SUBMIT, body),
        (SUBMIT, gzip.compress(body)),
        (f"{SUBMIT}/bulk", b"[" + body + b"]"),
        ("/api/players", b'{"username":"coded"}'),
    ):
        headers = content_type | {"Content-Encoding": "gzip"}
        response = await client.post(path, content=content, headers=headers)
        assert response.status_code == 415
        assert response.json()["code"] == "unsupported_encoding"
        assert response.headers["accept-encoding"] == "identity"
    assert await fetch_sessions(database, user_id) == []
    headers = content_type | {"Content-Encoding": "Identity"}
    assert (await client.post(SUBMIT, content=body, headers=headers)).status_code == 200


async def test_null_is_as_if_it_were_left_out(client: httpx.AsyncClient) -> None:
    registered = await client.post("/api/players", json={"username": "nulla", "external_id": None})
    assert registered.status_code == 201, registered.text
    user_id = registered.json()["user_id"]
    body = {"user_id": user_id, "external_id": None, "score": 7, "game_mode": None}
    body |= {"metadata": None}
    submitted = await client.post("/api/leaderboard/submit", json=body)
    assert submitted.status_code == 200, submitted.text
    lines = [body | {"idempotency_key": None}, body | {"user_id": None}]
    kept, refused = (await client.post("/api/leaderboard/submit/bulk", json=lines)).json()
    assert kept["status"] == "success"
    assert refused["fields"] == [
        {"field": "user_id", "message": "Expected `user_id` or `external_id`"}
    ]
    sessions = (await client.get(f"/api/players/{user_id}/sessions")).json()["sessions"]
    assert [one["game_mode"] for one in sessions] == ["solo", "solo"]
