"""What players who are hidden are shown of themselves: as if they stood."""

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg

from service.backends.database import load_sql
from service.backends.replica import LaggingReads
from service.boards.finder import Season
from service.standings.index.reader import IndexReader
from service.standings.run import Run

READ_HIDDEN: Final = load_sql("standings/reads", "read_hidden")


class HiddenReader:
    """Reads for hidden players what the index and the standings do not have of them.

    Raises `DatabaseUnavailable`, or `CacheUnavailable` where it asks the index.
    """

    def __init__(self, lagging_reads: LaggingReads, index_reader: IndexReader) -> None:
        self._lagging_reads = lagging_reads
        self._index_reader = index_reader

    async def read_session(self, season: Season, user_id: int) -> asyncpg.Record | None:
        """Return the session that would make a standing (read_hidden.sql).

        None for who is not hidden, or has no session that counts.
        """
        return await self._lagging_reads.read_primary(
            lambda database: database.fetch_one(READ_HIDDEN, season.season_id, user_id)
        )

    async def find_missing(
        self, season: Season, user_ids: Collection[int], found: Sequence[asyncpg.Record]
    ) -> list[asyncpg.Record]:
        """Return the same for those of these players who were not found among the standings."""
        missing = set(user_ids) - {row["player_id"] for row in found}
        rows = [await self.read_session(season, user_id) for user_id in missing]
        return [row for row in rows if row is not None]

    async def count_ahead(self, season: Season, total: asyncpg.Record) -> int:
        """Count who stands before a player by a total, where equal scores go by their tie keys."""
        return (await self._index_reader.read_run(season, find_hidden_place(total), 1)).position

    async def list_around(
        self, season: Season, alone: Run, total: asyncpg.Record, radius: int
    ) -> Run:
        """List a player, who was listed alone, between the neighbours, by a total."""
        place = find_hidden_place(total)
        above = await self._index_reader.read_run(season, place, radius, before=True)
        below = await self._index_reader.read_run(season, place, radius)
        return list_between(above, alone, place[1], below, position=below.position)


def list_between(above: Run, alone: Run, tie_key: int, below: Run, *, position: int) -> Run:
    """List a player, who was listed alone, where `position` players stand above."""
    return Run(
        user_ids=[*above.user_ids, *alone.user_ids, *below.user_ids],
        usernames=[*above.usernames, *alone.usernames, *below.usernames],
        sort_scores=[*above.sort_scores, *alone.sort_scores, *below.sort_scores],
        tie_keys=[*above.tie_keys, tie_key, *below.tie_keys],
        saturated={*above.saturated, *alone.saturated, *below.saturated},
        better=above.better if above.user_ids else alone.better,
        position=position - len(above.user_ids),
        players=below.players + 1,
        as_of=below.as_of,
        stale=below.stale,
    )


def find_hidden_place(total: asyncpg.Record) -> tuple[int, int, int]:
    """Return where a player would stand by a total (read_total.sql)."""
    return total["sort_score"], total["tie_key"], total["user_id"]
