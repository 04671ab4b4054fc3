"""The fast path: plain reads of any board are answered ahead of the framework, as the routes do."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from service.api.fast_path import FastPath
from service.backends.database import Database
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players, make_season, record_scores
from tests.support.shared_service import SharedService

in_module = pytest.mark.asyncio(loop_scope="module")

PREFIXES = ["/api/leaderboard", "/api/boards/global", "/api/boards/laps"]
# A plain request, and one that means the same but is left to the route.
PAIRS = [
    ("/top", "/top?limit=10&"),
    ("/top?limit=1", "/top?limit=1&"),
    ("/rank/2", "/rank/2?&"),
    ("/rank/3", "/rank/3?&"),
    ("/rank/99", "/rank/99?&"),
    ("/rank/2?seen={session_id}", "/rank/2?seen={session_id}&"),
    ("/rank/99?seen={session_id}", "/rank/99?seen={session_id}&"),
    ("/rank/2?seen=9007199254740991", "/rank/2?seen=9007199254740991&"),
    ("/rank/2?seen=9007199254740992", "/rank/2?seen=9007199254740992&"),
    ("/rank/2?seen=0", "/rank/2?seen=0&"),
    ("/rank/2?seen=", "/rank/2?seen=&"),
    ("/rank/02", "/rank/02?&"),
    ("/rank/2?seen=01", "/rank/2?seen=01&"),
]


async def fill(database: Database, refresher: Refresher) -> int:
    """Make the board and players 1 to 3, with scores; return the last session."""
    await make_season(database, "laps", operator="best", direction="low", ties="first")
    first, second, _ = await make_players(database, 3)
    *_, session_id = await record_scores(database, (first, 7), (second, 7), (first, 3))
    await refresher.refresh()
    return session_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session_id(shared: SharedService) -> int:
    return await fill(shared.database, shared.refresher)


@in_module
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("plain", "other"), PAIRS)
async def test_fast_path_and_route_answer_the_same(
    shared: SharedService, session_id: int, prefix: str, plain: str, other: str
) -> None:
    for _ in range(2):
        fast = await shared.client.get(prefix + plain.format(session_id=session_id))
        route = await shared.client.get(prefix + other.format(session_id=session_id))
        assert (fast.status_code, fast.json()) == (route.status_code, route.json())
        assert fast.headers["content-type"] == route.headers["content-type"]


@in_module
@pytest.mark.usefixtures("session_id")
@pytest.mark.parametrize("prefix", PREFIXES)
async def test_fast_path_answers_what_is_plain_and_leaves_the_rest(
    shared: SharedService, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[bool] = []
    answer = FastPath._answer

    async def note(*arguments: Any) -> bool:
        answered.append(await answer(*arguments))
        return answered[-1]

    monkeypatch.setattr(FastPath, "_answer", note)
    for plain in ("/top", "/top?limit=1", "/rank/2", "/rank/99", "/rank/2?seen=99"):
        for path, is_plain in ((plain, True), (f"{plain}{'&' if '?' in plain else '?&'}", False)):
            answered.clear()
            await shared.client.get(prefix + path)
            assert answered == [is_plain], path
    for wrong in (
        *("/rank/2?seen=0", "/rank/2?seen=x", "/rank/2?seen=01"),
        *("/rank/0", "/rank/02", "/top?limit=101"),
    ):
        answered.clear()
        await shared.client.get(prefix + wrong)
        assert answered == [False], wrong


async def test_reads_of_all_boards_are_one_route_of_the_metrics(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    await fill(database, refresher)
    for path in ("/top", "/rank/1", "/top?&", "/rank/1?&"):
        for prefix in (*PREFIXES, "/api/boards/nowhere"):
            await client.get(prefix + path)
    status = (await client.get("/api/ops/status")).json()
    assert {route["route"]: route["count"] for route in status["routes"]} == {
        "GET /api/boards/{slug}/top": 6,
        "GET /api/boards/{slug}/rank/{user_id}": 6,
        "GET /api/leaderboard/top": 2,
        "GET /api/leaderboard/rank/{user_id}": 2,
    }


@in_module
@pytest.mark.usefixtures("session_id")
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/boards/nowhere/top", 404, "board_not_found"),
        ("/api/boards/nowhere/rank/1", 404, "board_not_found"),
        ("/api/boards/laps/rank/99", 404, "user_not_found"),
        ("/api/boards/laps/rank/0", 400, "invalid_request"),
        ("/api/leaderboard/rank/002", 400, "invalid_request"),
        ("/api/boards/La%20ps/top", 400, "invalid_request"),
        ("/api/boards/laps/top?limit=101", 400, "invalid_request"),
        ("/api/boards/laps/rank/1?seen=x", 400, "invalid_request"),
        ("/api/boards/laps/rank/", 404, "not_found"),
    ],
)
async def test_what_is_wrong_is_told_as_by_the_routes(
    shared: SharedService, path: str, status: int, code: str
) -> None:
    response = await shared.client.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
