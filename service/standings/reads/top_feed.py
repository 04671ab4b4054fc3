"""The tops of the boards that are read: in memory, from Redis, or from PostgreSQL.

Every refresh publishes the tops that somebody reads, so that the next read is a look into memory.
A process that does not hear of refreshes, because its subscription is down, reads Redis each time,
and PostgreSQL where that is away; for all who watch a board, once a second. Where both are, it
answers from memory and says so.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from service.backends.circuit_breaker import Breaker
from service.backends.database import load_sql
from service.backends.redis import EVENTS_CHANNEL, SeasonKeys, translate_redis_errors
from service.backends.redis_cluster import is_cluster_client, open_subscription
from service.backends.refresh_signal import RefreshSignal
from service.backends.replica import LaggingReads
from service.batching import Batcher, Tracer
from service.boards.errors import StandingsUnavailable
from service.boards.finder import Season, SeasonFinder, find_season
from service.boards.words import GLOBAL_BOARD
from service.errors import CacheUnavailable, DatabaseUnavailable, ServiceError
from service.lifecycle import stop_task
from service.standings.index.validity import OffsetValidator
from service.standings.reads.lag import LagWatch
from service.standings.reads.ranks import RankReader
from service.standings.run import Published, Run
from service.standings.top import parse_top

LIST_NEWEST_ACTS: Final = load_sql("standings/reads", "list_newest_acts")

# A silent subscription is pinged this often, and given this long to answer.
_PING_SECONDS: Final = 1.0
_PONG_SECONDS: Final = 1.0
_RECONNECT_SECONDS: Final = (0.1, 2.0)

# Nothing tells that a season ends, that a closed one was corrected, or that a player in it was
# renamed: for those who watch it this is looked for as soon as P5 wants it shown.
_LOOK_AGAIN_SECONDS: Final = 0.4

# While refreshes are not heard of, what is watched is read this often, and less often where reading
# all of it takes more than a third of the time.
_UNHEARD_SECONDS: Final = 1.0
_PAUSES_IN_A_READING: Final = 2.0

# Each refresh has another time, whether or not it changed a top.
_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)

# Refreshes publish a top for as long as some process asks for it this often.
_ASKED_SECONDS: Final = 60
_ASK_AGAIN_SECONDS: Final = 20.0

_log = logging.getLogger(__name__)

_decode_event = msgspec.json.Decoder(Published).decode


class _Feed:
    """What a process knows of the top of one season."""

    def __init__(self, season: Season) -> None:
        self.season = season
        # The board's current season when that was looked at last: with it `previous` changes.
        self.current: Season | None = None
        self.top: Run | None = None
        # What the routes made of it, by their own keys; dropped with every change. And what streams
        # send of it.
        self.encoded: dict[object, bytes] = {}
        self.written: dict[object, tuple[bytes, bytes]] = {}
        self.is_current = False
        self.changed = asyncio.Event()
        self.watchers = 0
        self.read_at = time.monotonic()

    def keep(self, top: Run) -> None:
        self.top = top
        self.is_current = True
        self.encoded.clear()
        self.written.clear()
        self.wake()

    def write(
        self, top: Run, key: object, encode: Callable[[Season, Run], bytes]
    ) -> tuple[bytes, bytes]:
        """Return a top as it is sent, and the same as of no time: by that changes are known.

        The one that is kept is written once for all who watch the same.
        """
        if not self.is_current or top is not self.top:
            return self._write(top, encode)
        if key not in self.written:
            self.written[key] = self._write(top, encode)
        return self.written[key]

    def _write(self, top: Run, encode: Callable[[Season, Run], bytes]) -> tuple[bytes, bytes]:
        timeless = msgspec.structs.replace(top, as_of=_NO_TIME)
        return encode(self.season, top), encode(self.season, timeless)

    def wake(self) -> None:
        """Have those who watch look again."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class TopFeeds:
    """The current tops: read from memory, and watched for changes."""

    def __init__(
        self,
        redis: Redis,
        breaker: Breaker,
        lagging_reads: LaggingReads,
        season_finder: SeasonFinder,
        rank_reader: RankReader,
        refresh_signal: RefreshSignal,
        lag_watch: LagWatch,
        tracer: Tracer | None,
    ) -> None:
        self._redis = redis
        self._breaker = breaker
        self._season_finder = season_finder
        self._rank_reader = rank_reader
        self._refresh_signal = refresh_signal
        self._validator = OffsetValidator(lagging_reads.primary, season_finder, refresh_signal)
        self._lag_watch = lag_watch
        lag_watch.call_on_change(self._forget)
        self._feeds: dict[int, _Feed] = {}
        self._acts: list[int] = []
        self.is_subscribed = False
        """Whether this process hears of refreshes."""
        self._refresh_listeners: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        # However many requests come while memory has no answer, one read of each at a time is
        # enough.
        self._reads: Batcher[_Feed, Run] = Batcher(
            self._read_batch, batch_limit=10_000, queue_limit=10_000, name="top", tracer=tracer
        )

    def start(self) -> None:
        """Subscribe to the refreshes, and go on asking for the tops that are read."""
        self._tasks = [
            asyncio.create_task(self._stay_subscribed()),
            asyncio.create_task(self._go_on_asking()),
            asyncio.create_task(self._follow_seasons()),
            asyncio.create_task(self._read_unheard()),
        ]

    async def stop(self) -> None:
        """End the subscription."""
        for task in self._tasks:
            await stop_task(task)
        await self._reads.drain()

    async def read(self, season: Season, key: object, encode: Callable[[Run], bytes]) -> bytes:
        """Return the top of a season as `encode` writes it, which is remembered by `key`.

        Raises `StandingsUnavailable` when neither memory nor Redis nor PostgreSQL has it, and
        `BoardFilling`.
        """
        if season.state == "closed" or season.is_filling:
            return encode(await self._rank_reader.read_top(season))
        feed = self._find_feed(season)
        if not (self.is_subscribed and feed.is_current):
            return encode(await self._reads.put(feed))
        body = feed.encoded.get(key)
        if body is None:
            assert feed.top is not None
            body = feed.encoded[key] = encode(feed.top)
        return body

    async def watch(
        self, season: Season, wanted: str, key: object, encode: Callable[[Season, Run], bytes]
    ) -> AsyncGenerator[bytes]:
        """Yield the top of a board's season as `encode` writes it, now and on every change.

        A change of anything in it but the time that it is of. `wanted` is how the season was asked
        for, `current`, `previous` or its number, and is asked for again. What is written is
        remembered by `key` for all who watch the same.

        While nothing has the top, as long as the season is being filled for example, it waits.
        """
        shown = b""
        while True:
            feed = self._find_feed(season)
            feed.watchers += 1
            try:
                changed = feed.changed
                body, facts = b"", shown
                with suppress(ServiceError):
                    top = feed.top if feed.is_current else None
                    if top is None:
                        top = await self._reads.put(feed)
                    body, facts = feed.write(top, key, encode)
                season = feed.season
                if facts != shown:
                    shown = facts
                    yield body
                with suppress(TimeoutError):
                    async with asyncio.timeout(_ASK_AGAIN_SECONDS):
                        await changed.wait()
            finally:
                feed.watchers -= 1
            with suppress(ServiceError):
                number = await self._season_finder.find_number(season.slug, wanted)
                if feed.season.state == "closed" and feed.season.number == number:
                    season = feed.season
                else:
                    season = await self._season_finder.find_season(season.slug, wanted)

    def _find_feed(self, season: Season) -> _Feed:
        feed = self._feeds.get(season.season_id)
        if feed is None:
            feed = self._feeds[season.season_id] = _Feed(season)
        # Its rule and its end are in what was written, too. It is one object nearly always.
        if feed.season is not season and feed.season != season:
            feed.is_current = False
        feed.season = season
        feed.read_at = time.monotonic()
        return feed

    async def _read_batch(self, waiting: list[_Feed]) -> Sequence[Run | ServiceError]:
        answers: dict[int, Run | ServiceError] = {}
        for feed in waiting:
            season_id = feed.season.season_id
            if season_id not in answers:
                try:
                    answers[season_id] = await self._read_outside_memory(feed)
                except ServiceError as error:
                    answers[season_id] = error
        return [answers[feed.season.season_id] for feed in waiting]

    async def _read_outside_memory(self, feed: _Feed) -> Run:
        if feed.season.state == "closed":
            return await self._read_closed(feed)
        # Whatever changes from here on is heard of, and then this is not the newest.
        changed, season = feed.changed, feed.season
        try:
            top = await self._read_redis(season)
        except (CacheUnavailable, DatabaseUnavailable):
            try:
                top = await self._rank_reader.read_top(season)
            except StandingsUnavailable:
                if feed.top is None:
                    raise
                return msgspec.structs.replace(feed.top, stale=True)
        is_newest = feed.season == season and not changed.is_set()
        is_marked = top.stale is self._lag_watch.is_lagging(season)
        if self.is_subscribed and is_marked and is_newest:
            feed.keep(top)
            await self._ask_for([feed])
        return top

    async def _read_closed(self, feed: _Feed) -> Run:
        """Return the result of a season, read once for all who watch it."""
        while not feed.is_current or feed.top is None:
            top = await self._rank_reader.read_top(feed.season)
            # If it was corrected meanwhile, nobody knows of which revision that was.
            before = feed.season
            feed.season = await find_season(
                self._season_finder.database, before.slug, before.number
            )
            if feed.season == before:
                feed.keep(top)
        return feed.top

    async def _read_redis(self, season: Season) -> Run:
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            stored, offset = await self._redis.mget(keys.top, keys.offset)
        top = parse_top(stored)
        if top is None:
            raise CacheUnavailable("nobody had asked for this top")
        await self._validator.check(season, offset, top.players)
        return msgspec.structs.replace(top, stale=self._lag_watch.is_lagging(season))

    async def _go_on_asking(self) -> None:
        while True:
            now = time.monotonic()
            for season_id, feed in list(self._feeds.items()):
                if not feed.watchers and feed.read_at + _ASKED_SECONDS < now:
                    del self._feeds[season_id]
            feeds = [feed for feed in self._feeds.values() if feed.season.state != "closed"]
            for feed in feeds:
                self._lag_watch.watch(feed.season)
            await self._ask_for(feeds)
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _read_unheard(self) -> None:
        """While refreshes are not heard of, read what is watched, once for all who watch it."""
        pause_seconds = _UNHEARD_SECONDS
        while True:
            await asyncio.sleep(pause_seconds)
            began_at = time.monotonic()
            for feed in list(self._feeds.values()):
                if feed.watchers and feed.season.state != "closed" and not self.is_subscribed:
                    with suppress(ServiceError):
                        await self._read_for_watchers(feed)
            took = time.monotonic() - began_at
            pause_seconds = max(_UNHEARD_SECONDS, _PAUSES_IN_A_READING * took)

    async def _read_for_watchers(self, feed: _Feed) -> None:
        changed, season = feed.changed, feed.season
        top = await self._reads.put(feed)
        # Otherwise they look for themselves, or will.
        if feed.season == season and not changed.is_set():
            feed.keep(top)

    async def _follow_seasons(self) -> None:
        """Wake those who watch a season that is over, or whose board was changed.

        A closed one is read again after acts of moderators only: its result, and the names in it,
        change by nothing else.
        """
        while True:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            watched = [
                feed
                for feed in self._feeds.values()
                if feed.watchers and feed.season.slug != GLOBAL_BOARD
            ]
            with suppress(ServiceError):
                if any(feed.season.state == "closed" for feed in watched):
                    await self._follow_acts()
            for feed in watched:
                with suppress(ServiceError):
                    await self._follow_board(feed)

    async def _follow_acts(self) -> None:
        """Have the results of closed seasons read anew where moderators did anything since."""
        rows = await self._season_finder.database.fetch(LIST_NEWEST_ACTS)
        acts = [row["id"] for row in rows]
        if acts != self._acts:
            self._acts = acts
            for feed in self._feeds.values():
                if feed.season.state == "closed":
                    feed.is_current = False

    async def _follow_board(self, feed: _Feed) -> None:
        current = await self._season_finder.find(feed.season.slug)
        if feed.season.state != "closed":
            if current != feed.season:
                feed.wake()
            return
        if current != feed.current:
            # At the first look it was read just now.
            feed.is_current = feed.is_current and feed.current is None
            feed.current = current
            feed.wake()
        elif not feed.is_current:
            feed.wake()

    async def _ask_for(self, feeds: Sequence[_Feed]) -> None:
        """Have refreshes publish these tops; without it they say only that something changed."""
        with suppress(CacheUnavailable), self._breaker.guard(), translate_redis_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for feed in feeds:
                pipeline.set(SeasonKeys.of(feed.season.season_id).asked, 1, ex=_ASKED_SECONDS)
            await pipeline.execute()

    async def _stay_subscribed(self) -> None:
        pause_seconds, longest_pause_seconds = _RECONNECT_SECONDS
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - nothing else would subscribe again
                if self.is_subscribed:
                    _log.warning("not hearing of refreshes until Redis is back: %s", error)
                    pause_seconds = _RECONNECT_SECONDS[0]
                self.is_subscribed = False
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311
            pause_seconds = min(2 * pause_seconds, longest_pause_seconds)

    async def _listen(self) -> None:
        async with await open_subscription(self._redis) as pubsub:
            await pubsub.subscribe(EVENTS_CHANNEL)
            await _receive(pubsub, "subscribe")
            self._forget()
            self.is_subscribed = True
            # Read after subscribing: what is published in between arrives as an event.
            await self._reads.put(self._find_feed(await self._season_finder.find(GLOBAL_BOARD)))
            # Redis may have come back with older data than it had: a refresh will notice.
            self._refresh_signal.raise_soon()
            while True:
                message = await pubsub.get_message(timeout=_PING_SECONDS)
                if message is None:
                    await pubsub.ping()
                    message = await _receive(pubsub, "message", "pong")
                    if is_cluster_client(self._redis):
                        # This node answers, but may be cut off from the one that publishes.
                        self._forget()
                if message["type"] == "message":
                    await self._handle_event(_decode_event(message["data"]))
                elif message["type"] == "subscribe":
                    # The client reconnected by itself: events may have been missed in between.
                    raise ConnectionError("the subscription was interrupted")

    def _forget(self) -> None:
        """Have each feed read anew: something may have been missed. Watchers look at once.

        But for closed seasons, of which Redis tells nothing.
        """
        for feed in self._feeds.values():
            if feed.season.state != "closed":
                feed.is_current = False
                feed.wake()
        self._announce()

    def call_on_refresh(self, listener: Callable[[], None]) -> None:
        """Have `listener` called once a refresh of any season is heard of, or one may be missed."""
        self._refresh_listeners.append(listener)

    def _announce(self) -> None:
        for listener in self._refresh_listeners:
            listener()

    async def _handle_event(self, event: Published) -> None:
        self._announce()
        feed = self._feeds.get(event.season_id)
        if feed is None:
            return
        top = event.top
        if top is not None and await self._validator.accept(feed.season, event.offset, top.players):
            feed.keep(msgspec.structs.replace(top, stale=self._lag_watch.is_lagging(feed.season)))
            return
        feed.is_current = False
        feed.wake()


async def _receive(pubsub: PubSub, *kinds: str) -> dict[str, Any]:
    """Return the next message, of one of these kinds; raises `ConnectionError` for any other."""
    message = await pubsub.get_message(timeout=_PONG_SECONDS)
    if message is None or message["type"] not in kinds:
        raise ConnectionError("the subscription is silent or was interrupted")
    received: dict[str, Any] = message
    return received
