"""`/api/ops/sessions/count`: what the ledger has of the submits under one beginning of keys."""

from typing import Any

import httpx
import pytest

from service.backends.database import Database
from tests.support.factories import make_players, record_scores
from tests.support.shared_service import SharedService

in_module = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/ops/sessions/count"


async def submit(client: httpx.AsyncClient, user_id: int, key: str | None, score: int = 1) -> int:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = await client.post(
        "/api/leaderboard/submit", json={"user_id": user_id, "score": score}, headers=headers
    )
    assert response.status_code == 200, response.text
    session_id = response.json()["session_id"]
    assert isinstance(session_id, int)
    return session_id


async def count(client: httpx.AsyncClient, after: object, key_prefix: str) -> dict[str, Any]:
    response = await client.get(PATH, params={"after": str(after), "key_prefix": key_prefix})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_count_sessions_counts_a_repeated_key_once(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, grace = await make_players(database, 2)
    for user_id, key in [(ada, "run-1"), (ada, "run-1"), (ada, "run-2"), (grace, "run-2")]:
        await submit(client, user_id, key)
    assert await count(client, 0, "run-") == {"sessions": 3, "distinct_keys": 2}


async def test_count_sessions_looks_at_the_beginning_of_keys_only(
    client: httpx.AsyncClient, database: Database
) -> None:
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    for key in ("run-1", "a-run-2", "RUN-3", "run%4", "run_5", "run\\6"):
        await submit(client, ada, key)
    assert await count(client, 0, "run-") == {"sessions": 1, "distinct_keys": 1}
    assert (await count(client, 0, "run"))["sessions"] == 4
    assert (await count(client, 0, "run%"))["sessions"] == 1
    assert (await count(client, 0, "run_"))["sessions"] == 1
    assert (await count(client, 0, "run\\"))["sessions"] == 1
    assert await count(client, 0, "nobody") == {"sessions": 0, "distinct_keys": 0}


async def test_count_sessions_begins_behind_the_given_one(
    client: httpx.AsyncClient, database: Database
) -> None:
    (ada,) = await make_players(database, 1)
    first = await submit(client, ada, "run-1")
    await submit(client, ada, "run-2")
    assert (await count(client, first, "run-"))["sessions"] == 1
    assert (await count(client, first - 1, "run-"))["sessions"] == 2
    assert (await count(client, 2**53 - 1, "run-"))["sessions"] == 0


@in_module
@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"key_prefix": "run-"}, "after"),
        ({"after": "5"}, "key_prefix"),
        ({"after": "-1", "key_prefix": "run-"}, "after"),
        ({"after": str(2**53), "key_prefix": "run-"}, "after"),
        ({"after": "1.5", "key_prefix": "run-"}, "after"),
        ({"after": "x", "key_prefix": "run-"}, "after"),
        ({"after": "5", "key_prefix": ""}, "key_prefix"),
        ({"after": "5", "key_prefix": "k" * 256}, "key_prefix"),
        ({"after": "5", "key_prefix": "run\0"}, "key_prefix"),
    ],
)
async def test_a_wrong_parameter_is_named(
    shared: SharedService, parameters: dict[str, str], field: str
) -> None:
    response = await shared.client.get(PATH, params=parameters)
    assert response.status_code == 400, response.text
    answer = response.json()
    assert answer["code"] == "invalid_request"
    assert [wrong["field"] for wrong in answer["fields"]] == [field]


@in_module
async def test_the_endpoint_is_documented(shared: SharedService) -> None:
    operation = (await shared.client.get("/schema")).json()["paths"][PATH]["get"]
    assert {"200", "400", "503"} <= operation["responses"].keys()
    assert {parameter["name"]: parameter["required"] for parameter in operation["parameters"]} == {
        "after": True,
        "key_prefix": True,
    }
