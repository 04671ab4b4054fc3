"""Registering players and looking them up."""

from collections.abc import Sequence
from typing import Final

from service.backends.database import Connection, Database, load_sql
from service.backends.replica import LaggingReads
from service.players.errors import PlayerNotFound, UsernameTaken
from service.players.schemas import PlayerAnswer, PlayerSession, PlayerSessions

REGISTER_PLAYER: Final = load_sql("players", "register_player")
FIND_PLAYER: Final = load_sql("players", "find_player")
FIND_PLAYER_BY_USERNAME: Final = load_sql("players", "find_player_by_username")
FIND_USERNAMES: Final = load_sql("players", "find_usernames")
LIST_PLAYER_SESSIONS: Final = load_sql("players", "list_player_sessions")


async def register_player(database: Database, username: str) -> PlayerAnswer:
    """Make a player with a name that is still free; raises `UsernameTaken`."""
    row = await database.fetch_one(REGISTER_PLAYER, username)
    if row is None:
        raise UsernameTaken(username)
    return PlayerAnswer(**row)


async def find_player(reads: LaggingReads, user_id: int) -> PlayerAnswer:
    """Return a player by id; raises `PlayerNotFound`."""
    row = await reads.read(lambda database: database.fetch_one(FIND_PLAYER, user_id))
    if row is None:
        raise PlayerNotFound
    return PlayerAnswer(**row)


async def find_player_by_username(reads: LaggingReads, username: str) -> PlayerAnswer:
    """Return a player by exact name; raises `PlayerNotFound`."""
    row = await reads.read(lambda database: database.fetch_one(FIND_PLAYER_BY_USERNAME, username))
    if row is None:
        raise PlayerNotFound
    return PlayerAnswer(**row)


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
