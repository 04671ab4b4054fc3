"""The audit's look at PostgreSQL: ledger, outbox, standings and stored ranks in one snapshot."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from service.backends.database import Connection, load_sql
from service.maintenance.connections import BULK_PLANS, STATEMENT_SECONDS
from service.maintenance.findings import EXAMPLES, Finding, tell_finding
from service.maintenance.progress import Report
from service.standings.index.validity import LIST_OPEN_SEASONS

COUNT_OUTBOX: Final = load_sql("maintenance", "count_outbox")
COUNT_ROWS: Final = load_sql("maintenance", "count_rows")
COUNT_STANDINGS: Final = load_sql("maintenance", "count_standings")
COMPARE_STANDINGS: Final = load_sql("maintenance", "compare_standings")
COMPARE_RANKS: Final = load_sql("maintenance", "compare_ranks")

_COMPARED: Final = ("score", "sessions", "sort_score", "reached_at", "session_id")


async def audit_ledger(connection: Connection, report: Report) -> int:
    """Compare what PostgreSQL holds with itself; return how many differences there are.

    The connection is inside a snapshot. Totals that ever went past ±(2^53 - 1) may differ: a fold
    stops there at every step, and this at the end.
    """
    await connection.execute(BULK_PLANS)
    return (
        await tell_finding(report, "Outbox", _check_outbox(connection))
        + await tell_finding(report, "Standings", _check_standings(connection))
        + await tell_finding(report, "Players of seasons", _check_seasons(connection))
        + await tell_finding(report, "Stored ranks", _check_ranks(connection))
    )


async def _check_outbox(connection: Connection) -> Finding:
    """Every pending session is in the ledger, and pending once."""
    row = await connection.fetchrow(COUNT_OUTBOX, timeout=STATEMENT_SECONDS)
    assert row is not None
    examples = [
        *(
            f"session {session_id} is pending and not in the ledger"
            for session_id in row["unknown"]
        ),
        *(f"session {session_id} is pending more than once" for session_id in row["repeated"]),
    ]
    return Finding(f"{row['pending']:,} pending sessions", len(examples), examples[:EXAMPLES])


async def _check_standings(connection: Connection) -> Finding:
    """P1: the ledger without the outbox adds up to the standings."""
    rows = await connection.fetch(COMPARE_STANDINGS, EXAMPLES, timeout=STATEMENT_SECONDS)
    totals = await connection.fetchrow(COUNT_ROWS, timeout=STATEMENT_SECONDS)
    assert totals is not None
    return Finding(
        f"{totals['sessions']:,} sessions of {totals['players']:,} players, "
        f"{totals['points']:,} points",
        _count_differences(rows),
        [_describe_difference(row) for row in rows],
    )


def _describe_difference(row: asyncpg.Record) -> str:
    place = f"season {row['season_id']}, player {row['player_id']}:"
    if row["stored_score"] is None:
        return (
            f"{place} no standing, by the ledger {row['earned_score']:,} points "
            f"in {row['earned_sessions']:,} sessions"
        )
    if row["earned_score"] is None:
        return (
            f"{place} a standing of {row['stored_score']:,} points "
            f"in {row['stored_sessions']:,} sessions, none by the ledger"
        )
    return f"{place} " + ", ".join(
        f"{name} is {row[f'stored_{name}']}, by the ledger {row[f'earned_{name}']}"
        for name in _COMPARED
        if row[f"stored_{name}"] != row[f"earned_{name}"]
    )


async def _check_seasons(connection: Connection) -> Finding:
    """Each season counts the players who stand in it."""
    rows = await connection.fetch(COUNT_STANDINGS, timeout=STATEMENT_SECONDS)
    examples = [
        f"season {row['season_id']} counts {row['players']:,} players, {row['standings']:,} stand"
        for row in rows
        if row["players"] != row["standings"]
    ]
    standings = sum(row["standings"] for row in rows)
    return Finding(
        f"{standings:,} standings in {len(rows)} open season{'' if len(rows) == 1 else 's'}",
        len(examples),
        examples[:EXAMPLES],
    )


async def _check_ranks(connection: Connection) -> Finding:
    """Stored ranks are competition ranks, where no refresh came after the last re-rank."""
    compared = differences = 0
    examples: list[str] = []
    for season in await connection.fetch(LIST_OPEN_SEASONS):
        if season["rerank_number"] < season["last_refresh"]:
            continue
        compared += season["players"]
        rows = await connection.fetch(
            COMPARE_RANKS, season["season_id"], EXAMPLES, timeout=STATEMENT_SECONDS
        )
        differences += _count_differences(rows)
        examples += (
            f"season {season['season_id']}, player {row['player_id']}: "
            f"stored {row['stored_rank']}, must be {row['rank']}"
            for row in rows
        )
    facts = f"{compared:,} compared" if compared else "not compared: standings changed since"
    return Finding(facts, differences, examples[:EXAMPLES])


def _count_differences(rows: Sequence[asyncpg.Record]) -> int:
    """Return how many there are in all, which every row says."""
    return int(rows[0]["differences"]) if rows else 0
