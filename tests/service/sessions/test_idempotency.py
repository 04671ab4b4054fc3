"""P3: a key of a player makes one session, however often, wherever and at once it is sent."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from service.api.app import create_app
from service.backends.database import Database
from service.sessions.service import FIND_KEYED_SESSIONS, RECORD_SESSIONS
from service.settings.settings import Settings
from tests.support.factories import make_player, make_players
from tests.support.lock_waits import count_lock_waits
from tests.support.serving import connect_client, run_app
from tests.support.waiting import wait_until

SUBMIT = "/api/leaderboard/submit"
KEY = "Idempotency-Key"


@pytest.fixture
async def clients(settings: Settings) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of two applications on one database."""
    async with (
        run_app(create_app(settings)) as first,
        run_app(create_app(settings)) as second,
        connect_client(first) as one,
        connect_client(second) as other,
    ):
        yield [one, other]


async def count_rows(database: Database) -> tuple[int, int]:
    """Return how many sessions there are, and how many wait to be folded."""
    row = await database.fetch_one(
        """
        SELECT
            (SELECT count(*) FROM game_session) AS sessions,
            (SELECT count(*) FROM pending_session) AS pending
        """
    )
    assert row is not None
    return row["sessions"], row["pending"]


def submit(
    client: httpx.AsyncClient, user_id: int, score: int, key: str, game_mode: str = "solo"
) -> asyncio.Task[httpx.Response]:
    body = {"user_id": user_id, "score": score, "game_mode": game_mode}
    return asyncio.ensure_future(client.post(SUBMIT, json=body, headers={KEY: key}))


async def test_fifty_requests_with_one_key_are_one_session(
    clients: list[httpx.AsyncClient], database: Database
) -> None:
    user_id = await make_player(database)
    responses = await asyncio.gather(
        *(submit(clients[line % 2], user_id, 42, "match-17") for line in range(50))
    )
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert await count_rows(database) == (1, 1)


async def test_key_sent_again_later_gets_the_first_answer(
    clients: list[httpx.AsyncClient], database: Database
) -> None:
    user_id = await make_player(database)
    first = await submit(clients[0], user_id, 42, "match-17")
    for client in clients:
        again = await submit(client, user_id, 42, "match-17")
        assert (again.status_code, again.json()) == (200, first.json())
    assert await count_rows(database) == (1, 1)


@pytest.mark.parametrize(("score", "game_mode"), [(43, "solo"), (42, "duo"), (-42, "solo")])
async def test_key_with_another_body_is_refused(
    clients: list[httpx.AsyncClient], database: Database, score: int, game_mode: str
) -> None:
    user_id = await make_player(database)
    await submit(clients[0], user_id, 42, "match-17")
    for client in clients:
        refused = await submit(client, user_id, score, "match-17", game_mode)
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency_key_reused"
    assert await count_rows(database) == (1, 1)


async def test_one_key_with_two_bodies_at_once_has_one_winner(
    clients: list[httpx.AsyncClient], database: Database
) -> None:
    user_id = await make_player(database)
    responses = await asyncio.gather(
        *(submit(clients[line % 2], user_id, line % 3, "match-17") for line in range(30))
    )
    row = await database.fetch_one("SELECT score FROM game_session")
    assert row is not None
    for line, response in enumerate(responses):
        assert response.status_code == (200 if line % 3 == row["score"] else 422)
    assert await count_rows(database) == (1, 1)


async def test_same_key_of_another_player_is_another_session(
    clients: list[httpx.AsyncClient], database: Database
) -> None:
    user_ids = await make_players(database, 20)
    responses = await asyncio.gather(
        *(submit(clients[user_id % 2], user_id, 42, "match-17") for user_id in user_ids * 2)
    )
    assert {response.status_code for response in responses} == {200}
    session_ids = [response.json()["session_id"] for response in responses]
    assert session_ids[:20] == session_ids[20:]
    assert len(set(session_ids)) == 20
    assert await count_rows(database) == (20, 20)


async def test_submits_without_a_key_are_never_the_same(
    clients: list[httpx.AsyncClient], database: Database
) -> None:
    user_id = await make_player(database)
    body = {"user_id": user_id, "score": 42}
    responses = await asyncio.gather(
        *(clients[line % 2].post(SUBMIT, json=body) for line in range(20))
    )
    assert len({response.json()["session_id"] for response in responses}) == 20
    assert await count_rows(database) == (20, 20)


async def test_key_refused_for_an_unknown_player_can_be_used_once_there_is_one(
    clients: list[httpx.AsyncClient], database: Database
) -> None:
    missing = await submit(clients[0], 1, 42, "match-17")
    assert missing.status_code == 404
    assert await make_player(database) == 1
    assert (await submit(clients[0], 1, 42, "match-17")).status_code == 200


