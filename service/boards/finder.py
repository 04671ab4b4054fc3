"""Finds the season that the endpoints of the leaderboard show."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.database import Database, load_sql
from service.backends.redis import GLOBAL_SEASON_KEY, translate_redis_errors
from service.errors import CacheUnavailable, DatabaseUnavailable

FIND_OPEN_SEASON: Final = load_sql("boards", "find_open_season")
LIST_OPEN_SEASONS: Final = load_sql("boards", "list_open_seasons")

GLOBAL_BOARD: Final = "global"


@dataclass(frozen=True, slots=True)
class OpenSeason:
    """A season in which scores count now, and the epoch of the database that it is in."""

    season_id: int
    epoch: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(OpenSeason).decode


class SeasonFinder:
    """Finds the open season of the board `global`, and remembers it.

    A copy is kept in Redis, so that a process that starts while PostgreSQL is away can answer from
    the index. It may be of another database; so may the index, and their epochs are compared.
    """

    def __init__(self, database: Database, redis: Redis, breaker: Breaker) -> None:
        self._database = database
        self._redis = redis
        self._breaker = breaker
        self._season: OpenSeason | None = None
        self._has_read_database = False

    async def find(self) -> OpenSeason:
        """Return the open season, which is looked up once. Raises as `find_again` does."""
        return self._season or await self.find_again()

    async def find_again(self) -> OpenSeason:
        """Ask PostgreSQL: the season or the whole database may be another one by now.

        Until PostgreSQL has answered for the first time, the copy in Redis will do. Raises
        `DatabaseUnavailable` where there is neither.
        """
        try:
            season = await self.find_in_database()
        except DatabaseUnavailable:
            copy = None if self._has_read_database else await self._read_copy()
            if copy is None:
                raise
            self._season = copy
            return copy
        with suppress(CacheUnavailable), self._breaker.guard(), translate_redis_errors():
            await self._redis.set(GLOBAL_SEASON_KEY, _encode(season))
        return season

    async def find_in_database(self) -> OpenSeason:
        """Ask PostgreSQL alone; raises `DatabaseUnavailable`."""
        season = await read_open_season(self._database)
        self._season = season
        self._has_read_database = True
        return season

    async def _read_copy(self) -> OpenSeason | None:
        try:
            with self._breaker.guard(), translate_redis_errors():
                stored = await self._redis.get(GLOBAL_SEASON_KEY)
            return None if stored is None else _decode(stored)
        except (CacheUnavailable, msgspec.DecodeError):
            return None


async def read_open_season(database: Database) -> OpenSeason:
    """Return the open season as a database has it; raises `DatabaseUnavailable`."""
    row = await database.fetch_one(FIND_OPEN_SEASON, GLOBAL_BOARD)
    if row is None:
        raise DatabaseUnavailable("the board `global` has no open season")
    return OpenSeason(season_id=row["season_id"], epoch=str(row["epoch"]))
