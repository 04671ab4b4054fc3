"""Whatever is wrong with a request about boards is told in the one shape of errors."""

import base64
from collections.abc import Sequence
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from service.backends.database import Database
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players, record_scores
from tests.support.shared_service import SharedService

LIMIT = 2**53 - 1

in_module = pytest.mark.asyncio(loop_scope="module")

_slugs = (f"cup-{number}" for number in count(1))


@pytest.fixture
def shared(shared: SharedService) -> httpx.AsyncClient:
    """A client of one service for all that change nothing, or one board of their own."""
    return shared.client


async def make_board(client: httpx.AsyncClient, **rule: Any) -> str:
    """Make a board of a mode of its own, so that there can be any number; return its path."""
    slug = next(_slugs)
    made = await client.put(f"/api/boards/{slug}", json={"game_mode": slug} | rule)
    assert made.status_code == 201, made.text
    return f"/api/boards/{slug}"


def check_error(answer: httpx.Response, status: int, code: str | None = None) -> list[str]:
    """Assert that an answer is an error of this kind; return the fields that it names."""
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert isinstance(error["error"], str)
    assert code in (None, error["code"])
    assert set(error) <= {"error", "code", "fields"}, error
    return [field["field"] for field in error.get("fields", [])]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"operator": "max"}, ["operator"]),
        ({"operator": None}, ["operator"]),
        ({"direction": "up"}, ["direction"]),
        ({"ties": "last"}, ["ties"]),
        ({"title": ""}, ["title"]),
        ({"title": "x" * 256}, ["title"]),
        ({"title": "a\x00b"}, ["title"]),
        ({"game_mode": ""}, ["game_mode"]),
        ({"game_mode": "x" * 51}, ["game_mode"]),
        ({"game_mode": 5}, ["game_mode"]),
        ({"min_score": LIMIT + 1}, ["min_score"]),
        ({"min_score": -LIMIT - 1}, ["min_score"]),
        ({"max_score": 12.5}, ["max_score"]),
        ({"max_score": 1e300}, ["max_score"]),
        ({"max_score": "5"}, ["max_score"]),
        ({"max_score": True}, ["max_score"]),
        ({"min_score": 2, "max_score": 1}, ["min_score"]),
        ({"format": "integer"}, ["format"]),
        ({"format": {}}, ["format.kind"]),
        ({"format": {"kind": "money"}}, ["format.kind"]),
        ({"format": {"kind": "integer", "scale": 1}}, ["format.scale"]),
        ({"format": {"kind": "decimal"}}, ["format.scale"]),
        ({"format": {"kind": "decimal", "scale": 0}}, ["format.scale"]),
        ({"format": {"kind": "decimal", "scale": 7}}, ["format.scale"]),
        ({"format": {"kind": "decimal", "scale": 1.5}}, ["format.scale"]),
        ({"format": {"kind": "duration", "unit": "us"}}, ["format.unit"]),
        ({"schedule": {"cron": "0 0 * * 1"}}, ["schedule.timezone"]),
        ({"schedule": {"cron": "0 0 * *", "timezone": "UTC"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "0 0 30 2 *", "timezone": "UTC"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "@daily", "timezone": "UTC"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "0 0 * * 1\x00", "timezone": "UTC"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "60 0 * * 1", "timezone": "UTC"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "0 0 * * 1", "timezone": "Mars/Base"}}, ["schedule.timezone"]),
        ({"schedule": {"cron": "0 0 * * 1", "timezone": "../UTC"}}, ["schedule.timezone"]),
        ({"schedule": {"cron": "0 0 * * 1", "timezone": ""}}, ["schedule.timezone"]),
        ({"schedule": {"cron": "0 0 * * 1", "timezone": "UTC", "x": 1}}, ["schedule.x"]),
        ({"count_from": "yesterday"}, ["count_from"]),
        ({"count_from": "2026-11-01"}, ["count_from"]),
        ({"count_from": "2026-11-01T00:00:00"}, ["count_from"]),
        ({"count_from": "9999-12-31T23:59:59-23:59"}, ["count_from"]),
        ({"count_from": 5}, ["count_from"]),
        ({"slug": "other"}, ["slug"]),
        ({"scores": []}, ["scores"]),
    ],
)
@in_module
async def test_rule_that_is_wrong_names_its_field(
    shared: httpx.AsyncClient, body: dict[str, Any], fields: list[str]
) -> None:
    made = await shared.put("/api/boards/none", json=body)
    assert check_error(made, 400) == fields
    check_error(await shared.get("/api/boards/none"), 404, "board_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"min_score": -LIMIT, "max_score": LIMIT},
        {"min_score": 7.0, "max_score": 7},
        {"format": {"kind": "decimal", "scale": 6}},
        {"title": "x" * 255, "game_mode": "🏎" * 50},
        {"schedule": {"cron": "0  0 * * mon#1", "timezone": "Australia/Lord_Howe"}},
        {"schedule": {"cron": "59 23 L * *", "timezone": "Europe/Berlin"}},
        {"count_from": "0001-01-01T00:00:00+14:00"},
        {"count_from": "0001-01-01T00:00:00Z"},
        {"count_from": "2026-11-01T00:00:00.5-03:30"},
        {"schedule": None, "game_mode": None, "min_score": None, "max_score": None, "title": None},
    ],
)
@in_module
async def test_rule_at_the_edge_is_taken(shared: httpx.AsyncClient, body: dict[str, Any]) -> None:
    path, rule = f"/api/boards/{next(_slugs)}", {"game_mode": "edge"} | body
    made = await shared.put(path, json=rule)
    assert made.status_code == 201, made.text
    again = await shared.put(path, json=rule)
    assert (again.status_code, again.json()) == (200, made.json())
    await shared.post(f"{path}/archive")


