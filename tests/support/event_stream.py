"""A client of the event stream: its events and comments, one at a time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.waiting import PATIENCE_SECONDS

_PATIENCE_SECONDS = 15.0


class EventStream:
    """What a stream has sent; every wait ends with `TimeoutError` after fifteen seconds."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def read_block(self) -> list[str] | None:
        """Return the lines of the next event or comment; None at the end of the stream."""
        block: list[str] = []
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for line in self._lines:
                if line:
                    block.append(line)
                elif block:
                    return block
        assert block == [], "the stream ends in the middle of an event"
        return None

    async def read_comment(self) -> str:
        """Return the next comment, passing events over."""
        while (block := await self.read_block()) is not None:
            if block[0].startswith(":"):
                return block[0].removeprefix(":").strip()
        raise AssertionError("the stream ended")

    async def read_top(self) -> dict[str, Any]:
        """Return the data of the next event, passing comments over."""
        while (block := await self.read_block()) is not None:
            if not block[0].startswith(":"):
                name, data = block
                assert name == "event: top"
                answer: dict[str, Any] = json.loads(data.removeprefix("data: "))
                return answer
        raise AssertionError("the stream ended")

    async def read_until(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the data of the next event that is wanted, passing others over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_wanted(top := await self.read_top()):
                pass
            return top


@asynccontextmanager
async def open_stream(
    client: httpx.AsyncClient, path: str = "/api/leaderboard/stream", **parameters: int | str
) -> AsyncIterator[EventStream]:
    """Open the stream of a server, that of `global` unless told."""
    async with client.stream("GET", path, params=parameters) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield EventStream(response)
