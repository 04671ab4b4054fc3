"""PostgreSQL frozen: it takes connections and statements, and says nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from litestar import Litestar

from service.api.app import create_app
from service.backends.database import Database, Pulse
from service.backends.redis import connect_redis
from service.errors import DatabaseUnavailable
from service.local.embedded import PostgresServer
from service.schema.migrate import migrate
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.databases import THROW_AWAY, Clusters
from tests.support.factories import make_players_with_scores
from tests.support.outages import hanging
from tests.support.serving import connect_client, run_app
from tests.support.waiting import PATIENCE_SECONDS, wait_until

# With what the machine's other work may add, and fifty calls at once.
ABOUT_TWO_SECONDS = 3.0
AT_ONCE_SECONDS = 1.0

# How each call is sent whose path has parameters or that needs a body; `POST /a` with a body of
# None has none. A board that nobody has read yet has to be asked for.
REQUESTS: dict[str, tuple[str, Any]] = {
    "POST /api/leaderboard/submit": ("", {"user_id": 1, "score": 5}),
    "POST /api/leaderboard/submit/bulk": ("", [{"user_id": 1, "score": 5}]),
    "GET /api/leaderboard/rank/{user_id}": ("/api/leaderboard/rank/777", None),
    "GET /api/leaderboard/around/{user_id}": ("/api/leaderboard/around/777", None),
    "GET /api/players": ("/api/players?username=ada", None),
    "POST /api/players": ("", {"username": "new"}),
    "POST /api/players/bulk": ("", [{"username": "new"}]),
    "PATCH /api/players/{user_id}": ("", {"username": "other", "reason": "asked"}),
    "DELETE /api/players/{user_id}": ("/api/players/1?reason=asked", None),
    "PUT /api/players/{user_id}/state": ("", {"state": "banned", "reason": "cheats"}),
    "POST /api/players/{user_id}/sessions/revoke": (
        "",
        {"since": "2026-01-01T00:00:00Z", "reason": "cheats"},
    ),
    "POST /api/players/{user_id}/sessions/restore": (
        "",
        {"since": "2026-01-01T00:00:00Z", "reason": "was right"},
    ),
    "POST /api/sessions/{session_id}/revoke": ("", {"reason": "cheats"}),
    "POST /api/sessions/{session_id}/restore": ("", {"reason": "was right"}),
    "PUT /api/boards/{slug}": ("", {}),
    "PATCH /api/boards/{slug}": ("", {"title": "Laps"}),
    "POST /api/boards/{slug}/seasons/{number}/correct": ("", {"reason": "cheats"}),
    "POST /api/boards/{slug}/ranks": ("", {"user_ids": [1]}),
    "GET /api/boards/{slug}/place": ("/api/boards/laps/place?score=5", None),
    "GET /api/ops/sessions/count": ("/api/ops/sessions/count?after=0&key_prefix=a", None),
    "POST /api/import/players": ("", "username\nnew\n"),
    "POST /api/import/sessions": (
        "",
        "user_id,score,submitted_at,idempotency_key\n1,5,2026-01-01T00:00:00Z,a\n",
    ),
}
# What memory and Redis answer, and what says itself that PostgreSQL is away.
GO_ON = {
    "GET /api/leaderboard/top",
    "GET /api/leaderboard/page",
    "GET /health/live",
    "GET /health/ready",
    "GET /api/ops/status",
    "GET /api/ops/waits",
    "GET /metrics",
}
# An answer that has no end.
ENDLESS = {"GET /api/leaderboard/stream"}


# These tests are about how soon something is told.
pytestmark = pytest.mark.usefixtures("usual_limits")


@dataclass
class Scene:
    app: Litestar
    client: httpx.AsyncClient
    postgres: PostgresServer
    read_seconds: Callable[[], float]

    def list_calls(self) -> Iterator[str]:
        """List every call that the service has."""
        for path, methods in self.app.openapi_schema.to_schema()["paths"].items():
            for method in methods:
                yield f"{method.upper()} {path}"

    async def send(self, call: str) -> tuple[httpx.Response, float]:
        """Send one; return its answer and how long that took."""
        method, path = call.split()
        asked, body = REQUESTS.get(call, ("", None))
        path = asked or path.format(user_id=1, slug="laps", number=1, session_id=1)
        headers = {"content-type": "application/json", "if-match": "*"}
        content: bytes | None = None
        if isinstance(body, str):
            headers["content-type"] = "text/csv"
            content = body.encode()
        elif body is not None:
            content = json.dumps(body).encode()
        sent_at = self.read_seconds()
        async with asyncio.timeout(PATIENCE_SECONDS):
            response = await self.client.request(method, path, content=content, headers=headers)
        return response, self.read_seconds() - sent_at

    async def can_write(self) -> bool:
        body = {"user_id": 1, "score": 1}
        return (await self.client.post("/api/leaderboard/submit", json=body)).status_code == 200


@pytest.fixture
async def scene(
    clusters: Clusters, redis_url: str, read_seconds: Callable[[], float]
) -> AsyncIterator[Scene]:
    with PostgresServer(clusters.make("frozen"), settings=THROW_AWAY) as server:
        await migrate(server.url)
        settings = load_settings(database_url=server.url, redis_url=redis_url)
        redis = connect_redis(settings)
        database = Database(settings, application_name="leaderboard tests")
        await database.open()
        await make_players_with_scores(database, [30, 20, 10])
        await Refresher(database, redis, settings).refresh()
        await database.close()
        await redis.aclose()
        async with run_app(create_app(settings)) as app, connect_client(app) as client:
            scene = Scene(app, client, server, read_seconds)
            await wait_until(scene.can_write)
            assert (await client.get("/api/leaderboard/top")).status_code == 200
            yield scene


async def test_every_call_is_answered_soon_and_then_at_once(scene: Scene) -> None:
    calls = [call for call in scene.list_calls() if call not in ENDLESS]
    with hanging(scene.postgres):
        for patience in ABOUT_TWO_SECONDS, AT_ONCE_SECONDS:
            answers = await asyncio.gather(*map(scene.send, calls))
            late = {
                call: took
                for call, (_, took) in zip(calls, answers, strict=True)
                if took > patience
            }
            assert not late
            for call, (answer, _) in zip(calls, answers, strict=True):
                if call in GO_ON:
                    continue
                assert answer.status_code == 503, (call, answer.text)
                assert answer.json().keys() == {"error", "code"}, call
                assert int(answer.headers["retry-after"]) >= 1, call
    await wait_until(scene.can_write)
    answers = await asyncio.gather(*map(scene.send, calls))
    assert "database_unavailable" not in {
        answer.json()["code"] for answer, _ in answers if answer.status_code == 503
    }


class SilenceAtWill(Pulse):
    """Says that PostgreSQL is silent when the test does."""

    fall_silent: Callable[[], None]

    def call_on_silence(self, listener: Callable[[], None]) -> None:
        self.fall_silent = listener


async def test_silence_is_noticed_at_the_moment_a_wait_ends_by_itself(settings: Settings) -> None:
    pulse = SilenceAtWill(settings)
    database = Database(settings, application_name="leaderboard tests", pool_size=1, pulse=pulse)
    await database.open()
    async with database.connect():
        # For who waits from now on: to connect takes as long as the machine is busy.
        database._settings = settings.model_copy(update={"database_timeout_seconds": 0.05})
        waiting = asyncio.create_task(database.fetch("SELECT"))
        await asyncio.sleep(0)
        # Nothing of the process comes to its turn until the time of that one is over.
        time.sleep(0.1)  # noqa: ASYNC251
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        pulse.fall_silent()
        with pytest.raises(DatabaseUnavailable):
            await waiting
    await database.close()
