"""Reads over HTTP that must succeed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx


async def read(client: httpx.AsyncClient, path: str, **parameters: int) -> dict[str, Any]:
    response = await client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = response.json()
    return answer


def is_recent(as_of: str) -> bool:
    return timedelta() <= datetime.now(UTC) - datetime.fromisoformat(as_of) < timedelta(minutes=1)
