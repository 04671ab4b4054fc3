"""Import: rows into the database, some thousands in a transaction.

What a line tells of is made, or found to be there already, so an import that was killed is run
again and goes on where it was. Every other line is refused by itself, with its number and its
field. A session gets the time that it brings along, and belongs to the season of that time; it goes
through the outbox like any other.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import asyncpg
import msgspec

from service.backends.database import Connection, Database, load_sql
from service.errors import InvalidRequest
from service.players.errors import PlayerNotFound, UsernameReserved
from service.players.names import check_external_id, clean_new_username, clean_username
from service.players.service import LOCK_PLAYERS
from service.sessions.errors import IdempotencyKeyReused
from service.sessions.schemas import DEFAULT_MODE
from service.sessions.service import encode_metadata
from service.transfer.errors import FileUnreadable, LineRefused
from service.transfer.formats import Line, Row
from service.transfer.rows import PlayerLine, SessionLine
from service.transfer.schemas import ImportAnswer, LineError
from service.validation import LAST_MOMENT, clean_key

IMPORT_PLAYERS: Final = load_sql("transfer", "import_players")
ADVANCE_PLAYER_IDS: Final = load_sql("transfer", "advance_player_ids")
FIND_IMPORTED_PLAYERS: Final = load_sql("transfer", "find_imported_players")
IMPORT_SESSIONS: Final = load_sql("transfer", "import_sessions")
FIND_IMPORTED_SESSIONS: Final = load_sql("transfer", "find_imported_sessions")

# So few that other requests are not kept waiting by the process that reads them.
_LINES_AT_ONCE: Final = 2_000
_ERRORS_SHOWN: Final = 1_000

# Before the first game that had an account.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = "Expected a time since 1970 that is not in the future"
_PLAIN_TIME: Final = "Expected a time since 1970, of the years up to 9999 in UTC"

# Of the keys that an export gives to sessions without one (export_sessions.sql).
_GIVEN_KEY: Final = "leaderboard:session:"


class Done(Enum):
    """What became of a line that was taken."""

    IMPORTED = "imported"
    PRESENT = "present"


Outcome = Done | InvalidRequest


@dataclass
class Tally:
    """What became of the lines of an import so far; of its errors the first are kept."""

    lines: int = 0
    counts: Counter[Done] = field(default_factory=Counter)
    refused: int = 0
    errors: list[LineError] = field(default_factory=list)

    def add(self, number: int, outcome: Outcome) -> None:
        """Count one line."""
        self.lines += 1
        if isinstance(outcome, Done):
            self.counts[outcome] += 1
            return
        self.refused += 1
        if len(self.errors) < _ERRORS_SHOWN:
            self.errors.append(
                LineError(number, outcome.message, outcome.code, list(outcome.fields))
            )

    def describe(self) -> str:
        """Return it in a line."""
        return (
            f"{self.counts[Done.IMPORTED]:,} imported, {self.counts[Done.PRESENT]:,} present, "
            f"{self.refused:,} refused"
        )

    def answer(self) -> ImportAnswer:
        """Return it as the API answers it."""
        return ImportAnswer(
            lines=self.lines,
            imported=self.counts[Done.IMPORTED],
            present=self.counts[Done.PRESENT],
            refused=self.refused,
            errors=self.errors,
        )


async def import_lines(
    database: Database,
    chunks: AsyncIterator[list[Line[Row]]],
    on_chunk: Callable[[Tally], None],
) -> Tally:
    """Import the lines of a file, as they come, and tell `on_chunk` after each commit.

    Raises `FileUnreadable` or `DatabaseUnavailable`: what was told of is imported all the same.
    """
    tally = Tally()
    waiting: list[Line[Row]] = []

    async def commit() -> None:
        chunk, waiting[:] = waiting[:_LINES_AT_ONCE], waiting[_LINES_AT_ONCE:]
        rows = [line.row for line in chunk if not isinstance(line.row, InvalidRequest)]
        made = iter(await _import_rows(database, rows) if rows else [])
        for line in chunk:
            outcome = line.row if isinstance(line.row, InvalidRequest) else next(made)
            tally.add(line.number, outcome)
        on_chunk(tally)

    try:
        async for lines in chunks:
            waiting += lines
            while len(waiting) >= _LINES_AT_ONCE:
                await commit()
    except FileUnreadable as error:
        if not tally.lines and not waiting:
            raise
        while waiting:
            await commit()
        tally.add(error.line, error)
    while waiting:
        await commit()
    return tally


async def _import_rows(
    database: Database, rows: Sequence[PlayerLine | SessionLine]
) -> Sequence[Outcome]:
    players = [row for row in rows if isinstance(row, PlayerLine)]
    sessions = [row for row in rows if isinstance(row, SessionLine)]
    return await (
        import_players(database, players) if players else import_sessions(database, sessions)
    )


async def import_players(database: Database, lines: Sequence[PlayerLine]) -> list[Outcome]:
    """Make players, in one transaction, or find that they are there."""
    outcomes, players = _clean_lines(lines, _clean_player)
    async with database.transaction() as connection:
        await connection.execute(LOCK_PLAYERS)
        await _compare_players(connection, players, outcomes)
        await _make_players(connection, players, outcomes)
        # What is left has a name, an external id or an id that an earlier line took.
        await _compare_players(connection, players, outcomes)
    return [outcomes[index] for index in range(len(lines))]


async def import_sessions(database: Database, lines: Sequence[SessionLine]) -> list[Outcome]:
    """Write sessions to the ledger, in one transaction, or find that they are there."""
    outcomes, sessions = _clean_lines(lines, _clean_session)
    gone: dict[int, LineRefused] = {}
    async with database.transaction() as connection:
        found = await _find_players(connection, [*sessions.values()])
        for (index, line), row in zip([*sessions.items()], found, strict=True):
            if row["is_deleted_here"]:
                gone[index] = _refuse_player(line)
            fault = _find_session_fault(line, row)
            if fault is None:
                sessions[index] = msgspec.structs.replace(line, user_id=row["user_id"])
            else:
                outcomes[index] = fault
                del sessions[index]
        await _compare_sessions(connection, sessions, outcomes)
        # Their keys were erased: whether one that is not found was imported before, nobody knows.
        for index in gone.keys() & sessions.keys():
            outcomes[index] = gone[index]
            del sessions[index]
        await _record_sessions(connection, sessions, outcomes)
        # What is left has a key that an earlier line, another import or a submit took meanwhile.
        await _compare_sessions(connection, sessions, outcomes)
    return [outcomes[index] for index in range(len(lines))]


def _clean_lines(
    lines: Sequence[Row], clean: Callable[[Row], Row]
) -> tuple[dict[int, Outcome], dict[int, Row]]:
    """Return, by their places, what is wrong with some lines, and the others as they are kept."""
    outcomes: dict[int, Outcome] = {}
    cleaned: dict[int, Row] = {}
    for index, line in enumerate(lines):
        try:
            cleaned[index] = clean(line)
        except InvalidRequest as error:
            outcomes[index] = error
    return outcomes, cleaned


def _clean_player(line: PlayerLine) -> PlayerLine:
    if line.external_id is not None:
        check_external_id(line.external_id)
    if line.joined_at is not None:
        _check_time("joined_at", line.joined_at)
    if line.state_until is not None:
        if line.state in ("active", None):
            raise LineRefused("state_until", "Expected none, since the state is `active`")
        if not _EARLIEST <= line.state_until <= LAST_MOMENT:
            raise LineRefused("state_until", _PLAIN_TIME)
    if line.user_id is not None and line.username == f"deleted-{line.user_id}":
        # Who was deleted there is deleted here, too.
        if line.external_id is not None:
            raise LineRefused("external_id", "Expected none, since the player was deleted")
        return line
    try:
        username = clean_new_username(line.username)
    except UsernameReserved as error:
        raise LineRefused("username", error.message, "The name is reserved.", error.code) from error
    return msgspec.structs.replace(line, username=username)


def _clean_session(line: SessionLine) -> SessionLine:
    _check_time("submitted_at", line.submitted_at)
    if line.revoked_at is not None:
        _check_time("revoked_at", line.revoked_at)
    if line.external_id is not None:
        check_external_id(line.external_id)
    _write_metadata(line)
    username = line.username
    if username is not None:
        username = clean_username(username)
    elif line.user_id is None and line.external_id is None:
        raise LineRefused("user_id", "Expected `user_id`, `external_id` or `username`")
    return msgspec.structs.replace(
        line, username=username, idempotency_key=clean_key(line.idempotency_key)
    )


def _write_metadata(line: SessionLine) -> str | None:
    return None if line.metadata is None else encode_metadata(line.metadata)


def _check_time(name: str, time: datetime) -> None:
    if not _EARLIEST <= time <= LAST_MOMENT:
        raise LineRefused(name, _TIME)


async def _find_players(
    connection: Connection, lines: Sequence[PlayerLine | SessionLine]
) -> Sequence[asyncpg.Record]:
    """Return for each line the players whom it names (find_imported_players.sql)."""
    return await connection.fetch(
        FIND_IMPORTED_PLAYERS,
        [line.user_id for line in lines],
        [line.external_id for line in lines],
        [line.username for line in lines],
        [line.joined_at if isinstance(line, PlayerLine) else line.submitted_at for line in lines],
    )


async def _compare_players(
    connection: Connection, players: dict[int, PlayerLine], outcomes: dict[int, Outcome]
) -> None:
    """Take those lines out whose player is there, is another one here, or is of the future."""
    found = await _find_players(connection, [*players.values()])
    for (index, line), row in zip([*players.items()], found, strict=True):
        if row["is_future"]:
            outcomes[index] = LineRefused("joined_at", _TIME)
        elif row["user_id"] is not None:
            outcomes[index] = _find_difference(line, row) or Done.PRESENT
        else:
            continue
        del players[index]


async def _make_players(
    connection: Connection, players: dict[int, PlayerLine], outcomes: dict[int, Outcome]
) -> None:
    """Make players, and take those lines out that made one."""
    rows = await connection.fetch(
        IMPORT_PLAYERS,
        [line.username for line in players.values()],
        [line.external_id for line in players.values()],
        [line.user_id for line in players.values()],
        [line.joined_at for line in players.values()],
        [line.state or "active" for line in players.values()],
        [line.state_until for line in players.values()],
    )
    if not rows:
        return
    await connection.execute(ADVANCE_PLAYER_IDS, max(row["user_id"] for row in rows))
    new = {row["username"]: row for row in rows}
    for index, line in [*players.items()]:
        row = new.get(line.username)
        # Of two lines that are the same, the first made the player.
        if (
            row is not None
            and line.external_id == row["external_id"]
            and line.user_id in {None, row["user_id"]}
        ):
            outcomes[index] = Done.IMPORTED
            del new[line.username], players[index]


def _find_session_fault(line: SessionLine, row: asyncpg.Record) -> InvalidRequest | None:
    if row["is_future"]:
        return LineRefused("submitted_at", _TIME)
    fault = _find_difference(line, row)
    if fault is None and row["is_deleted"] and not _is_anonymous(line):
        return _refuse_player(line)
    return fault


def _is_anonymous(line: SessionLine) -> bool:
    """Tell whether a line has nothing but the score of a player who was deleted, as exported."""
    # The name, which is the player's, is known after the deletion only.
    return (
        line.username is not None
        and line.metadata is None
        and line.idempotency_key.startswith(_GIVEN_KEY)
    )


def _refuse_player(line: SessionLine) -> LineRefused:
    field = "username" if line.user_id is None else "user_id"
    return LineRefused(field, "Nobody has this", PlayerNotFound.message, PlayerNotFound.code)


def _find_difference(line: PlayerLine | SessionLine, row: asyncpg.Record) -> InvalidRequest | None:
    """Return why the players are not one whom a line names by id, external id and name."""
    for name in ("user_id", "external_id", "username"):
        if getattr(line, name) is None:
            continue
        user_id = row[f"id_of_{name}"]
        if user_id is None and row["user_id"] is None:
            return LineRefused(name, "Nobody has this", PlayerNotFound.message, PlayerNotFound.code)
        if user_id != row["user_id"]:
            whose = "Nobody" if user_id is None else f"The user_id {user_id}"
            fault = f"{whose} has this, while another field is of the user_id {row['user_id']}"
            told = "The line names more than one player."
            return LineRefused(name, fault, told, "player_differs")
    return None


async def _compare_sessions(
    connection: Connection, sessions: dict[int, SessionLine], outcomes: dict[int, Outcome]
) -> None:
    """Take those lines out whose session is there, or whose key is another session's.

    All name their player by `user_id` by now.
    """
    if not sessions:
        return
    found = await connection.fetch(
        FIND_IMPORTED_SESSIONS,
        [line.user_id for line in sessions.values()],
        [line.idempotency_key for line in sessions.values()],
        [line.session_id for line in sessions.values()],
        [_write_metadata(line) for line in sessions.values()],
    )
    for (index, line), row in zip([*sessions.items()], found, strict=True):
        stored = row["score"], row["game_mode"], row["submitted_at"]
        given = line.score, line.game_mode or DEFAULT_MODE, line.submitted_at
        if row["has_same_metadata"] and stored == given:
            outcomes[index] = Done.PRESENT
        elif row["has_key"]:
            outcomes[index] = LineRefused(
                "idempotency_key",
                "This player has another session with this key",
                "The key is that of another session.",
                IdempotencyKeyReused.code,
            )
        else:
            # Nothing is there, or a session that has this id by chance.
            continue
        del sessions[index]


async def _record_sessions(
    connection: Connection, sessions: dict[int, SessionLine], outcomes: dict[int, Outcome]
) -> None:
    """Write lines to the ledger, and take those out that were new."""
    if not sessions:
        return
    rows = await connection.fetch(
        IMPORT_SESSIONS,
        [line.user_id for line in sessions.values()],
        [line.score for line in sessions.values()],
        [line.game_mode or DEFAULT_MODE for line in sessions.values()],
        [line.submitted_at for line in sessions.values()],
        [line.idempotency_key for line in sessions.values()],
        [_write_metadata(line) for line in sessions.values()],
        [line.revoked_at for line in sessions.values()],
    )
    new = {(row["user_id"], row["idempotency_key"]) for row in rows}
    for index, line in [*sessions.items()]:
        key = (line.user_id, line.idempotency_key)
        # Of two lines with one key, the first was written.
        if key in new:
            new.remove(key)
            outcomes[index] = Done.IMPORTED
            del sessions[index]
