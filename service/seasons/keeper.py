"""Keeps seasons up with the time, between two folds: fills them, seals them, replaces them.

Whoever folds is the only writer of standings, so this happens in the same process, while it holds
the same lock, a little at a time.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg

from service.backends.database import Database, load_sql
from service.boards.rule import Rule
from service.boards.service import (
    DROP_SEASON,
    LIST_LEDGER_WRITERS,
    MOVE_CLOCK_ON,
    NOTE_SEASONS,
    make_missed_seasons,
    outlast_writers,
    put_next_season,
)
from service.errors import CacheUnavailable
from service.standings.index.writer import Index

LIST_DUE_BOARDS: Final = load_sql("seasons", "list_due_boards")
LIST_SEASON_WORK: Final = load_sql("seasons", "list_season_work")
READ_NEXT_TRANSACTION: Final = load_sql("seasons", "read_next_transaction")
SEAL_SEASON: Final = load_sql("seasons", "seal_season")
FILL_SEASON: Final = load_sql("seasons", "fill_season")
FIND_FILL_END: Final = load_sql("seasons", "find_fill_end")
NOTE_FILLED: Final = load_sql("seasons", "note_filled")
SWAP_SEASON: Final = load_sql("seasons", "swap_season")
DELETE_STANDINGS: Final = load_sql("seasons", "delete_standings")
FORGET_DROPPED_SEASON: Final = load_sql("seasons", "forget_dropped_season")

# One slice of filling, or of deleting, takes about as long as a fold does.
_SLICE_SECONDS: Final = 0.1
_LEAST_PLAYERS: Final = 100
_MOST_PLAYERS: Final = 200_000
_STANDINGS_AT_ONCE: Final = 10_000
_STATEMENT_SECONDS: Final = 60.0

# A slice is found by its players, whatever a planner believes that knows nothing of the tables yet.
_PLAN: Final = "SET LOCAL enable_seqscan = off"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Ending:
    """What a season that is over waits for: writers of sessions first, then the folds of these."""

    writers: set[str]
    transaction_id: int | None = None


class SeasonKeeper:
    """Does what is due about seasons; only the holder of the writer lock may call it."""

    def __init__(self, database: Database, index: Index) -> None:
        self._database = database
        self._index = index
        self._endings: dict[int, _Ending] = {}
        self._players_at_once = _LEAST_PLAYERS * 10
        self._sealed = 0

    async def keep(self) -> bool:
        """Do some of what is due; return whether more of it can be done at once.

        Raises `DatabaseUnavailable`; what was begun goes on with the next call, in any process.
        """
        work = await self._database.fetch(LIST_SEASON_WORK)
        while work and work[0]["kind"] == "follow":
            await self._add_seasons()
            work = await self._database.fetch(LIST_SEASON_WORK)
        self._endings = {
            row["season_id"]: self._endings[row["season_id"]]
            for row in work
            if row["kind"] == "seal" and row["season_id"] in self._endings
        }
        has_more = False
        for row in work:
            if row["kind"] == "seal":
                await self._seal(row)
            elif row["kind"] == "swap":
                await self._swap(row)
            elif not has_more:
                # The slow ones, a slice at a time.
                has_more = await (self._fill if row["kind"] == "fill" else self._delete)(row)
        return has_more

    def take_sealed(self) -> int:
        """Return how many seasons were sealed since the last call, and wait for being closed."""
        sealed, self._sealed = self._sealed, 0
        return sealed

    async def _add_seasons(self) -> None:
        """Add the season after the one that has begun, and those that nobody made meanwhile."""
        boards = await self._database.fetch(LIST_DUE_BOARDS)
        settled = None
        if any(board["is_over"] for board in boards):
            settled = await outlast_writers(self._database)
        async with self._database.transaction() as connection:
            for board in boards:
                rule = Rule.of_row(board)
                number, starts_at = board["number"] + 1, board["ends_at"]
                if settled is not None and board["is_over"]:
                    until, is_settled = settled
                    number, starts_at = await make_missed_seasons(
                        connection, board, rule, until, is_filled=False, is_settled=is_settled
                    )
                await put_next_season(
                    connection, board["board_id"], number, board["rule_id"], rule, starts_at
                )
            await connection.fetch(NOTE_SEASONS)

    async def _seal(self, season: asyncpg.Record) -> None:
        """Go on with the end of a season, as far as that is possible without waiting.

        First no session may be dated into it any more. Whoever may still write one that was holds
        the lock of `ledger_time()` at that moment; once all of these are gone, and all that was
        committed by then is folded, it is complete.
        """
        season_id = season["season_id"]
        ending = self._endings.get(season_id)
        if ending is None:
            await self._database.fetch(MOVE_CLOCK_ON, season["ends_at"])
            ending = self._endings[season_id] = _Ending(await self._list_writers())
        if ending.writers:
            ending.writers &= await self._list_writers()
        if ending.writers:
            return
        if ending.transaction_id is None:
            row = await self._database.fetch_one(READ_NEXT_TRANSACTION)
            assert row is not None
            ending.transaction_id = row["transaction_id"]
        if await self._database.fetch_one(SEAL_SEASON, season_id, ending.transaction_id):
            _log.info("season %d is over and complete", season_id)
            del self._endings[season_id]
            self._sealed += 1

    async def _list_writers(self) -> set[str]:
        return {row["transaction"] for row in await self._database.fetch(LIST_LEDGER_WRITERS)}

    async def _fill(self, season: asyncpg.Record) -> bool:
        """Count the sessions of the next players in a season that the ledger already had.

        Returns True: there is more to do, if only to swap it in.
        """
        season_id, first = season["season_id"], season["fill_from_player"]
        started_at = time.monotonic()
        async with self._database.transaction() as connection:
            await connection.execute(_PLAN)
            row = await connection.fetchrow(FIND_FILL_END, first, self._players_at_once)
            assert row is not None
            last = row["last_player_id"]
            standings = 0
            if last is not None:
                standings = await connection.fetchval(
                    FILL_SEASON, season_id, first, last, timeout=_STATEMENT_SECONDS
                )
            following = None if row["is_end"] else last + 1
            await connection.fetch(NOTE_FILLED, season_id, following, standings)
        # As many as take about a tenth of a second: folds wait for it.
        share = _SLICE_SECONDS / max(time.monotonic() - started_at, 0.001)
        self._players_at_once = round(
            min(max(self._players_at_once * min(share, 2.0), _LEAST_PLAYERS), _MOST_PLAYERS)
        )
        if following is None:
            _log.info("season %d is filled", season_id)
        return True

    async def _swap(self, season: asyncpg.Record) -> None:
        """Put a season that is complete into the place of the one that it was built to replace."""
        try:
            while not await self._index.build_slice(season["season_id"]):
                pass
            while not await self._index.load_names(season["season_id"]):
                pass
        except CacheUnavailable as error:
            _log.warning("the new standings are read without Redis: %s", error)
        async with self._database.transaction() as connection:
            await connection.fetch(DROP_SEASON, season["board_id"], -season["number"])
            await connection.fetch(SWAP_SEASON, season["season_id"])

    async def _delete(self, season: asyncpg.Record) -> bool:
        """Delete some of what a season left that is no more; return whether there is more."""
        season_id = season["season_id"]
        found = await self._database.fetch_one(DELETE_STANDINGS, season_id, _STANDINGS_AT_ONCE)
        if found and found["standings"]:
            return True
        # Kept in mind until Redis is back.
        with suppress(CacheUnavailable):
            await self._index.drop(season_id)
            await self._database.fetch(FORGET_DROPPED_SEASON, season_id)
        return False
