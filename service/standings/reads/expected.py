"""What players are shown of themselves who do not stand, or not yet: as if they stood.

Those who are hidden, and those of whom no refresh has folded a session.
"""

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg

from service.backends.database import load_sql
from service.backends.replica import LaggingReads
from service.boards.finder import Season
from service.standings.index.reader import IndexReader
from service.standings.run import Run
from service.standings.schemas import Rank

READ_HIDDEN: Final = load_sql("standings/reads", "read_hidden")


class ExpectedReader:
    """Reads for these players what the index and the standings do not have of them.

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
        place = find_expected_place(total)
        return (await self._index_reader.read_run(season, place, above=0, below=1)).position

    async def list_around(
        self, season: Season, rank: Rank, total: asyncpg.Record, radius: int
    ) -> Run | None:
        """List a player between the neighbours, by a total; None for one who stands by now."""
        place = find_expected_place(total)
        near = await self._index_reader.read_run(season, place, above=radius, below=radius)
        return list_between(near, rank, place)


def list_between(near: Run, rank: Rank, place: tuple[int, int, int]) -> Run | None:
    """List a player, who has no standing, at a place among the neighbours there.

    None where the player is one of them: a refresh made the standing meanwhile.
    """
    if rank.user_id in near.user_ids:
        return None
    sort_score, tie_key, _ = place
    places = zip(near.sort_scores, near.tie_keys, near.user_ids, strict=True)
    line = sum(other < place for other in places)
    return Run(
        user_ids=[*near.user_ids[:line], rank.user_id, *near.user_ids[line:]],
        usernames=[*near.usernames[:line], rank.username, *near.usernames[line:]],
        sort_scores=[*near.sort_scores[:line], sort_score, *near.sort_scores[line:]],
        tie_keys=[*near.tie_keys[:line], tie_key, *near.tie_keys[line:]],
        saturated={*near.saturated, *([rank.user_id] if rank.saturated else [])},
        # Where nobody is listed above, nobody stands there.
        better=near.better if line else 0,
        position=near.position if line else 0,
        players=near.players + 1,
        as_of=near.as_of,
        stale=near.stale,
    )


def find_expected_place(total: asyncpg.Record) -> tuple[int, int, int]:
    """Return where a player would stand by a total (read_total.sql)."""
    return total["sort_score"], total["tie_key"], total["user_id"]
