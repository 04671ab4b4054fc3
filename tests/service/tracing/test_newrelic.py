"""What New Relic's agent really sends, from real processes to a collector of ours."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from service.backends.database import Database
from service.settings.settings import Settings
from tests.support.newrelic_collector import Collector, run_collector
from tests.support.programs import run
from tests.support.up_process import clean_environment
from tests.support.waiting import wait_until
from tests.support.worker_process import send_sweep, submit_until_woken

USERNAME = "zaphod-the-username"
SCORE = 78_191_203
SECRET = "lb_secret-of-a-stranger"

SUBMIT = "WebTransaction/Route/POST /api/leaderboard/submit"
RANK = "WebTransaction/Route/GET /api/leaderboard/rank/{user_id}"
REFRESH = "OtherTransaction/Actor/standings.refresh"

SWEEP = "OtherTransaction/Actor/standings.sweep"


def make_environment(settings: Settings, more: Mapping[str, str]) -> dict[str, str]:
    return {
        **clean_environment(),
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
        **more,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "service.commands.main", *arguments]


def find_span(spans: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found = [span for span in spans if span["name"] == name]
    assert len(found) == 1, (name, sorted(span["name"] for span in spans))
    return found[0]


async def submit(client: httpx.AsyncClient, settings: Settings, log: Path) -> int:
    """Submit until a refresh was woken by it; return how many submits that took."""
    player = (await client.post("/api/players", json={"username": USERNAME})).json()["user_id"]

    async def submit_once(request_id: str) -> None:
        body = {"user_id": player, "score": SCORE}
        headers = {"X-Request-Id": request_id}
        answer = await client.post("/api/leaderboard/submit", json=body, headers=headers)
        answer.raise_for_status()

    request_ids = await submit_until_woken(submit_once, settings, log)
    answer = await client.get(f"/api/leaderboard/rank/{player}")
    assert answer.json()["rank"] == 1
    return len(request_ids)


def find_submit(collector: Collector) -> dict[str, Any]:
    """Return the last submit: the one whose refresh folded it."""
    return max(collector.list_transactions(SUBMIT), key=lambda one: float(one["timestamp"]))


def check_submit(collector: Collector, submits: int) -> None:
    assert len(collector.list_transactions(SUBMIT)) == submits
    transaction = find_submit(collector)
    assert transaction["response.status"] == "200"
    spans = collector.list_spans(transaction["traceId"])
    root = find_span(spans, "Route/POST /api/leaderboard/submit")
    assert root["transactionId"] == transaction["guid"]
    wait = find_span(spans, "Wait/group commit")
    assert wait["parentId"] == root["guid"]
    assert wait["batch.size"] == 1
    (statement,) = [
        span
        for span in spans
        if span["transactionId"] == transaction["guid"]
        and "submission AS MATERIALIZED" in span.get("db.statement", "")
        and not span["name"].endswith("prepare")
    ]
    assert statement["parentId"] == wait["guid"]
    assert statement["db.system"] == "Postgres"
    assert collector.list_metrics()["Custom/group commit/BatchSize"][:2] == [submits, submits]


def check_rank(collector: Collector) -> None:
    transaction = collector.list_transactions(RANK)[-1]
    spans = collector.list_spans(transaction["traceId"])
    wait = find_span(spans, "Wait/ranks")
    root = find_span(spans, "Route/GET /api/leaderboard/rank/{user_id}")
    assert wait["parentId"] == root["guid"]
    script = find_span(spans, "Datastore/operation/Redis/evalsha")
    assert script["parentId"] == wait["guid"]


def check_refresh(collector: Collector, submits: int) -> None:
    origin = find_submit(collector)
    found = [
        one for one in collector.list_transactions(REFRESH) if one["traceId"] == origin["traceId"]
    ]
    assert len(found) == 1
    spans = collector.list_spans(origin["traceId"])
    root = find_span(spans, "Actor/standings.refresh")
    assert root["parentId"] == find_span(spans, "Wait/group commit")["guid"]
    below = {span["component"] for span in spans if span.get("parentId") == root["guid"]}
    assert below == {"Postgres", "Redis"}
    assert found[0]["actor.queue"] == "standings"
    assert 0 <= found[0]["actor.queue_seconds"] < 30
    assert found[0]["actor.retries"] == 0
    assert found[0]["parentId"] == origin["guid"]
    assert found[0]["parent.transportType"] == "Queue"
    metrics = collector.list_metrics()
    assert metrics["Custom/Refresh/Sessions"][1] == submits
    assert metrics["Custom/Refresh/Standings"][1] == submits
    assert 0 < metrics["Custom/Refresh/Seconds"][1] < 30
    assert metrics["Custom/Freshness/Seconds"][0] == submits
    assert 0 < metrics["Custom/Freshness/Seconds"][1] < 30
    assert metrics["Custom/Backlog/PendingSessions"][0] > 0
    assert metrics["Custom/Backlog/OffsetLag"][0] > 0


def check_privacy(collector: Collector) -> None:
    """Nothing tells whose score it was, how high, or by which key."""
    everything = "".join(collector.texts)
    assert SUBMIT in everything
    for secret in (USERNAME, str(SCORE), SECRET, "/rank/1", "username="):
        assert secret not in everything


async def wait_for_connections(collector: Collector, number: int) -> None:
    # The agent asks for its last orders once it has an application to record for.
    await wait_until(lambda: collector.count("connect") >= number, seconds=30)
    await wait_until(lambda: collector.count("agent_settings") >= number)


async def test_submit_rank_and_refresh(settings: Settings, tmp_path: Path) -> None:
    with run_collector(tmp_path) as collector:
        more = {
            **collector.environment,
            "LEADERBOARD_LOG_LEVEL": "debug",
            "LEADERBOARD_ACCESS_LOG": "true",
        }
        environment = make_environment(settings, more)
        with (
            run("api", command("api", "--port", "0"), environment, tmp_path) as api,
            run("worker", command("worker"), environment, tmp_path) as worker,
        ):
            url = await asyncio.to_thread(api.wait_for, "Ready:")
            await wait_for_connections(collector, 2)
            async with httpx.AsyncClient(base_url=url.split()[1], timeout=10) as client:
                submits = await submit(client, settings, worker.log)
                secret = {"Authorization": f"Bearer {SECRET}"}
                found = await client.get(
                    "/api/players", params={"username": USERNAME}, headers=secret
                )
                assert found.status_code == 200
                for path, status in (("/api/leaderboard/rank/999", 404), ("/nowhere", 404)):
                    assert (await client.get(path)).status_code == status
                wrong = await client.post("/api/players", json={"username": USERNAME})
                assert wrong.status_code == 409
                async with client.stream("GET", "/api/leaderboard/stream") as stream:
                    assert await anext(stream.aiter_lines())
                refused = await client.get("/api/ops/status", headers=secret)
            send_sweep(settings)
            await wait_until(lambda: collector.list_transactions(SWEEP), seconds=30)
            assert await asyncio.to_thread(api.stop) == 0
            assert await asyncio.to_thread(worker.stop) == 0
    check_submit(collector, submits)
    check_rank(collector)
    check_refresh(collector, submits)
    check_privacy(collector)
    # What names players is written here, and what does not is sent as well.
    assert "GET /api/leaderboard/rank/1 200" in api.log.read_text()
    assert any("folded 1 sessions" in log["message"] for log in collector.list_logs())
    names = {one["name"] for one in collector.list_events("analytic_event_data")}
    assert names >= {
        "WebTransaction/Route/GET (no route)",
        "WebTransaction/Route/POST /api/players",
        "WebTransaction/Route/GET /api/leaderboard/stream",
    }
    assert refused.status_code in {200, 401}
    errors = collector.list_events("error_event_data")
    assert errors == []


async def test_failing_actor(settings: Settings, database: Database, tmp_path: Path) -> None:
    await database.fetch("ALTER TABLE outbox RENAME TO gone")
    with run_collector(tmp_path) as collector:
        environment = make_environment(settings, collector.environment)
        with run("worker", command("worker"), environment, tmp_path) as worker:
            await wait_until(
                lambda: (
                    {one["actor.retries"] for one in collector.list_transactions(REFRESH)} >= {1, 2}
                ),
                seconds=40,
            )
            assert await asyncio.to_thread(worker.stop) == 0
    failed = collector.list_transactions(REFRESH)
    assert all(one["error"] for one in failed)
    errors = collector.list_events("error_event_data")
    assert len(errors) >= 2
    for error in errors:
        assert error["transactionName"] == REFRESH
        assert error["error.class"] == "service.errors:SchemaMissing"
        assert error["error.code"] == "schema_missing"
        assert error["error.status"] == 503
        assert "outbox" not in error["error.message"]
    traces = {one["traceId"] for one in failed}
    warnings = [log for log in collector.list_logs() if "tried again" in log["message"]]
    assert warnings
    assert {log["attributes"]["trace.id"] for log in warnings} <= traces
    metrics = collector.list_metrics()
    assert metrics[f"Errors/{REFRESH}"][0] > 0


def test_without_a_key_nothing_is_loaded(settings: Settings) -> None:
    program = """
import sys
from service.settings.settings import load_settings
from service.api.app import create_app
from service.tracing.bootstrap import ensure_agent
settings = load_settings()
ensure_agent(settings, "service")
create_app(settings)
import workers.actors.standings
print([name for name in sys.modules if name.partition(".")[0] == "newrelic"])
"""
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env=make_environment(settings, {"NEW_RELIC_LICENSE_KEY": ""}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "[]\n"
