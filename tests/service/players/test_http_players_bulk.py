"""`POST /api/players/bulk`: many players in one request, of whom each is answered in its place."""

import asyncio
import json

import httpx

from service.backends.database import Database
from service.http.bulk import BULK_LIMIT
from tests.support.factories import make_player

PATH = "/api/players/bulk"


async def count_players(database: Database) -> int:
    row = await database.fetch_one("SELECT count(*) AS players FROM player")
    assert row is not None
    return int(row["players"])


async def test_each_line_is_answered_in_its_place(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database, "ada", "own:ada")
    answer = await client.post(
        PATH,
        json=[
            {"username": "grace", "external_id": "own:grace"},
            {"username": "ada", "external_id": "own:ada"},
            {"username": "eve", "external_id": "own:ada"},
            {"username": "ada"},
            {"username": "\u200b"},
            {"username": "deleted-7"},
            {"username": "linus", "user_id": 9},
            "no object",
            {"username": "linus"},
            {"username": "linus"},
            {"username": "grace", "external_id": "own:grace"},
        ],
    )
    assert answer.status_code == 200
    lines = answer.json()
    assert [line.get("code", line.get("created")) for line in lines] == [
        True, False, "external_id_taken", "username_taken", "invalid_request", "username_reserved",
        "invalid_request", "invalid_request", True, "username_taken", False,
    ]  # fmt: skip
    assert lines[1] == {"status": "success", "user_id": ada, "created": False}
    assert lines[2]["user_id"] == ada
    assert lines[10]["user_id"] == lines[0]["user_id"] < lines[8]["user_id"]
    assert await count_players(database) == 3


async def test_ndjson_is_answered_as_ndjson(client: httpx.AsyncClient, database: Database) -> None:
    answer = await client.post(
        PATH,
        content=b'{"username": "ada"}\n\nbroken\n{"username": "grace"}',
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [
        "success", "error", "success",
    ]  # fmt: skip
    assert await count_players(database) == 2


async def test_ten_thousand_lines_are_taken_again_and_one_more_is_not(
    client: httpx.AsyncClient, database: Database
) -> None:
    lines = [{"username": f"p {n}", "external_id": f"own:{n}"} for n in range(BULK_LIMIT)]
    too_many = await client.post(PATH, json=[*lines, {"username": "one more"}])
    assert (too_many.status_code, too_many.json()["code"]) == (413, "too_many_lines")
    assert await count_players(database) == 0
    first = (await client.post(PATH, json=lines)).json()
    again = (await client.post(PATH, json=lines)).json()
    ids = [line["user_id"] for line in first]
    assert ids == sorted(set(ids))
    assert [line["user_id"] for line in again] == ids
    assert {line["created"] for line in first} == {True}
    assert {line["created"] for line in again} == {False}
    # Those who were there drew no ids.
    one_more = (await client.post("/api/players", json={"username": "one more"})).json()
    assert one_more["user_id"] == ids[-1] + 1


async def test_requests_in_opposite_orders_do_not_wait_in_a_circle(
    client: httpx.AsyncClient, database: Database
) -> None:
    for turn in range(5):
        lines = [{"username": f"{turn} {n}", "external_id": f"{turn}:{n}"} for n in range(200)]
        # The same names under the others' external ids: every line of one waits for another's.
        crossed = [
            {"username": line["username"], "external_id": other["external_id"]}
            for line, other in zip(lines, reversed(lines), strict=True)
        ]
        answers = await asyncio.gather(
            *(client.post(PATH, json=body) for body in (lines, crossed, lines[::-1], crossed[::-1]))
        )
        assert [answer.status_code for answer in answers] == [200] * 4
    assert await count_players(database) == 1_000
