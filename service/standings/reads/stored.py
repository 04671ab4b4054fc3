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
SELECT_NEIGHBOURS: Final = load_sql("standings/reads", "select_neighbours")
SELECT_AFTER: Final = load_sql("standings/reads", "select_after")
SELECT_BEFORE: Final = load_sql("standings/reads", "select_before")
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
    # One more tells whether these are the last.
    row = await _fetch_facts(database, season, SELECT_PAGE, season.season_id, position, limit + 1)
    return _make_run(
        season,
        _make_place(row),
        user_ids=row["user_ids"][:limit],
        usernames=row["usernames"][:limit],
        sort_scores=row["sort_scores"][:limit],
        tie_keys=row["tie_keys"][:limit],
        saturated=row["saturated"],
        is_last=len(row["user_ids"]) <= limit,
    )


async def read_stored_run(
    database: Database, season: Season, place: tuple[int, int, int], *, above: int, below: int
) -> Run:
    """Return up to `above` standings before a sort_score, tie_key and player, and `below` after.

    Not who stands at that place itself.
    """
    rows: list[asyncpg.Record] = []
    if above:
        rows += await database.fetch(SELECT_BEFORE, season.season_id, *place, above)
    # One more tells whether these are the last. Where those before are asked for alone, it may be
    # who stands at the place.
    last = _find_order(rows[-1]) if rows and not below else place
    after = await database.fetch(SELECT_AFTER, season.season_id, *last, below + 1)
    return await _rank_rows(database, season, rows + after[:below], is_last=len(after) <= below)


async def read_stored_neighbours(
    database: Database, season: Season, user_id: int, radius: int
) -> Run | None:
    """Return a player between the neighbours, or None for one who does not stand."""
    rows = await database.fetch(SELECT_NEIGHBOURS, season.season_id, user_id, radius + 1)
    own = next((line for line, row in enumerate(rows) if row["player_id"] == user_id), None)
    if own is None:
        return None
    listed = rows[max(0, own - radius) : own + radius + 1]
    is_last = len(rows) <= own + radius + 1
    return await _rank_rows(database, season, listed, is_last=is_last)


def _find_order(row: asyncpg.Record) -> tuple[int, int, int]:
    return row["sort_score"], row["tie_key"], row["player_id"]


async def _rank_rows(
    database: Database, season: Season, rows: Sequence[asyncpg.Record], *, is_last: bool
) -> Run:
    """Rank consecutive standings from PostgreSQL by the place of the first one."""
    first = _find_order(rows[0]) if rows else (0, 0, 0)
    place = await find_stored_place(database, season, *first)
    return _make_run(
        season,
        place,
        user_ids=[row["player_id"] for row in rows],
        usernames=[row["username"] for row in rows],
        sort_scores=[row["sort_score"] for row in rows],
        tie_keys=[row["tie_key"] for row in rows],
        saturated=[row["player_id"] for row in rows if row["saturated"]],
        is_last=is_last,
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
    is_last: bool,
) -> Run:
    """Make a run at a place; `is_last`: nobody stands behind it.

    What moved since the milestones were stored must not put anybody behind the last place, nor make
    the ranks of one answer fall, nor end a list before its last player: where the end is, the
    standings say.
    """
    behind = place.players - len(user_ids)
    position = behind if is_last else min(place.position, behind - 1)
    position = max(0, position)
    level = max(0, place.position - place.better)
    return Run(
        user_ids=user_ids,
        usernames=usernames,
        sort_scores=sort_scores,
        tie_keys=tie_keys,
        saturated=set(saturated),
        better=max(0, position - level),
        position=position,
        # Of two statements, between which somebody may have left.
        players=max(place.players, position + len(user_ids) + (not is_last)),
        as_of=place.as_of,
        stale=season.state != "closed",
    )
