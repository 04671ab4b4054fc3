"""Many scores in one request: every line is answered for itself, in its place."""

import json
from typing import Any

import httpx

from service.backends.database import Database
from service.http.bulk import BULK_LIMIT
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_player, make_players

PATH = "/api/leaderboard/submit/bulk"


async def post_array(client: httpx.AsyncClient, *lines: object) -> httpx.Response:
    return await client.post(PATH, json=lines)


async def count_sessions(database: Database) -> tuple[int, int]:
    row = await database.fetch_one(
        "SELECT (SELECT count(*) FROM game_session) AS sessions,"
        " (SELECT count(*) FROM pending_session) AS pending"
    )
    assert row is not None
    return row["sessions"], row["pending"]


async def test_each_line_is_answered_in_its_place(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, grace = await make_players(database, 2)

    answer = await post_array(
        client,
        {"user_id": ada, "score": 10},
        {"user_id": ada},
        {"user_id": grace + 1, "score": 10},
        "no object",
        {"user_id": grace, "score": 2**53},
        {"user_id": grace, "score": 20, "game_mode": "duel"},
    )

    assert answer.status_code == 200
    lines: list[dict[str, Any]] = answer.json()
    assert [line["status"] for line in lines] == [
        "success", "error", "error", "error", "error", "success",
    ]  # fmt: skip
    assert [line.get("code") for line in lines[1:5]] == [
        "invalid_request", "user_not_found", "invalid_request", "invalid_request",
    ]  # fmt: skip
    assert lines[1]["fields"][0]["field"] == "score"
    assert lines[4]["fields"][0]["field"] == "score"
    rows = await database.fetch("SELECT id, player_id, score, game_mode FROM game_session")
    assert {tuple(row) for row in rows} == {
        (lines[0]["session_id"], ada, 10, "solo"),
        (lines[5]["session_id"], grace, 20, "duel"),
    }
    assert await count_sessions(database) == (2, 2)


async def test_ndjson_is_answered_as_ndjson(client: httpx.AsyncClient, database: Database) -> None:
    ada = await make_player(database)
    lines = [
        b'{"user_id": %d, "score": 1}' % ada,
        b"",
        b"broken",
        b'{"user_id": %d, "score": 2}' % ada,
    ]

    answer = await client.post(
        PATH, content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"}
    )

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [
        "success", "error", "success",
    ]  # fmt: skip
    assert await count_sessions(database) == (2, 2)


async def test_key_makes_a_line_safe_to_send_again(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database)
    line = {"user_id": ada, "score": 7, "idempotency_key": "match-1"}

    first = (await post_array(client, line, line)).json()
    again = (await post_array(client, line, {**line, "score": 8})).json()

    assert first[0] == first[1] == again[0]
    assert again[1]["code"] == "idempotency_key_reused"
    assert await count_sessions(database) == (1, 1)


async def test_key_is_shared_with_single_submits(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database)
    body = {"user_id": ada, "score": 7}

    single = await client.post(
        "/api/leaderboard/submit", json=body, headers={"Idempotency-Key": "match-1"}
    )
    bulk = await post_array(client, {**body, "idempotency_key": "match-1"})

    assert bulk.json()[0]["session_id"] == single.json()["session_id"]


async def test_ten_thousand_lines_are_taken_and_one_more_is_not(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    players = await make_players(database, 10)
    lines = [{"user_id": players[line % 10], "score": 1} for line in range(BULK_LIMIT)]

    too_many = await post_array(client, *lines, lines[0])
    assert too_many.status_code == 413
    assert too_many.json()["code"] == "too_many_lines"
    assert await count_sessions(database) == (0, 0)

    taken = await post_array(client, *lines)
    assert len({line["session_id"] for line in taken.json()}) == BULK_LIMIT
    await refresher.refresh()
    rank = (await client.get(f"/api/leaderboard/rank/{players[0]}")).json()
    assert (rank["total_score"], rank["rank"]) == (BULK_LIMIT // 10, 1)


async def test_body_that_is_no_list_is_refused_whole(client: httpx.AsyncClient) -> None:
    for body in (b"", b"{}", b'[{"user_id": 1, "score": 1}', b"[[[["):
        answer = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), body

    answer = await client.post(PATH, content=b"1,2", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_key_of_the_whole_request_is_refused(
    client: httpx.AsyncClient, database: Database
) -> None:
    """A retry of lines without keys would count twice."""
    (user_id,) = await make_players(database, 1)
    response = await client.post(
        PATH, json=[{"user_id": user_id, "score": 1}], headers={"Idempotency-Key": "match-1"}
    )
    assert response.status_code == 400
    (field,) = response.json()["fields"]
    assert field["field"] == "Idempotency-Key"
    assert "`idempotency_key` in each line" in field["message"]
    assert await count_sessions(database) == (0, 0)


async def test_first_line_with_a_key_counts(client: httpx.AsyncClient, database: Database) -> None:
    ada = await make_player(database)
    for turn in range(20):
        lines = [
            {"user_id": ada, "score": score, "idempotency_key": f"match-{turn}"}
            for score in range(40)
        ]
        answers = (await post_array(client, *lines)).json()
        assert answers[0]["status"] == "success"
        assert {answer["code"] for answer in answers[1:]} == {"idempotency_key_reused"}
    rows = await database.fetch("SELECT score FROM game_session")
    assert [row["score"] for row in rows] == [0] * 20


async def test_metadata_of_any_depth_is_no_fault_of_ours(client: httpx.AsyncClient) -> None:
    lines = [
        b'{"user_id":1,"score":1,"metadata":%s1%s}' % (b'{"a":' * depth, b"}" * depth)
        for depth in range(600, 1_001)
    ]
    answer = await client.post(
        PATH, content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"}
    )
    codes = [json.loads(line)["code"] for line in answer.text.splitlines()]
    assert codes == ["invalid_request"] * len(lines)
    for line in lines:
        answer = await client.post(
            PATH, content=b"[%s]" % line, headers={"Content-Type": "application/json"}
        )
        # As a whole where the line cannot even be told from the next.
        assert answer.status_code == 400 or answer.json()[0]["code"] == "invalid_request"
