"""Export: rows out of the database, some thousands at a time, whatever their number.

Players and sessions are read by id, each run in a statement of its own: a slow reader holds neither
a connection nor a snapshot. All that was committed before an export began is in it. Standings are
read in one snapshot, since players change places meanwhile; a reader of these has to keep up.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from service.backends.database import Database, load_sql
from service.boards.finder import read_season
from service.transfer.rows import PlayerRow, SessionRow, StandingRow

EXPORT_PLAYERS: Final = load_sql("transfer", "export_players")
EXPORT_SESSIONS: Final = load_sql("transfer", "export_sessions")
EXPORT_STANDINGS: Final = load_sql("transfer", "export_standings")
READ_HIGHEST_IDS: Final = load_sql("transfer", "read_highest_ids")

BY_ID: Final = "SET LOCAL enable_seqscan = off"
"""For a planner that knows nothing of the ids yet, and would read all players each time."""

IDS_IN_RUNS: Final = f"{BY_ID}; SET LOCAL enable_indexscan = off"
"""The same for sessions, of which it would read all of the primary key, which is by player."""

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


def export_rows(database: Database, kind: Kind) -> AsyncIterator[Batch]:
    """Yield all rows of a kind; raises `DatabaseUnavailable`."""
    return _EXPORTS[kind](database)


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
            await connection.execute(IDS_IN_RUNS)
            rows = await connection.fetch(EXPORT_SESSIONS, first_id, end)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            batch = [SessionRow(**row) for row in rows[start : start + _ROWS_AT_ONCE]]
            yield Batch([*batch], end - 1, total)


async def _export_standings(database: Database) -> AsyncIterator[Batch]:
    season = await read_season(database)
    async with database.snapshot() as connection:
        await connection.execute(IN_ORDER)
        total = await connection.fetchval(
            "SELECT players FROM season WHERE id = $1", season.season_id
        )
        cursor = await connection.cursor(EXPORT_STANDINGS, season.season_id)
        done = 0
        while rows := await cursor.fetch(_ROWS_AT_ONCE):
            done += len(rows)
            yield Batch([StandingRow(**row) for row in rows], done, total)


async def _read_highest_ids(database: Database) -> tuple[int, int]:
    row = await database.fetch_one(READ_HIGHEST_IDS)
    assert row is not None
    return row["user_id"], row["session_id"]


_EXPORTS: Final[Mapping[Kind, Callable[[Database], AsyncIterator[Batch]]]] = {
    "players": _export_players,
    "sessions": _export_sessions,
    "standings": _export_standings,
}
