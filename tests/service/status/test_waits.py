"""Why requests are slow: stages, what PostgreSQL waits for, and the requests themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from service.api.app import create_app
from service.backends.database import Database
from service.counters import SLOW_SECONDS
from service.settings.settings import Settings
from service.status.request_metrics import SUBMIT_ROUTE
from service.status.waits import RouteWaits, Waits
from tests.support.api_keys import bear, make_keys, start
from tests.support.databases import Clusters
from tests.support.factories import make_player
from tests.support.outages import hanging
from tests.support.serving import connect_client, run_app
from tests.support.waiting import PATIENCE_SECONDS, wait_until
from tests.support.whole_stack import run_whole_stack

SUBMIT = "/api/leaderboard/submit"


async def read_waits(client: httpx.AsyncClient) -> Waits:
    response = await client.get("/api/ops/waits")
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=Waits, strict=True)


async def submit(client: httpx.AsyncClient, user_id: int, request_id: str = "one") -> int:
    body = {"user_id": user_id, "score": 5}
    headers = {"X-Request-Id": request_id}
    return (await client.post(SUBMIT, json=body, headers=headers)).status_code


def find_route(waits: Waits, name: str) -> RouteWaits:
    return next(route for route in waits.routes if route.route == name)


@asynccontextmanager
async def locking(settings: Settings, statement: str) -> AsyncIterator[None]:
    """Hold a lock for the time of the block, as an operator who forgot to commit does."""
    connection = await asyncpg.connect(
        settings.require_database_url(), server_settings={"application_name": "psql"}
    )
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()


async def test_stages_of_submits_and_of_other_routes(
    client: httpx.AsyncClient, database: Database
) -> None:
    user_id = await make_player(database)
    assert await submit(client, user_id) == 200
    assert (await client.post("/api/players", json={"username": "ada"})).status_code == 201
    assert (await client.get(f"/api/players/{user_id}")).status_code == 200
    waits = await read_waits(client)
    route = find_route(waits, SUBMIT_ROUTE)
    assert (route.requests, waits.processes, waits.submits_waiting) == (1, 1, 0)
    assert [stage.stage for stage in route.stages] == ["queue", "pool", "statement", "commit"]
    assert {stage.measured for stage in route.stages} == {1}
    spent = {stage.stage: stage.latency.p50_ms or 0.0 for stage in route.stages}
    assert spent["statement"] > 0
    assert spent["commit"] > 0
    # A quantile is the middle of its bucket.
    assert route.max_ms is not None
    assert sum(spent.values()) < 1.1 * route.max_ms
    reading = find_route(waits, "GET /api/players/{user_id}")
    assert {stage.stage for stage in reading.stages} >= {"pool", "statement"}
    assert waits.commit_under_way_ms is None
    assert waits.postgresql is not None
    assert waits.postgresql.locks == []
    assert waits.cause is None


# All commits are watched, or none but the first.
@pytest.mark.parametrize("interval_seconds", [0.0, 600.0])
async def test_a_lock_that_is_held_is_named_with_who_holds_it(
    client: httpx.AsyncClient,
    settings: Settings,
    database: Database,
    interval_seconds: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.sessions.service._WATCH_INTERVAL_SECONDS", interval_seconds)
    user_id = await make_player(database)
    assert await submit(client, user_id, "the-first") == 200
    held = "LOCK TABLE game_session IN SHARE MODE; SELECT 'a-secret-name'"
    async with locking(settings, held):
        submitting = asyncio.create_task(submit(client, user_id, "the-slow-one"))

        async def is_seen() -> Any:
            waits = await read_waits(client)
            long = (waits.commit_under_way_ms or 0.0) >= 2000 * SLOW_SECONDS
            return waits if long and waits.postgresql and waits.postgresql.locks else None

        waits: Waits = await wait_until(is_seen)
        assert waits.postgresql is not None
        (lock,) = waits.postgresql.locks
        assert (lock.process, lock.lock) == ("leaderboard api ledger", "table game_session")
        (holder,) = lock.held_by
        assert (holder.process, holder.state) == ("psql", "idle in transaction")
        longest = waits.postgresql.longest
        assert longest is not None
        assert (longest.pid, longest.type, longest.event) == (lock.pid, "Lock", "relation")
        event = next(one for one in waits.postgresql.events if one.type == "Lock")
        assert (event.process, event.event, event.processes) == (lock.process, "relation", 1)
        text = (await client.get("/api/ops/waits")).text
        assert "secret" not in text
        assert "INSERT" not in text
    assert await submitting == 200
    waits = await read_waits(client)
    (slow,) = [one for one in waits.slow if one.request_id == "the-slow-one"]
    assert (slow.status, slow.route) == (200, SUBMIT_ROUTE)
    assert slow.ms >= waits.slow_from_ms
    spent = {stage.stage: stage.latency.p99_ms or 0.0 for stage in _submit_stages(waits)}
    assert spent["statement"] >= waits.slow_from_ms
    assert max(spent, key=lambda name: spent[name]) == "statement"


def _submit_stages(waits: Waits) -> Any:
    return find_route(waits, SUBMIT_ROUTE).stages


async def test_only_an_admin_may_ask(settings: Settings, database: Database) -> None:
    keys = await make_keys(database)
    async with start(settings) as client:
        statuses = [
            (await client.get("/api/ops/waits", headers=bear(key))).status_code
            for key in keys.values()
        ]
        assert statuses == [403, 403, 403, 200]
        assert (await client.get("/api/ops/waits")).status_code == 401


@pytest.mark.usefixtures("usual_limits")
async def test_a_frozen_postgres_is_said_and_the_rest_is_told(
    clusters: Clusters, read_seconds: Callable[[], float]
) -> None:
    async with run_whole_stack(clusters) as stack:
        app = create_app(stack.settings)
        async with run_app(app), connect_client(app) as client:
            player = await client.post("/api/players", json={"username": "ada"})
            assert await submit(client, player.json()["user_id"]) == 200
            with hanging(stack.postgres):
                asked_at = read_seconds()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    waits = await read_waits(client)
                assert read_seconds() - asked_at < 5
            assert waits.postgresql is None
            assert waits.cause
            assert find_route(waits, SUBMIT_ROUTE).requests == 1
