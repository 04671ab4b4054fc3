"""Finds boards and their seasons for reads, and remembers those that are read."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import asyncpg
import msgspec
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.database import Connection, Database, load_sql
from service.backends.redis import BOARD_PREFIX, translate_redis_errors
from service.batching import Batcher
from service.boards.errors import BoardNotFound, SeasonNotFound, StandingsUnavailable
from service.boards.rule import Rule
from service.boards.words import GLOBAL_BOARD
from service.errors import CacheUnavailable, DatabaseUnavailable, SchemaMissing, ServiceError

FIND_SEASON: Final = load_sql("boards", "find_season")
LIST_BOARDS: Final = load_sql("boards", "list_boards")
LIST_OPEN_SEASONS: Final = load_sql("boards", "list_open_seasons")
NAME_SEASONS: Final = load_sql("boards", "name_seasons")

BEFORE_ALL_SLUGS: Final = ""

# How long another process may go on by what it remembers of a board that was changed.
# Less than scores may take to be seen (P5): another process may have ended the season.
_REMEMBERED_SECONDS: Final = 0.4
# How long a read waits to hear what became of a board that was not read for longer than that.
_PATIENCE_SECONDS: Final = 0.25

# Reads that wait for PostgreSQL to tell of their season; the next one gets `QueueFull`.
_LOOKS_WAITING: Final = 1_000


@dataclass(frozen=True, slots=True)
class Season:
    """A season of a board, and the epoch of the database that it is in."""

    season_id: int
    epoch: str
    slug: str
    number: int
    state: Literal["open", "ending", "closed"]
    starts_at: datetime | None
    ends_at: datetime | None
    revision: int
    rule_id: int
    is_filling: bool
    is_archived: bool
    rule: Rule

    def date(self, as_of: datetime) -> datetime:
        """Return of when an answer is that shows a refresh: not of before the season began."""
        return as_of if self.starts_at is None else max(as_of, self.starts_at)


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Season).decode


class SeasonFinder:
    """Finds the season of a board that is read, and remembers the current one of each board.

    A copy is kept in Redis, so that a process that starts while PostgreSQL is away can answer from
    the index. It may be of another database; so may the index, and their epochs are compared.
    """

    def __init__(self, database: Database, redis: Redis, breaker: Breaker) -> None:
        self.database = database
        self._redis = redis
        self._breaker = breaker
        self._seasons: dict[str, Season] = {}
        self._asked_at: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._changes = 0
        self._has_read_database = False
        # Anybody may ask for what is not there. PostgreSQL is asked once for all that wait for the
        # same season, on one connection. Its "no" is not remembered: a season may begin any moment.
        self._looks: Batcher[tuple[str, int | None], Season] = Batcher(
            self._look, batch_limit=_LOOKS_WAITING, queue_limit=_LOOKS_WAITING
        )

    async def find(self, slug: str = GLOBAL_BOARD) -> Season:
        """Return a board's current season as it was a moment ago, or is.

        Raises `BoardNotFound`, or `DatabaseUnavailable` where nothing is known of the board.
        """
        season = self._seasons.get(slug)
        if season is None or season.is_filling:
            return await self.find_again(slug)
        # Nothing ever changes of this board but the database that it is in.
        if slug == GLOBAL_BOARD:
            return season
        # For one in the archive time stands still.
        is_over = season.ends_at is not None and season.ends_at <= datetime.now(UTC)
        if is_over and not season.is_archived:
            with suppress(DatabaseUnavailable):
                return await self.find_again(slug)
            return season
        age = time.monotonic() - self._asked_at[slug]
        if age > _REMEMBERED_SECONDS:
            asking = self._ask_soon(slug)
            # Of one that is read all the time the answer is there in a moment.
            if age > 2 * _REMEMBERED_SECONDS:
                await asyncio.wait({asking}, timeout=_PATIENCE_SECONDS)
                self._asked_at[slug] = time.monotonic()
                return self._seasons.get(slug) or await self.find_again(slug)
        return season

    async def find_again(self, slug: str = GLOBAL_BOARD) -> Season:
        """Ask PostgreSQL: the season or the whole database may be another one by now.

        Until PostgreSQL has answered for the first time, the copy in Redis will do. Raises as
        `find` does.
        """
        return await self._looks.put((slug, None))

    async def _look(self, wanted: list[tuple[str, int | None]]) -> list[Season | ServiceError]:
        found: dict[tuple[str, int | None], Season | ServiceError] = {}
        for slug, number in dict.fromkeys(wanted):
            try:
                if number is None:
                    found[slug, None] = await self._find_current(slug)
                else:
                    found[slug, number] = await find_season(self.database, slug, number)
            except ServiceError as error:
                found[slug, number] = error
        return [found[one] for one in wanted]

    async def _find_current(self, slug: str) -> Season:
        try:
            return await self.find_in_database(slug)
        except SchemaMissing:
            raise
        except DatabaseUnavailable as error:
            copy = None if self._has_read_database else await self._read_copy(slug)
            if copy is None:
                raise StandingsUnavailable(error.reason) from error
            return self._remember(copy)

    async def find_in_database(self, slug: str = GLOBAL_BOARD) -> Season:
        """Ask PostgreSQL alone; raises `BoardNotFound` or `DatabaseUnavailable`."""
        before, changes = self._seasons.get(slug), self._changes
        try:
            season = await find_season(self.database, slug)
        except BoardNotFound:
            self._seasons.pop(slug, None)
            raise
        self._has_read_database = True
        if changes != self._changes:
            # It may have been read just before a change.
            return season
        if season != before:
            with suppress(CacheUnavailable), self._breaker.guard(), translate_redis_errors():
                await self._redis.set(f"{BOARD_PREFIX}{slug}", _encode(season))
        return self._remember(season)

    async def find_season(self, slug: str, wanted: str) -> Season:
        """Return the season that is asked for: `current`, `previous` or a number.

        Raises `BoardNotFound`, `SeasonNotFound` or `DatabaseUnavailable`.
        """
        # Another process may have ended one since this one asked: the one before would be another.
        current = await (self.find_again(slug) if wanted == "previous" else self.find(slug))
        number = number_season(current, wanted)
        if number > current.number:
            current = await self.find_again(slug)
        if number == current.number:
            return current
        if not 0 < number < current.number:
            raise SeasonNotFound(slug, wanted)
        return await self._looks.put((slug, number))

    async def find_number(self, slug: str, wanted: str) -> int:
        """Return the number of the season that is asked for, whether or not there is one.

        Raises as `find` does.
        """
        return number_season(await self.find(slug), wanted)

    def forget(self, slug: str) -> None:
        """Ask PostgreSQL when the board is read next: this process has just changed it."""
        self._changes += 1
        self._seasons.pop(slug, None)

    async def stop(self) -> None:
        """Stop asking PostgreSQL."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        await self._looks.drain()

    def _remember(self, season: Season) -> Season:
        self._seasons[season.slug] = season
        self._asked_at[season.slug] = time.monotonic()
        return season

    def _ask_soon(self, slug: str) -> asyncio.Task[None]:
        """Return the task that asks PostgreSQL what became of a board: one at a time."""
        if slug not in self._asking:
            self._asking[slug] = asyncio.create_task(self._ask(slug))
        return self._asking[slug]

    async def _ask(self, slug: str) -> None:
        try:
            # Who reads next is told what is wrong.
            with suppress(DatabaseUnavailable, BoardNotFound):
                await self.find_in_database(slug)
        finally:
            self._asked_at[slug] = time.monotonic()
            del self._asking[slug]

    async def _read_copy(self, slug: str) -> Season | None:
        try:
            with self._breaker.guard(), translate_redis_errors():
                stored = await self._redis.get(f"{BOARD_PREFIX}{slug}")
            return None if stored is None else _decode(stored)
        except (CacheUnavailable, msgspec.DecodeError):
            return None


