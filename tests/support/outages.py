"""A service with servers of its own, and ways to have them away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys, connect_redis
from service.local.embedded import PostgresServer, ValkeyServer
from service.local.embedded.server import EmbeddedServer
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import find_global_season
from tests.support.waiting import PATIENCE_SECONDS, wait_until

# Reads must be answered in this time even where a server takes connections and is silent.
FEW_SECONDS = 5.0


@dataclass
class Stack:
    """A service with servers of its own, for tests that stop them, and three players."""

    postgres: PostgresServer
    valkey: ValkeyServer
    settings: Settings
    database: Database
    redis: Redis
    client: httpx.AsyncClient
    user_ids: list[int]
    read_seconds: Callable[[], float]

    async def refresh(self) -> None:
        await Refresher(self.database, self.redis, self.settings).refresh()

    async def submit(self, user_id: int, score: int) -> httpx.Response:
        body = {"user_id": user_id, "score": score}
        return await self.client.post("/api/leaderboard/submit", json=body)

    @asynccontextmanager
    async def answering_soon(self) -> AsyncIterator[None]:
        """Assert that the block takes a few seconds at most."""
        began_at = self.read_seconds()
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
        assert self.read_seconds() - began_at < FEW_SECONDS

    async def read(self, path: str) -> dict[str, Any]:
        """Return the answer of a read, which must come within a few seconds."""
        async with self.answering_soon():
            response = await self.client.get(f"/api/leaderboard/{path}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def read_scores(self) -> tuple[dict[int, int], set[bool]]:
        """Return everybody's score as each of the three reads has it, and who is stale."""
        top = await self.read("top")
        ranks = [await self.read(f"rank/{user_id}") for user_id in self.user_ids]
        around = await self.read(f"around/{self.user_ids[0]}")
        scores = {entry["user_id"]: entry["total_score"] for entry in top["leaderboard"]}
        for entries in ranks, around["leaderboard"]:
            assert {entry["user_id"]: entry["total_score"] for entry in entries} == scores
        return scores, {answer.get("stale", False) for answer in (top, *ranks, around)}

    async def has_top_in_memory(self) -> bool:
        """Whether the service has a fresh top while Redis has not."""
        key = SeasonKeys.of(await find_global_season(self.database)).top
        stored = await self.redis.getdel(key)
        answer = await self.read("top")
        if stored is not None:
            await self.redis.set(key, stored)
        return "stale" not in answer

    async def wait_until_fresh(self, scores: dict[int, int]) -> None:
        """Wait until every read has these scores, and none is stale."""
        await self._wait_for(scores, stale=False)

    async def wait_until_stale(self, scores: dict[int, int]) -> None:
        """Wait until every read has these scores and says that they may lag."""
        await self._wait_for(scores, stale=True)

    async def _wait_for(self, scores: dict[int, int], *, stale: bool) -> None:
        async def is_so() -> bool:
            assert await self.read_scores() == (scores, {stale})
            return True

        await wait_until(is_so)


def connect_nowhere(settings: Settings) -> Redis:
    """Return a client of a Redis that is away, which as ours do gives up at once."""
    return connect_redis(settings.model_copy(update={"redis_url": "unix:///nowhere"}))


@contextmanager
def stopped(*servers: EmbeddedServer) -> Iterator[None]:
    """Have servers away for the time of the block."""
    for server in servers:
        server.stop()
    try:
        yield
    finally:
        for server in servers:
            server.start()


@contextmanager
def hanging(server: EmbeddedServer) -> Iterator[None]:
    """Have a server take connections and never answer for the time of the block."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in family:
            member.resume()
