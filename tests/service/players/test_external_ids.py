"""Callers' own ids: unique, found by, and submitted with in place of `user_id`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.api.app import create_app
from service.backends.database import Database
from service.settings.settings import Settings
from tests.support.error_checks import check_error, list_fields
from tests.support.factories import make_player
from tests.support.serving import connect_client, run_app

PLAYERS = "/api/players"
SUBMIT = "/api/leaderboard/submit"
BULK = "/api/leaderboard/submit/bulk"
KEY = "Idempotency-Key"
STEAM = "steam:76561197960287930"

# A plain request is answered ahead of the framework, one with a charset by the route.
LANES = {"express": "application/json", "route": "application/json; charset=utf-8"}


@pytest.fixture(params=LANES)
def content_type(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"Content-Type": LANES[request.param]}


@pytest.fixture
async def other_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of another application on the same database."""
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        yield client


async def register(client: httpx.AsyncClient, username: str, external_id: str) -> httpx.Response:
    return await client.post(PLAYERS, json={"username": username, "external_id": external_id})


async def fetch_sessions(database: Database) -> list[tuple[object, ...]]:
    rows = await database.fetch("SELECT player_id, score FROM game_session ORDER BY id")
    return [tuple(row) for row in rows]


async def test_player_with_an_external_id_is_registered_once(client: httpx.AsyncClient) -> None:
    first = await register(client, "ada", STEAM)
    assert first.status_code == 201
    assert first.json().keys() == {"user_id", "username", "joined_at", "external_id"}
    assert first.json()["external_id"] == STEAM
    again = await register(client, "ada", STEAM)
    assert (again.status_code, again.json()) == (200, first.json())
    user_id = first.json()["user_id"]
    for path in (
        f"{PLAYERS}/{user_id}",
        f"{PLAYERS}?username=ada",
        f"{PLAYERS}?external_id={STEAM}",
    ):
        assert (await client.get(path)).json() == first.json()


async def test_external_id_of_a_player_of_another_name(client: httpx.AsyncClient) -> None:
    first = (await register(client, "ada", STEAM)).json()
    refused = await register(client, "grace", STEAM)
    assert refused.status_code == 409
    assert refused.json().keys() == {"error", "code", "user_id"}
    assert refused.json()["code"] == "external_id_taken"
    assert refused.json()["user_id"] == first["user_id"]
    # Also where the name is somebody's, too: the external id says who was meant.
    await register(client, "grace", "other")
    assert (await register(client, "grace", STEAM)).json()["user_id"] == first["user_id"]


async def test_name_of_a_player_with_another_external_id(client: httpx.AsyncClient) -> None:
    await register(client, "ada", STEAM)
    await client.post(PLAYERS, json={"username": "grace"})
    for username, external_id in (("ada", "other"), ("grace", "other")):
        refused = check_error(await register(client, username, external_id), 409, "username_taken")
        assert "user_id" not in refused
    refused = check_error(
        await client.post(PLAYERS, json={"username": "ada"}), 409, "username_taken"
    )


