"""Places, ranks and runs of a season from PostgreSQL alone.

Of a closed season they are exact. Of any other they are as of the last re-rank, and say `stale`.
All raise `SeasonGone`.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg

from service.backends.database import Database, load_sql
from service.boards.finder import Season
from service.errors import DatabaseUnavailable
from service.standings.run import Run
from service.standings.schemas import Rank, compute_percentile

READ_STANDINGS: Final = load_sql("standings/reads", "read_standings")
FIND_PLACE: Final = load_sql("standings/reads", "find_place")
SELECT_PAGE: Final = load_sql("standings/reads", "select_page")
READ_FACTS: Final = load_sql("standings/reads", "read_facts")


class SeasonGone(DatabaseUnavailable):
    """The season is another one by now, or the whole database is."""

    def __init__(self) -> None:
        super().__init__("the season is gone")


class StoredPlace(NamedTuple):
    """A place without Redis: how many are better, and how many come before it, of how many."""

    better: int
    position: int
    players: int
    as_of: datetime


async def find_stored_place(
    database: Database, season: Season, sort_score: int, tie_key: int = 0, user_id: int = 0
) -> StoredPlace:
    """Return the place of a standing, or of a score where no player is given (find_place.sql)."""
    parameters = (season.season_id, sort_score, tie_key, user_id)
    return _make_place(await _fetch_facts(database, season, FIND_PLACE, *parameters))


async def read_facts(database: Database, season: Season) -> asyncpg.Record:
    """Return how many stand in a season, and of when that is; raises `SeasonGone`."""
    return await _fetch_facts(database, season, READ_FACTS, season.season_id)


async def _fetch_facts(
    database: Database, season: Season, statement: str, *parameters: int
) -> asyncpg.Record:
    row = await database.fetch_one(statement, *parameters)
    if row is None or str(row["epoch"]) != season.epoch:
        raise SeasonGone
    return row


def _make_place(row: asyncpg.Record) -> StoredPlace:
    return StoredPlace(
        better=row["better"],
        position=row["position"],
        players=row["players"],
        as_of=row["refreshed_at"] or datetime.now(UTC),
    )


async def rank_stored(database: Database, season: Season, user_ids: Sequence[int]) -> list[Rank]:
    """Return the ranks of those of these players who stand in a season, from PostgreSQL."""
    ranks = []
    for row in await database.fetch(READ_STANDINGS, season.season_id, user_ids):
        place = await find_stored_place(database, season, row["sort_score"], row["tie_key"])
        # What moved since the last re-rank must not put anybody behind the last place.
        players = max(place.players, 1)
        rank = min(place.better + 1, players)
        ranks.append(
            Rank(
                user_id=row["player_id"],
                username=row["username"],
                total_score=season.rule.sort(row["sort_score"]),
                rank=rank,
                players=players,
                percentile=compute_percentile(rank, players),
                as_of=place.as_of,
                saturated=row["saturated"],
                stale=season.state != "closed",
            )
        )
    if not ranks:
        await read_facts(database, season)
    return ranks


async def read_stored_page(database: Database, season: Season, position: int, limit: int) -> Run:
    """Return consecutive standings from PostgreSQL, and their ranks, by one statement."""
    row = await _fetch_facts(database, season, SELECT_PAGE, season.season_id, position, limit)
    return _make_run(
        season,
        _make_place(row),
        user_ids=row["user_ids"],
        usernames=row["usernames"],
        sort_scores=row["sort_scores"],
        tie_keys=row["tie_keys"],
        saturated=row["saturated"],
    )


async def make_stored_run(
    database: Database, season: Season, rows: Sequence[asyncpg.Record]
) -> Run:
    """Rank consecutive standings from PostgreSQL by the place of the first one."""
    first = (rows[0]["sort_score"], rows[0]["tie_key"], rows[0]["player_id"]) if rows else (0, 0, 0)
    place = await find_stored_place(database, season, *first)
    return _make_run(
        season,
        place,
        user_ids=[row["player_id"] for row in rows],
        usernames=[row["username"] for row in rows],
        sort_scores=[row["sort_score"] for row in rows],
        tie_keys=[row["tie_key"] for row in rows],
        saturated=[row["player_id"] for row in rows if row["saturated"]],
    )


def _make_run(
    season: Season,
    place: StoredPlace,
    *,
    user_ids: Sequence[int],
    usernames: Sequence[str],
    sort_scores: Sequence[int],
    tie_keys: Sequence[int],
    saturated: Collection[int],
) -> Run:
    # What moved since the milestones were stored must not put anybody behind the last place, nor
    # make the ranks of one answer fall.
    position = min(place.position, max(0, place.players - len(user_ids)))
    return Run(
        user_ids=user_ids,
        usernames=usernames,
        sort_scores=sort_scores,
        tie_keys=tie_keys,
        saturated=set(saturated),
        better=min(place.better, position),
        position=position,
        players=place.players,
        as_of=place.as_of,
        stale=season.state != "closed",
    )
