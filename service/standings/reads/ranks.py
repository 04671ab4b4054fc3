"""Ranks and runs of a season: from the index or, without it, from PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

import asyncpg
import msgspec

from service.backends.database import Database, load_sql
from service.backends.replica import LaggingReads
from service.batching import Batcher
from service.boards.errors import BoardFilling, StandingsUnavailable
from service.boards.finder import Season, SeasonFinder, find_season
from service.boards.words import GLOBAL_BOARD
from service.errors import CacheUnavailable, DatabaseUnavailable, SchemaMissing
from service.players.errors import PlayerNotFound
from service.standings.index.reader import Absent, IndexedRank, IndexReader
from service.standings.reads.details import DetailReader
from service.standings.reads.expected import ExpectedReader, find_expected_place, list_between
from service.standings.reads.lag import LagWatch
from service.standings.reads.stored import (
    READ_FACTS,
    SeasonGone,
    find_stored_place,
    rank_stored,
    read_facts,
    read_stored_neighbours,
    read_stored_page,
    read_stored_run,
)
from service.standings.run import Run
from service.standings.schemas import Rank, compute_percentile
from service.standings.top import TOP_LIMIT, select_top
from service.validation import MAX_ID

FIND_NEWCOMER: Final = load_sql("standings/reads", "find_newcomer")
READ_TOTAL: Final = load_sql("standings/reads", "read_total")

PAGE_LIMIT: Final = 1_000

BEHIND_EQUALS: Final = (2**63 - 1, MAX_ID)
"""The tie_key and player of a place behind all who have its score."""

# Each occupies a connection to Redis, and a client has no more than a hundred.
_RUNS_AT_ONCE: Final = 32
_NEWCOMERS_PER_BATCH: Final = 256
_NEWCOMERS_WAITING: Final = 1_000
# A player may stand on few of a thousand boards, and each other one asks PostgreSQL.
_BOARDS_AT_ONCE: Final = 8

# How often a player is looked for who joined while they were placed: the next look finds them. An
# index that is wrong never would.
_ROUNDS: Final = 2

Answer = TypeVar("Answer")


class RankReader:
    """Reads ranks and runs of any season of any board.

    A closed season is read from PostgreSQL, exactly; so is any other while Redis is away, as of the
    last re-rank, and then says `stale`. Every read raises `StandingsUnavailable` where neither
    answers, and `BoardFilling`.
    """

    def __init__(
        self,
        lagging_reads: LaggingReads,
        index_reader: IndexReader,
        season_finder: SeasonFinder,
        lag_watch: LagWatch,
    ) -> None:
        self._database = lagging_reads.primary
        self._lagging_reads = lagging_reads
        self._index_reader = index_reader
        self._expected_reader = ExpectedReader(lagging_reads, index_reader)
        self.detail_reader = DetailReader(lagging_reads, self._expected_reader)
        self.season_finder = season_finder
        self._lag_watch = lag_watch
        self._places = asyncio.Semaphore(_RUNS_AT_ONCE)
        # A statement costs more than what it finds of one of them.
        self._newcomers: Batcher[int, str | None] = Batcher(
            self._find_newcomers,
            batch_limit=_NEWCOMERS_PER_BATCH,
            queue_limit=_NEWCOMERS_WAITING,
            name="newcomers",
        )

    async def read_rank(self, season: Season, user_id: int) -> Rank:
        """Return a player's rank.

        Sessions that no refresh has folded yet count only for a player who has no other: the total
        then comes from the ledger. Raises `PlayerNotFound` too.
        """
        read_index = partial(self._read_indexed_rank, season, user_id)
        read_stored = partial(self._read_stored_rank, user_id)
        if season.state == "closed" or season.is_filling:
            return await self._read(season, read_index, read_stored)
        # No context is entered unless something is wrong: it would cost as much as all the rest.
        try:
            return await read_index()
        except (CacheUnavailable, SeasonGone):
            return await self._read(season, read_index, read_stored, has_index=False)
        except DatabaseUnavailable:
            with _translate_outage():
                raise

    async def _read_indexed_rank(self, season: Season, user_id: int) -> Rank:
        indexed = await self._index_reader.read_rank(season, user_id)
        if isinstance(indexed, Absent):
            rank, _ = await self._place_total(season, user_id, indexed)
            return rank
        return _make_rank(season, user_id, indexed, stale=self._lag_watch.is_lagging(season))

    async def _read_stored_rank(
        self, user_id: int, database: Database, season: Season
    ) -> Rank | None:
        ranks = await rank_stored(database, season, [user_id])
        if ranks:
            return ranks[0]
        counted = await self._count_total(database, season, user_id)
        return counted and counted[0]

    async def read_on_boards(
        self, slugs: Sequence[str], user_id: int, *, with_filling: bool
    ) -> list[tuple[Season, Rank]]:
        """Return a player's rank on each of these boards, or on those that are not being filled.

        Raises `BoardNotFound` and what `read_rank` does.
        """

        async def read(slug: str) -> list[tuple[Season, Rank]]:
            season = await self.season_finder.find(slug)
            if season.is_filling and not with_filling:
                return []
            return [(season, await self.read_rank(season, user_id))]

        found: list[tuple[Season, Rank]] = []
        for first in range(0, len(slugs), _BOARDS_AT_ONCE):
            some = slugs[first : first + _BOARDS_AT_ONCE]
            for read_some in await asyncio.gather(*map(read, some)):
                found += read_some
        return found

    async def read_ranks(self, season: Season, user_ids: Sequence[int]) -> list[Rank]:
        """Return the ranks of those of these players who stand in the season."""

        async def read_index() -> list[Rank]:
            found = await self._index_reader.read_ranks(season, user_ids)
            stale = self._lag_watch.is_lagging(season)
            return [
                _make_rank(season, user_id, rank, stale=stale)
                for user_id, rank in zip(user_ids, found, strict=True)
                if isinstance(rank, IndexedRank)
            ]

        return await self._read(
            season, read_index, lambda database, stored: rank_stored(database, stored, user_ids)
        )

    async def read_around(self, season: Season, user_id: int, radius: int) -> Run:
        """Return a player and up to `radius` neighbours above and below.

        Also one without a standing yet; without any session the list is empty. Raises
        `PlayerNotFound` too.
        """
        return await self._read(
            season,
            lambda: self._list_around(season, user_id, radius),
            lambda database, stored: self._list_stored_around(database, stored, user_id, radius),
        )

    async def _list_around(self, season: Season, user_id: int, radius: int) -> Run:
        for _ in range(_ROUNDS):
            near = await self._index_reader.read_neighbours(season, user_id, radius)
            if isinstance(near, Run):
                return self._mark(season, near)
            rank, row = await self._place_total(season, user_id, near)
            if rank.rank is None:
                return _list_nobody(rank)
            if row is not None:
                between = await self._expected_reader.list_around(season, rank, row, radius)
                if between is not None:
                    return self._mark(season, between)
            # A refresh folded the sessions meanwhile.
        raise CacheUnavailable("the index lists who is not in it")

    async def _list_stored_around(
        self, database: Database, season: Season, user_id: int, radius: int
    ) -> Run | None:
        """List a player without Redis; None at a replica, which may not have the standing yet."""
        for _ in range(_ROUNDS):
            near = await read_stored_neighbours(database, season, user_id, radius)
            if near is not None:
                return near
            await read_facts(database, season)
            counted = await self._count_total(database, season, user_id)
            if counted is None:
                return None
            rank, row = counted
            if rank.rank is None:
                return _list_nobody(rank)
            place = find_expected_place(row)
            near = await read_stored_run(database, season, place, above=radius, below=radius)
            between = list_between(near, rank, place)
            if between is not None:
                return between
        raise DatabaseUnavailable("the player keeps joining and leaving the standings")

    async def read_top(self, season: Season) -> Run:
        """Return the first players, for whoever asks one at a time for all that wait."""

        async def read_stored(database: Database, stored: Season) -> Run:
            row = await read_facts(database, stored)
            async with database.connect() as connection:
                top = await select_top(
                    connection,
                    stored.season_id,
                    players=row["players"],
                    as_of=row["refreshed_at"] or datetime.now(UTC),
                )
            return msgspec.structs.replace(top, stale=stored.state != "closed")

        return await self._read(
            season, lambda: self._read_index_page(season, 0, TOP_LIMIT), read_stored, apart=True
        )

    def _mark(self, season: Season, run: Run) -> Run:
        """Return a run of the index, with whether that lags."""
        if not self._lag_watch.is_lagging(season):
            return run
        return msgspec.structs.replace(run, stale=True)

    async def read_page(self, season: Season, position: int, limit: int) -> Run:
        """Return up to `limit` players from a position on; positions count from 0.

        Beyond the last player the list is empty.
        """
        return await self._read(
            season,
            lambda: self._read_index_page(season, position, limit),
            lambda database, stored: read_stored_page(database, stored, position, limit),
        )

    async def _read_index_page(self, season: Season, position: int, limit: int) -> Run:
        return self._mark(season, await self._index_reader.read_page(season, position, limit))

    async def read_run(
        self, season: Season, place: tuple[int, int, int], *, above: int, below: int
    ) -> Run:
        """Return up to `above` players before a sort_score, tie_key and player, `below` after."""

        async def read_index() -> Run:
            run = await self._index_reader.read_run(season, place, above=above, below=below)
            return self._mark(season, run)

        return await self._read(
            season,
            read_index,
            lambda database, stored: read_stored_run(
                database, stored, place, above=above, below=below
            ),
        )

    async def read_beside(self, season: Season, score: int) -> Run:
        """Return who stands on either side of a new score, behind all who have it already."""
        return await self.read_run(
            season, (season.rule.sort(score), *BEHIND_EQUALS), above=1, below=1
        )

    async def _read(
        self,
        season: Season,
        read_index: Callable[[], Awaitable[Answer]],
        read_stored: Callable[[Database, Season], Awaitable[Answer | None]],
        *,
        apart: bool = False,
        has_index: bool = True,
    ) -> Answer:
        """Ask the index of a season or, where that has no answer, PostgreSQL or its replica.

        One whose index has just had no answer is not asked for it again, but at the end.
        """
        if season.is_filling:
            raise BoardFilling(season.slug)
        with _translate_outage():
            if season.state != "closed" and has_index:
                try:
                    async with self._places:
                        return await read_index()
                except (CacheUnavailable, SeasonGone):
                    pass
            read = self._lagging_reads.read_apart if apart else self._lagging_reads.read
            try:
                return _require(await read(self._make_query(season, read_stored)))
            except SchemaMissing:
                raise
            except DatabaseUnavailable:
                # An index that was refused because PostgreSQL is ahead of it will do where that
                # ends before it has answered: there is nothing newer to show.
                if season.state != "closed":
                    with suppress(CacheUnavailable, DatabaseUnavailable):
                        return await read_index()
                raise

    def _make_query(
        self, season: Season, read_stored: Callable[[Database, Season], Awaitable[Answer | None]]
    ) -> Callable[[Database], Awaitable[Answer | None]]:
        async def query(database: Database) -> Answer | None:
            try:
                return await read_stored(database, season)
            except SeasonGone:
                # The whole database may be another one by now, or the replica's may.
                if season.slug == GLOBAL_BOARD and database is self._database:
                    # Others ask by themselves in a moment what became of their season.
                    now = await self.season_finder.find_again()
                else:
                    now = await find_season(database, season.slug, season.number)
            if now.is_filling:
                raise BoardFilling(now.slug)
            return await read_stored(database, now)

        return query

    async def _place_total(
        self, season: Season, user_id: int, absent: Absent
    ) -> tuple[Rank, asyncpg.Record | None]:
        """Add up the sessions of a player who is not in the index, and find the rank there.

        The player is one of the players, whom the index does not count. Also returns what the
        sessions add up to (read_total.sql), or None where there are none, or the player was in the
        index after all.

        To count the better players in PostgreSQL would take a third of a second among a million.
        """
        stale = self._lag_watch.is_lagging(season)
        # Where every session counts, nearly all who are not in the index have none.
        if season.slug == GLOBAL_BOARD and (name := await self._newcomers.put(user_id)) is not None:
            return _make_newcomer(user_id, name, absent, stale=stale), None
        row = await self._lagging_reads.read_primary(
            lambda database: _read_total(database, season, user_id)
        )
        if row["score"] is None:
            rank = _make_total(user_id, row, None, row["players"], row["refreshed_at"], stale=stale)
            return rank, row
        try:
            place = await self._index_reader.find_place(season, row["sort_score"])
            ahead = place.better
            if season.rule.is_first:
                ahead = await self._expected_reader.count_ahead(season, row)
            # If a refresh folded the sessions meanwhile, the place counts the player too.
            indexed = await self._index_reader.read_rank(season, user_id)
        except CacheUnavailable:
            return _require(
                await self._lagging_reads.read_primary(
                    lambda database: self._count_total(database, season, user_id)
                )
            )
        if isinstance(indexed, IndexedRank):
            return _make_rank(season, user_id, indexed, stale=stale), None
        players = place.players + 1
        return _make_total(user_id, row, ahead + 1, players, place.as_of, stale=stale), row

    async def _find_newcomers(self, user_ids: list[int]) -> Sequence[str | None]:
        """Return the names of those of these players who have no session."""
        rows = await self._lagging_reads.read_primary(
            lambda database: database.fetch_many(FIND_NEWCOMER, user_ids)
        )
        names: dict[int, str] = {row["id"]: row["username"] for row in rows}
        return [names.get(user_id) for user_id in user_ids]

    async def read_hidden_rank(self, season: Season, user_id: int) -> Rank | None:
        """Return the rank of a player who is hidden, for the player's own eyes.

        None for anybody else, and for one without a session that counts.
        """
        if season.is_filling:
            return None
        with _translate_outage():
            row = await self._expected_reader.read_session(season, user_id)
        return None if row is None else await self.read_rank(season, user_id)

    async def _count_total(
        self, database: Database, season: Season, user_id: int
    ) -> tuple[Rank, asyncpg.Record] | None:
        """Add up the sessions of a player without a standing, and find the rank without Redis.

        Also returns what they add up to (read_total.sql). None at a replica, which may not have the
        standing yet.
        """
        if database is not self._database:
            return None
        row = await _read_total(database, season, user_id)
        rank = None
        if row["score"] is not None:
            place = await find_stored_place(database, season, row["sort_score"], row["tie_key"])
            # What moved since the last re-rank must not put anybody behind the last place.
            rank = min(place.better + 1, row["players"])
        stale = season.state != "closed"
        total = _make_total(user_id, row, rank, row["players"], row["refreshed_at"], stale=stale)
        return total, row


async def _read_total(database: Database, season: Season, user_id: int) -> asyncpg.Record:
    row = await database.fetch_one(READ_TOTAL, season.season_id, user_id)
    if row is None:
        if await database.fetch_one(READ_FACTS, season.season_id) is None:
            raise SeasonGone
        raise PlayerNotFound
    return row


def _make_total(
    user_id: int,
    row: asyncpg.Record,
    rank: int | None,
    players: int,
    as_of: datetime | None,
    *,
    stale: bool,
) -> Rank:
    return Rank(
        user_id=user_id,
        username=row["username"],
        total_score=row["score"] or 0,
        rank=rank,
        players=players,
        percentile=None if rank is None else compute_percentile(rank, players),
        as_of=as_of or datetime.now(UTC),
        saturated=row["saturated"],
        stale=stale,
    )


def _make_newcomer(user_id: int, name: str, absent: Absent, *, stale: bool) -> Rank:
    """Return what there is to tell of a player before the first session."""
    return Rank(
        user_id=user_id,
        username=name,
        total_score=0,
        rank=None,
        players=absent.players,
        percentile=None,
        as_of=absent.as_of,
        saturated=False,
        stale=stale,
    )


def _make_rank(season: Season, user_id: int, indexed: IndexedRank, *, stale: bool) -> Rank:
    return Rank(
        user_id=user_id,
        username=indexed.username,
        total_score=season.rule.sort(indexed.sort_score),
        rank=indexed.rank,
        players=indexed.players,
        percentile=compute_percentile(indexed.rank, indexed.players),
        as_of=indexed.as_of,
        saturated=indexed.saturated,
        stale=stale,
    )


def _list_nobody(rank: Rank) -> Run:
    """Return the list around a player without a session that counts."""
    return Run([], [], [], [], players=rank.players, as_of=rank.as_of, stale=rank.stale)


def _require(answer: Answer | None) -> Answer:
    assert answer is not None, "the primary always answers"
    return answer


@contextmanager
def _translate_outage() -> Iterator[None]:
    """Raise `StandingsUnavailable` where PostgreSQL is away, asked because Redis has no answer."""
    try:
        yield
    except SchemaMissing:
        raise
    except DatabaseUnavailable as error:
        raise StandingsUnavailable from error
