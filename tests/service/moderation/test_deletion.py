"""Deletion: nothing is left of who a player was, whoever wrote it down."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.settings.settings import Settings
from tests.support.factories import make_player
from tests.support.season_work import SeasonWorker

WHY = {"reason": "speedhack"}


@pytest.fixture
async def worker(database: Database, redis: Redis, settings: Settings) -> SeasonWorker:
    return SeasonWorker(database, redis, settings)


async def call(client: httpx.AsyncClient, method: str, path: str, **body: object) -> Any:
    answer = await client.request(method, path, json=WHY | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_name_goes_from_the_reasons_about_others(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    one = await make_player(database, "ada", "steam.1")
    short = await make_player(database, "x+")
    other = await make_player(database)
    assert (await client.put("/api/boards/best", json={})).status_code == 201
    assert (await client.post("/api/boards/best/seasons/current/close")).status_code == 200
    await worker.work()
    await call(client, "PATCH", f"/api/players/{one}", username="Léa", reason="asked")
    reasons = {
        "ADA cheated": True,
        "as (ada) did": True,
        "who is Le\u0301a?": True,
        "steam.1_2": True,
        "adamant that it was not her": False,
        "steam-1 says so": False,
        "all of it, x+": False,
    }
    for reason in reasons:
        await call(client, "POST", "/api/boards/best/seasons/1/correct", reason=reason)
        await call(client, "PUT", f"/api/players/{other}/state", state="hidden", reason=reason)
        await call(client, "PUT", f"/api/players/{other}/state", state="active", reason="x")
    assert (await client.delete(f"/api/players/{one}?reason=asked")).status_code == 204

    async def list_reasons(action: str) -> list[str]:
        log = (await client.get("/api/moderation", params={"limit": "1000"})).json()["entries"]
        return [entry["reason"] for entry in log if entry["action"] == action]

    erased = "(erased with the name in it)"
    kept = [erased if is_erased else reason for reason, is_erased in reasons.items()]
    assert await list_reasons("correct") == kept
    assert (await list_reasons("state"))[::2] == kept
    assert await list_reasons("rename") == ["asked"]
    assert (await client.delete(f"/api/players/{short}?reason=asked")).status_code == 204
    assert await list_reasons("correct") == [*kept[:-1], erased]
