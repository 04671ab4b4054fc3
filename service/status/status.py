"""The status page: every part, and how far behind it is."""

import asyncio
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any, Final
from uuid import UUID

import asyncpg
import dramatiq
import msgspec
import psutil
from redis.asyncio import Redis

from service.backends.broker import (
    BROKER_ERRORS,
    PERIODIC_QUEUE,
    STANDINGS_QUEUE,
    QueuedMessages,
    count_messages,
)
from service.backends.circuit_breaker import Breaker
from service.backends.database import Database, Pulse, load_sql
from service.backends.heartbeats import (
    PRESENT_SECONDS,
    HeartbeatSender,
    read_heartbeats,
    read_schedule,
)
from service.backends.redis import (
    API_PROCESSES_KEY,
    WORKER_PROCESSES_KEY,
    SeasonKeys,
    translate_redis_errors,
)
from service.boards.finder import SeasonFinder
from service.boards.seasons import LIST_LEDGER_WRITERS
from service.boards.words import GLOBAL_BOARD
from service.errors import CacheUnavailable, DatabaseUnavailable
from service.sessions.service import Ledger
from service.standings.index.offset import Offset
from service.standings.reads.lag import Lag, LagWatch
from service.status import schemas
from service.status.load_watch import LoadWatch
from service.status.request_metrics import (
    WINDOW_SECONDS,
    RequestMetrics,
    merge_figures,
)

READ_BOARDS: Final = load_sql("status", "read_boards")
READ_FIGURES: Final = load_sql("status", "read_figures")
READ_PENDING: Final = load_sql("status", "read_pending")

_PATIENCE_SECONDS: Final = 2.0
_BROKER_PATIENCE_SECONDS: Final = 1.0

# Each of them is a label in the metrics.
_BUSIEST_BOARDS: Final = 20

# Each is looked up in the ledger, which takes a few milliseconds for all.
_PENDING_LIMIT: Final = 1_000

# The scheduler sends a message a minute; this late it has missed one.
_SCHEDULER_PATIENCE_SECONDS: Final = 130.0


class _Figures(msgspec.Struct, frozen=True):
    """What PostgreSQL knows: read_figures.sql."""

    version: str
    started_at: datetime
    connections: int
    pending_sessions: int
    oldest_pending_seconds: float | None
    highest_session_id: int
    highest_user_id: int
    season_id: int
    players: int
    last_refresh: int
    epoch: UUID
    number: int
    refreshed_at: datetime | None
    refresh_ms: float | None
    refresh_sessions: int | None
    reranked_at: datetime | None
    rerank_ms: float | None
    rerank_rows: int | None
    rerank_number: int


class _Ending(msgspec.Struct, frozen=True):
    board: str
    season: int
    ends_at: datetime
    is_sealed: bool


_decode_ending: Final = msgspec.json.Decoder(list[_Ending]).decode
_decode_filling: Final = msgspec.json.Decoder(list[schemas.FillingSeason]).decode
_decode_busiest: Final = msgspec.json.Decoder(list[schemas.BoardPlayers]).decode


class _RedisAnswer(msgspec.Struct, frozen=True):
    redis: schemas.RedisStatus
    problem: str | None
    apis: list[schemas.ApiHeartbeat] = []
    workers: list[schemas.WorkerHeartbeat] = []
    scheduled_seconds_ago: float | None = None


