"""Reads that wait until a session counts in what they answer: read what you wrote.

A session that was just submitted is folded and published some milliseconds later; one that was just
restored counts once the standings of its player are made again. Whoever waits for that looks once
whether it is still in the outbox, or its player among those who changed, and again after each
refresh that is announced, all that wait together in one statement. From then on the index has to
reach the season's last refresh of that moment.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from contextvars import Context
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg
import msgspec
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database, load_sql
from service.backends.redis import SeasonKeys, translate_redis_errors
from service.batching import QueueFull, Tracer
from service.boards.finder import Season
from service.errors import CacheUnavailable, DatabaseUnavailable, ServiceError
from service.settings.settings import Settings
from service.standings.errors import SessionNotFound
from service.standings.index.offset import Offset
from service.standings.reads.top_feed import TopFeeds

FIND_PLAYERS_OF_SESSIONS: Final = load_sql("standings/reads", "find_players_of_sessions")
FOLLOW_SESSIONS: Final = load_sql("standings/reads", "follow_sessions")

SESSIONS_BY_ID: Final = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off"
"""For a planner that would read all of the primary key, which is by player, or the whole table."""

Answer = TypeVar("Answer", bound=msgspec.Struct)

_LONGEST_WAIT_SECONDS: Final = 1.0
# While refreshes are not heard of, all who wait look together this often.
_LOOK_AGAIN_SECONDS: Final = 0.1


class _Question(NamedTuple):
    session_id: int
    season_id: int
    # Whose session it probably is; None where that is not known.
    player_id: int | None


class _Progress(NamedTuple):
    """What became of a session: whose it is, and whether a read of a season shows it by now.

    `is_shown` is true as well where it cannot count.
    """

    player_id: int
    is_shown: bool


class _Waiter:
    """Somebody who waits for a session, until `shown` has a result: whether reads show it."""

    def __init__(self, question: _Question, span: Any) -> None:
        self.question = question
        self.span = span
        self.shown: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def answer(self, progress: _Progress | Exception) -> None:
        # It may have been given up meanwhile.
        if self.shown.done():
            return
        if isinstance(progress, Exception):
            self.shown.set_exception(progress)
        elif progress.is_shown:
            self.shown.set_result(True)
        else:
            self.question = self.question._replace(player_id=progress.player_id)

    def give_up(self) -> None:
        if not self.shown.done():
            self.shown.set_result(False)


def mark_pending(answer: Answer, *, is_seen: bool) -> Answer:
    """Return an answer that says `pending` where the session does not count in it yet."""
    return answer if is_seen else msgspec.structs.replace(answer, pending=True)


class SeenSessions:
    """Waits until a session counts in a season's reads."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        breaker: Breaker,
        top_feeds: TopFeeds,
        settings: Settings,
        tracer: Tracer | None,
    ) -> None:
        self._database = database
        self._redis = redis
        self._breaker = breaker
        self._top_feeds = top_feeds
        self._tracer = tracer
        # So many that no more than a quarter of the places of reads are taken by those who wait.
        self._limit = max(1, settings.request_limit // 5)
        self._waiting: set[_Waiter] = set()
        self._newcomers: list[_Waiter] = []
        self._looker: asyncio.Task[None] | None = None
        self._has_news = asyncio.Event()
        self._is_refreshed = False
        top_feeds.call_on_refresh(self._note_refresh)

    async def wait(self, season: Season, session_id: int, user_id: int | None = None) -> bool:
        """Wait until a session counts in reads of a season; return False where it does not yet.

        At once where it cannot count there. `user_id` is whose it probably is, which is found
        sooner. Raises `SessionNotFound`, and `QueueFull` where too many wait.
        """
        if len(self._waiting) >= self._limit:
            raise QueueFull(self._limit)
        question = _Question(session_id, season.season_id, user_id)
        with nullcontext() if self._tracer is None else self._tracer.waiting("seen") as span:
            waiter = _Waiter(question, span)
            limit = asyncio.get_running_loop().call_later(_LONGEST_WAIT_SECONDS, waiter.give_up)
            self._waiting.add(waiter)
            self._newcomers.append(waiter)
            self._has_news.set()
            if self._looker is None:
                # Not in the context of the first who waits, whose request ends before it.
                self._looker = asyncio.create_task(self._keep_looking(), context=Context())
            try:
                return await waiter.shown
            finally:
                limit.cancel()
                self._waiting.discard(waiter)
                if not self._waiting:
                    self._has_news.set()

    def _note_refresh(self) -> None:
        self._is_refreshed = True
        self._has_news.set()

    async def _keep_looking(self) -> None:
        """Look for those who come and, once a refresh is heard of, for all, until nobody waits."""
        try:
            while self._waiting:
                # Before the look: what is published from here on is heard.
                self._has_news.clear()
                looking, self._newcomers = self._newcomers, []
                if self._is_refreshed:
                    self._is_refreshed = False
                    looking = [waiter for waiter in self._waiting if not waiter.shown.done()]
                if looking:
                    await self._look_for(looking)
                pause = None if self._top_feeds.is_subscribed else _LOOK_AGAIN_SECONDS
                try:
                    async with asyncio.timeout(pause):
                        await self._has_news.wait()
                except TimeoutError:
                    self._is_refreshed = True
        finally:
            self._looker = None

    async def _look_for(self, waiters: Sequence[_Waiter]) -> None:
        """Answer those whose sessions are shown, or are not to be found."""
        spans = [waiter.span for waiter in waiters]
        found: Sequence[_Progress | Exception]
        try:
            with nullcontext() if self._tracer is None else self._tracer.running(spans):
                found = await self._look([waiter.question for waiter in waiters])
        except DatabaseUnavailable:
            # Nobody can tell now; the read itself may have an answer all the same.
            for waiter in waiters:
                waiter.give_up()
            return
        except Exception as error:  # noqa: BLE001 - those who wait handle it
            found = [error] * len(waiters)
        for waiter, progress in zip(waiters, found, strict=True):
            waiter.answer(progress)

    async def _look(self, questions: list[_Question]) -> Sequence[_Progress | ServiceError]:
        players: list[int | None] = [question.player_id for question in questions]
        rows = await self._follow(questions, players)
        unknown = [line for line, row in enumerate(rows) if not row["is_known"]]
        if unknown:
            found = await self._find_players([questions[line].session_id for line in unknown])
            for line in unknown:
                players[line] = found.get(questions[line].session_id)
            rows = await self._follow(questions, players)
        # Nearly all who come are too early for the index to be asked.
        folded = {
            question.season_id
            for question, row in zip(questions, rows, strict=True)
            if row["counts"] and not row["is_pending"]
        }
        offsets = await self._read_offsets(folded) if folded else {}
        return [
            SessionNotFound()
            if player_id is None or not row["is_known"]
            else _Progress(player_id, _is_shown(row, offsets.get(question.season_id)))
            for question, player_id, row in zip(questions, players, rows, strict=True)
        ]

    async def _follow(
        self, questions: list[_Question], players: list[int | None]
    ) -> list[asyncpg.Record]:
        return await self._database.fetch(
            FOLLOW_SESSIONS,
            players,
            [question.session_id for question in questions],
            [question.season_id for question in questions],
        )

    async def _find_players(self, session_ids: list[int]) -> dict[int, int]:
        async with self._database.transaction() as connection:
            await connection.execute(SESSIONS_BY_ID)
            rows = await connection.fetch(FIND_PLAYERS_OF_SESSIONS, session_ids)
        return {row["session_id"]: row["player_id"] for row in rows}

    async def _read_offsets(self, season_ids: set[int]) -> dict[int, Offset | None]:
        """Return how far the indexes of these seasons are; empty where Redis does not say."""
        try:
            with self._breaker.guard(), translate_redis_errors():
                pipeline = self._redis.pipeline(transaction=False)
                for season_id in season_ids:
                    pipeline.get(SeasonKeys.of(season_id).offset)
                stored = await pipeline.execute()
        except CacheUnavailable:
            return {}
        return dict(zip(season_ids, map(Offset.parse, stored), strict=True))


def _is_shown(row: asyncpg.Record, offset: Offset | None) -> bool:
    """Tell whether reads show a session; without an index they come from the standings."""
    if not row["counts"]:
        return True
    if row["is_pending"]:
        return False
    if offset is None:
        return True
    return offset.epoch == str(row["epoch"]) and offset.number >= row["last_refresh"]
