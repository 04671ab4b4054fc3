"""`/metrics`: the figures of all processes, whichever one is asked."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import httpx
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.heartbeats import note_schedule
from service.backends.redis import API_PROCESSES_KEY
from service.keys.roles import Role
from service.keys.service import make_key
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.support.factories import make_player
from tests.support.serving import connect_client, run_app
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

DASHBOARD = "grafana.json"
_NAME = re.compile(r"\bleaderboard_[a-z_]+")

Samples = dict[str, list[tuple[dict[str, str], float]]]


async def scrape(client: httpx.AsyncClient) -> Samples:
    response = await client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == CONTENT_TYPE_LATEST
    samples: Samples = {}
    for family in text_string_to_metric_families(response.text):
        assert family.documentation
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(value for found, value in samples.get(name, []) if labels.items() <= found.items())


async def submit(client: httpx.AsyncClient, user_id: int, score: int) -> None:
    response = await client.post(
        "/api/leaderboard/submit", json={"user_id": user_id, "score": score}
    )
    assert response.status_code == 200


async def test_a_scrape_tells_what_was_done(
    client: httpx.AsyncClient, settings: Settings, database: Database
) -> None:
    user_id = await make_player(database)
    with run_worker(settings):
        for score in (1, 2, 3):
            await submit(client, user_id, score)
        await client.get(f"/api/leaderboard/rank/{user_id}")
        await client.get("/api/leaderboard/rank/999999")
        await client.get("/api/leaderboard/around/0")
        await client.get(f"/api/players/{user_id}")

        async def all_are_shown() -> Samples | None:
            samples = await scrape(client)
            return samples if total(samples, "leaderboard_freshness_seconds_count") == 3 else None

        samples = await wait_until(all_are_shown)
    assert samples is not None
    requests = Counter(
        {
            (labels["route"], labels["status"]): value
            for labels, value in samples["leaderboard_http_requests_total"]
        }
    )
    assert requests["POST /api/leaderboard/submit", "200"] == 3
    assert requests["GET /api/leaderboard/rank/{user_id}", "200"] == 1
    assert requests["GET /api/leaderboard/rank/{user_id}", "404"] == 1
    assert requests["GET /api/leaderboard/around/{user_id}", "400"] == 1
    duration = "leaderboard_http_request_duration_seconds"
    route = "POST /api/leaderboard/submit"
    assert total(samples, f"{duration}_count", route=route) == 3
    assert total(samples, f"{duration}_bucket", route=route, le="+Inf") == 3
    assert 0 < total(samples, f"{duration}_sum", route=route) < 30
    stages = "leaderboard_http_request_stage_seconds"
    look_up = "GET /api/players/{user_id}"
    assert total(samples, f"{stages}_count", route=look_up, stage="statement") == 1
    assert 0 < total(samples, f"{stages}_sum", route=look_up) < 30
    assert total(samples, "leaderboard_group_commit_submits_sum") == 3
    assert 0 < total(samples, "leaderboard_freshness_seconds_sum") < 30
    assert total(samples, "leaderboard_sessions_folded_total") == 3
    assert 1 <= total(samples, "leaderboard_standings_changed_total") <= 3
    assert total(samples, "leaderboard_refresh_duration_seconds_count") >= 1
    assert total(samples, "leaderboard_pending_sessions") == 0
    assert total(samples, "leaderboard_index_behind") == 0
    assert total(samples, "leaderboard_players") == 1
    assert total(samples, "leaderboard_part_state", part="worker") == 1


async def test_buckets_are_cumulative_and_end_with_the_count(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await client.get("/api/leaderboard/top")
    samples = await scrape(client)
    name = "leaderboard_http_request_duration_seconds"
    route = "GET /api/leaderboard/top"
    buckets = [
        (float(labels["le"]), value)
        for labels, value in samples[f"{name}_bucket"]
        if labels["route"] == route
    ]
    assert buckets == sorted(buckets)
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
    assert buckets[-1] == (float("inf"), 5)


async def test_every_process_is_told_of_by_each(client: httpx.AsyncClient, redis: Redis) -> None:
    await client.get("/api/leaderboard/top")
    ((_, stored),) = (await redis.hgetall(API_PROCESSES_KEY)).items()
    # As another process would leave it there.
    heartbeat = json.loads(stored)
    heartbeat["process"]["process"] |= {"host": "elsewhere", "pid": 7}
    heartbeat["process"]["routes"] = {"GET /api/leaderboard/top": {"statuses": {"200": 41}}}
    await redis.hset(API_PROCESSES_KEY, "elsewhere:7", json.dumps(heartbeat))

    samples = await scrape(client)

    requests = {
        labels["process"]: value
        for labels, value in samples["leaderboard_http_requests_total"]
        if labels["route"] == "GET /api/leaderboard/top"
    }
    assert len(requests) == 2
    assert requests.pop("elsewhere:7") == 41
    assert list(requests.values()) == [1]


async def test_what_is_away_is_left_out(database_url: str, refresher: Refresher) -> None:
    await refresher.refresh()
    away = load_settings(database_url=database_url, redis_url="redis://127.0.0.1:1")
    app = create_app(away)
    async with run_app(app), connect_client(app) as client:
        samples = await scrape(client)
    assert total(samples, "leaderboard_part_state", part="redis") == 0
    assert total(samples, "leaderboard_part_state", part="postgresql") == 1
    assert "leaderboard_redis_memory_bytes" not in samples
    assert total(samples, "leaderboard_info") == 1


def read_dashboard() -> dict[str, Any]:
    text = (resources.files("service") / "status" / DASHBOARD).read_text("utf-8")
    dashboard: dict[str, Any] = json.loads(text)
    return dashboard


def list_queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


async def test_dashboard_asks_for_what_is_exported(
    client: httpx.AsyncClient, settings: Settings, database: Database, redis: Redis
) -> None:
    await submit(client, await make_player(database), 1)
    with run_worker(settings):

        async def everything_was_done() -> bool:
            samples = await scrape(client)
            return total(samples, "leaderboard_sessions_folded_total") == 1

        await wait_until(everything_was_done)
        await rerank(database)
        await note_schedule(redis)
        exported = set(await scrape(client))
    asked = {name for query in list_queries(read_dashboard()) for name in _NAME.findall(query)}
    assert asked
    assert asked <= exported
    # And nothing of what we export is forgotten.
    told = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in asked}
    forgotten = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in exported} - told
    assert forgotten == {"leaderboard_info"}


def test_dashboard_is_one_that_grafana_takes() -> None:
    dashboard = read_dashboard()
    assert dashboard["schemaVersion"] >= 39
    assert [one["type"] for one in dashboard["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    places = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        places |= {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["description"]
    cells = sum(one["gridPos"]["w"] * one["gridPos"]["h"] for one in dashboard["panels"])
    assert len(places) == cells, "panels overlap"


async def test_metrics_are_for_the_operator(database: Database, settings: Settings) -> None:
    keys = {role: await make_key(database, name=role.word, role=role) for role in Role}
    app = create_app(settings)
    async with run_app(app), connect_client(app) as client:
        assert (await client.get("/metrics")).status_code == 401
        for role, key in keys.items():
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == (200 if role is Role.ADMIN else 403)
