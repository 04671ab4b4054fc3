"""Whether every part that this process needs is there."""

import asyncio
from typing import Any, Final

from redis.asyncio import Redis

from service.backends.heartbeats import HeartbeatSender, read_heartbeats
from service.backends.redis import WORKER_PROCESSES_KEY, describe_redis_error
from service.boards.finder import SeasonFinder
from service.errors import CacheUnavailable, DatabaseUnavailable
from service.sessions.service import Ledger
from service.standings.reads.lag import LagWatch
from service.status.schemas import Readiness, WorkerHeartbeat

_PATIENCE_SECONDS: Final = 2.0


class HealthCheck:
    """Asks every part whether it is there, each for at most two seconds."""

    def __init__(
        self,
        redis: Redis,
        season_finder: SeasonFinder,
        lag_watch: LagWatch,
        heartbeat: HeartbeatSender[Any],
        ledger: Ledger,
    ) -> None:
        self._redis = redis
        self._season_finder = season_finder
        self._lag_watch = lag_watch
        self._heartbeat = heartbeat
        self._ledger = ledger

    async def check(self) -> Readiness:
        """Return what is there.

        Not ready means PostgreSQL or Redis is away: the service then goes on with less. A worker
        that is away, or a Redis that can only be read, leaves it ready, because submits and reads
        go on; its part says so. So does a PostgreSQL that can only be read.
        """
        postgresql, (redis, worker) = await asyncio.gather(
            self._check_postgresql(), self._check_redis()
        )
        parts = {"postgresql": postgresql, "redis": redis, "worker": worker}
        failing = [part for part in ("postgresql", "redis") if parts[part].startswith("away")]
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
        if self._ledger.refusal is not None:
            return "takes no writes: submits are refused"
        return "ok"

    async def _check_redis(self) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                workers = await read_heartbeats(self._redis, WORKER_PROCESSES_KEY, WorkerHeartbeat)
        except (CacheUnavailable, TimeoutError) as error:
            return (
                f"away ({describe_redis_error(error)}): reads come from PostgreSQL and may lag",
                "unknown while Redis is away",
            )
        lag = self._lag_watch.lag
        refused = self._heartbeat.problem
        if refused is not None:
            reason = describe_redis_error(refused)
        elif lag is not None and lag.cause.part == "redis":
            reason = lag.cause.summary
        else:
            return "ok", self._describe_worker(has_worker=bool(workers))
        return (
            f"takes no writes ({reason}): ranks stand still",
            "unknown while Redis takes no writes",
        )

    def _describe_worker(self, *, has_worker: bool) -> str:
        lag = self._lag_watch.lag
        if not has_worker:
            return "away: ranks stand still"
        if lag is None:
            return "ok"
        return f"behind by {lag.seconds:.0f} s ({lag.cause.summary}): ranks stand still"
