"""Acts of a moderator."""

from typing import Any

import httpx

WHY = {"reason": "speedhack"}


async def call(client: httpx.AsyncClient, method: str, path: str, **body: object) -> Any:
    """Call, with a reason, and return the answer of 200."""
    answer = await client.request(method, path, json=WHY | body)
    assert answer.status_code == 200, answer.text
    return answer.json()
