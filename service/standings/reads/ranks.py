"""A player's rank and neighbours: from the index or, without it, from PostgreSQL."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from service.backends.database import Database, load_sql
from service.backends.replica import LaggingReads
from service.boards.service import OpenSeason, SeasonFinder, read_open_season
from service.errors import CacheUnavailable, DatabaseUnavailable, SchemaMissing
from service.players.errors import PlayerNotFound
from service.standings.errors import StandingsUnavailable
from service.standings.index.reader import IndexedRank, IndexReader, Place
from service.standings.reads.lag import LagWatch
from service.standings.schemas import Around, Entry, Rank, compute_percentile

READ_STANDING: Final = load_sql("standings/reads", "read_standing")
READ_TOTAL: Final = load_sql("standings/reads", "read_total")
FIND_PLACE: Final = load_sql("standings/reads", "find_place")
SELECT_NEIGHBOURS: Final = load_sql("standings/reads", "select_neighbours")
SELECT_PAGE: Final = load_sql("standings/reads", "select_page")

PAGE_LIMIT: Final = 1_000

# Each occupies a connection to Redis, and a client has no more than a hundred.
_NEIGHBOURHOODS_AT_ONCE: Final = 32


class RankReader:
    """Reads ranks, neighbours and pages of the global board, where a higher score is better."""

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
        self._season_finder = season_finder
        self._lag_watch = lag_watch
        self._neighbourhood_places = asyncio.Semaphore(_NEIGHBOURHOODS_AT_ONCE)

    async def read_rank(self, user_id: int) -> Rank:
        """Return a player's rank.

        Sessions that no refresh has folded yet count only for a player who has no other: the total
        then comes from the ledger. Raises `PlayerNotFound` or `StandingsUnavailable`.
        """
        # No context is entered unless something is wrong: it would cost as much as all the rest.
        try:
            indexed = await self._index_reader.read_rank(user_id)
        except DatabaseUnavailable:
            with _translate_outage():
                raise
        except CacheUnavailable:
            with _translate_outage():
                return await self._read_stale_rank(user_id)
        if indexed is None:
            with _translate_outage():
                return await self._place_total(user_id)
        return _make_rank(user_id, indexed, stale=self._lag_watch.is_lagging)

    async def read_around(self, user_id: int, radius: int) -> Around:
        """Return a player and up to `radius` neighbours above and below.

        A player without a standing yet is listed alone; without any session the list is empty.
        Raises `PlayerNotFound` or `StandingsUnavailable`.
        """
        with _translate_outage():
            try:
                async with self._neighbourhood_places:
                    near = await self._index_reader.read_neighbours(user_id, radius)
            except CacheUnavailable:
                return await self._read_stale_around(user_id, radius)
            if near is None:
                return _list_alone(await self._place_total(user_id))
        return Around(
            leaderboard=_rank_run(
                near.user_ids, near.usernames, near.sort_scores, near.better, near.position
            ),
            players=near.players,
            as_of=near.as_of,
            stale=self._lag_watch.is_lagging,
        )

    async def read_page(self, position: int, limit: int) -> Around:
        """Return up to `limit` players from a position on; positions count from 0.

        Beyond the last player the list is empty. Raises `StandingsUnavailable`.
        """
        with _translate_outage():
            try:
                async with self._neighbourhood_places:
                    page = await self._index_reader.read_page(position, limit)
            except CacheUnavailable:
                return await self._read_stale_page(position, limit)
        return Around(
            leaderboard=_rank_run(
                page.user_ids, page.usernames, page.sort_scores, page.better, position
            ),
            players=page.players,
            as_of=page.as_of,
            stale=self._lag_watch.is_lagging,
        )

    async def _read_stale_rank(self, user_id: int) -> Rank:
        async def query(database: Database) -> Rank | None:
            season = await self._find_season(database)
            row = await database.fetch_one(READ_STANDING, season.season_id, user_id)
            if row is None:
                return None
            place = await _find_place(database, season, row["sort_score"])
            players = max(place.players, 1)
            rank = min(place.better + 1, players)
            return Rank(
                user_id=user_id,
                username=row["username"],
                total_score=row["score"],
                rank=rank,
                players=players,
                percentile=compute_percentile(rank, players),
                as_of=place.as_of,
                stale=True,
            )

        return await self._lagging_reads.read(query) or await self._count_total(user_id)

    async def _read_stale_around(self, user_id: int, radius: int) -> Around:
        async def query(database: Database) -> Around | None:
            season = await self._find_season(database)
            rows = await database.fetch(SELECT_NEIGHBOURS, season.season_id, user_id, radius)
            return await _rank_stale_run(database, season, rows) if rows else None

        around = await self._lagging_reads.read(query)
        return around or _list_alone(await self._count_total(user_id))

    async def _read_stale_page(self, position: int, limit: int) -> Around:
        async def query(database: Database) -> Around:
            season = await self._find_season(database)
            rows = await database.fetch(SELECT_PAGE, season.season_id, position, limit)
            return await _rank_stale_run(database, season, rows)

        page = await self._lagging_reads.read(query)
        assert page is not None
        return page

    async def _find_season(self, database: Database) -> OpenSeason:
        if database is self._database:
            return await self._season_finder.find_in_database()
        return await read_open_season(database)

    async def _place_total(self, user_id: int) -> Rank:
        """Add up the sessions of a player who is not in the index, and find the rank there.

        To count the better players in PostgreSQL would take a third of a second among a million.
        """
        row = await self._read_total(user_id)
        stale = self._lag_watch.is_lagging
        if row["score"] is None:
            return _make_total(user_id, row, None, row["players"], row["refreshed_at"], stale=stale)
        try:
            place = await self._index_reader.find_place(row["sort_score"])
            # If a refresh folded the sessions meanwhile, the place counts the player too.
            indexed = await self._index_reader.read_rank(user_id)
        except CacheUnavailable:
            return await self._count_total(user_id)
        if indexed is not None:
            return _make_rank(user_id, indexed, stale=stale)
        return _make_total(user_id, row, place.better + 1, place.players, place.as_of, stale=stale)

    async def _count_total(self, user_id: int) -> Rank:
        """Add up the sessions of a player without a standing, and find the rank without Redis."""
        row = await self._read_total(user_id)
        rank = None
        if row["score"] is not None:
            season = await self._season_finder.find()
            place = await self._lagging_reads.read_primary(
                lambda database: _find_place(database, season, row["sort_score"])
            )
            rank = place.better + 1
        return _make_total(user_id, row, rank, row["players"], row["refreshed_at"], stale=True)

    async def _read_total(self, user_id: int) -> asyncpg.Record:
        season = await self._season_finder.find()
        row = await self._lagging_reads.read_primary(
            lambda database: database.fetch_one(READ_TOTAL, season.season_id, user_id)
        )
        if row is None:
            raise PlayerNotFound
        return row


@dataclass(frozen=True, slots=True)
class _StoredPlace(Place):
    """A place without Redis, and how many standings come before it in the season's order."""

    position: int


