"""Who moves on a whole board: of those who scored since the last re-rank, who moved furthest.

Nothing is kept for it, so submits, folds and re-ranks pay nothing: whoever asks has the stored
ranks of the last re-rank compared with those of the index. Who did not score moves only by as many
ranks as others pass, and is not told of.
"""

from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from service.backends.database import Database, load_sql
from service.backends.replica import LaggingReads
from service.boards.errors import BoardFilling, StandingsUnavailable
from service.boards.finder import Season
from service.errors import CacheUnavailable, DatabaseUnavailable
from service.standings.index.reader import IndexedRank, IndexReader
from service.standings.reads.lag import LagWatch
from service.standings.reads.seen import SESSIONS_BY_ID

LIST_FORMER_RANKS: Final = load_sql("standings/reads", "list_former_ranks")

NEWEST_SESSIONS: Final = 10_000
"""How many sessions are looked at, whatever comes in: the cost of an answer."""

# How long a session may have waited for its fold when a re-rank began.
_FOLD_SECONDS: Final = 5.0

# Some two milliseconds of Redis's time: others' questions come in between.
_RANKS_AT_ONCE: Final = 250


class Move(NamedTuple):
    """A player's rank now, and by how many ranks that is better than before; a fall is below 0."""

    user_id: int
    rank: IndexedRank
    climbed: int


class Moves(NamedTuple):
    """Who climbed and who fell, furthest first, since a re-rank; None before the first one.

    Where more sessions came in since than are looked at, it is not complete: these are of the
    newest.
    """

    since: datetime | None
    is_complete: bool
    climbed: list[Move]
    fell: list[Move]
    is_stale: bool


class MoverReader:
    """Compares the ranks of now with those of the last re-rank."""

    def __init__(
        self,
        lagging_reads: LaggingReads,
        index_reader: IndexReader,
        lag_watch: LagWatch,
    ) -> None:
        self._lagging_reads = lagging_reads
        self._index_reader = index_reader
        self._lag_watch = lag_watch

    async def read_moves(self, season: Season, limit: int) -> Moves:
        """Return up to `limit` players in either direction.

        Raises `BoardFilling`, and `StandingsUnavailable` without PostgreSQL or without the index.
        """
        if season.is_filling:
            raise BoardFilling(season.slug)

        async def list_former_ranks(database: Database) -> tuple[asyncpg.Record, bool] | None:
            async with database.transaction() as connection:
                await connection.execute(SESSIONS_BY_ID)
                row = await connection.fetchrow(
                    LIST_FORMER_RANKS, season.season_id, NEWEST_SESSIONS, _FOLD_SECONDS
                )
            is_of_replica = database is not self._lagging_reads.primary
            return None if row is None else (row, is_of_replica)

        try:
            found = await self._lagging_reads.read_at_length(list_former_ranks)
            assert found is not None, "there is always a database_state"
            row, is_of_replica = found
            moves = await self._compare(season, row["player_ids"], row["ranks"])
        except (CacheUnavailable, DatabaseUnavailable) as error:
            raise StandingsUnavailable from error
        moves.sort(key=lambda move: (-move.climbed, move.rank.rank))
        return Moves(
            since=row["reranked_at"],
            is_complete=row["is_complete"],
            climbed=[move for move in moves[:limit] if move.climbed > 0],
            fell=[move for move in moves[: -limit - 1 : -1] if move.climbed < 0],
            is_stale=is_of_replica or self._lag_watch.is_lagging(season),
        )

    async def _compare(self, season: Season, user_ids: list[int], before: list[int]) -> list[Move]:
        moves: list[Move] = []
        for first in range(0, len(user_ids), _RANKS_AT_ONCE):
            asked = user_ids[first : first + _RANKS_AT_ONCE]
            ranks = await self._index_reader.read_ranks(season, asked)
            # Who does not stand any more, or is hidden, has none.
            moves += [
                Move(user_id, rank, before[first + line] - rank.rank)
                for line, (user_id, rank) in enumerate(zip(asked, ranks, strict=True))
                if isinstance(rank, IndexedRank)
            ]
        return moves
