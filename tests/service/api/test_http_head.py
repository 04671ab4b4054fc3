"""HEAD: every address that is read answers it as it answers GET, without the body."""

from collections.abc import AsyncIterator

import httpx
import pytest

from service.backends.database import Database
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players_with_scores
from tests.support.serving import serve_app

PATHS = [
    "/api/leaderboard/top",
    "/api/leaderboard/top?limit=1",
    "/api/leaderboard/top?limit=0",
    "/api/leaderboard/rank/1",
    "/api/leaderboard/rank/99",
    "/api/leaderboard/around/1",
    "/api/leaderboard/page",
    "/api/players/1",
    "/api/players/1/sessions",
    "/health/live",
    "/health/ready",
    "/schema",
    "/nowhere",
]


@pytest.fixture
async def served(
    settings: Settings, database: Database, refresher: Refresher
) -> AsyncIterator[httpx.AsyncClient]:
    await make_players_with_scores(database, [1, 2])
    await refresher.refresh()
    async with serve_app(settings) as (_, client):
        yield client


async def test_head_is_get_without_the_body(served: httpx.AsyncClient) -> None:
    for path in PATHS:
        expected = await served.get(path)
        # Twice, over the same connection: nothing was left on it.
        for _ in range(2):
            answer = await served.head(path)
            assert (answer.status_code, answer.content) == (expected.status_code, b""), path
            for name in ("content-type", "content-length"):
                assert answer.headers[name] == expected.headers[name]


async def test_head_of_the_event_stream_ends(served: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await served.head("/api/leaderboard/stream", timeout=30)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")


async def test_allow_names_head_where_it_names_get(served: httpx.AsyncClient) -> None:
    for path, methods in (
        ("/api/leaderboard/top", "GET, HEAD, OPTIONS"),
        ("/api/players", "GET, HEAD, OPTIONS, POST"),
        ("/api/leaderboard/submit", "OPTIONS, POST"),
    ):
        for method, status in (("OPTIONS", 204), ("DELETE", 405)):
            answer = await served.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (status, methods)
    assert (await served.head("/api/leaderboard/submit")).status_code == 405


async def test_options_of_the_server_as_a_whole(served: httpx.AsyncClient) -> None:
    answer = await served.options("/", extensions={"target": b"*"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
