"""Reads the index; ranks are read in batches, for all requests that wait at the same time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database, load_sql
from service.backends.redis import (
    NAMES_PREFIX,
    PLAYERS_PER_BUCKET,
    SeasonKeys,
    decode_member,
    decode_tie_key,
    encode_member,
    encode_place,
    load_script,
    translate_redis_errors,
)
from service.backends.redis_cluster import is_cluster_client
from service.backends.refresh_signal import RefreshSignal
from service.batching import Batcher, Tracer
from service.boards.finder import Season, SeasonFinder
from service.boards.words import Operator
from service.errors import DatabaseUnavailable, ServiceError
from service.players.service import find_usernames
from service.standings.index.names import NameStore
from service.standings.index.validity import OffsetValidator
from service.standings.run import Run
from service.validation import MAX_SCORE, MIN_SCORE

FIND_EXACT_TOTALS: Final = load_sql("standings/index", "find_exact_totals")

_RANKS_PER_BATCH: Final = 256
_WAITING_LIMIT: Final = 10_000
# How long a batch waits for those who were answered by the last one: it takes about as long itself.
_GATHER_SECONDS: Final = 0.001


class IndexedRank(msgspec.Struct, frozen=True, gc=False):
    """A player's rank as the index has it. Without GC tracking: every rank read makes one."""

    username: str
    sort_score: int
    rank: int
    players: int
    as_of: datetime
    saturated: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """What the index tells of a player who is not in it: how many are, and as of when."""

    players: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a score: how many of how many players have a better one."""

    better: int
    players: int
    as_of: datetime


class IndexReader:
    """Reads the index of any season that is not closed.

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
        tracer: Tracer | None,
    ) -> None:
        self._breaker = breaker
        self._database = database
        self._validator = OffsetValidator(database, season_finder, refresh_signal)
        self._names = NameStore(redis)
        # On a cluster a script reaches the keys of one slot only, and names are in another.
        self._is_cluster = is_cluster_client(redis)
        self._names_keys = [] if self._is_cluster else [NAMES_PREFIX]
        self._read_ranks = load_script(redis, "standings/index", "read_ranks", "tie_keys")
        # One batch is under way at a time, over a connection of its own: to lend it one of the pool
        # costs a third of what the whole question does.
        self._batch_redis = redis if self._is_cluster else redis.client()
        self._read_neighbours = load_script(
            redis, "standings/index", "read_neighbours", "tie_keys", "describe_run"
        )
        self._read_page = load_script(redis, "standings/index", "read_page", "describe_run")
        self._read_run = load_script(redis, "standings/index", "read_run", "describe_run")
        self._count_better = load_script(redis, "standings/index", "count_better")
        self._batcher: Batcher[tuple[Season, int], IndexedRank | Absent] = Batcher(
            self._read_batch,
            batch_limit=_RANKS_PER_BATCH,
            queue_limit=_WAITING_LIMIT,
            gather_seconds=_GATHER_SECONDS,
            name="ranks",
            tracer=tracer,
        )

    async def stop(self) -> None:
        """Give back the connection that batches are read by."""
        if not self._is_cluster:
            await self._batch_redis.aclose()

    async def read_rank(self, season: Season, user_id: int) -> IndexedRank | Absent:
        """Return a player's rank, if the player is in the index."""
        return await self._batcher.put((season, user_id))

    async def find_place(self, season: Season, sort_score: int) -> Place:
        """Return the place that a score would have."""
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            stored, players, better = await self._count_better(
                keys=[keys.index, keys.offset], args=[sort_score]
            )
        offset = await self._validator.check(season, stored, players)
        return Place(better, players, offset.as_of)

    async def read_neighbours(self, season: Season, user_id: int, radius: int) -> Run | Absent:
        """Return the players around one, if that one is in the index."""
        run = await self._call(season, self._read_neighbours, encode_member(user_id), radius)
        return run if run.user_ids else Absent(run.players, run.as_of)

    async def read_page(self, season: Season, position: int, limit: int) -> Run:
        """Return up to `limit` players from a position on; positions count from 0."""
        return await self._call(season, self._read_page, position, limit)

    async def read_run(
        self, season: Season, place: tuple[int, int, int], *, above: int, below: int
    ) -> Run:
        """Return up to `above` players before a sort_score, tie_key and player, and `below` after.

        Who stands at that place itself is listed only where both are asked for.
        """
        sort_score, tie_key, user_id = place
        member = encode_place(tie_key, user_id, is_first=season.rule.is_first)
        return await self._call(season, self._read_run, sort_score, member, above, below)

    async def read_ranks(
        self, season: Season, user_ids: Sequence[int], redis: Redis | None = None
    ) -> Sequence[IndexedRank | Absent]:
        """Return the ranks of several players, of one moment.

        Asked over a connection of the pool, or by another client's.
        """
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            stored, players, *answers = await self._read_ranks(
                keys=[keys.index, keys.offset, *self._names_keys],
                args=[
                    b"".join(map(encode_member, user_ids)),
                    PLAYERS_PER_BUCKET,
                    keys.ties if season.rule.is_first else b"",
                ],
                client=redis,
            )
        offset = await self._validator.check(season, stored, players)
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
        absent = Absent(players, offset.as_of)
        return [
            absent
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

    async def _read_batch(
        self, waiting: list[tuple[Season, int]]
    ) -> Sequence[IndexedRank | Absent | ServiceError]:
        first = waiting[0][0]
        if all(season is first for season, _ in waiting):
            user_ids = [user_id for _, user_id in waiting]
            return await self.read_ranks(first, user_ids, self._batch_redis)
        # What is wrong with one board must not become the answer of another.
        of_season: dict[int, list[int]] = {}
        for line, (season, _) in enumerate(waiting):
            of_season.setdefault(season.season_id, []).append(line)
        answers: dict[int, IndexedRank | Absent | ServiceError] = {}
        for lines in of_season.values():
            season = waiting[lines[0]][0]
            try:
                ranks: Sequence[IndexedRank | Absent | ServiceError] = await self.read_ranks(
                    season, [waiting[line][1] for line in lines], self._batch_redis
                )
            except ServiceError as error:
                ranks = [error] * len(lines)
            answers.update(zip(lines, ranks, strict=True))
        return [answers[line] for line in range(len(waiting))]

    async def _call(self, season: Season, script: AsyncScript, *args: Any) -> Run:
        keys = SeasonKeys.of(season.season_id)
        with self._breaker.guard(), translate_redis_errors():
            stored, players, better, position, listed, names = await script(
                keys=[keys.index, keys.offset, *self._names_keys],
                args=[PLAYERS_PER_BUCKET, keys.ties if season.rule.is_first else b"", *args],
            )
        offset = await self._validator.check(season, stored, players)
        user_ids = [decode_member(member) for member in listed[::2]]
        sort_scores = [int(float(score)) for score in listed[1::2]]
        usernames = await self._complete_names(season, dict(zip(user_ids, names, strict=True)))
        return Run(
            user_ids=user_ids,
            usernames=[usernames[user_id] for user_id in user_ids],
            sort_scores=sort_scores,
            tie_keys=[decode_tie_key(member) for member in listed[::2]],
            saturated=await self._find_saturated(season, user_ids, sort_scores),
            better=better,
            position=position,
            players=players,
            as_of=offset.as_of,
        )

    async def _find_saturated(
        self, season: Season, user_ids: Sequence[int], sort_scores: Sequence[int | None]
    ) -> Collection[int]:
        """Return those of these players whose exact total lies beyond the limit of scores.

        The index holds totals that stop there, as ranks go by them; only PostgreSQL knows which one
        is exact. While that is away, none is taken to be.
        """
        if season.rule.operator is not Operator.SUM:
            return ()
        at_limit = {
            user_id
            for user_id, score in zip(user_ids, sort_scores, strict=True)
            if score in {MIN_SCORE, MAX_SCORE}
        }
        if not at_limit:
            return ()
        try:
            exact = await self._database.fetch(FIND_EXACT_TOTALS, season.season_id, list(at_limit))
        except DatabaseUnavailable:
            return at_limit
        return at_limit - {row["player_id"] for row in exact}

    async def _complete_names(
        self, season: Season, names: dict[int, bytes | None]
    ) -> dict[int, str]:
        """Decode names; fetch those that Redis does not hold, and store them there.

        But not where the board is archived: who stands there may stand nowhere else, and then no
        refresh would take the name away again.
        """
        if self._is_cluster and names:
            with self._breaker.guard():
                names = await self._names.read(list(names))
        usernames = {user_id: name.decode() for user_id, name in names.items() if name is not None}
        missing = [user_id for user_id in names if user_id not in usernames]
        if missing:
            if season.is_archived:
                usernames |= await find_usernames(self._database, missing)
            else:
                with self._breaker.guard():
                    usernames |= await self._names.fetch(self._database, missing)
        return usernames
