"""Audit: proves on a live system that ledger, standings and index agree.

What PostgreSQL holds is compared in one snapshot; `index_audit` compares what Redis holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Final

import asyncpg

from service.backends.database import Connection, load_sql
from service.boards.finder import LIST_OPEN_SEASONS, name_seasons
from service.errors import CacheUnavailable
from service.maintenance.connections import (
    ANALYZE_BOARDS,
    BULK_PLANS,
    COUNT_ROWS,
    STATEMENT_SECONDS,
    find_board_seasons,
    open_connections,
)
from service.maintenance.index_audit import audit_index
from service.maintenance.report import EXAMPLES, Finding, Report
from service.settings.settings import Settings

COUNT_OUTBOX: Final = load_sql("maintenance", "count_outbox")
COUNT_STANDINGS: Final = load_sql("maintenance", "count_standings")
COMPARE_STANDINGS: Final = load_sql("maintenance", "compare_standings")
COMPARE_RANKS: Final = load_sql("maintenance", "compare_ranks")
COMPARE_MILESTONES: Final = load_sql("maintenance", "compare_milestones")
FIND_GAPS: Final = load_sql("maintenance", "find_gaps")

_COMPARED: Final = (
    "score",
    "sessions",
    "sort_score",
    "tie_key",
    "reached_at",
    "session_id",
    "exact_total",
)

_STANDINGS_AT_ONCE: Final = 1_000_000


async def audit(settings: Settings, board: str | None = None) -> bool:
    """Compare ledger, standings and index; return whether they agree. Changes nothing.

    All boards, or one; the outbox is that of all in any case.

    Writes a line for each check with its first differences, then how many there are in all.
    Submits, reads and refreshes go on meanwhile. Raises `DatabaseUnavailable`, `WriterBusy` or,
    once all else is compared, `CacheUnavailable`.
    """
    report = Report()
    async with open_connections(settings, application_name="leaderboard audit") as connections:
        season_ids = None
        if board is not None:
            season_ids = await find_board_seasons(connections.database, board)
        await connections.database.fetch(ANALYZE_BOARDS)
        async with connections.database.snapshot() as connection:
            differences = await _audit_ledger(connection, report, season_ids)
        seasons = _choose(await connections.database.fetch(LIST_OPEN_SEASONS), season_ids)
        try:
            differences += await audit_index(connections, report, seasons)
        except CacheUnavailable as error:
            report.write(f"{_write_count(differences)} in PostgreSQL, the index was not compared")
            raise connections.describe_outage(error) from error
    report.write(_write_count(differences))
    return differences == 0


def _write_count(differences: int) -> str:
    return f"{differences:,} difference{'' if differences == 1 else 's'}"


async def _audit_ledger(
    connection: Connection, report: Report, season_ids: list[int] | None
) -> int:
    """Compare what PostgreSQL holds with itself; return how many differences there are.

    The connection is inside a snapshot.
    """
    await connection.execute(BULK_PLANS)
    return (
        await report.check("Outbox", _check_outbox(connection))
        + await report.check("Standings", _check_standings(connection, season_ids))
        + await report.check("Players of seasons", _check_seasons(connection, season_ids))
        + await report.check("Stored ranks", _check_ranks(connection, season_ids))
        + await report.check("Ends of seasons", _check_ends(connection))
        + await report.check("Closed seasons", _check_results(connection))
    )


async def _check_outbox(connection: Connection) -> Finding:
    """Every pending session is in the ledger, and pending once."""
    row = await connection.fetchrow(COUNT_OUTBOX, timeout=STATEMENT_SECONDS)
    assert row is not None
    examples = [
        *(f"session {lost} is pending and not in the ledger" for lost in row["unknown"]),
        *(f"session {twice} is pending more than once" for twice in row["repeated"]),
    ]
    return Finding(f"{row['pending']:,} pending sessions", len(examples), examples[:EXAMPLES])


async def _check_standings(connection: Connection, season_ids: list[int] | None) -> Finding:
    """P1: the ledger without the outbox adds up to the standings."""
    rows = await connection.fetch(
        COMPARE_STANDINGS, EXAMPLES, season_ids, timeout=STATEMENT_SECONDS
    )
    totals = await connection.fetchrow(COUNT_ROWS, timeout=STATEMENT_SECONDS)
    assert totals is not None
    names = await _name_seasons(connection, rows)
    return Finding(
        f"{totals['sessions']:,} sessions of {totals['players']:,} players, "
        f"{totals['points']:,} points",
        _count_differences(rows),
        [_describe_difference(row, names[row["season_id"]]) for row in rows],
    )


async def _name_seasons(
    connection: Connection, rows: Iterable[asyncpg.Record]
) -> Mapping[int, str]:
    """Return what the seasons of some rows are called."""
    return await name_seasons(connection, (row["season_id"] for row in rows))


def _describe_difference(row: asyncpg.Record, season: str) -> str:
    place = f"{season}: player {row['player_id']}:"
    if row["stored_score"] is None:
        return f"{place} no standing, by the ledger {_describe_points(row, 'earned')}"
    if row["earned_score"] is None:
        return f"{place} a standing of {_describe_points(row, 'stored')}, none by the ledger"
    return f"{place} " + ", ".join(
        f"{name} is {row[f'stored_{name}']}, by the ledger {row[f'earned_{name}']}"
        for name in _COMPARED
        if row[f"stored_{name}"] != row[f"earned_{name}"]
    )


def _describe_points(row: asyncpg.Record, side: str) -> str:
    points, sessions = row[f"{side}_score"], row[f"{side}_sessions"]
    # Only a sum is of a number of sessions.
    if sessions is None:
        return f"{points:,} points in session {row[f'{side}_session_id']}"
    return f"{points:,} points in {sessions:,} sessions"


async def _check_seasons(connection: Connection, season_ids: list[int] | None) -> Finding:
    """Each season counts the players who have a standing in it."""
    are_closed = False
    seasons = await connection.fetch(COUNT_STANDINGS, are_closed, timeout=STATEMENT_SECONDS)
    rows = _choose(seasons, season_ids)
    examples = await _describe_counts(connection, rows)
    standings = sum(row["standings"] for row in rows)
    return Finding(
        f"{standings:,} standings in {len(rows)} open season{'' if len(rows) == 1 else 's'}",
        len(examples),
        examples[:EXAMPLES],
    )


async def _check_ranks(connection: Connection, season_ids: list[int] | None) -> Finding:
    """Stored ranks are competition ranks, in seasons without a refresh since the last re-rank."""
    seasons = [
        season
        for season in _choose(await connection.fetch(LIST_OPEN_SEASONS), season_ids)
        if season["rerank_number"] >= season["last_refresh"]
    ]
    differences, ranks = await _compare(connection, COMPARE_RANKS, seasons)
    compared = sum(season["players"] for season in seasons)
    facts = f"{compared:,} compared" if compared else "not compared: standings changed since"
    return Finding(facts, differences, await _describe_ranks(connection, ranks))


async def _describe_counts(connection: Connection, seasons: Sequence[asyncpg.Record]) -> list[str]:
    wrong = [row for row in seasons if row["players"] != row["standings"]]
    names = await _name_seasons(connection, wrong)
    return [
        f"{names[row['season_id']]}: counts {row['players']:,} players, {row['standings']:,} stand"
        for row in wrong
    ]


async def _describe_ranks(connection: Connection, ranks: Sequence[asyncpg.Record]) -> list[str]:
    names = await _name_seasons(connection, ranks)
    return [
        f"{names[row['season_id']]}: player {row['player_id']}: stored {row['stored_rank']}, "
        f"must be {row['rank']}"
        for row in ranks
    ]


async def _compare(
    connection: Connection, statement: str, seasons: Sequence[asyncpg.Record]
) -> tuple[int, list[asyncpg.Record]]:
    """Compare what was stored of seasons; return how many differences, and the first of them."""
    differences = 0
    found: list[asyncpg.Record] = []
    totals = accumulate(season["players"] for season in seasons)
    counted = zip(totals, seasons, strict=True)
    # Many small ones at once: a statement has its price, however few it compares.
    for _, together in groupby(counted, lambda one: one[0] // _STANDINGS_AT_ONCE):
        season_ids = [season["season_id"] for _, season in together]
        rows = await connection.fetch(statement, season_ids, EXAMPLES, timeout=STATEMENT_SECONDS)
        differences += _count_differences(rows)
        found += rows
    return differences, found[:EXAMPLES]


def _choose(
    seasons: Sequence[asyncpg.Record], season_ids: list[int] | None
) -> Sequence[asyncpg.Record]:
    return [row for row in seasons if season_ids is None or row["season_id"] in season_ids]


async def _check_ends(connection: Connection) -> Finding:
    """P8: the seasons of a board follow each other without a gap, and overlap nowhere."""
    rows = await connection.fetch(FIND_GAPS, timeout=STATEMENT_SECONDS)
    examples = [
        f"{row['slug']}, season {row['number']}: ends at {row['ends_at']}, "
        f"season {row['next_number']} begins at {row['next_starts_at']}"
        for row in rows
    ]
    return Finding("no gap" if not rows else "gaps", len(rows), examples[:EXAMPLES])


async def _check_results(connection: Connection) -> Finding:
    """P8: what was stored of a season when it was closed is still what its standings come to."""
    are_closed = True
    seasons = await connection.fetch(COUNT_STANDINGS, are_closed, timeout=STATEMENT_SECONDS)
    examples = await _describe_counts(connection, seasons)
    wrong_ranks, ranks = await _compare(connection, COMPARE_RANKS, seasons)
    wrong_milestones, milestones = await _compare(connection, COMPARE_MILESTONES, seasons)
    differences = len(examples) + wrong_ranks + wrong_milestones
    examples += await _describe_ranks(connection, ranks)
    names = await _name_seasons(connection, milestones)
    examples += (
        f"{names[row['season_id']]}: milestone {row['position']}: player "
        f"{row['stored_player_id']} is stored, must be {row['player_id']}"
        for row in milestones
    )
    facts = (
        f"{sum(season['standings'] for season in seasons):,} standings in {len(seasons)} of them"
    )
    return Finding(facts, differences, examples[:EXAMPLES])


def _count_differences(rows: Sequence[asyncpg.Record]) -> int:
    """Return how many differences there are in all, which every row says."""
    return int(rows[0]["differences"]) if rows else 0
