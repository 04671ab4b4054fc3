"""Reading the top as of the last refresh: processes hear of it a moment after it is done."""

from datetime import datetime
from typing import Any

import httpx
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys
from tests.support.factories import find_global_season
from tests.support.waiting import wait_until


async def read_fresh_top(
    client: httpx.AsyncClient, database: Database, **parameters: int
) -> dict[str, Any]:
    """Return the answer of `/top` once it shows the last refresh."""
    row = await database.fetch_one("SELECT refreshed_at FROM refresh_state")
    assert row is not None

    async def read() -> dict[str, Any]:
        response = await client.get("/api/leaderboard/top", params=parameters)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        if row["refreshed_at"] is not None:
            assert datetime.fromisoformat(answer["as_of"]) == row["refreshed_at"]
        return answer

    return await wait_until(read)


async def ask_for_top(client: httpx.AsyncClient, database: Database, redis: Redis) -> None:
    """Read `/top` until refreshes are asked to publish it.

    A process that starts asks by itself, unless a refresh comes while it does.
    """
    keys = SeasonKeys.of(await find_global_season(database))

    async def is_asked() -> bool:
        assert (await client.get("/api/leaderboard/top")).status_code == 200
        return bool(await redis.exists(keys.asked))

    await wait_until(is_asked)