async def _find_place(
    database: Database, season: OpenSeason, sort_score: int, user_id: int = 0
) -> _StoredPlace:
    row = await database.fetch_one(FIND_PLACE, season.season_id, sort_score, user_id)
    if row is None:
        raise DatabaseUnavailable("the season is gone")
    return _StoredPlace(
        better=row["better"],
        players=row["players"],
        as_of=row["refreshed_at"] or datetime.now(UTC),
        position=row["position"],
    )


async def _rank_stale_run(
    database: Database, season: OpenSeason, rows: Sequence[asyncpg.Record]
) -> Around:
    """Rank consecutive standings from PostgreSQL by the place of the first one."""
    first = (rows[0]["sort_score"], rows[0]["player_id"]) if rows else (0, 0)
    place = await _find_place(database, season, *first)
    # What moved since the milestones were stored must not put anybody behind the last place, nor
    # make the ranks of one answer fall.
    position = min(place.position, max(0, place.players - len(rows)))
    return Around(
        leaderboard=_rank_run(
            [row["player_id"] for row in rows],
            [row["username"] for row in rows],
            [row["sort_score"] for row in rows],
            min(place.better, position),
            position,
        ),
        players=place.players,
        as_of=place.as_of,
        stale=True,
    )


def _make_total(
    user_id: int,
    row: asyncpg.Record,
    rank: int | None,
    players: int,
    as_of: datetime | None,
    *,
    stale: bool,
) -> Rank:
    # Whoever has a rank is one of the players, even before a fold counts them.
    players = max(players, rank or 0)
    return Rank(
        user_id=user_id,
        username=row["username"],
        total_score=row["score"] or 0,
        rank=rank,
        players=players,
        percentile=None if rank is None else compute_percentile(rank, players),
        as_of=as_of or datetime.now(UTC),
        stale=stale,
    )


def _make_rank(user_id: int, indexed: IndexedRank, *, stale: bool) -> Rank:
    return Rank(
        user_id=user_id,
        username=indexed.username,
        total_score=-indexed.sort_score,
        rank=indexed.rank,
        players=indexed.players,
        percentile=compute_percentile(indexed.rank, indexed.players),
        as_of=indexed.as_of,
        stale=stale,
    )


@contextmanager
def _translate_outage() -> Iterator[None]:
    """Raise `StandingsUnavailable` where PostgreSQL is away, asked because Redis has no answer."""
    try:
        yield
    except SchemaMissing:
        raise
    except DatabaseUnavailable as error:
        raise StandingsUnavailable from error


def _rank_run(
    user_ids: Sequence[int],
    usernames: Sequence[str],
    sort_scores: Sequence[int],
    better: int,
    position: int,
) -> list[Entry]:
    """Rank a run of consecutive standings by competition ranking (1, 2, 2, 4).

    `better` players have a better score than the first of the run, whose position is `position`,
    counted from 0.
    """
    entries: list[Entry] = []
    rank = better + 1
    for line, (user_id, username, sort_score) in enumerate(
        zip(user_ids, usernames, sort_scores, strict=True)
    ):
        if line and sort_score != sort_scores[line - 1]:
            rank = position + line + 1
        entries.append(
            Entry(user_id=user_id, username=username, total_score=-sort_score, rank=rank)
        )
    return entries


def _list_alone(rank: Rank) -> Around:
    entries = []
    if rank.rank is not None:
        entries.append(
            Entry(
                user_id=rank.user_id,
                username=rank.username,
                total_score=rank.total_score,
                rank=rank.rank,
            )
        )
    return Around(leaderboard=entries, players=rank.players, as_of=rank.as_of, stale=rank.stale)
