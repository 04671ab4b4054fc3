"""Whether every part that this process needs is there."""

import asyncio
from typing import Final

from redis.asyncio import Redis

from service.backends.redis import WORKER_PROCESSES_KEY
from service.boards.finder import SeasonFinder
from service.errors import CacheUnavailable, DatabaseUnavailable
from service.status.heartbeats import read_heartbeats
from service.status.schemas import Readiness, WorkerHeartbeat

_PATIENCE_SECONDS: Final = 2.0


class HealthCheck:
    """Asks every part for a sign of life, each for at most two seconds."""

    def __init__(self, redis: Redis, season_finder: SeasonFinder) -> None:
        self._redis = redis
        self._season_finder = season_finder

    async def check(self) -> Readiness:
        """Return what is there.

        Not ready means PostgreSQL or Redis is away: the service then goes on with less. A worker
        that is away leaves it ready, because submits and reads go on; its part says so.
        """
        postgresql, (redis, worker) = await asyncio.gather(
            self._check_postgresql(), self._check_redis()
        )
        parts = {"postgresql": postgresql, "redis": redis, "worker": worker}
        failing = [part for part in ("postgresql", "redis") if parts[part] != "ok"]
        if not failing:
            return Readiness(status="ready", parts=parts)
        return Readiness(
            status="not ready",
            parts=parts,
            error=f"{' and '.join(failing)} cannot be reached.",
            code="not_ready",
        )

    async def _check_postgresql(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._season_finder.find_in_database()
        except (DatabaseUnavailable, TimeoutError):
            return "away: submits are refused, reads come from memory and Redis"
        return "ok"

    async def _check_redis(self) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                workers = await read_heartbeats(self._redis, WORKER_PROCESSES_KEY, WorkerHeartbeat)
        except (CacheUnavailable, TimeoutError):
            return "away: reads come from PostgreSQL and may lag", "unknown while Redis is away"
        return "ok", "ok" if workers else "away: ranks stand still"
