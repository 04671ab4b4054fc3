"""`?seen=`: a read that waits until a session counts in what it answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_player, make_season, record_scores
from tests.support.season_work import SeasonWorker
from tests.support.serving import connect_client, run_app
from tests.support.shared_service import SharedService
from tests.support.waiting import wait_until

in_module = pytest.mark.asyncio(loop_scope="module")

LONG = "service.standings.reads.seen._LONGEST_WAIT_SECONDS"

# Each with the scores that it lists.
READS = {
    "rank": "/api/leaderboard/rank/{user_id}",
    "around": "/api/leaderboard/around/{user_id}",
    "top": "/api/leaderboard/top",
    "board rank": "/api/boards/best/rank/{user_id}",
    "board rank by its route": "/api/boards/best/rank/{user_id}?season=current",
    "board around": "/api/boards/best/around/{user_id}",
    "board top": "/api/boards/best/top",
    "board top with details": "/api/boards/best/top?details=true",
}


@pytest.fixture
async def other_client(settings: Settings, client: httpx.AsyncClient) -> AsyncIterator[Any]:
    """Another process of the same service."""
    del client
    async with run_app(create_app(settings)) as app, connect_client(app) as other:
        yield other


def list_scores(answer: dict[str, Any]) -> list[int]:
    entries = answer.get("leaderboard", answer.get("entries", [answer]))
    return [entry.get("total_score", entry.get("score")) for entry in entries]


async def submit(client: httpx.AsyncClient, user_id: int, score: int) -> int:
    response = await client.post(
        "/api/leaderboard/submit", json={"user_id": user_id, "score": score}
    )
    session_id = response.json()["session_id"]
    assert isinstance(session_id, int)
    return session_id


async def ask(
    client: httpx.AsyncClient, path: str, user_id: int, seen: int | str
) -> httpx.Response:
    url = httpx.URL(path.format(user_id=user_id))
    return await client.get(url.copy_merge_params({"seen": seen}))


async def ask_all(
    client: httpx.AsyncClient, user_id: int, seen: int
) -> dict[str, tuple[list[int], bool]]:
    """Return the scores that each of all reads lists at once, and whether it says `pending`."""
    responses = await asyncio.gather(*(ask(client, path, user_id, seen) for path in READS.values()))
    told = {}
    for name, response in zip(READS, responses, strict=True):
        assert response.status_code == 200, (name, response.text)
        answer = response.json()
        told[name] = (list_scores(answer), answer.get("pending", False))
    return told


def is_waiting(client: httpx.AsyncClient, waiters: int = 1) -> bool:
    """Tell whether so many wait in this process, and have looked."""
    transport: Any = client._transport
    seen = transport.app.dependencies["seen_sessions"].dependency()
    return len(seen._waiting) == waiters and not seen._newcomers


async def make_player_with_five(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> int:
    """Return a player whose only score, 5, counts on `global` and on a board of bests."""
    await make_season(database, "best", operator="best")
    user_id = await make_player(database)
    await submit(client, user_id, 5)
    await refresher.refresh()
    return user_id


async def test_every_read_waits_for_the_refresh_that_counts_the_session(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LONG, 60.0)
    user_id = await make_player_with_five(client, database, refresher)
    # What memory holds before.
    for path in READS.values():
        assert list_scores((await other_client.get(path.format(user_id=user_id))).json()) == [5]
    session_id = await submit(client, user_id, 9)
    reading = asyncio.create_task(ask_all(other_client, user_id, session_id))
    await wait_until(lambda: is_waiting(other_client, len(READS)))
    await refresher.refresh()
    counted = {name: ([9 if "board" in name else 14], False) for name in READS}
    assert await reading == counted
    # And at once from now on.
    assert await ask_all(other_client, user_id, session_id) == counted


async def test_every_read_says_pending_after_a_second(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_id = await make_player_with_five(client, database, refresher)
    session_id = await submit(client, user_id, 9)
    assert await ask_all(client, user_id, session_id) == dict.fromkeys(READS, ([5], True))


async def test_session_that_changes_no_standing_is_waited_for_no_longer_than_its_fold(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LONG, 60.0)
    user_id = await make_player_with_five(client, database, refresher)
    session_id = await submit(client, user_id, 3)
    reading = asyncio.create_task(ask(client, READS["board rank"], user_id, session_id))
    await wait_until(lambda: is_waiting(client))
    await refresher.refresh()
    assert list_scores((await reading).json()) == [5]


async def test_fold_is_seen_while_redis_takes_no_part(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An index that is gone does not hold back what the standings show."""
    monkeypatch.setattr(LONG, 60.0)
    user_id = await make_player(database)
    session_id = await submit(client, user_id, 5)
    await refresher.refresh()
    await redis.flushdb()
    assert list_scores((await ask(client, READS["rank"], user_id, session_id)).json()) == [5]


