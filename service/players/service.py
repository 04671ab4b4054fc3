"""Registering players and looking them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from service.backends.database import Connection, Database, load_sql
from service.backends.replica import LaggingReads
from service.errors import ServiceError
from service.players.errors import ExternalIdTaken, PlayerNotFound, UsernameTaken
from service.players.names import check_external_id, clean_new_username
from service.players.schemas import (
    PlayerAnswer,
    PlayerSession,
    PlayerSessions,
    PlayersFound,
    RegisterPlayer,
)

FIND_HIGHEST_PLAYER: Final = load_sql("players", "find_highest_player")
LOCK_PLAYERS: Final = load_sql("players", "lock_players")
LOCK_REGISTRATIONS: Final = load_sql("players", "lock_registrations")
REGISTER_PLAYERS: Final = load_sql("players", "register_players")
FIND_REGISTERED: Final = load_sql("players", "find_registered")
FIND_PLAYER: Final = load_sql("players", "find_player")
FIND_PLAYER_BY_USERNAME: Final = load_sql("players", "find_player_by_username")
FIND_PLAYER_BY_EXTERNAL_ID: Final = load_sql("players", "find_player_by_external_id")
FIND_USER_IDS: Final = load_sql("players", "find_user_ids")
FIND_USERNAMES: Final = load_sql("players", "find_usernames")
LIST_PLAYER_SESSIONS: Final = load_sql("players", "list_player_sessions")
LIST_NAMES_THAT_BEGIN: Final = load_sql("players", "list_names_that_begin")
HAS_TRIGRAM: Final = load_sql("players", "has_trigram")
LIST_FIRST_PLAYERS: Final = load_sql("players", "list_first_players")
LIST_NAMES_WITH_PART: Final = load_sql("players", "list_names_with_part")

ALONG_INDEX: Final = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_sort = off;
"""
"""For a list that ends early, by the index that has its order, whatever the statistics say."""

BY_LETTERS: Final = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_bitmapscan = on;
    SET LOCAL enable_sort = on;
    SET LOCAL max_parallel_workers_per_gather = 0;
"""
"""For whoever has some letters in the name: by their index, in one process."""

_WILDCARDS: Final = str.maketrans({character: f"\\{character}" for character in "\\%_"})


@dataclass(frozen=True, slots=True)
class Registration:
    """A player to be, with a name as it is kept."""

    username: str
    external_id: str | None

    @classmethod
    def of(cls, player: RegisterPlayer) -> "Registration":
        """Return a player as the API takes one; raises `InvalidRequest` or `UsernameReserved`."""
        username = clean_new_username(player.username)
        if player.external_id is None:
            return cls(username, None)
        return cls(username, check_external_id(player.external_id))


@dataclass(frozen=True, slots=True)
class Registered:
    """A player who is registered, and whether that is new."""

    player: PlayerAnswer
    created: bool


async def register_player(database: Database, registration: Registration) -> Registered:
    """Make a player, or find the one with this name and this external id.

    Raises `UsernameTaken` or `ExternalIdTaken`.
    """
    (outcome,) = await register_players(database, [registration])
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


async def register_players(
    database: Database, registrations: Sequence[Registration]
) -> list[Registered | ServiceError]:
    """Make players, or find them; return for each what `register_player` returns or raises.

    They share one commit.
    """
    usernames = [registration.username for registration in registrations]
    external_ids = [registration.external_id for registration in registrations]
    async with database.transaction() as connection:
        if len(registrations) > 1:
            await connection.execute(LOCK_REGISTRATIONS)
        rows = await connection.fetch(REGISTER_PLAYERS, usernames, external_ids)
    new = {Registration(row["username"], row["external_id"]): row for row in rows}
    outcomes: dict[int, Registered | ServiceError] = {}
    for line, registration in enumerate(registrations):
        # Of two lines that are the same, the first made the player.
        if row := new.pop(registration, None):
            outcomes[line] = Registered(PlayerAnswer(**row), created=True)
    left = [line for line in range(len(registrations)) if line not in outcomes]
    if left:
        rows = await database.fetch(
            FIND_REGISTERED,
            [usernames[line] for line in left],
            [external_ids[line] for line in left],
        )
        for line, row in zip(left, rows, strict=True):
            outcomes[line] = _compare(registrations[line], row)
    return [outcomes[line] for line in range(len(registrations))]


def _compare(wanted: Registration, found: asyncpg.Record) -> Registered | ServiceError:
    """Return what a registration is answered that met a player."""
    if wanted.external_id is None or found["external_id"] != wanted.external_id:
        # Also where that player was deleted since: the name was taken when it was asked for.
        return UsernameTaken(wanted.username)
    if found["username"] != wanted.username:
        return ExternalIdTaken(wanted.external_id, found["user_id"])
    return Registered(PlayerAnswer(**found), created=False)


async def find_player(reads: LaggingReads, user_id: int) -> PlayerAnswer:
    """Return a player by id; raises `PlayerNotFound`."""
    return await _find(reads, FIND_PLAYER, user_id)


async def find_player_by_username(reads: LaggingReads, username: str) -> PlayerAnswer:
    """Return a player by exact name; raises `PlayerNotFound`."""
    return await _find(reads, FIND_PLAYER_BY_USERNAME, username)


async def find_player_by_external_id(reads: LaggingReads, external_id: str) -> PlayerAnswer:
    """Return a player by the caller's own id; raises `PlayerNotFound`."""
    return await _find(reads, FIND_PLAYER_BY_EXTERNAL_ID, external_id)


