"""How a body that does not fit becomes an error that names the field."""

import re

import httpx
import msgspec
import pytest

from service.boards.schemas import BoardRule
from service.errors import FieldError, InvalidRequest
from service.http.requests import decode_body, locate_error
from service.sessions.schemas import SubmitScore
from tests.support.shared_service import SharedService

in_module = pytest.mark.asyncio(loop_scope="module")

BOARD = msgspec.json.Decoder(BoardRule)
SUBMIT = msgspec.json.Decoder(SubmitScore)
WITH_ANOTHER_KIND = "There is no such field with this `kind`"


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("Expected `int`, got `str` - at `$.score`", "score", "Expected `int`, got `str`"),
        ("Expected `int` >= 1 - at `$.user_id`", "user_id", "Expected `int` >= 1"),
        ("Expected `str` - at `$.names[3].first`", "names[3].first", "Expected `str`"),
        ("Expected `object`, got `array`", "body", "Expected `object`, got `array`"),
        (
            "Object missing required field `score`",
            "score",
            "Object missing required field `score`",
        ),
        ("Object contains unknown field `x`", "x", "Object contains unknown field `x`"),
        (
            "Expected `str` matching regex '^[^\\\\x00]*$' - at `$.game_mode`",
            "game_mode",
            "Expected text without NUL characters",
        ),
        ("Number out of range - at `$.score`", "score", "Expected a number that a double holds"),
        ("something new", "body", "something new"),
        ("", "body", ""),
    ],
)
def test_locate_error_splits_place_from_advice(text: str, field: str, message: str) -> None:
    assert locate_error(text, None) == FieldError(field=field, message=message)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"operator": "max"}, "operator", "Expected `sum`, `best` or `latest`"),
        ({"ties": "none"}, "ties", "Expected `shared` or `first`"),
        (
            {"format": {"kind": "time"}},
            "format.kind",
            "Expected `integer`, `decimal` or `duration`",
        ),
        ({"format": {"kind": "duration", "unit": "h"}}, "format.unit", "Expected `ms` or `s`"),
        (
            {"schedule": {"cron": "0 0 * * 1", "zone": "UTC"}},
            "schedule.zone",
            "There is no such field; expected `cron` or `timezone`",
        ),
        (
            {"schedule": "0 0 * * 1"},
            "schedule",
            "Expected an object (`cron`, `timezone`) or null, got `str`",
        ),
        (
            {"format": []},
            "format",
            "Expected an object (`kind`, `scale`, `unit`), got `array`",
        ),
        (
            {"format": {"kind": "decimal", "scale": 2, "places": 1}},
            "format.places",
            "There is no such field; expected `kind`, `scale` or `unit`",
        ),
        ({"format": {"kind": "integer", "scale": 2}}, "format.scale", WITH_ANOTHER_KIND),
        (
            {"format": {"kind": "duration", "unit": "s", "scale": 2}},
            "format.scale",
            WITH_ANOTHER_KIND,
        ),
        ({"operator": 1}, "operator", "Expected `sum`, `best` or `latest`, got `int`"),
        ({"direction": None}, "direction", "Expected `high` or `low`, got `null`"),
        ({"format": {"kind": 1}}, "format.kind", "Expected `integer`, `decimal` or `duration`"),
        ({"title": 1}, "title", "Expected `str | null`, got `int`"),
        (
            {"schedule": {"timezone": "UTC"}},
            "schedule.cron",
            "Object missing required field `cron`",
        ),
    ],
)
def test_what_may_be_chosen_is_told(body: object, field: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        decode_body(BOARD, msgspec.json.encode(body))
    assert [*error.value.fields] == [FieldError(field, message)]


def test_which_fields_there_are_is_told() -> None:
    with pytest.raises(InvalidRequest) as error:
        decode_body(SUBMIT, b'{"user_id":1,"points":12}')
    with pytest.raises(InvalidRequest) as far:
        decode_body(SUBMIT, b'{"user_id":1,"score":1e999}')
    assert far.value.fields[0].message == "Expected an integer within ±9007199254740991"
    message = (
        "There is no such field; "
        "expected `user_id`, `external_id`, `score`, `game_mode` or `metadata`"
    )
    assert [*error.value.fields] == [FieldError("points", message)]


@pytest.fixture
def client(shared: SharedService) -> httpx.AsyncClient:
    return shared.client


@in_module
@pytest.mark.parametrize(
    ("path", "field", "message"),
    [
        ("/api/moderation?order=best", "order", "Expected `newest` or `oldest`"),
        (
            "/api/players/" + "9" * 300,
            "user_id",
            "Expected a whole number from 1 to 9007199254740991",
        ),
        ("/api/export/players?format=xml", "format", "Expected `csv` or `ndjson`"),
        *(
            (
                f"/api/leaderboard/top?limit={limit}",
                "limit",
                "Expected a whole number from 1 to 100",
            )
            for limit in ("0", "101", "1.5", "05", "five")
        ),
        ("/api/boards/x/seasons/0", "number", "Expected a whole number from 1 on"),
        ("/api/boards/global/top?details=maybe", "details", "Expected `true` or `false`"),
        (
            "/api/leaderboard/top?limt=5",
            "limt",
            "There is no such parameter; expected `limit` or `seen`",
        ),
        (
            "/api/leaderboard/stream?since=1",
            "since",
            "There is no such parameter; expected `limit`",
        ),
        (
            "/api/players/1?user_id=1",
            "user_id",
            "There is no such parameter; this address takes none",
        ),
        ("/api/players/1?=", "", "There is no such parameter; this address takes none"),
    ],
)
async def test_what_a_parameter_may_be_is_told(
    client: httpx.AsyncClient, path: str, field: str, message: str
) -> None:
    answer = (await client.get(path)).json()
    assert answer["fields"] == [{"field": field, "message": message}]


@in_module
async def test_parameter_that_there_is_not_is_told_of_a_submit_and_a_head(
    client: httpx.AsyncClient,
) -> None:
    body = {"user_id": 1, "score": 1}
    answer = await client.post("/api/leaderboard/submit?game_mode=race", json=body)
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (400, "game_mode")
    assert (await client.head("/api/leaderboard/top?season=previous")).status_code == 400
    assert (await client.options("/api/leaderboard/top?season=previous")).status_code == 204
    for page in ("/health/live?x=1", "/schema?x=1", "/docs?x=1"):
        assert (await client.get(page)).status_code == 200, page


@in_module
async def test_unknown_parameter_gets_an_answer_that_its_operation_documents(
    client: httpx.AsyncClient,
) -> None:
    paths = (await client.get("/schema")).json()["paths"]
    for path, operations in paths.items():
        address = re.sub(r"{\w+}", "1", path)
        for method, operation in operations.items():
            answer = await client.request(method, f"{address}?nosuch=1")
            assert str(answer.status_code) in operation["responses"], (method, path)
            if path.startswith("/api/"):
                assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
                body = operation["responses"]["400"]["content"]["application/json"]
                assert body["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}, path
                assert "invalid_request" in body["examples"], path


@in_module
async def test_body_that_comes_late_is_documented_where_one_is_read(
    client: httpx.AsyncClient,
) -> None:
    paths = (await client.get("/schema")).json()["paths"]
    operations = [one for methods in paths.values() for one in methods.items()]
    documented = [one for method, one in operations if "408" in one["responses"]]
    # Also where none is taken: it could be one with fields.
    assert documented == [one for method, one in operations if method != "get"]
    ids = {one["operationId"] for one in documented}
    assert {"submitScore", "importSessions", "archiveBoard"} <= ids


@in_module
async def test_methods_that_there_are_stand_in_the_text(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/leaderboard/top")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.json()["error"].endswith("; it takes GET, HEAD, OPTIONS.")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'"\xff"', "The body is not JSON: it is not encoded as UTF-8."),
        (b"[" * 100_000, "The body is nested too deeply."),
    ],
)
def test_unreadable_json_is_told_without_words_of_python(body: bytes, text: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        decode_body(msgspec.json.Decoder(object), body)
    assert error.value.message == text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"user_id":"1","score":1}', "user_id"),
        (b'{"user_id":1,"score":null}', "score"),
        (b'{"user_id":1,"score":1,"game_mode":"a\\u0000"}', "game_mode"),
        (b'{"user_id":1,"score":1,"colour":"red"}', "colour"),
        (b"[]", "body"),
    ],
)
def test_decode_body_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidRequest, match="The body is not valid") as error:
        decode_body(SUBMIT, body)
    assert [wrong.field for wrong in error.value.fields] == [field]


