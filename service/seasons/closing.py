"""Closing a season: its ranks are stored for good, once, and its index goes."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import dramatiq

from service.backends.broker import PERIODIC_QUEUE
from service.backends.database import Connection, Database, load_sql
from service.backends.locks import Lease, WriterBusy, hold_closing_lock, lock_ranks
from service.boards.seasons import find_committed_session
from service.errors import CacheUnavailable
from service.seasons.errors import LedgerBusy
from service.standings.index.writer import Index
from service.standings.refresh.milestones import store_season_milestones

STOP_RERANK: Final = load_sql("seasons", "stop_rerank")
INCLUDE_SESSIONS: Final = load_sql("seasons", "include_sessions")
CORRECT_STANDINGS: Final = load_sql("seasons", "correct_standings")
NOTE_CORRECTION: Final = load_sql("seasons", "note_correction")
STORE_FINAL_RANKS: Final = load_sql("seasons", "store_final_ranks")
CLOSE_SEASON: Final = load_sql("seasons", "close_season")
CLOSE_EMPTY_SEASONS: Final = load_sql("seasons", "close_empty_seasons")
LIST_SEALED_SEASONS: Final = load_sql("seasons", "list_sealed_seasons")
LIST_CLOSED_INDEXES: Final = load_sql("seasons", "list_closed_indexes")
NOTE_INDEXES_DROPPED: Final = load_sql("seasons", "note_indexes_dropped")

CLOSE_ACTOR: Final = "seasons.close"

# Who waits here has a thread of a worker, which has few, and folds need one.
_LOCK_WAIT_SECONDS: Final = 1.0
# Somebody waits for the answer.
_CORRECTION_WAIT_SECONDS: Final = 25.0
_STATEMENT_SECONDS: Final = 600.0
# The standings of a season are grouped and sorted in memory.
_WORK_MEMORY: Final = "SET LOCAL work_mem = '256MB'"

_INDEXES_AT_ONCE: Final = 1_000
_LOGGED: Final = 10

_log = logging.getLogger(__name__)


async def close_sealed_seasons(database: Database, index: Index) -> int:
    """Close every season that is sealed; return how many were closed.

    Each is closed in one transaction, at any time after it was sealed: nothing changes its
    standings any more. Those with nobody in them, which may be a year of a season a minute, are
    closed together. Folds go on beside it. While another process does so, or corrects a result,
    nothing is closed here: the other one looks again when it is done, and `SeasonTimer` asks again.
    Raises `DatabaseUnavailable`; the next call goes on.
    """
    closed = 0
    with suppress(WriterBusy):
        while await database.fetch(LIST_SEALED_SEASONS):
            async with hold_closing_lock(database, wait_seconds=_LOCK_WAIT_SECONDS) as lease:
                closed += await _close_all(database, lease)
    await _drop_indexes(database, index)
    return closed


@asynccontextmanager
async def hold_closed_seasons(database: Database) -> AsyncIterator[Connection]:
    """Lend a connection, inside a transaction, that alone may change the results of seasons.

    Raises `WriterBusy` or `DatabaseUnavailable`.
    """
    async with (
        hold_closing_lock(database, wait_seconds=_CORRECTION_WAIT_SECONDS) as lease,
        lease.transaction() as connection,
    ):
        await connection.execute(_WORK_MEMORY)
        yield connection


async def find_last_session(database: Database) -> int:
    """Return the highest id of a session, once all with a lower one are committed or never will be.

    A session that is committed later has a higher id, so by that it is known as one that no result
    of before can have. Raises `LedgerBusy` or `DatabaseUnavailable`.
    """
    last_session_id = await find_committed_session(database, _CORRECTION_WAIT_SECONDS)
    if last_session_id is None:
        raise LedgerBusy(_CORRECTION_WAIT_SECONDS)
    return last_session_id


async def correct_season(
    connection: Connection, season_id: int, last_session_id: int
) -> list[asyncpg.Record]:
    """Make the result of a closed season again from the ledger; return what entries it changes.

    It is made of the sessions up to that of `find_last_session`. The connection is one of
    `hold_closed_seasons`. The rows have `player_id`, `score_before`, `rank_before` and
    `score_after`, null where the player did not stand, or does not.
    """
    await connection.fetch(INCLUDE_SESSIONS, season_id, last_session_id)
    changed = await connection.fetch(CORRECT_STANDINGS, season_id, timeout=_STATEMENT_SECONDS)
    await connection.fetch(STORE_FINAL_RANKS, season_id, timeout=_STATEMENT_SECONDS)
    await store_season_milestones(connection, season_id)
    await connection.fetch(NOTE_CORRECTION, season_id, timeout=_STATEMENT_SECONDS)
    return changed


async def _close_all(database: Database, lease: Lease) -> int:
    closed = await _close_empty(lease)
    for season in await database.fetch(LIST_SEALED_SEASONS):
        closed += await _close(lease, season["season_id"])
    return closed


async def _close(lease: Lease, season_id: int) -> bool:
    async with lease.transaction() as connection:
        await lock_ranks(connection)
        await connection.execute(_WORK_MEMORY)
        await connection.fetch(STOP_RERANK, season_id, timeout=_STATEMENT_SECONDS)
        await connection.fetch(STORE_FINAL_RANKS, season_id, timeout=_STATEMENT_SECONDS)
        await store_season_milestones(connection, season_id)
        row = await connection.fetchrow(CLOSE_SEASON, season_id, timeout=_STATEMENT_SECONDS)
    if row is None:
        return False
    _log.info("season %d is closed, with %d players", season_id, row["players"])
    return True


async def _close_empty(lease: Lease) -> int:
    async with lease.transaction() as connection:
        await lock_ranks(connection)
        seasons = await connection.fetch(CLOSE_EMPTY_SEASONS, timeout=_STATEMENT_SECONDS)
    for season in seasons[:_LOGGED]:
        _log.info("season %d is closed, with 0 players", season["season_id"])
    if len(seasons) > _LOGGED:
        _log.info("%d seasons more are closed, with 0 players", len(seasons) - _LOGGED)
    return len(seasons)


async def _drop_indexes(database: Database, index: Index) -> None:
    """Delete the index of each season that was closed: it is read from PostgreSQL."""
    seasons = await database.fetch(LIST_CLOSED_INDEXES)
    season_ids = [season["season_id"] for season in seasons]
    try:
        for first in range(0, len(season_ids), _INDEXES_AT_ONCE):
            some = season_ids[first : first + _INDEXES_AT_ONCE]
            await index.drop(some)
            await database.fetch(NOTE_INDEXES_DROPPED, some)
    except CacheUnavailable as error:
        _log.warning("the index of a closed season stays until Redis is back: %s", error)


def send_close(broker: dramatiq.Broker) -> None:
    """Send the message on which a worker closes what is sealed; blocks for a round trip."""
    broker.enqueue(
        dramatiq.Message(
            queue_name=PERIODIC_QUEUE, actor_name=CLOSE_ACTOR, args=(), kwargs={}, options={}
        )
    )
