"""Reading the top as of the last refresh: processes hear of it a moment after it is done."""

from datetime import datetime
from typing import Any

import httpx

from service.backends.database import Database
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
