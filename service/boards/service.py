"""Which season the leaderboard's endpoints show."""

from dataclasses import dataclass
from typing import Final

import asyncpg

from service.database import Database, load_sql
from service.errors import DatabaseUnavailable

FIND_OPEN_SEASON: Final = load_sql("boards", "find_open_season")

GLOBAL_BOARD: Final = "global"


@dataclass(frozen=True, slots=True)
class OpenSeason:
    """A season that counts scores now, and the epoch of the database that says so."""

    season_id: int
    epoch: str


class SeasonFinder:
    """Finds the open season of the board `global`, and remembers it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._season: OpenSeason | None = None

    async def find(self) -> OpenSeason:
        """Return the open season; asks PostgreSQL the first time only."""
        return self._season or await self.find_again()

    async def find_again(self) -> OpenSeason:
        """Ask PostgreSQL: the season or the whole database may be another one by now.

        Raises `DatabaseUnavailable`, also for a database that has no schema yet.
        """
        try:
            row = await self._database.fetch_one(FIND_OPEN_SEASON, GLOBAL_BOARD)
        except asyncpg.UndefinedTableError as error:
            raise DatabaseUnavailable("the database has no schema yet") from error
        if row is None:
            raise DatabaseUnavailable("the board `global` has no open season")
        self._season = OpenSeason(season_id=row["season_id"], epoch=str(row["epoch"]))
        return self._season
