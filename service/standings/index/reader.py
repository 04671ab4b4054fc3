"""Reads the index; ranks are read in batches, for all requests that wait at the same time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database, load_sql
from service.backends.redis import (
    NAMES_PER_BUCKET,
    SeasonKeys,
    decode_member,
    encode_member,
    load_script,
    translate_redis_errors,
)
from service.backends.refresh_signal import RefreshSignal
from service.batching import Batcher, Tracer
from service.boards.finder import OpenSeason, SeasonFinder
from service.errors import DatabaseUnavailable, ServiceError
from service.players.service import find_usernames
from service.standings.index.validity import OffsetValidator
from service.standings.index.writer import Index

FIND_EXACT_TOTALS: Final = load_sql("standings/index", "find_exact_totals")

_RANKS_PER_BATCH: Final = 256
_WAITING_LIMIT: Final = 10_000

_SCORE_LIMIT: Final = 2**53 - 1


class IndexedRank(msgspec.Struct, frozen=True, gc=False):
    """A player's rank as the index has it. Without GC tracking: every rank read makes one."""

    username: str
    sort_score: int
    rank: int
    players: int
    as_of: datetime
    saturated: bool


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Consecutive players of the index with their scores, best first.

    `better` is how many players have a better score than the first one, and `position` is the first
    one's position, from 0. `saturated` are those whose exact total lies beyond the limit of scores.
    """

    user_ids: Sequence[int]
    usernames: Sequence[str]
    sort_scores: Sequence[int]
    saturated: Collection[int]
    better: int
    position: int
    players: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """The place that a score would have: how many players have a better one, of how many."""

    better: int
    players: int
    as_of: datetime


class IndexReader:
    """Reads the index of the open season of the global board.

    Every read raises `CacheUnavailable` where Redis is away, or where what it holds may not be
    shown (`OffsetValidator`).
    """

    def __init__(
        self,
        redis: Redis,
        breaker: Breaker,
        database: Database,
        season_finder: SeasonFinder,
        refresh_signal: RefreshSignal,
        tracer: Tracer | None = None,
    ) -> None:
        self._breaker = breaker
        self._database = database
        self._season_finder = season_finder
        self._validator = OffsetValidator(database, season_finder, refresh_signal)
        self._index = Index(redis, database)
        self._read_ranks = load_script(redis, "standings/index", "read_ranks")
        self._read_neighbours = load_script(redis, "standings/index", "read_neighbours")
        self._read_page = load_script(redis, "standings/index", "read_page")
        self._count_better = load_script(redis, "standings/index", "count_better")
        self._batcher: Batcher[int, IndexedRank | None] = Batcher(
            self._read_batch,
            batch_limit=_RANKS_PER_BATCH,
            queue_limit=_WAITING_LIMIT,
            name="ranks",
            tracer=tracer,
        )

    async def read_rank(self, user_id: int) -> IndexedRank | None:
        """Return a player's rank, or None for one who is not in the index."""
        return await self._batcher.put(user_id)

    async def find_place(self, sort_score: int) -> Place:
        """Return the place that a score would have."""
        season = await self._season_finder.find()
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            stored, players, better = await self._count_better(
                keys=[keys.index, keys.offset], args=[sort_score]
            )
        offset = await self._validator.check(stored, players)
        return Place(better=better, players=players, as_of=offset.as_of)

    async def read_neighbours(self, user_id: int, radius: int) -> Neighbourhood | None:
        """Return the players around one, or None for one who is not in the index."""
        season = await self._season_finder.find()
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            answer = await self._read_neighbours(
                keys=[keys.index, keys.offset, keys.names],
                args=[encode_member(user_id), radius, NAMES_PER_BUCKET],
            )
        near = await self._parse_run(season, answer)
        return near if near.user_ids else None

    async def read_page(self, position: int, limit: int) -> Neighbourhood:
        """Return up to `limit` players from a position on; positions count from 0."""
        season = await self._season_finder.find()
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            answer = await self._read_page(
                keys=[keys.index, keys.offset, keys.names],
                args=[position, limit, NAMES_PER_BUCKET],
            )
        return await self._parse_run(season, answer)

    async def _parse_run(self, season: OpenSeason, answer: Sequence[Any]) -> Neighbourhood:
        stored, players, better, position, listed, names = answer
        offset = await self._validator.check(stored, players)
        user_ids = [decode_member(member) for member in listed[::2]]
        sort_scores = [int(float(score)) for score in listed[1::2]]
        usernames = await self._complete_names(season, dict(zip(user_ids, names, strict=True)))
        return Neighbourhood(
            user_ids=user_ids,
            usernames=[usernames[user_id] for user_id in user_ids],
            sort_scores=sort_scores,
            saturated=await self._find_saturated(season, user_ids, sort_scores),
            better=better,
            position=position,
            players=players,
            as_of=offset.as_of,
        )

    async def _read_batch(self, user_ids: list[int]) -> Sequence[IndexedRank | ServiceError | None]:
        season = await self._season_finder.find()
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            stored, players, *answers = await self._read_ranks(
                keys=[keys.index, keys.offset, keys.names],
                args=[b"".join(map(encode_member, user_ids)), NAMES_PER_BUCKET],
            )
        offset = await self._validator.check(stored, players)
        scores = [None if score is None else int(float(score)) for score in answers[::3]]
        betters, names = answers[1::3], answers[2::3]
        usernames = await self._complete_names(
            season,
            {
                user_id: name
                for user_id, name, score in zip(user_ids, names, scores, strict=True)
                if score is not None
            },
        )
        saturated = await self._find_saturated(season, user_ids, scores)
        return [
            None
            if score is None
            else IndexedRank(
                username=usernames[user_id],
                sort_score=score,
                rank=better + 1,
                players=players,
                as_of=offset.as_of,
                saturated=user_id in saturated,
            )
            for user_id, score, better in zip(user_ids, scores, betters, strict=True)
        ]

    async def _find_saturated(
        self, season: OpenSeason, user_ids: Sequence[int], sort_scores: Sequence[int | None]
    ) -> Collection[int]:
        """Return those of these players whose exact total lies beyond the limit of scores.

        The index holds totals that stop there, as ranks go by them; only PostgreSQL knows which one
        is exact. While that is away, none is taken to be.
        """
        at_limit = {
            user_id
            for user_id, score in zip(user_ids, sort_scores, strict=True)
            if score == _SCORE_LIMIT or score == -_SCORE_LIMIT
        }
        if not at_limit:
            return ()
        try:
            exact = await self._database.fetch(FIND_EXACT_TOTALS, season.season_id, list(at_limit))
        except DatabaseUnavailable:
            return at_limit
        return at_limit - {row["player_id"] for row in exact}

    async def _complete_names(
        self, season: OpenSeason, names: dict[int, bytes | None]
    ) -> dict[int, str]:
        """Decode names; fetch those that Redis does not hold, and store them there."""
        usernames = {user_id: name.decode() for user_id, name in names.items() if name is not None}
        missing = [user_id for user_id in names if user_id not in usernames]
        if missing:
            found = await find_usernames(self._database, missing)
            with self._breaker.guard():
                await self._index.add_names(season.season_id, found)
            usernames |= found
        return usernames
