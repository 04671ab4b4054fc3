"""The seasons of a board: listed, and made as time goes on and rules change."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

import asyncpg

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import Lease, hold_writer_lock
from service.boards.errors import SeasonNotFound
from service.boards.finder import find_board
from service.boards.rule import Rule
from service.boards.schemas import SeasonAnswer, SeasonList
from service.validation import MAX_SEASON

LIST_SEASONS: Final = load_sql("boards", "list_seasons")
READ_LAST_SESSION: Final = load_sql("boards", "read_last_session")
READ_LEDGER_TIME: Final = load_sql("boards", "read_ledger_time")
PUT_SEASON: Final = load_sql("boards", "put_season")
PUT_MISSED_SEASONS: Final = load_sql("boards", "put_missed_seasons")
FIND_PENDING_PLACES: Final = load_sql("boards", "find_pending_places")
FIND_LEDGER_PLACES: Final = load_sql("boards", "find_ledger_places")
MOVE_CLOCK_ON: Final = load_sql("boards", "move_clock_on")
LIST_LEDGER_WRITERS: Final = load_sql("boards", "list_ledger_writers")
DROP_SEASON: Final = load_sql("boards", "drop_season")
DROP_COMING_SEASONS: Final = load_sql("boards", "drop_coming_seasons")
NOTE_SEASONS: Final = load_sql("boards", "note_seasons")

# The writer gives way every two seconds; one that is frozen loses its lock after twenty.
_LOCK_WAIT_SECONDS: Final = 25.0

# A year of a season a minute is three statements; the next fold waits for them.
_MISSED_AT_ONCE: Final = 200_000
_MISSED_SECONDS: Final = 300.0
# For so few the ledger is not read as a whole to know which of them have sessions.
_FEW_MISSED: Final = 10
_WRITERS_POLL_SECONDS: Final = 0.01


class LedgerCut(NamedTuple):
    """A moment before which no session may be dated any more.

    Where this is shown, `last_session_id` is the newest session that may have been dated before it
    in time; None where somebody is left who may still write one.
    """

    at: datetime
    last_session_id: int | None


def hold_seasons(database: Database) -> AbstractAsyncContextManager[Lease]:
    """Have nobody else change what folds count, and nobody fold, inside the block.

    A score that is folded just before a season is there would be missed by it. Raises `WriterBusy`
    or `DatabaseUnavailable`.
    """
    return hold_writer_lock(database, wait_seconds=_LOCK_WAIT_SECONDS)


@asynccontextmanager
async def change_seasons(lease: Lease) -> AsyncIterator[Connection]:
    """Lend a connection, inside a transaction, for changes of seasons by whoever holds them.

    The folds after it know until when there are seasons. Raises `LeaseLost`, with nothing changed,
    where it was not held until the end.
    """
    async with lease.transaction() as connection:
        yield connection
        await connection.fetch(NOTE_SEASONS)


async def list_seasons(database: Database, slug: str, before: int, limit: int) -> SeasonList:
    """Return up to `limit` seasons of a board before this number, newest first."""
    board = await find_board(database, slug)
    rows = await database.fetch(LIST_SEASONS, board["board_id"], None, before, limit + 1)
    return SeasonList(
        seasons=[describe_season(row) for row in rows[:limit]],
        next=str(rows[limit - 1]["number"]) if len(rows) > limit else None,
    )


async def read_season_answer(
    database: "Database | Connection", slug: str, number: int
) -> SeasonAnswer:
    """Return a season that has begun; raises `BoardNotFound` or `SeasonNotFound`."""
    board = await find_board(database, slug)
    if number <= MAX_SEASON:
        rows = await database.fetch(LIST_SEASONS, board["board_id"], number, MAX_SEASON, 1)
        if rows:
            return describe_season(rows[0])
    raise SeasonNotFound(slug, str(number))


def describe_season(row: asyncpg.Record) -> SeasonAnswer:
    """Return what the API says of a season."""
    state: Any = "open"
    if row["closed_at"] is not None:
        state = "closed"
    elif row["is_over"]:
        state = "ending"
    return SeasonAnswer(
        number=row["number"],
        state=state,
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        closed_at=row["closed_at"],
        players=row["players"],
        revision=row["revision"],
    )


async def put_next_season(
    connection: Connection,
    board_id: int,
    number: int,
    rule_id: int,
    rule: Rule,
    starts_at: datetime | None,
) -> None:
    """Have the season that begins where the one before ends; none where that has no end."""
    if starts_at is None:
        await connection.fetch(DROP_COMING_SEASONS, board_id, number - 1)
        return
    ends_at = rule.find_end(starts_at)
    await put_season(connection, board_id, number, rule_id, starts_at, ends_at)


async def put_season(
    connection: Connection,
    board_id: int,
    number: int,
    rule_id: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
    *,
    is_filled: bool = False,
) -> None:
    """Add a season, or change the one of this number; it is filled from the ledger if need be."""
    await connection.fetch(PUT_SEASON, board_id, number, rule_id, starts_at, ends_at, is_filled)


async def list_writers(database: Database) -> set[str]:
    """Return the transactions that may still write sessions (list_ledger_writers.sql)."""
    return {row["transaction"] for row in await database.fetch(LIST_LEDGER_WRITERS)}


async def outlast_writers(database: Database) -> LedgerCut:
    """Have no session be dated before this moment any more; return that moment.

    Those who may still write one of before are waited for, for a second or two.
    """
    now = await database.fetch_value(READ_LEDGER_TIME)
    await database.fetch(MOVE_CLOCK_ON, now)
    if not await wait_for_writers(database):
        return LedgerCut(now, None)
    # An import may date sessions to before it for as long as it runs.
    return LedgerCut(now, await find_committed_session(database))


async def find_committed_session(database: Database, seconds: float = 1.0) -> int | None:
    """Return the highest id of a session, once all with a lower one are committed or never will be.

    None where somebody may still be writing one of them after so many seconds.
    """
    session_id: int = await database.fetch_value(READ_LAST_SESSION)
    # Whoever has drawn an id holds the lock of `ledger_time()` until the commit.
    return session_id if await wait_for_writers(database, seconds) else None


async def wait_for_writers(database: Database, seconds: float = 1.0) -> bool:
    """Wait until all who may be writing sessions now are done; return False where one is not.

    They hold the lock of `ledger_time()`; who takes it from now on is not waited for.
    """
    gives_up_at = time.monotonic() + seconds
    writers = await list_writers(database)
    while writers and time.monotonic() < gives_up_at:
        await asyncio.sleep(_WRITERS_POLL_SECONDS)
        writers &= await list_writers(database)
    return not writers


async def add_missed_seasons(connection: Connection, board: asyncpg.Record, cut: LedgerCut) -> None:
    """Add the seasons of a board since the one in its row ended, up to the one of this moment.

    No session of theirs is folded yet: no fold goes beyond the seasons that there are.
    """
    rule = Rule.of_row(board)
    number, starts_at = await make_missed_seasons(connection, board, rule, cut, is_filled=False)
    await put_next_season(connection, board["board_id"], number, board["rule_id"], rule, starts_at)


async def make_missed_seasons(
    connection: Connection,
    board: asyncpg.Record,
    rule: Rule,
    cut: LedgerCut,
    *,
    is_filled: bool,
) -> tuple[int, datetime]:
    """Make the seasons of a board that have come and gone since the one in its row ended.

    In a year of a season a minute these are half a million: those without a session are closed as
    they are made, where the cut is complete, so that none can come. Returns number and beginning of
    the season after them.
    """
    number, starts_at = board["number"] + 1, board["ends_at"]
    if rule.schedule is None:
        return number, starts_at
    ends = rule.schedule.list_ends(starts_at, cut.at)
    # Half a second of work, which must not keep others waiting.
    while some := await asyncio.to_thread(lambda: list(islice(ends, _MISSED_AT_ONCE))):
        bounds = [starts_at, *some]
        if not is_filled:
            places = await connection.fetchval(FIND_PENDING_PLACES, bounds, timeout=_MISSED_SECONDS)
        elif len(some) > _FEW_MISSED:
            places = await connection.fetchval(
                FIND_LEDGER_PLACES, bounds, board["rule_id"], timeout=_MISSED_SECONDS
            )
        else:
            places = list(range(1, len(bounds)))
        await connection.fetch(
            PUT_MISSED_SEASONS,
            board["board_id"],
            number,
            board["rule_id"],
            bounds,
            places,
            is_filled,
            cut.last_session_id,
            timeout=_MISSED_SECONDS,
        )
        number, starts_at = number + len(some), some[-1]
    return number, starts_at