def number_season(current: Season, wanted: str) -> int:
    """Return the number of `current`, `previous` or a number, whether or not there is such one."""
    if wanted in {"current", "previous"}:
        return current.number - (wanted == "previous")
    return int(wanted)


async def find_season(
    database: Database, slug: str = GLOBAL_BOARD, number: int | None = None
) -> Season:
    """Return a board's season, the current one without a number, as a database has it.

    Raises `BoardNotFound`, `SeasonNotFound` or `DatabaseUnavailable`.
    """
    row = await database.fetch_one(FIND_SEASON, slug, number)
    if row is None:
        raise BoardNotFound(slug) if number is None else SeasonNotFound(slug, str(number))
    return Season(
        season_id=row["season_id"],
        epoch=str(row["epoch"]),
        slug=slug,
        number=row["number"],
        state=row["state"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        revision=row["revision"],
        rule_id=row["rule_id"],
        is_filling=row["is_filling"],
        is_archived=row["is_archived"],
        rule=Rule.of_row(row),
    )


async def find_board(database: "Database | Connection", slug: str) -> asyncpg.Record:
    """Return a board's row (list_boards.sql); raises `BoardNotFound`."""
    rows = await database.fetch(LIST_BOARDS, slug, BEFORE_ALL_SLUGS, 1)
    if not rows:
        raise BoardNotFound(slug)
    return rows[0]


def name_season(slug: str, number: int) -> str:
    """Return what an operator calls a season; the one counted anew beside it is called alike."""
    return f"{slug}, season {abs(number)}"


async def name_seasons(
    database: "Database | Connection", season_ids: Iterable[int]
) -> Mapping[int, str]:
    """Return by their ids what seasons are called."""
    rows = await database.fetch(NAME_SEASONS, list(set(season_ids)))
    return {row["season_id"]: name_season(row["slug"], row["number"]) for row in rows}