def test_whole_number_is_an_integer_wherever_one_belongs() -> None:
    board = decode_body(BOARD, b' {"min_score":5e1,"format":{"scale":2.0,"kind":"decimal"}}')
    assert board == decode_body(BOARD, b'{"min_score":50,"format":{"scale":2,"kind":"decimal"}}')
    numbers = msgspec.json.Decoder(list[list[int] | None])
    assert decode_body(numbers, b"[[1.0, -0.0, 2e0], null]") == [[1, 0, 2], None]
    with pytest.raises(InvalidRequest) as error:
        decode_body(numbers, b"[[1.0], [2.5]]")
    assert error.value.fields[0].field == "[1][0]"


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"user_id":NaN}', b'{"user_id":1,"score":1}}', b"\xff"]
)
def test_decode_body_says_what_is_not_json(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="The body is not JSON: ") as error:
        decode_body(SUBMIT, body)
    assert error.value.fields == ()


def test_decode_body_survives_any_depth() -> None:
    # Deeper than Python's stack: the decoder must refuse, not crash the process.
    with pytest.raises(InvalidRequest):
        decode_body(msgspec.json.Decoder(object), b"[" * 50_000)


@in_module
@pytest.mark.parametrize(
    ("path", "status", "codes"),
    [
        ("/api/leaderboard/submit", "403", {"role_insufficient", "player_banned"}),
        (
            "/api/leaderboard/submit",
            "503",
            {"database_unavailable", "schema_missing", "overloaded", "too_busy", "keys_unknown"},
        ),
        ("/api/leaderboard/submit/bulk", "413", {"body_too_large", "too_many_lines"}),
        ("/api/players/bulk", "413", {"body_too_large", "too_many_lines"}),
        ("/api/import/sessions", "400", {"file_unreadable", "invalid_request"}),
        ("/api/import/sessions", "403", {"role_insufficient"}),
    ],
)
async def test_errors_of_a_route_and_those_ahead_of_it_are_documented_together(
    shared: SharedService, path: str, status: str, codes: set[str]
) -> None:
    paths = (await shared.client.get("/schema")).json()["paths"]
    (body,) = paths[path]["post"]["responses"][status]["content"].values()
    assert body["examples"].keys() == codes
