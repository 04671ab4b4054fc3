"""Milestones: every 250th standing of a season, from which reads without Redis count."""

from collections.abc import Iterator, Sequence
from typing import Final

import asyncpg

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import Lease, lock_ranks
from service.boards.finder import LIST_OPEN_SEASONS
from service.standings.index.streaming import reading_at_once

LIST_UNCLOSED_SEASONS: Final = load_sql("standings/refresh", "list_unclosed_seasons")
STORE_MILESTONES: Final = load_sql("standings/refresh", "store_milestones")
STORE_ALL_MILESTONES: Final = load_sql("standings/refresh", "store_all_milestones")

# Some 200,000 index entries, a tenth of a second: no snapshot is held for long.
_MILESTONES_AT_ONCE: Final = 800

# To sort a large season that is closed.
_STATEMENT_SECONDS: Final = 600.0

# No standing comes before it.
_BEGINNING: Final = (0, -(2**53), 0, 0)

# Where all standings were just made again the statistics know of none, and PostgreSQL would sort
# them all for each milestone: minutes of a million.
ONE_BY_ONE: Final = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_sort = off;
"""
_AS_ALWAYS: Final = ONE_BY_ONE.replace("off", "on")


def group_seasons(seasons: Sequence[asyncpg.Record], most: int) -> Iterator[list[int]]:
    """Yield the ids of consecutive seasons that have up to `most` players together."""
    group: list[int] = []
    players = 0
    for season in seasons:
        if group and players + season["players"] > most:
            yield group
            group, players = [], 0
        group.append(season["season_id"])
        players += season["players"]
    if group:
        yield group


async def find_unclosed(connection: Connection, season_ids: Sequence[int]) -> list[int]:
    """Return those of these seasons that are not closed, nor can be until the transaction ends.

    The ranks and milestones of one that is closed stay as they are.
    """
    await lock_ranks(connection)
    rows = await connection.fetch(LIST_UNCLOSED_SEASONS, season_ids)
    return [row["season_id"] for row in rows]


async def store_milestones(database: Database, lease: Lease, slice_standings: int) -> None:
    """Store the milestones of the open seasons; the lease is of the re-rank lock.

    Of a season of up to so many standings all at once, by sorting them; a larger one is walked
    through in its order, a part at a time.

    One that is interrupted leaves milestones of two moments. That is no harm: a read uses one of
    them, and each is as right as it was when it was stored.
    """
    seasons = await database.fetch(LIST_OPEN_SEASONS)
    small = [season for season in seasons if season["players"] <= slice_standings]
    for season_ids in group_seasons(small, slice_standings):
        async with lease.transaction() as connection:
            for season_id in await find_unclosed(connection, season_ids):
                await store_season_milestones(connection, season_id)
    for season in seasons:
        season_id = season["season_id"]
        if season["players"] <= slice_standings:
            continue
        last: Sequence[int] | None = _BEGINNING
        while last is not None:
            async with lease.transaction() as connection:
                if not await find_unclosed(connection, [season_id]):
                    break
                last = await _store_next(connection, season_id, last)


async def store_season_milestones(connection: Connection, season_id: int) -> None:
    """Store those of one season at once, in a transaction.

    The caller holds the re-rank lock, or the closing lock.
    """
    async with reading_at_once(connection, is_all=True):
        await connection.fetch(STORE_ALL_MILESTONES, season_id, timeout=_STATEMENT_SECONDS)


async def _store_next(
    connection: Connection, season_id: int, last: Sequence[int]
) -> Sequence[int] | None:
    await connection.execute(ONE_BY_ONE)
    rows = await connection.fetch(STORE_MILESTONES, season_id, *last, _MILESTONES_AT_ONCE)
    await connection.execute(_AS_ALWAYS)
    return tuple(rows[0]) if rows else None