@pytest.mark.parametrize(
    "slug", ["A", "ä", "a_b", "a b", "a" * 65, "a\n", "a.b", "a\x00", "\n", "a%"]
)
@in_module
async def test_slug_of_other_letters_is_refused(shared: httpx.AsyncClient, slug: str) -> None:
    path = f"/api/boards/{quote(slug)}"
    assert check_error(await shared.put(path, json={}), 400) == ["slug"]
    for below in ("", "/top", "/seasons", "/cutoffs", "/rank/1"):
        assert check_error(await shared.get(path + below), 400) == ["slug"]


@in_module
async def test_slug_at_the_edge_is_taken(shared: httpx.AsyncClient) -> None:
    for slug in ("a" * 64, "-", "0", "--"):
        made = await shared.put(f"/api/boards/{slug}", json={"game_mode": "edge"})
        assert made.status_code == 201
        await shared.post(f"/api/boards/{slug}/archive")


@in_module
async def test_other_title_is_another_board(shared: httpx.AsyncClient) -> None:
    path = await make_board(shared, title="The cup", game_mode=None)
    other = await shared.put(path, json={"title": "A cup"})
    assert check_error(other, 409, "board_exists") == ["title"]
    assert check_error(await shared.put(path, json={}), 409) == ["title"]
    await shared.post(f"{path}/archive")


@pytest.mark.parametrize(
    ("season", "status"),
    [
        ("0", 400),
        ("-1", 400),
        ("01", 400),
        ("9999999999", 400),
        ("1.0", 400),
        ("", 400),
        ("next", 400),
        ("current\n", 400),
        ("1\n", 400),
        ("٣", 400),
        ("previous", 404),
        ("2", 404),
        ("999999999", 404),
    ],
)
@in_module
async def test_season_that_is_not_there(
    shared: httpx.AsyncClient, season: str, status: int
) -> None:
    board = await make_board(shared)
    for path in ("top", "rank/1", "around/1", "page", "place?score=1", "cutoffs"):
        url = httpx.URL(f"{board}/{path}").copy_add_param("season", season)
        fields = check_error(await shared.get(url), status)
        assert fields == (["season"] if status == 400 else [])
    answer = await shared.post(f"{board}/ranks", params={"season": season}, json={"user_ids": [1]})
    check_error(answer, status)


@pytest.mark.parametrize(
    ("number", "status"),
    [("0", 400), ("x", 400), ("1.5", 400), ("-1", 400), ("2", 404), (str(10**30), 404)],
)
@in_module
async def test_number_of_a_season_that_is_not_there(
    shared: httpx.AsyncClient, number: str, status: int
) -> None:
    check_error(await shared.get(f"/api/boards/global/seasons/{number}"), status)


@pytest.mark.parametrize(
    "percent",
    [
        *["0", "-1", "100.1", "nan", "inf", "1,,2", "a", "1;2", "1_0", "1e1", "٣", "0x1"],
        "",
        " 1",
        ",".join(["1"] * 21),
    ],
)
@in_module
async def test_percents_that_are_none(shared: httpx.AsyncClient, percent: str) -> None:
    answer = await shared.get("/api/boards/global/cutoffs", params={"percent": percent})
    assert check_error(answer, 400) == ["percent"]