class StatusReader:
    """Puts the status page together, and adds this process to it."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        broker: dramatiq.Broker,
        ledger: Ledger,
        metrics: RequestMetrics,
        season_finder: SeasonFinder,
        lag_watch: LagWatch,
        breaker: Breaker,
        pulse: Pulse,
    ) -> None:
        self._database = database
        self._redis = redis
        self._broker = broker
        self._ledger = ledger
        self._metrics = metrics
        self._season_finder = season_finder
        self._lag_watch = lag_watch
        self._breaker = breaker
        self._pulse = pulse
        self._load_watch = LoadWatch()
        self._counting: asyncio.Future[dict[str, QueuedMessages]] | None = None
        self._counting_is_late = False
        self._process = psutil.Process()
        self._started_at = datetime.now(UTC)
        self._host = socket.gethostname()
        self.heartbeat = HeartbeatSender(
            redis, API_PROCESSES_KEY, f"{self._host}:{os.getpid()}", self._describe_process
        )

    def start(self) -> None:
        """Begin to watch this process, and to tell the others of it."""
        self._load_watch.start()
        self.heartbeat.start()

    async def stop(self) -> None:
        """Be gone at once."""
        await self.heartbeat.stop()
        await self._load_watch.stop()

    async def read(self) -> schemas.Overview:
        """Return the state of everything; a part that does not answer in two seconds is away."""
        # All at once: where several do not answer, the page does not take the time of each.
        (answered, round_trip_ms), boards, answer, queues = await asyncio.gather(
            self._read_database(), self._read_boards(), self._read_redis(), self._read_queues()
        )
        figures = None if isinstance(answered, Exception) else answered
        # After the figures, so that it is never behind what they say was published.
        offset = await self._read_offset(figures) if answer.redis.state != "away" else None
        apis = self._join_apis(answer.apis)
        workers = [heartbeat.process for heartbeat in answer.workers]
        status = schemas.Status(
            version=version("leaderboard"),
            at=datetime.now(UTC),
            parts=schemas.Parts(
                api=schemas.ApiStatus(
                    state="ok", processes=[heartbeat.process for heartbeat in apis]
                ),
                postgresql=self._describe_postgresql(answered, round_trip_ms),
                redis=answer.redis,
                worker=schemas.WorkerStatus(
                    state=self._find_worker_state(answer), processes=workers
                ),
                scheduler=self._describe_scheduler(answer),
                index=_describe_index(figures, offset, self._lag_watch.lag, answer),
            ),
            pending_sessions=figures.pending_sessions if figures else None,
            oldest_pending_seconds=_describe_oldest(figures),
            highest_session_id=figures.highest_session_id if figures else None,
            players=_describe_players(figures) if figures else None,
            refresh=_describe_refresh(figures) if figures else None,
            rerank=_describe_rerank(figures) if figures else None,
            queues=queues,
            routes=_describe_routes(apis),
            freshness=schemas.FreshnessStatus.of(answer.workers),
            boards=boards,
        )
        return schemas.Overview(status, apis, answer.workers)

    async def read_apis(self) -> list[schemas.ApiHeartbeat]:
        """Return this process's heartbeat, and those of the others while Redis is there."""
        others: list[schemas.ApiHeartbeat] = []
        with suppress(CacheUnavailable, TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                with self._breaker.guard():
                    others = await read_heartbeats(
                        self._redis, API_PROCESSES_KEY, schemas.ApiHeartbeat
                    )
        return self._join_apis(others)

    def _join_apis(self, heard: list[schemas.ApiHeartbeat]) -> list[schemas.ApiHeartbeat]:
        # This process knows itself best, and others only through Redis.
        here = self._describe_process()
        own = (here.process.host, here.process.pid)
        return [here, *(one for one in heard if (one.process.host, one.process.pid) != own)]

    def _find_fault(self, part: str) -> str | None:
        """Return why reads lag where a part is to blame, which is there; None where it is not."""
        lag = self._lag_watch.lag
        return lag.cause.detail if lag is not None and lag.cause.part == part else None

    def _find_worker_state(self, answer: _RedisAnswer) -> schemas.State:
        if answer.workers:
            return "ok" if self._find_fault("worker") is None else "behind"
        return "unknown" if self._is_deaf(answer, PRESENT_SECONDS) else "away"

    def _is_deaf(self, answer: _RedisAnswer, seconds: float) -> bool:
        """Return whether Redis, through which all is heard of, was there for less than that."""
        return (
            answer.redis.state == "away"
            or self.heartbeat.problem is not None
            or self.heartbeat.was_away_within(seconds)
        )

    def _describe_scheduler(self, answer: _RedisAnswer) -> schemas.SchedulerStatus:
        ago = answer.scheduled_seconds_ago
        state: schemas.State = "ok"
        if ago is None or ago > _SCHEDULER_PATIENCE_SECONDS:
            # A Redis that lost what it knew hears of it again when it sends the next one.
            patience = 0.0 if ago else _SCHEDULER_PATIENCE_SECONDS
            state = "unknown" if self._is_deaf(answer, patience) else "away"
        seen_at = None if ago is None else datetime.now(UTC) - timedelta(seconds=ago)
        return schemas.SchedulerStatus(state=state, last_seen_at=seen_at)

    def _describe_postgresql(
        self, figures: _Figures | Exception, round_trip_ms: float
    ) -> schemas.PostgresStatus:
        if isinstance(figures, Exception):
            # It may answer others, and be slow with what this page counts.
            is_late = isinstance(figures, TimeoutError) and self._pulse.problem is None
            late = f"its figures did not come within {_PATIENCE_SECONDS:g} s"
            return schemas.PostgresStatus(
                state="behind" if is_late else "away",
                cause=late if is_late else self._pulse.problem or str(figures),
                since=self._pulse.away_since,
            )
        refusal = self._ledger.refusal
        return schemas.PostgresStatus(
            state="ok" if refusal is None else "behind",
            cause=None if refusal is None else refusal.explain(),
            version=figures.version,
            round_trip_ms=round_trip_ms,
            connections=figures.connections,
            started_at=figures.started_at,
        )

    def _describe_process(self) -> schemas.ApiHeartbeat:
        pools = (self._database.connections, self._ledger.connections)
        connections, idle = (sum(figures) for figures in zip(*pools, strict=True))
        process = schemas.ApiProcess(
            host=self._host,
            pid=os.getpid(),
            started_at=self._started_at,
            memory_bytes=self._process.memory_info().rss,
            submits_waiting=self._ledger.waiting,
            database_connections=connections,
            database_connections_idle=idle,
            loop_lag_ms=self._load_watch.loop_lag_ms,
            host_processors=self._load_watch.processors,
            host_processor_percent=self._load_watch.processor_percent,
            host_load=self._load_watch.load,
        )
        under_way = self._ledger.under_way_seconds
        return schemas.ApiHeartbeat(
            process=process,
            routes=self._metrics.read(),
            figures=self._ledger.counters,
            slow=self._metrics.slow,
            commit_under_way_ms=None if under_way is None else round(1000 * under_way, 1),
        )

    async def _read_database(self) -> tuple[_Figures | Exception, float]:
        """Return the figures, or why there are none."""
        started_at = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                row = await self._database.fetch_one(READ_FIGURES, GLOBAL_BOARD)
        except (DatabaseUnavailable, TimeoutError) as error:
            return error, _ms_since(started_at)
        assert row is not None, "the board that is always there has a season"
        return msgspec.convert(dict(row), _Figures), _ms_since(started_at)

    async def _read_boards(self) -> schemas.BoardsStatus | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                row = await self._database.fetch_one(READ_BOARDS, _BUSIEST_BOARDS)
                ending = _decode_ending(row["ending"]) if row else []
                writers = await self._database.fetch(LIST_LEDGER_WRITERS) if ending else []
                pending = await self._database.fetch(READ_PENDING, _PENDING_LIMIT)
        except (DatabaseUnavailable, TimeoutError):
            return None
        if row is None:
            return None
        return schemas.BoardsStatus(
            count=row["boards"],
            archived=row["archived"],
            ending=[_describe_ending(season, writers) for season in ending],
            filling=_decode_filling(row["filling"]),
            busiest=_decode_busiest(row["busiest"]),
            other_players=row["other_players"],
            pending=[schemas.BoardPending(**board) for board in pending],
            pending_limit=_PENDING_LIMIT,
        )

    async def _read_redis(self) -> _RedisAnswer:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                with self._breaker.guard():
                    return await self._ask_redis()
        except (CacheUnavailable, TimeoutError) as error:
            cause = str(error) or f"no answer within {_PATIENCE_SECONDS:g} s"
            return _RedisAnswer(
                redis=schemas.RedisStatus("away", cause=cause, since=self.heartbeat.away_since),
                problem=f"Redis is away: {cause}",
            )

    async def _ask_redis(self) -> _RedisAnswer:
        started_at = time.perf_counter()
        with translate_redis_errors():
            await self._redis.ping()
            round_trip_ms = _ms_since(started_at)
            info = await self._redis.info()
        scheduled_ago = await read_schedule(self._redis)
        refused = self.heartbeat.problem
        refusal = None if refused is None else f"Redis takes no writes: {refused}"
        fault = self._find_fault("redis") or refusal
        return _RedisAnswer(
            redis=schemas.RedisStatus(
                state="ok" if fault is None else "behind",
                cause=fault,
                version=info.get("valkey_version") or info["redis_version"],
                round_trip_ms=round_trip_ms,
                memory_bytes=info["used_memory"],
                started_at=datetime.now(UTC) - timedelta(seconds=info["uptime_in_seconds"]),
            ),
            apis=await read_heartbeats(self._redis, API_PROCESSES_KEY, schemas.ApiHeartbeat),
            workers=await read_heartbeats(
                self._redis, WORKER_PROCESSES_KEY, schemas.WorkerHeartbeat
            ),
            scheduled_seconds_ago=scheduled_ago,
            problem=refusal,
        )

    async def _read_offset(self, figures: _Figures | None) -> Offset | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                season_id = figures.season_id if figures else await self._find_season_id()
                if season_id is None:
                    return None
                with translate_redis_errors():
                    return Offset.parse(await self._redis.get(SeasonKeys.of(season_id).offset))
        except (CacheUnavailable, TimeoutError):
            return None

    async def _find_season_id(self) -> int | None:
        """Return the season's id while PostgreSQL is away, from memory or Redis."""
        try:
            return (await self._season_finder.find()).season_id
        except DatabaseUnavailable:
            return None

    async def _read_queues(self) -> dict[str, schemas.QueueStatus]:
        """Return how many messages wait; nothing where the broker is slow to say.

        It is asked by a thread, which cannot be called back: none other asks until that one is
        done.
        """
        if self._counting is None or self._counting.done():
            self._counting = asyncio.ensure_future(asyncio.to_thread(self._count_messages))
        elif self._counting_is_late:
            return {}
        # By a name of our own: who looks next may have begun another count when this one is told.
        counting = self._counting
        done, _ = await asyncio.wait({counting}, timeout=_BROKER_PATIENCE_SECONDS)
        self._counting_is_late = not done
        try:
            counts = counting.result() if done else {}
        except BROKER_ERRORS:
            return {}
        return {name: schemas.QueueStatus(**counted._asdict()) for name, counted in counts.items()}

    def _count_messages(self) -> dict[str, QueuedMessages]:
        names = (STANDINGS_QUEUE, PERIODIC_QUEUE)
        return {name: count_messages(self._broker, name) for name in names}


def _ms_since(started_at: float) -> float:
    return round(1000 * (time.perf_counter() - started_at), 3)


def _describe_oldest(figures: _Figures | None) -> float | None:
    # Not before it was written: another clock may be ahead.
    oldest = figures.oldest_pending_seconds if figures else None
    return None if oldest is None else round(max(0.0, oldest), 3)


def _describe_index(
    figures: _Figures | None, offset: Offset | None, lag: Lag | None, answer: _RedisAnswer
) -> schemas.IndexStatus:
    cause = lag.cause.detail if lag else answer.problem
    lag_seconds = round(lag.seconds, 1) if lag else 0.0
    if answer.redis.state == "away":
        # It may be in order, and nobody can read it.
        last_refresh = figures.last_refresh if figures else None
        return schemas.IndexStatus(
            "unknown", last_refresh=last_refresh, lag_seconds=lag_seconds, cause=cause
        )
    if figures is None:
        # Nothing is refreshed while PostgreSQL is away: an index that is there goes on.
        return schemas.IndexStatus(
            state="ok" if offset else "away", offset=offset.number if offset else None, cause=cause
        )
    if offset is None or offset.epoch != str(figures.epoch):
        return schemas.IndexStatus(
            state="away", last_refresh=figures.last_refresh, lag_seconds=lag_seconds, cause=cause
        )
    # Read a moment after the figures, so it may be ahead of them.
    behind = max(0, figures.last_refresh - offset.number)
    return schemas.IndexStatus(
        state="behind" if behind or cause else "ok",
        offset=offset.number,
        last_refresh=figures.last_refresh,
        behind=behind,
        lag_seconds=lag_seconds,
        cause=cause,
    )


def _describe_ending(season: _Ending, writers: Sequence[asyncpg.Record]) -> schemas.EndingSeason:
    """Return what a season that is over waits for."""
    frozen = []
    if not season.is_sealed:
        # Who began after its end can date no session into it.
        frozen = [
            schemas.LedgerWriter(writer["pid"], round(writer["seconds"], 1))
            for writer in writers
            if writer["started_at"] is None or writer["started_at"] <= season.ends_at
        ]
    waits_for: Any = "closing" if season.is_sealed else "writers" if frozen else "folds"
    return schemas.EndingSeason(season.board, season.season, season.ends_at, waits_for, frozen)


def _describe_players(figures: _Figures) -> schemas.PlayersStatus:
    return schemas.PlayersStatus(standing=figures.players, highest_user_id=figures.highest_user_id)


def _describe_refresh(figures: _Figures) -> schemas.RefreshStatus:
    return schemas.RefreshStatus(
        number=figures.number,
        at=figures.refreshed_at,
        duration_ms=figures.refresh_ms,
        sessions=figures.refresh_sessions,
    )


def _describe_rerank(figures: _Figures) -> schemas.RerankStatus:
    return schemas.RerankStatus(
        number=figures.rerank_number,
        at=figures.reranked_at,
        duration_ms=figures.rerank_ms,
        ranks_changed=figures.rerank_rows,
    )


def _describe_routes(heartbeats: list[schemas.ApiHeartbeat]) -> list[schemas.RouteStatus]:
    merged = merge_figures(heartbeat.routes for heartbeat in heartbeats)
    return [
        schemas.RouteStatus(
            route=name,
            count=figures.count,
            server_errors=figures.server_errors,
            per_second=round(sum(figures.latencies.values()) / WINDOW_SECONDS, 2),
            p50_ms=figures.compute_quantile_ms(0.50),
            p95_ms=figures.compute_quantile_ms(0.95),
            p99_ms=figures.compute_quantile_ms(0.99),
            max_ms=figures.longest_ms,
        )
        for name, figures in sorted(merged.items())
    ]
