"""Keeps seasons up with the time, between two folds: fills them, seals them, replaces them.

Whoever folds is the only writer of standings, so this happens in the same process, while it holds
the same lock, a little at a time.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from service.backends.database import Database, load_sql
from service.backends.locks import Lease
from service.boards.rule import Rule
from service.boards.seasons import (
    DROP_SEASON,
    MOVE_CLOCK_ON,
    add_missed_seasons,
    change_seasons,
    list_writers,
    outlast_writers,
    put_next_season,
)
from service.errors import CacheUnavailable
from service.standings.index.writer import Index

LIST_DUE_BOARDS: Final = load_sql("seasons", "list_due_boards")
LIST_SEASON_WORK: Final = load_sql("seasons", "list_season_work")
READ_NEXT_TRANSACTION: Final = load_sql("seasons", "read_next_transaction")
SEAL_SEASONS: Final = load_sql("seasons", "seal_seasons")
FILL_SEASON: Final = load_sql("seasons", "fill_season")
FILL_SEASONS: Final = load_sql("seasons", "fill_seasons")
FIND_FILL_END: Final = load_sql("seasons", "find_fill_end")
NOTE_FILLED: Final = load_sql("seasons", "note_filled")
SWAP_SEASON: Final = load_sql("seasons", "swap_season")
SET_LAST_SESSION: Final = load_sql("seasons", "set_last_session")
DELETE_STANDINGS: Final = load_sql("seasons", "delete_standings")
FORGET_DROPPED_SEASON: Final = load_sql("seasons", "forget_dropped_season")

# One slice of filling, or of deleting, takes about as long as a fold does.
_SLICE_SECONDS: Final = 0.1
_LEAST_PLAYERS: Final = 100
_MOST_PLAYERS: Final = 200_000
_STANDINGS_AT_ONCE: Final = 10_000
_MANY_SEASONS: Final = 100
_STATEMENT_SECONDS: Final = 60.0

# A slice is found by its players, whatever a planner believes that knows nothing of the tables yet.
_PLAN: Final = "SET LOCAL enable_seqscan = off"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Ending:
    """What seasons that are over wait for: writers of sessions first, then the folds of these.

    Writers are waited for twice: a session has its time before its id, so which is the newest that
    counts is known once nobody can date any into the seasons, and then some of before may be on
    their way, from an import.
    """

    season_ids: set[int]
    writers: set[str]
    has_last_session: bool = False
    transaction_id: int | None = None


class SeasonKeeper:
    """Does what is due about seasons, for the holder of the writer lock."""

    def __init__(self, database: Database, index: Index) -> None:
        self._database = database
        self._index = index
        self._endings: list[_Ending] = []
        self._players_at_once = _LEAST_PLAYERS * 10
        self._sealed = 0

    async def keep(self, lease: Lease) -> bool:
        """Do some of what is due; return whether more of it can be done at once.

        Raises `DatabaseUnavailable`; what was begun goes on with the next call, in any process.
        """
        work = await self._database.fetch(LIST_SEASON_WORK)
        while work and work[0]["kind"] == "follow":
            await self.add_due_seasons(lease)
            work = await self._database.fetch(LIST_SEASON_WORK)
        await self._seal(
            lease, {row["season_id"]: row["ends_at"] for row in work if row["kind"] == "seal"}
        )
        has_more = False
        for row in work:
            if row["kind"] == "seal":
                continue
            if row["kind"] == "swap":
                await self._swap(lease, row)
            elif not has_more:
                # The slow ones, a slice at a time.
                if row["kind"] == "fill":
                    await self._fill(lease, _find_together(row, work))
                    # If only to swap one in.
                    has_more = True
                else:
                    has_more = await self._delete(row)
        return has_more

    def take_sealed(self) -> int:
        """Return how many seasons were sealed since the last call, and wait for being closed."""
        sealed, self._sealed = self._sealed, 0
        return sealed

    async def add_due_seasons(self, lease: Lease) -> None:
        """Add the season after each that has begun, and those that nobody made meanwhile."""
        while boards := await self._database.fetch(LIST_DUE_BOARDS):
            cut = None
            if any(board["is_over"] for board in boards):
                cut = await outlast_writers(self._database)
            async with change_seasons(lease) as connection:
                for board in boards:
                    if cut is not None and board["is_over"]:
                        await add_missed_seasons(connection, board, cut)
                        continue
                    await put_next_season(
                        connection,
                        board["board_id"],
                        board["number"] + 1,
                        board["rule_id"],
                        Rule.of_row(board),
                        board["ends_at"],
                    )

    async def _seal(self, lease: Lease, over: Mapping[int, datetime]) -> None:
        """Go on with the ends of seasons, as far as that is possible without waiting.

        First no submit may be dated into them any more. Whoever may still write one that was holds
        the lock of `ledger_time()` at that moment; once all of these are gone, no session counts
        any more that is newer than all there are. Once those are committed and folded, too, the
        seasons are complete.
        """
        begun = set(over)
        for ending in self._endings:
            ending.season_ids &= over.keys()
            begun -= ending.season_ids
        if begun:
            await self._database.fetch(MOVE_CLOCK_ON, max(over[season_id] for season_id in begun))
            self._endings.append(_Ending(begun, await list_writers(self._database)))
        if any(ending.writers for ending in self._endings):
            writers = await list_writers(self._database)
            for ending in self._endings:
                ending.writers &= writers
        for ending in self._endings:
            if not ending.writers and not ending.has_last_session:
                async with lease.transaction() as connection:
                    await connection.fetch(SET_LAST_SESSION, list(ending.season_ids))
                ending.has_last_session, ending.writers = True, await list_writers(self._database)
            if not ending.writers:
                await self._seal_complete(lease, ending)
        self._endings = [ending for ending in self._endings if ending.season_ids]

    async def _seal_complete(self, lease: Lease, ending: _Ending) -> None:
        """Seal seasons that have all their sessions, unless some of these are not folded yet."""
        if ending.transaction_id is None:
            ending.transaction_id = await self._database.fetch_value(READ_NEXT_TRANSACTION)
        async with lease.transaction() as connection:
            rows = await connection.fetch(
                SEAL_SEASONS, list(ending.season_ids), ending.transaction_id
            )
        sealed = [row["season_id"] for row in rows]
        if sealed:
            _log.info("over and complete: %d seasons, %d to %d", len(sealed), *_find_ends(sealed))
        ending.season_ids.difference_update(sealed)
        self._sealed += len(sealed)

    async def _fill(self, lease: Lease, seasons: Sequence[asyncpg.Record]) -> None:
        """Count in some seasons what the ledger already has of the next players."""
        season_ids = [season["season_id"] for season in seasons]
        first = seasons[0]["fill_from_player"]
        started_at = time.monotonic()
        async with lease.transaction() as connection:
            await connection.execute(_PLAN)
            row = await connection.fetchrow(FIND_FILL_END, first, self._players_at_once)
            assert row is not None
            last = row["last_player_id"]
            standings = dict.fromkeys(season_ids, 0)
            if last is not None:
                fill: tuple[str, object] = (FILL_SEASONS, season_ids)
                if len(season_ids) == 1:
                    fill = FILL_SEASON, season_ids[0]
                filled = await connection.fetch(*fill, first, last, timeout=_STATEMENT_SECONDS)
                standings |= {some["season_id"]: some["standings"] for some in filled}
            next_player = None if row["is_end"] else last + 1
            await connection.fetch(NOTE_FILLED, [*standings], [*standings.values()], next_player)
        # As many as take about a tenth of a second: folds wait for it.
        share = _SLICE_SECONDS / max(time.monotonic() - started_at, 0.001)
        self._players_at_once = round(
            min(max(self._players_at_once * min(share, 2.0), _LEAST_PLAYERS), _MOST_PLAYERS)
        )
        if next_player is None:
            _log.info("filled: %d seasons, %d to %d", len(season_ids), *_find_ends(season_ids))

    async def _swap(self, lease: Lease, season: asyncpg.Record) -> None:
        """Put a season that is complete into the place of the one that it was built to replace."""
        try:
            await self._index.rebuild(season["season_id"])
        except CacheUnavailable as error:
            _log.warning("the new standings are read without Redis: %s", error)
        async with lease.transaction() as connection:
            await connection.fetch(DROP_SEASON, season["board_id"], -season["number"])
            await connection.fetch(SWAP_SEASON, season["season_id"])

    async def _delete(self, season: asyncpg.Record) -> bool:
        """Delete some of what a season left that is no more; return whether there is more."""
        season_id = season["season_id"]
        if await self._database.fetch_value(DELETE_STANDINGS, season_id, _STANDINGS_AT_ONCE):
            return True
        # Kept in mind until Redis is back.
        with suppress(CacheUnavailable):
            await self._index.drop([season_id])
            await self._database.fetch(FORGET_DROPPED_SEASON, season_id)
        return False


def _find_together(season: asyncpg.Record, work: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Return the seasons that are filled in one pass over the players, the given one among them.

    One that goes on is filled alone, since it is waited for. Of those that are over, a board may
    have very many, each with few of the sessions: of few, a pass for each costs less than to look
    for each player alone.
    """
    if not season["is_over"]:
        return [season]
    together = [
        other
        for other in work
        if (other["kind"], other["is_over"]) == ("fill", True)
        and other["board_id"] == season["board_id"]
        and other["fill_from_player"] == season["fill_from_player"]
        # One that is counted anew holds the moments of the one that it will replace.
        and (other["number"] < 0) == (season["number"] < 0)
    ]
    return together if len(together) >= _MANY_SEASONS else [season]


def _find_ends(season_ids: Sequence[int]) -> tuple[int, int]:
    return min(season_ids), max(season_ids)