@pytest.mark.parametrize("score", ["", "12.5", "x", str(LIMIT + 1), str(-LIMIT - 1), "1e400"])
@in_module
async def test_place_of_what_is_no_score(shared: httpx.AsyncClient, score: str) -> None:
    answer = await shared.get("/api/boards/global/place", params={"score": score})
    assert check_error(answer, 400) == ["score"]
    assert check_error(await shared.get("/api/boards/global/place"), 400) == ["score"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_ids": []},
        {"user_ids": list(range(1, 1_002))},
        {"user_ids": [0]},
        {"user_ids": [LIMIT + 1]},
        {"user_ids": [1.5]},
        {"user_ids": ["1"]},
        {"user_ids": None},
        {"user_ids": [1], "x": 1},
        [1],
        None,
    ],
)
@in_module
async def test_friends_who_are_none(shared: httpx.AsyncClient, body: Any) -> None:
    check_error(await shared.post("/api/boards/global/ranks", json=body), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/api/boards?after=%00",
        "/api/boards?after=" + "a" * 65,
        "/api/boards?limit=0",
        "/api/boards?limit=1001",
        "/api/boards/global/seasons?after=0",
        "/api/boards/global/seasons?after=2147483648",
        "/api/boards/global/top?limit=0",
        "/api/boards/global/top?limit=101",
        "/api/boards/global/top?details=maybe",
        "/api/boards/global/page?limit=1001",
        "/api/boards/global/page?offset=-1",
        "/api/boards/global/page?offset=0&after=x",
        "/api/boards/global/page?after=x&before=x",
        "/api/boards/global/page?after=%00",
        "/api/boards/global/page?after=" + "a" * 201,
        "/api/boards/global/around/1?radius=51",
        "/api/boards/global/rank/0",
        "/api/boards/global/rank/1.5",
        "/api/players/1/ranks?boards=%00",
        "/api/players/1/ranks?boards=a%20b",
        "/api/players/1/ranks?boards=",
        "/api/players/1/ranks?boards=global,",
        "/api/players/0/ranks",
    ],
)
@in_module
async def test_read_that_is_wrong(shared: httpx.AsyncClient, path: str) -> None:
    assert check_error(await shared.get(path), 400)


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        (["*"], 200),
        (["  * "], 200),
        (['"1-0", {tag}'], 200),
        (["{tag},"], 200),
        (["W/{tag}"], 412),
        (['"*"'], 412),
        (['""'], 412),
        ([""], 412),
        (["nonsense"], 412),
        ([], 428),
    ],
)
@in_module
async def test_if_match(shared: httpx.AsyncClient, if_match: Sequence[str], status: int) -> None:
    board = await make_board(shared)
    tag = (await shared.get(board)).headers["etag"]
    headers = [("If-Match", value.format(tag=tag)) for value in if_match]
    changed = await shared.patch(board, json={"title": "x"}, headers=headers)
    if status == 200:
        assert changed.status_code == 200, changed.text
    else:
        check_error(changed, status)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"title": None}, ["title"]),
        ({"operator": None}, ["operator"]),
        ({"format": None}, ["format"]),
        ({"apply": "now"}, ["apply"]),
        ({"count_from": "ever"}, ["count_from"]),
        ({"slug": "x"}, ["slug"]),
        ({"max_score": -1}, ["min_score"]),
        ({"schedule": {}}, ["schedule.cron"]),
    ],
)
@in_module
async def test_change_that_is_wrong(
    shared: httpx.AsyncClient, body: dict[str, Any], fields: list[str]
) -> None:
    board = await make_board(shared, min_score=0)
    tag = (await shared.get(board)).headers["etag"]
    changed = await shared.patch(board, json=body, headers={"If-Match": "*"})
    assert check_error(changed, 400) == fields
    assert (await shared.get(board)).headers["etag"] == tag


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {}),
        ("POST", "/archive", None),
        ("POST", "/unarchive", None),
        ("POST", "/seasons/current/close", None),
        ("POST", "/seasons/1/close", None),
        ("GET", "", None),
        ("GET", "/seasons", None),
        ("GET", "/seasons/1", None),
        ("GET", "/top", None),
        ("GET", "/page", None),
        ("GET", "/rank/1", None),
        ("GET", "/around/1", None),
        ("GET", "/place?score=1", None),
        ("GET", "/cutoffs", None),
        ("GET", "/movers", None),
        ("GET", "/stream", None),
        ("POST", "/ranks", {"user_ids": [1]}),
    ],
)
@in_module
async def test_board_that_is_not_there(
    shared: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    answer = await shared.request(method, f"/api/boards/none{path}", json=body)
    check_error(answer, 404, "board_not_found")


async def test_cursor_that_was_changed_anywhere(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players(database, 3)
    await record_scores(database, *((user_id, user_id) for user_id in user_ids))
    await refresher.refresh()
    cursor = (await client.get("/api/boards/global/page?limit=1")).json()["next"]
    packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    broken = [
        base64.urlsafe_b64encode(
            packed[:place] + bytes([packed[place] ^ bit]) + packed[place + 1 :]
        ).decode()
        for place in range(len(packed))
        for bit in (1, 128)
    ]
    broken += [cursor[:place] + cursor[place + 1 :] for place in range(len(cursor))]
    broken += [cursor + "=", cursor + "A", cursor + "AAAA", " " + cursor, "", "\x00", "ä" * 64]
    broken += [cursor.replace("A", "+", 1), cursor.swapcase()]
    for tampered in broken:
        for side in ("after", "before"):
            answer = await client.get("/api/boards/global/page", params={side: tampered})
            assert answer.status_code == 400, (tampered, answer.text)
            assert answer.json()["code"] in ("invalid_request", "cursor_expired")
