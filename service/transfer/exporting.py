"""Export: rows out of the database, some thousands at a time, whatever their number.

Players and sessions are read by id, each run in a statement of its own: a slow reader holds neither
a connection nor a snapshot. All that was committed before an export began is in it. Standings are
read in one snapshot, since players change places meanwhile; a reader of these has to keep up.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg
import msgspec

from service.backends.database import Database, load_sql
from service.boards.errors import BoardFilling, SeasonNotFound
from service.boards.finder import Season, find_season, number_season
from service.standings.reads.seen import SESSIONS_BY_ID
from service.standings.reads.stored import READ_FACTS
from service.transfer.rows import PlayerRow, SessionRow, StandingRow

EXPORT_PLAYERS: Final = load_sql("transfer", "export_players")
EXPORT_SESSIONS: Final = load_sql("transfer", "export_sessions")
EXPORT_STANDINGS: Final = load_sql("transfer", "export_standings")
READ_HIGHEST_IDS: Final = load_sql("transfer", "read_highest_ids")

BY_ID: Final = "SET LOCAL enable_seqscan = off"
"""For a planner that knows nothing of the ids yet, and would read all players each time."""

IN_ORDER: Final = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"
"""For a cursor whose first rows come at once."""

# So few that other requests are not kept waiting by the process that makes text of them.
_ROWS_AT_ONCE: Final = 2_000
# So many that a run of pages is not read again and again.
_IDS_AT_ONCE: Final = 10_000

Kind = Literal["players", "sessions", "standings"]

ROW_TYPES: Final[Mapping[Kind, type[msgspec.Struct]]] = {
    "players": PlayerRow,
    "sessions": SessionRow,
    "standings": StandingRow,
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, and how far the export is: of `total`, whatever that counts, `done`."""

    rows: list[msgspec.Struct]
    done: int
    total: int


def export_rows(database: Database, kind: Kind, season: Season | None) -> AsyncIterator[Batch]:
    """Yield all rows of a kind; raises `DatabaseUnavailable`.

    Standings are those of a season (`find_exported_season`), and only these have one.
    """
    if season is not None:
        return _export_standings(database, season)
    return _export_players(database) if kind == "players" else _export_sessions(database)


async def find_exported_season(database: Database, board: str, wanted: str) -> Season:
    """Return the season of a board: `current`, `previous` or a number.

    Raises `BoardNotFound`, `SeasonNotFound`, `BoardFilling` or `DatabaseUnavailable`.
    """
    season = await find_season(database, board)
    number = number_season(season, wanted)
    if not 0 < number <= season.number:
        raise SeasonNotFound(board, wanted)
    if number < season.number:
        season = await find_season(database, board, number)
    if season.is_filling:
        raise BoardFilling(board)
    return season


async def _export_players(database: Database) -> AsyncIterator[Batch]:
    total = (await _read_highest_ids(database))[0]
    last_id = 0
    while last_id < total:
        async with database.transaction() as connection:
            await connection.execute(BY_ID)
            rows = await connection.fetch(EXPORT_PLAYERS, last_id, _ROWS_AT_ONCE)
        players = [PlayerRow(**row) for row in rows if row["user_id"] <= total]
        last_id = players[-1].user_id if len(players) == _ROWS_AT_ONCE else total
        yield Batch([*players], last_id, total)


async def _export_sessions(database: Database) -> AsyncIterator[Batch]:
    total = (await _read_highest_ids(database))[1]
    for first_id in range(1, total + 1, _IDS_AT_ONCE):
        end = min(first_id + _IDS_AT_ONCE, total + 1)
        async with database.transaction() as connection:
            await connection.execute(SESSIONS_BY_ID)
            rows = await connection.fetch(EXPORT_SESSIONS, first_id, end)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            batch = [_make_session(row) for row in rows[start : start + _ROWS_AT_ONCE]]
            yield Batch([*batch], end - 1, total)


def _make_session(row: asyncpg.Record) -> SessionRow:
    metadata = row["metadata"]
    return SessionRow(**{**row, "metadata": None if metadata is None else msgspec.Raw(metadata)})


async def _export_standings(database: Database, season: Season) -> AsyncIterator[Batch]:
    async with database.snapshot() as connection:
        await connection.execute(IN_ORDER)
        facts = await connection.fetchrow(READ_FACTS, season.season_id)
        total = facts["players"] if facts else 0
        cursor = await connection.cursor(EXPORT_STANDINGS, season.season_id)
        done = 0
        while rows := await cursor.fetch(_ROWS_AT_ONCE):
            done += len(rows)
            yield Batch([StandingRow(**row) for row in rows], done, total)


async def _read_highest_ids(database: Database) -> tuple[int, int]:
    row = await database.fetch_one(READ_HIGHEST_IDS)
    assert row is not None
    return row["user_id"], row["session_id"]
