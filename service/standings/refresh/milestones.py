"""Milestones: every 250th standing of a season, from which reads without Redis count."""

from collections.abc import Sequence
from typing import Final

from service.backends.database import Connection, Database, load_sql
from service.boards.finder import LIST_OPEN_SEASONS

STORE_MILESTONES: Final = load_sql("standings/refresh", "store_milestones")

# Some 200,000 index entries, a tenth of a second: no snapshot is held for long.
_MILESTONES_AT_ONCE: Final = 800

# No standing comes before it.
_BEGINNING: Final = (0, -(2**53), 0, 0)


async def store_milestones(database: Database) -> None:
    """Store the milestones of the open seasons; the caller holds the re-rank lock.

    One that is interrupted leaves milestones of two moments. That is no harm: a read uses one of
    them, and each is as right as it was when it was stored.
    """
    for season in await database.fetch(LIST_OPEN_SEASONS):
        await store_season_milestones(database, season["season_id"])


async def store_season_milestones(database: "Database | Connection", season_id: int) -> None:
    """Store the milestones of one season; of a sealed one the caller holds the lock of closing."""
    last: Sequence[int] = _BEGINNING
    while rows := await database.fetch(STORE_MILESTONES, season_id, *last, _MILESTONES_AT_ONCE):
        last = tuple(rows[0])
