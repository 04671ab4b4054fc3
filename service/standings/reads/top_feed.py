"""The top of the global board, kept in memory by every API process.

A process hears of each refresh over pub/sub. While its subscription is down it reads Redis, then
PostgreSQL; when both are away it answers from memory and says so.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database
from service.backends.redis import EVENTS_CHANNEL, SeasonKeys, translate_redis_errors
from service.backends.redis_cluster import is_cluster_client, open_subscription
from service.backends.refresh_signal import RefreshSignal
from service.backends.replica import LaggingReads
from service.batching import Batcher, Tracer
from service.boards.service import LIST_OPEN_SEASONS, SeasonFinder, read_open_season
from service.errors import CacheUnavailable, DatabaseUnavailable, ServiceError
from service.lifecycle import stop_task
from service.standings.errors import StandingsUnavailable
from service.standings.index.validity import OffsetValidator
from service.standings.reads.lag import LagWatch
from service.standings.schemas import Entry, Published, Top
from service.standings.top import encode_top, parse_top, select_top

# A silent subscription is pinged this often, and given this long to answer.
_PING_SECONDS: Final = 1.0
_PONG_SECONDS: Final = 1.0
_RECONNECT_SECONDS: Final = (0.1, 2.0)

_log = logging.getLogger(__name__)

_decode_event = msgspec.json.Decoder(Published).decode


class TopFeed:
    """The current top: read from memory, and watched for changes."""

    def __init__(
        self,
        redis: Redis,
        breaker: Breaker,
        lagging_reads: LaggingReads,
        season_finder: SeasonFinder,
        refresh_signal: RefreshSignal,
        lag_watch: LagWatch,
        tracer: Tracer | None = None,
    ) -> None:
        self._redis = redis
        self._breaker = breaker
        self._lagging_reads = lagging_reads
        self._season_finder = season_finder
        self._refresh_signal = refresh_signal
        self._validator = OffsetValidator(lagging_reads.primary, season_finder, refresh_signal)
        self._lag_watch = lag_watch
        lag_watch.call_on_change(self._mark_stale)
        self._top: Top | None = None
        self._encoded: dict[int, bytes] = {}
        self._subscribed = False
        self._changed = asyncio.Event()
        self._subscription: asyncio.Task[None] | None = None
        # However many requests come while memory has no answer, one read at a time is enough.
        self._reads: Batcher[None, Top] = Batcher(
            self._read_batch, batch_limit=10_000, queue_limit=10_000, name="top", tracer=tracer
        )

    def start(self) -> None:
        """Subscribe to the refreshes."""
        self._subscription = asyncio.create_task(self._stay_subscribed())

    async def stop(self) -> None:
        """End the subscription."""
        if self._subscription is not None:
            await stop_task(self._subscription)

    async def read_encoded(self, limit: int) -> bytes:
        """Return the first `limit` entries as the JSON body of `/top`.

        Raises `StandingsUnavailable` when neither memory nor Redis nor PostgreSQL has them.
        """
        if not self._subscribed or self._top is None:
            return encode_top(_cut_top(await self._reads.put(None), limit))
        body = self._encoded.get(limit)
        if body is None:
            body = self._encoded[limit] = encode_top(_cut_top(self._top, limit))
        return body

    async def watch(self, limit: int) -> AsyncGenerator[Top]:
        """Yield the first `limit` entries now and whenever they, the players or `stale` change."""
        shown: tuple[Sequence[Entry], int, bool] | None = None
        while True:
            changed = self._changed
            top = self._top
            if top is None:
                with suppress(StandingsUnavailable):
                    top = await self._reads.put(None)
            if top is not None:
                cut = _cut_top(top, limit)
                if shown != (cut.leaderboard, cut.players, cut.stale):
                    shown = (cut.leaderboard, cut.players, cut.stale)
                    yield cut
            await changed.wait()

    def _mark_stale(self) -> None:
        """Say with the top in memory from now on whether the index follows."""
        if self._top is not None:
            self._keep(self._top)

    def _keep(self, top: Top) -> None:
        self._top = msgspec.structs.replace(top, stale=self._lag_watch.is_lagging)
        self._encoded.clear()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _read_batch(self, waiting: list[None]) -> Sequence[Top | ServiceError]:
        return [await self._read_outside_memory()] * len(waiting)

    async def _read_outside_memory(self) -> Top | ServiceError:
        try:
            return await self._read_redis()
        except (CacheUnavailable, DatabaseUnavailable):
            pass
        try:
            return await self._read_database()
        except DatabaseUnavailable:
            if self._top is None:
                return StandingsUnavailable()
            return msgspec.structs.replace(self._top, stale=True)

    async def _read_redis(self) -> Top:
        season = await self._season_finder.find()
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            stored, offset = await self._redis.mget(keys.top, keys.offset)
        top = parse_top(stored)
        # -1 is the number of players of no offset: a top that cannot be decoded is refused.
        await self._validator.check(offset, -1 if top is None else top.players)
        assert top is not None
        return msgspec.structs.replace(top, stale=self._lag_watch.is_lagging)

    async def _read_database(self) -> Top:
        top = await self._lagging_reads.read_apart(self._select_top)
        assert top is not None
        return msgspec.structs.replace(top, stale=True)

    async def _select_top(self, database: Database) -> Top:
        if database is self._lagging_reads.primary:
            season = await self._season_finder.find_again()
        else:
            season = await read_open_season(database)
        async with database.snapshot() as connection:
            seasons = await connection.fetch(LIST_OPEN_SEASONS)
            row = next(row for row in seasons if row["season_id"] == season.season_id)
            return await select_top(
                connection,
                season.season_id,
                players=row["players"],
                as_of=row["refreshed_at"] or datetime.now(UTC),
            )

    async def _stay_subscribed(self) -> None:
        pause_seconds, longest_pause_seconds = _RECONNECT_SECONDS
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - nothing else would subscribe again
                if self._subscribed:
                    _log.warning("not hearing of refreshes until Redis is back: %s", error)
                    pause_seconds = _RECONNECT_SECONDS[0]
                self._subscribed = False
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311
            pause_seconds = min(2 * pause_seconds, longest_pause_seconds)

    async def _listen(self) -> None:
        async with await open_subscription(self._redis) as pubsub:
            await pubsub.subscribe(EVENTS_CHANNEL)
            await _receive(pubsub, "subscribe")
            # Read after subscribing: what is published in between arrives as an event.
            self._keep(await self._read_redis())
            self._subscribed = True
            # Redis may have come back with older data than it had: a refresh will notice.
            self._refresh_signal.raise_soon()
            while True:
                message = await pubsub.get_message(timeout=_PING_SECONDS)
                if message is None:
                    await pubsub.ping()
                    message = await _receive(pubsub, "message", "pong")
                    if is_cluster_client(self._redis):
                        # This node answers, but may be cut off from the one that publishes.
                        self._keep(await self._read_redis())
                if message["type"] == "message":
                    await self._handle_event(_decode_event(message["data"]))
                elif message["type"] == "subscribe":
                    # The client reconnected by itself: events may have been missed in between.
                    raise ConnectionError("the subscription was interrupted")

    async def _handle_event(self, event: Published) -> None:
        season = await self._season_finder.find()
        if event.season_id != season.season_id:
            return
        if await self._validator.accept(event.offset, event.top.players):
            self._keep(event.top)


def _cut_top(top: Top, limit: int) -> Top:
    return msgspec.structs.replace(top, leaderboard=top.leaderboard[:limit])


async def _receive(pubsub: PubSub, *kinds: str) -> dict[str, Any]:
    """Return the next message, of one of these kinds; raises `ConnectionError` for any other."""
    message = await pubsub.get_message(timeout=_PONG_SECONDS)
    if message is None or message["type"] not in kinds:
        raise ConnectionError("the subscription is silent or was interrupted")
    received: dict[str, Any] = message
    return received