async def test_registrations_at_once_are_one_player(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    for turn in range(5):
        answers = await asyncio.gather(
            *(
                register((client, other_client)[line % 2], f"ada {turn}", f"own:{turn}")
                for line in range(20)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
        assert len({answer.json()["user_id"] for answer in answers}) == 1


async def test_external_ids_are_compared_as_they_are(client: httpx.AsyncClient) -> None:
    ids = ["a", "A", "a ", "e\u0301", "\u00e9", "0", "=1", "'", "7" * 128, "🎮" * 128]
    answers = [await register(client, f"player {n}", ids[n]) for n in range(len(ids))]
    assert [answer.status_code for answer in answers] == [201] * len(ids)
    for answer, external_id in zip(answers, ids, strict=True):
        found = await client.get(PLAYERS, params={"external_id": external_id})
        assert found.json() == answer.json()
    check_error(await register(client, "x", "7" * 129), 400, "invalid_request")


async def test_player_is_looked_up_by_one_of_the_two(client: httpx.AsyncClient) -> None:
    answer = check_error(await client.get(PLAYERS), 400, "invalid_request")
    assert list_fields(answer) == ["username"]
    both = await client.get(PLAYERS, params={"username": "ada", "external_id": STEAM})
    assert list_fields(check_error(both, 400, "invalid_request")) == ["external_id"]
    nobody = await client.get(PLAYERS, params={"external_id": STEAM})
    check_error(nobody, 404, "user_not_found")


async def test_score_is_submitted_by_external_id(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database, external_id=STEAM)
    body = f'{{"external_id":"{STEAM}","score":42}}'
    answer = await client.post(SUBMIT, content=body, headers=content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    assert await fetch_sessions(database) == [(user_id, 42)]


async def test_score_names_its_player_once(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database, external_id=STEAM)
    for body, field in (
        (f'{{"user_id":{user_id},"external_id":"{STEAM}","score":42}}', "external_id"),
        ('{"score":42}', "user_id"),
        ('{"external_id":null,"score":42}', "user_id"),
        ('{"external_id":7,"score":42}', "external_id"),
        ('{"external_id":"","score":42}', "external_id"),
        ('{"external_id":" ","score":42}', "external_id"),
        ('{"external_id":"a\\u0000","score":42}', "external_id"),
        (f'{{"external_id":"{"x" * 129}","score":42}}', "external_id"),
    ):
        answer = await client.post(SUBMIT, content=body, headers=content_type)
        assert list_fields(check_error(answer, 400, "invalid_request")) == [field], body
    assert await fetch_sessions(database) == []


async def test_external_id_of_nobody(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    body = '{"external_id":"nobody","score":42}'
    for headers in (content_type, content_type | {KEY: "match-17"}):
        answer = await client.post(SUBMIT, content=body, headers=headers)
        assert answer.status_code == 404
        assert answer.json() == {"error": "User not found", "code": "user_not_found"}
    await make_player(database, external_id="nobody")
    answer = await client.post(SUBMIT, content=body, headers=content_type | {KEY: "match-17"})
    assert answer.status_code == 200


async def test_key_is_the_players_whichever_way_he_is_named(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    user_id = await make_player(database, external_id=STEAM)
    headers = content_type | {KEY: "match-17"}
    by_id = {"user_id": user_id, "score": 42}
    by_external_id = {"external_id": STEAM, "score": 42}
    first = await client.post(SUBMIT, json=by_external_id, headers=headers)
    for body in (by_id, by_external_id):
        again = await client.post(SUBMIT, json=body, headers=headers)
        assert (again.status_code, again.json()) == (200, first.json())
        other = await client.post(SUBMIT, json={**body, "score": 43}, headers=headers)
        check_error(other, 422, "idempotency_key_reused")
    lines = [{**body, "idempotency_key": "match-17"} for body in (by_id, by_external_id)]
    assert (await client.post(BULK, json=lines)).json() == [first.json()] * 2
    assert await fetch_sessions(database) == [(user_id, 42)]


async def test_bulk_lines_name_their_players_either_way(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database, external_id="own:ada")
    grace = await make_player(database, external_id="own:grace")
    lines: list[dict[str, Any]] = [
        {"external_id": "own:grace", "score": 1},
        {"user_id": ada, "score": 2},
        {"external_id": "own:ada", "user_id": ada, "score": 3},
        {"score": 4},
        {"external_id": "nobody", "score": 5},
        {"external_id": "own:ada", "score": 6, "idempotency_key": "k"},
    ]
    answers = (await client.post(BULK, json=lines)).json()
    assert [answer.get("code", "success") for answer in answers] == [
        "success", "success", "invalid_request", "invalid_request", "user_not_found", "success",
    ]  # fmt: skip
    assert await fetch_sessions(database) == [(grace, 1), (ada, 2), (ada, 6)]


async def test_many_at_once_each_count_for_their_own_player(
    client: httpx.AsyncClient, database: Database
) -> None:
    user_ids = [await make_player(database, external_id=f"own:{number}") for number in range(30)]
    answers = await asyncio.gather(
        *(
            client.post(
                SUBMIT,
                json={
                    "score": n,
                    **({"external_id": f"own:{n}"} if n % 3 else {"user_id": user_ids[n]}),
                },
            )
            for n in range(30)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(await fetch_sessions(database)) == [(user_ids[n], n) for n in range(30)]
