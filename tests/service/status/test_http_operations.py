"""Health, status and the schema: what an operator and a client generator read."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SCHEDULER_KEY, WORKER_PROCESSES_KEY
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from service.status.schemas import Status
from tests.support.factories import make_player, make_players_with_scores, record_scores
from tests.support.shared_service import SharedService
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

in_module = pytest.mark.asyncio(loop_scope="module")


async def read(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def read_status(client: httpx.AsyncClient) -> Status:
    response = await client.get("/api/ops/status")
    assert response.status_code == 200
    return msgspec.json.decode(response.content, type=Status, strict=True)


async def test_live_and_ready(client: httpx.AsyncClient) -> None:
    assert await read(client, "/health/live") == {"status": "live"}
    ready = await read(client, "/health/ready")
    assert ready["status"] == "ready"
    assert ready["parts"].keys() == {"postgresql", "redis", "worker"}
    assert (ready["parts"]["postgresql"], ready["parts"]["redis"]) == ("ok", "ok")


async def test_many_who_ask_at_once_leave_the_ranks_their_redis(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A connection is what they could take from each other; time is what a busy machine takes.
    monkeypatch.setattr("service.status.readiness._PATIENCE_SECONDS", 60.0)
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    answers = await asyncio.gather(
        *(client.get("/health/ready") for _ in range(200)),
        client.get(f"/api/leaderboard/rank/{user_id}"),
    )
    assert {answer.status_code for answer in answers} == {200}
    assert "stale" not in answers[-1].json()


async def test_postgresql_that_takes_no_writes_is_told(
    client: httpx.AsyncClient, database: Database
) -> None:
    user_id = await make_player(database)
    body = {"user_id": user_id, "score": 7}

    async def let_write(setting: str) -> None:
        async with database.transaction() as connection:
            # One that was opened meanwhile may only read, too.
            await connection.execute("SET TRANSACTION READ WRITE")
            await connection.execute(
                "DO $$ BEGIN EXECUTE"
                f" format('ALTER DATABASE %I {setting}', current_database()); END $$"
            )
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    async def submit() -> tuple[int, str, str]:
        answer = await client.post("/api/leaderboard/submit", json=body)
        ready = (await client.get("/health/ready")).json()
        part = (await client.get("/api/ops/status")).json()["parts"]["postgresql"]
        if part["state"] == "behind":
            assert part["cause"].startswith("the database takes no writes: cannot execute ")
        return answer.status_code, ready["parts"]["postgresql"], part["state"]

    async def are_refused() -> bool:
        return await submit() == (503, "takes no writes: submits are refused", "behind")

    async def are_taken() -> bool:
        return await submit() == (200, "ok", "ok")

    await wait_until(are_taken)
    await let_write("SET default_transaction_read_only = on")
    await wait_until(are_refused)
    await let_write("RESET default_transaction_read_only")
    await wait_until(are_taken)


async def test_ready_tells_that_no_worker_is_there(client: httpx.AsyncClient) -> None:
    assert "ranks stand still" in (await read(client, "/health/ready"))["parts"]["worker"]


async def test_status_of_a_service_at_rest(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, [3, 2])
    await refresher.refresh()
    await rerank(database)
    status = await read_status(client)
    parts = status.parts
    here = (parts.api.state, parts.postgresql.state, parts.redis.state, parts.index.state)
    assert set(here) == {"ok"}
    assert (parts.worker.state, parts.scheduler.state) == ("away", "away")
    assert status.pending_sessions == 0
    assert status.players is not None
    assert (status.players.standing, status.players.highest_user_id) == (2, user_ids[-1])
    assert status.refresh is not None
    assert (status.refresh.number, status.refresh.sessions) == (1, 2)
    assert status.rerank is not None
    assert (status.rerank.number, status.rerank.ranks_changed) == (1, 2)
    assert (parts.index.offset, parts.index.last_refresh, parts.index.behind) == (1, 1, 0)


async def test_status_tells_since_when_the_stores_run(
    client: httpx.AsyncClient, database: Database, redis: Redis
) -> None:
    began_at = time.monotonic()
    parts = (await read_status(client)).parts
    row = await database.fetch_one("SELECT pg_postmaster_start_time() AS started_at")
    assert row is not None
    assert parts.postgresql.started_at == row["started_at"]
    uptime = timedelta(seconds=(await redis.info())["uptime_in_seconds"])
    assert parts.redis.started_at is not None
    off = datetime.now(UTC) - uptime - parts.redis.started_at
    assert abs(off) < timedelta(seconds=2 + time.monotonic() - began_at)


async def test_junk_in_redis_is_no_error_of_the_status(
    client: httpx.AsyncClient, redis: Redis
) -> None:
    for junk in "yesterday", "2026-01-01", b"\xff":
        await redis.set(SCHEDULER_KEY, junk)
        assert (await read_status(client)).parts.scheduler.state == "away"


async def test_heartbeats_of_the_dead_are_removed_of_whichever_release(
    client: httpx.AsyncClient, redis: Redis
) -> None:
    heartbeats: dict[Any, Any] = {
        "older:1": '{"at": "2026-01-01T00:00:00Z", "process": {"name": "of another shape"}}',
        "junk:1": "junk",
        "zoneless:1": '{"at": "2026-01-01T00:00:00", "process": {}}',
    }
    await redis.hset(WORKER_PROCESSES_KEY, mapping=heartbeats)
    assert (await read_status(client)).parts.worker.state == "away"
    assert await redis.hlen(WORKER_PROCESSES_KEY) == 0


async def test_status_counts_what_waits(client: httpx.AsyncClient, database: Database) -> None:
    user_id = await make_player(database)
    session_ids = await record_scores(database, (user_id, 1), (user_id, 2), (user_id, 3))
    status = await read_status(client)
    assert (status.pending_sessions, status.highest_session_id) == (3, session_ids[-1])


async def test_example_of_the_status_has_the_queues_that_there_are(
    client: httpx.AsyncClient,
) -> None:
    assert Status.example().queues.keys() == (await read_status(client)).queues.keys()


async def test_status_counts_requests_by_route(client: httpx.AsyncClient) -> None:
    for path in "rank/1", "rank/2", "rank/x", "top", "top?limit=7", "around/1", "top?limit=0":
        await client.get(f"/api/leaderboard/{path}")
    routes = {route.route: route for route in (await read_status(client)).routes}
    assert {
        name: routes[f"GET /api/leaderboard/{name}"].count
        for name in ("rank/{user_id}", "top", "around/{user_id}")
    } == {"rank/{user_id}": 3, "top": 3, "around/{user_id}": 1}
    assert all(route.server_errors == 0 for route in routes.values())
    assert all(route.max_ms for route in routes.values())


async def test_worker_comes_and_goes(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    (user_id,) = await make_players_with_scores(database, [5])

    async def is_here() -> bool:
        return (await read_status(client)).parts.worker.state == "ok"

    async def is_shown() -> bool:
        freshness = (await read_status(client)).freshness
        assert freshness is None or len(freshness.counts) == len(freshness.bounds_ms) + 1
        return freshness is not None and sum(freshness.counts) == 1

    async def is_folded() -> bool:
        return (await read_status(client)).pending_sessions == 0

    async def is_ready() -> bool:
        return bool((await read(client, "/health/ready"))["parts"]["worker"] == "ok")

    with run_worker(settings):
        # A heartbeat that is late makes it away for a moment.
        await wait_until(is_here)
        await wait_until(is_folded)
        await wait_until(is_shown)
        await wait_until(is_ready)
    assert not await is_here()
    assert (await read_status(client)).freshness is None
    assert "ranks stand still" in (await read(client, "/health/ready"))["parts"]["worker"]
    # Without it, submits and reads go on.
    await record_scores(database, (user_id, 100))
    assert (await read(client, f"/api/leaderboard/rank/{user_id}"))["total_score"] == 5
    assert not await is_folded()


@in_module
async def test_schema_documents_every_route(shared: SharedService) -> None:
    schema = await read(shared.client, "/schema")
    assert schema["openapi"].startswith("3.1")
    documented = {
        (method.upper(), path) for path, methods in schema["paths"].items() for method in methods
    }
    assert documented == {
        ("POST", "/api/leaderboard/submit"),
        ("POST", "/api/leaderboard/submit/bulk"),
        ("GET", "/api/leaderboard/top"),
        ("GET", "/api/leaderboard/rank/{user_id}"),
        ("GET", "/api/leaderboard/around/{user_id}"),
        ("GET", "/api/leaderboard/page"),
        ("GET", "/api/leaderboard/stream"),
        ("POST", "/api/players"),
        ("GET", "/api/players"),
        ("GET", "/api/players/{user_id}"),
        ("GET", "/api/players/{user_id}/sessions"),
        ("GET", "/api/ops/status"),
        ("GET", "/api/ops/waits"),
        ("GET", "/api/ops/sessions/count"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/api/boards"),
        ("GET", "/api/boards/{slug}"),
        ("PATCH", "/api/boards/{slug}"),
        ("PUT", "/api/boards/{slug}"),
        ("POST", "/api/boards/{slug}/archive"),
        ("GET", "/api/boards/{slug}/around/{user_id}"),
        ("GET", "/api/boards/{slug}/cutoffs"),
        ("GET", "/api/boards/{slug}/movers"),
        ("GET", "/api/boards/{slug}/page"),
        ("GET", "/api/boards/{slug}/place"),
        ("GET", "/api/boards/{slug}/rank/{user_id}"),
        ("POST", "/api/boards/{slug}/ranks"),
        ("GET", "/api/boards/{slug}/seasons"),
        ("POST", "/api/boards/{slug}/seasons/current/close"),
        ("POST", "/api/boards/{slug}/seasons/{number}/close"),
        ("GET", "/api/boards/{slug}/seasons/{number}"),
        ("GET", "/api/boards/{slug}/stream"),
        ("GET", "/api/boards/{slug}/top"),
        ("POST", "/api/boards/{slug}/unarchive"),
        ("GET", "/api/export/players"),
        ("GET", "/api/export/sessions"),
        ("GET", "/api/export/standings"),
        ("POST", "/api/import/players"),
        ("POST", "/api/import/sessions"),
        ("POST", "/api/players/bulk"),
        ("GET", "/api/players/{user_id}/ranks"),
        ("PATCH", "/api/players/{user_id}"),
        ("DELETE", "/api/players/{user_id}"),
        ("PUT", "/api/players/{user_id}/state"),
        ("POST", "/api/players/{user_id}/sessions/revoke"),
        ("POST", "/api/players/{user_id}/sessions/restore"),
        ("GET", "/api/sessions/{session_id}"),
        ("POST", "/api/sessions/{session_id}/revoke"),
        ("POST", "/api/sessions/{session_id}/restore"),
        ("GET", "/api/boards/{slug}/explain/{user_id}"),
        ("POST", "/api/boards/{slug}/seasons/{number}/correct"),
        ("GET", "/api/moderation"),
    }


@in_module
async def test_schema_names_every_operation_for_the_clients_made_of_it(
    shared: SharedService,
) -> None:
    paths = (await read(shared.client, "/schema"))["paths"]
    operations = [one for methods in paths.values() for one in methods.values()]
    ids = [one["operationId"] for one in operations]
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if not re.fullmatch("[a-z]+([A-Z][a-z]+)*", one)] == []
    # Clients call them by these: who renames a handler renames their functions.
    assert set(ids) >= {"submitScore", "readTop", "readRank", "readBoardRank", "closeSeason"}
    for one in operations:
        assert " " in one["summary"], one["summary"]
        assert one["summary"][-1] != "."
    found = paths["/api/players"]["post"]
    assert found["summary"] == "Register a player"
    assert found["description"].startswith("Register a player. The name must be one that nobody")
    assert found["description"].endswith("\n\nNeeds the role `submit`.")


@in_module
async def test_schema_documents_every_error_of_submit(shared: SharedService) -> None:
    submit = (await read(shared.client, "/schema"))["paths"]["/api/leaderboard/submit"]["post"]
    assert submit["responses"].keys() == {
        *("200", "400", "401", "403", "404", "408", "413", "415", "422", "429", "431", "503")
    }  # fmt: skip
    (header,) = submit["parameters"]
    assert (header["name"].lower(), header["in"], header["required"]) == (
        "idempotency-key",
        "header",
        False,
    )


def list_bodies(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every JSON body that the document describes, with a name for it."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            contents = {
                status: answer.get("content", {})
                for status, answer in operation["responses"].items()
            }
            contents["request"] = operation.get("requestBody", {}).get("content", {})
            for part, content in contents.items():
                if "application/json" in content:
                    yield f"{method} {path} {part}", content["application/json"]


def list_structs(struct: type[msgspec.Struct] = msgspec.Struct) -> Iterator[Any]:
    for one in struct.__subclasses__():
        yield one
        yield from list_structs(one)


@in_module
async def test_schema_shows_an_example_of_every_body_and_error(shared: SharedService) -> None:
    schema = await read(shared.client, "/schema")
    structs = {
        struct.__name__: struct
        for struct in list_structs()
        if struct.__module__.startswith("service.")
    }
    without = []
    for place, body in list_bodies(schema):
        shapes = body["schema"].get("oneOf", [body["schema"]])
        names = [shape["$ref"].rpartition("/")[2] for shape in shapes if "$ref" in shape]
        if names == ["ErrorAnswer"]:
            for code, example in body["examples"].items():
                assert example["value"]["code"] == code
                assert len(example["value"]["error"]) > 10
            continue
        if not names:
            assert "examples" in json.dumps(body), place
        for name in names:
            (shown,) = schema["components"]["schemas"][name].get("examples", [None])
            if shown is None:
                without.append(place)
            else:
                assert msgspec.convert(shown, structs[name]) == structs[name].example()
    assert without == []
    for path in ("/api/leaderboard/stream", "/api/boards/{slug}/stream"):
        (content,) = schema["paths"][path]["get"]["responses"]["200"]["content"].values()
        (example,) = content["examples"].values()
        assert example["value"].startswith("event: top\r\ndata: {"), path
    for path in ("/api/leaderboard/submit/bulk", "/api/players/bulk", "/api/import/players"):
        contents = schema["paths"][path]["post"]["requestBody"]["content"]
        lines = contents["application/x-ndjson"]["schema"]
        assert lines["description"].startswith('A line is like `{"'), path
    # Litestar's own examples are random letters.
    assert "examples" not in schema["components"]["schemas"]["Entry"]["properties"]["username"]


async def test_examples_are_what_is_answered(client: httpx.AsyncClient) -> None:
    """The first lines of a game, as the examples tell it."""
    shown = (await read(client, "/schema"))["components"]["schemas"]
    (player,) = shown["RegisterPlayer"]["examples"]
    assert (await client.post("/api/players", json=player)).status_code == 201
    (score,) = shown["SubmitScore"]["examples"]
    answer = await client.post("/api/leaderboard/submit", json=score)
    assert answer.status_code == 200
    assert answer.json().keys() == shown["SubmitAnswer"]["examples"][0].keys()
    rank = await read(client, "/api/leaderboard/rank/1")
    assert rank.keys() == shown["Rank"]["examples"][0].keys()


async def test_status_tells_how_long_the_oldest_session_has_waited(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    assert (await read_status(client)).oldest_pending_seconds is None
    (user_id,) = await make_players_with_scores(database, [5])
    first = (await read_status(client)).oldest_pending_seconds
    body = {"user_id": user_id, "score": 1}
    assert (await client.post("/api/leaderboard/submit", json=body)).status_code == 200
    second = (await read_status(client)).oldest_pending_seconds
    assert first is not None
    assert second is not None
    assert 0 <= first < second
    await refresher.refresh()
    assert (await read_status(client)).oldest_pending_seconds is None


async def test_status_tells_how_busy_process_and_machine_are(client: httpx.AsyncClient) -> None:
    async def is_measured() -> bool:
        (process,) = (await read_status(client)).parts.api.processes
        assert process.host_processors >= 1
        assert 0 <= process.host_processor_percent <= 100
        return process.loop_lag_ms > 0 and process.host_processor_percent > 0

    await wait_until(is_measured)


async def test_many_who_look_at_once_are_all_told(client: httpx.AsyncClient) -> None:
    async def look() -> set[int]:
        return {(await client.get("/api/ops/status")).status_code for _ in range(5)}

    assert set().union(*await asyncio.gather(*(look() for _ in range(30)))) == {200}