async def test_find_keyed_sessions_answers_in_the_order_asked(database: Database) -> None:
    user_ids = await make_players(database, 3)
    recorded = await database.fetch(
        RECORD_SESSIONS, user_ids, [1, 2, 3], ["solo"] * 3, ["a", "b", "a"], ["{}", None, None]
    )
    ids = [row["session_id"] for row in recorded]
    found = await database.fetch(
        FIND_KEYED_SESSIONS,
        [user_ids[2], user_ids[0], user_ids[1]],
        ["a", "a", "b"],
        [None, "{}", "{}"],
    )
    assert [tuple(row) for row in found] == [
        (ids[2], 3, "solo", True, False),
        (ids[0], 1, "solo", True, False),
        (ids[1], 2, "solo", False, False),
    ]


@pytest.mark.parametrize("state", ["active", "banned"])
async def test_key_of_a_player_who_is_deleted_meanwhile_is_of_nobody(
    clients: list[httpx.AsyncClient], database: Database, state: str
) -> None:
    user_id = await make_player(database)
    assert (await submit(clients[0], user_id, 42, "match-17")).status_code == 200
    await database.fetch("UPDATE player SET state = $1", state)
    # As a deletion does that is committed as soon as the key was found to be used.
    await database.fetch(
        """
        CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE game_session SET idempotency_key = NULL;
            UPDATE player SET deleted_at = now();
            RETURN NULL;
        END $$
        """
    )
    await database.fetch("CREATE TRIGGER forgets AFTER INSERT ON outbox EXECUTE FUNCTION forget()")
    again = await submit(clients[0], user_id, 42, "match-17")
    assert (again.status_code, again.json()["code"]) == (404, "user_not_found")


async def test_batches_with_the_same_keys_in_opposite_orders_do_not_deadlock(
    database: Database,
) -> None:
    user_ids = await make_players(database, 40)
    for turn in range(10):
        keys = [f"{turn} {line}" for line in range(40)]
        batches = []
        for order in (1, -1, 1, -1):
            arguments = (user_ids[::order], [7] * 40, ["solo"] * 40, keys[::order], [None] * 40)
            batches.append(database.fetch(RECORD_SESSIONS, *arguments))
        answers = await asyncio.gather(*batches)
        recorded = [row["recorded"] for answer in answers for row in answer]
        assert (len(recorded), sum(recorded)) == (160, 40)
    assert await count_rows(database) == (400, 400)


async def test_role_that_isolates_transactions_otherwise_fails_no_race_of_keys(
    settings: Settings, database: Database
) -> None:
    """In `repeatable read` the loser of a race cannot see what the winner has committed."""
    user_id = await make_player(database)
    name = urlsplit(settings.require_database_url()).path.removeprefix("/")
    await database.fetch(
        f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
    )
    winner = await asyncpg.connect(settings.require_database_url())
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        async with winner.transaction():
            await winner.execute(
                "INSERT INTO game_session (player_id, score, idempotency_key) VALUES ($1, 42, 'k')",
                user_id,
            )
            losing = submit(client, user_id, 42, "k")
            await wait_until(lambda: count_lock_waits(database))
        assert (await losing).status_code == 200
    await winner.close()
    assert (await count_rows(database))[0] == 1


async def test_blanks_around_a_key_are_no_part_of_it(
    clients: list[httpx.AsyncClient], database: Database
) -> None:
    user_id = await make_player(database)
    keys = ["match-17", "match-17  ", "\tmatch-17", " match-17 \t"]
    answers = [(await submit(clients[0], user_id, 42, key)).json() for key in keys]
    lines = [{"user_id": user_id, "score": 42, "idempotency_key": key} for key in keys]
    answers += (await clients[1].post(f"{SUBMIT}/bulk", json=lines)).json()
    assert answers == [answers[0]] * 8
    assert await count_rows(database) == (1, 1)


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "a\x7f", "a\n", "a\x00", "x" * 256])
async def test_key_of_a_line_is_what_a_header_may_hold(
    clients: list[httpx.AsyncClient], database: Database, key: str
) -> None:
    user_id = await make_player(database)
    lines = [{"user_id": user_id, "score": 42, "idempotency_key": key}]
    (answer,) = (await clients[0].post(f"{SUBMIT}/bulk", json=lines)).json()
    assert (answer["status"], answer["code"]) == ("error", "invalid_request")
    assert answer["fields"] == [
        {
            "field": "idempotency_key",
            "message": "Expected 1 to 255 visible ASCII characters, without blanks",
        }
    ]
    assert await count_rows(database) == (0, 0)