async def test_session_that_cannot_count_is_not_waited_for(
    client: httpx.AsyncClient,
    database: Database,
    redis: Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LONG, 60.0)
    await make_season(database, "duo", game_mode="duo")
    await client.put("/api/boards/high", json={"min_score": 10})
    await client.put("/api/boards/ended", json={})
    user_id = await make_player(database)
    await client.post("/api/boards/ended/seasons/current/close")
    await SeasonWorker(database, redis, settings).work()
    session_id = await submit(client, user_id, 5)
    for path in (
        f"/api/boards/duo/rank/{user_id}",
        f"/api/boards/high/rank/{user_id}",
        f"/api/boards/ended/rank/{user_id}?season=1",
    ):
        response = await ask(client, path, user_id, session_id)
        assert (response.status_code, response.json()["rank"]) == (200, None), response.text
        assert "pending" not in response.json()


@pytest.mark.parametrize("name", ["rank", "around", "board rank", "board around"])
async def test_hidden_player_waits_for_nothing(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """No refresh tells of a session that changes nobody's standing: `pending` would tell him."""
    monkeypatch.setattr(LONG, 60.0)
    user_id = await make_player_with_five(client, database, refresher)
    state = {"state": "hidden", "reason": "speedhack"}
    await client.put(f"/api/players/{user_id}/state", json=state)
    await refresher.refresh()
    session_id = await submit(client, user_id, 9)
    for _ in range(2):
        answer = (await ask(client, READS[name], user_id, session_id)).json()
        assert list_scores(answer) == [9 if "board" in name else 14]
        assert "pending" not in answer
        await refresher.refresh()


async def test_revoked_session_is_not_waited_for(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LONG, 60.0)
    user_id = await make_player(database)
    session_id = await submit(client, user_id, 9)
    await client.post(f"/api/sessions/{session_id}/revoke", json={"reason": "speedhack"})
    assert "pending" not in (await ask(client, READS["rank"], user_id, session_id)).json()


@pytest.mark.parametrize(
    ("act", "name", "before"),
    [("restored", "board rank", [5]), ("restored", "board top", [5]), ("unbanned", "top", [])],
)
async def test_session_that_counts_again_is_waited_for(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
    act: str,
    name: str,
    before: list[int],
) -> None:
    user_id = await make_player_with_five(client, database, refresher)
    session_id = await submit(client, user_id, 9)
    why = {"reason": "speedhack"}

    async def change(mark: str, state: str) -> None:
        if act == "restored":
            answer = await client.post(f"/api/sessions/{session_id}/{mark}", json=why)
        else:
            body = why | {"state": state}
            answer = await client.put(f"/api/players/{user_id}/state", json=body)
        assert answer.status_code == 200, answer.text

    await change("revoke", "banned")
    await refresher.refresh()
    path = READS[name]
    assert list_scores((await client.get(path.format(user_id=user_id))).json()) == before
    await change("restore", "active")
    told = (await ask(client, path, user_id, session_id)).json()
    assert (list_scores(told), told.get("pending")) == (before, True)
    monkeypatch.setattr(LONG, 60.0)
    reading = asyncio.create_task(ask(client, path, user_id, session_id))
    await wait_until(lambda: is_waiting(client))
    await refresher.refresh()
    told = (await reading).json()
    assert (list_scores(told), "pending" in told) == ([9 if act == "restored" else 14], False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_board(shared: SharedService) -> None:
    await make_season(shared.database, "best", operator="best")


@in_module
@pytest.mark.usefixtures("shared_board")
@pytest.mark.parametrize("path", READS.values(), ids=READS)
async def test_unknown_session(
    shared: SharedService, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LONG, 60.0)
    user_id = await make_player(shared.database)
    response = await ask(shared.client, path, user_id, 2**53 - 1)
    assert (response.status_code, response.json()["code"]) == (404, "session_not_found")


async def test_session_of_somebody_else_is_found(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_id, other_id = await make_player(database), await make_player(database)
    (session_id,) = await record_scores(database, (other_id, 5))
    await refresher.refresh()
    response = await ask(client, READS["rank"], user_id, session_id)
    assert (response.status_code, response.json()["rank"]) == (200, None)


@in_module
@pytest.mark.parametrize("seen", ["0", "x", "-1", "1.0", "", str(2**53)])
async def test_seen_that_is_no_id(shared: SharedService, seen: str) -> None:
    user_id = await make_player(shared.database)
    response = await ask(shared.client, READS["rank"], user_id, seen)
    assert response.status_code == 400
    assert [field["field"] for field in response.json()["fields"]] == ["seen"]


async def test_places_of_those_who_wait_are_capped(
    settings: Settings,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LONG, 60.0)
    await refresher.refresh()
    small = settings.model_copy(update={"request_limit": 10, "submit_queue_limit": 5})
    async with run_app(create_app(small)) as app, connect_client(app) as client:
        user_id = await make_player(database)
        session_id = await submit(client, user_id, 5)
        waiting = [
            asyncio.create_task(ask(client, READS["rank"], user_id, session_id)) for _ in range(2)
        ]
        await wait_until(lambda: is_waiting(client, 2))
        refused = await ask(client, READS["rank"], user_id, session_id)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.json()["error"].startswith("2 requests are waiting")
        assert "retry-after" in refused.headers
        # Others do not notice.
        assert (await client.get(f"/api/leaderboard/rank/{user_id}")).status_code == 200
        await refresher.refresh()
        assert [list_scores((await one).json()) for one in waiting] == [[5], [5]]