async def _find(reads: LaggingReads, statement: str, wanted: int | str) -> PlayerAnswer:
    row = await reads.read(lambda database: database.fetch_one(statement, wanted))
    if row is None:
        raise PlayerNotFound
    return PlayerAnswer(**row)


async def search_players(
    reads: LaggingReads, part: str, *, sees_hidden: bool, limit: int
) -> PlayersFound:
    """Return up to `limit` players with some letters in their names (.github/decisions/names.md).

    Who is hidden is found by the whole name only, as in a look-up, unless `sees_hidden`. Raises
    `DatabaseUnavailable` or `QueueFull`.
    """

    async def ask(database: Database) -> PlayersFound | None:
        # One more than asked for, to know whether there are others.
        rows = await _list_players(database, part, sees_hidden=sees_hidden, wanted=limit + 1)
        if not rows and database is not reads.primary:
            return None
        return PlayersFound(
            players=[PlayerAnswer(**row) for row in rows[:limit]],
            more=len(rows) > limit,
            stale=database is not reads.primary,
        )

    found = await reads.read_at_length(ask)
    assert found is not None, "the primary always answers"
    return found


async def _list_players(
    database: Database, part: str, *, sees_hidden: bool, wanted: int
) -> list[asyncpg.Record]:
    """List players in three stages, each only where those before found too few.

    What many names have, some of the first ten thousand have; so the last stage, which collects
    whoever has the letters before it lists any, is left with letters that few have.
    """
    pattern = part.translate(_WILDCARDS)
    async with database.transaction() as connection:
        await connection.execute(ALONG_INDEX)
        found = await connection.fetch(LIST_NAMES_THAT_BEGIN, part, sees_hidden, wanted)
        if len(found) == wanted or not await connection.fetchval(HAS_TRIGRAM, part):
            return found
        for statement, settings in (
            (LIST_FIRST_PLAYERS, ALONG_INDEX),
            (LIST_NAMES_WITH_PART, BY_LETTERS),
        ):
            if len(found) < wanted:
                await connection.execute(settings)
                ids = [row["user_id"] for row in found]
                left = wanted - len(found)
                found += await connection.fetch(statement, pattern, sees_hidden, ids, left)
    return found


async def find_user_ids(
    database: "Database | Connection", external_ids: Sequence[str | None]
) -> list[int | None]:
    """Return the ids of players by their external ids; None where nobody has one."""
    return [row["user_id"] for row in await database.fetch(FIND_USER_IDS, external_ids)]


async def find_usernames(
    database: "Database | Connection", user_ids: Sequence[int]
) -> dict[int, str]:
    """Return the names of players, all of whom exist, by their ids."""
    rows = await database.fetch(FIND_USERNAMES, user_ids)
    return {user_id: row["username"] for user_id, row in zip(user_ids, rows, strict=True)}


async def list_player_sessions(
    reads: LaggingReads, user_id: int, *, before: int, limit: int
) -> PlayerSessions:
    """Return up to `limit` sessions older than session `before`; raises `PlayerNotFound`."""

    async def ask(database: Database) -> PlayerSessions | None:
        # One more than asked for, to know whether there are older ones.
        rows = await database.fetch(LIST_PLAYER_SESSIONS, user_id, before, limit + 1)
        if not rows:
            return None
        sessions = [PlayerSession(**row) for row in rows[:limit]]
        return PlayerSessions(
            sessions=sessions,
            next_before=sessions[-1].session_id if len(rows) > limit else None,
            stale=database is not reads.primary,
        )

    found = await reads.read(ask)
    if found is None:
        await find_player(reads, user_id)
        return PlayerSessions(sessions=[], next_before=None)
    return found
