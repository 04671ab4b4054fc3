"""What moderators do: each act with its reason in the log, in the transaction of the act itself."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import asyncpg
import msgspec
from msgspec import UNSET

from service.backends.database import Connection, Database, load_sql
from service.backends.refresh_signal import RefreshSignal
from service.boards.seasons import read_season_answer, wait_for_writers
from service.errors import DatabaseUnavailable, refuse_body
from service.moderation.errors import SeasonNotClosed, SessionNotTheirs
from service.moderation.schemas import (
    MOST_SESSIONS,
    ChangedEntry,
    ChangePlayer,
    ChangeState,
    CorrectedEntry,
    CorrectedSeason,
    DeletionPreview,
    LogEntry,
    MarkedSession,
    MarkedSessions,
    MarkSessions,
    ModerationLogAnswer,
    StateAnswer,
)
from service.players.errors import ExternalIdTaken, PlayerNotFound, UsernameTaken
from service.players.names import check_external_id, clean_new_username
from service.players.schemas import PlayerAnswer
from service.players.service import find_user_ids
from service.seasons.closing import correct_season, find_last_session, hold_closed_seasons
from service.standings.errors import SessionNotFound
from service.validation import FIRST_MOMENT, LAST_MOMENT, MAX_ID

FIND_SESSION: Final = load_sql("moderation", "find_session")
LIST_SESSIONS_NAMED: Final = load_sql("moderation", "list_sessions_named")
LIST_SESSIONS_SINCE: Final = load_sql("moderation", "list_sessions_since")
MARK_SESSIONS: Final = load_sql("moderation", "mark_sessions")
PREVIEW_STANDINGS: Final = load_sql("moderation", "preview_standings")
NOTE_CHANGE: Final = load_sql("moderation", "note_change")
LOG_ACTION: Final = load_sql("moderation", "log_action")
LIST_LOG: Final = load_sql("moderation", "list_log")
LOCK_PLAYER: Final = load_sql("moderation", "lock_player")
CHANGE_STATE: Final = load_sql("moderation", "change_state")
END_STATES: Final = load_sql("moderation", "end_states")
CHANGE_EXTERNAL_ID: Final = load_sql("moderation", "change_external_id")
RENAME_PLAYER: Final = load_sql("moderation", "rename_player")
FIND_CLOSED_SEASON: Final = load_sql("moderation", "find_closed_season")
ERASE_FROM_LOG: Final = load_sql("moderation", "erase_from_log")
ERASE_FROM_SESSIONS: Final = load_sql("moderation", "erase_from_sessions")
FOLLOW_DELETIONS: Final = load_sql("moderation", "follow_deletions")
END_DELETIONS: Final = load_sql("moderation", "end_deletions")
FORGET_PLAYER: Final = load_sql("moderation", "forget_player")
LIST_FINAL_RANKS: Final = load_sql("moderation", "list_final_ranks")

Mark = Literal["revoke", "restore"]
Order = Literal["oldest", "newest"]

# A player may have a hundred thousand sessions; a moderator waits for all of them at once.
_STATEMENT_SECONDS: Final = 60.0
_MOST_CORRECTED: Final = 100

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, by the name of their key, and why."""

    key_name: str | None
    reason: str


class _Preview(Exception):
    """Nothing was to be done: ends a transaction, and undoes it."""


@asynccontextmanager
async def _undo_if(
    transaction: AbstractAsyncContextManager[Connection], *, dry_run: bool | None
) -> AsyncIterator[Connection]:
    """Hold a transaction, which is undone at its end where it was only to be looked at."""
    with suppress(_Preview):
        async with transaction as connection:
            yield connection
            if dry_run:
                raise _Preview


class Moderation:
    """Changes what counts of the ledger, and who stands.

    What that makes of the standings is left to the workers: they are woken, and make the standings
    of the player again before they fold anything else. Every method raises `DatabaseUnavailable`.
    """

    def __init__(self, database: Database, refresh_signal: RefreshSignal) -> None:
        self._database = database
        self._refresh_signal = refresh_signal

    @asynccontextmanager
    async def _transaction(self, *, dry_run: bool | None = False) -> AsyncIterator[Connection]:
        """Change a player and wake the workers, or only look."""
        async with _undo_if(self._database.transaction(), dry_run=dry_run) as connection:
            yield connection
        if not dry_run:
            self._refresh_signal.raise_soon()

    async def mark_session(self, session_id: int, mark: Mark, act: Act) -> MarkedSession:
        """Revoke a session, or have it count again; raises `SessionNotFound`.

        One that is as wanted stays so, without an entry in the log.
        """
        async with self._transaction() as connection:
            row = await connection.fetchrow(FIND_SESSION, session_id)
            if row is None:
                raise SessionNotFound
            player_id = row["user_id"]
            if await connection.fetch(MARK_SESSIONS, player_id, [session_id], mark == "revoke"):
                await connection.fetch(NOTE_CHANGE, player_id)
                await _log(connection, act, mark, player_id=player_id, session_id=session_id)
                row = await connection.fetchrow(FIND_SESSION, session_id)
                assert row is not None
        return MarkedSession(**row)

    async def mark_sessions(
        self, player_id: int, wanted: MarkSessions, mark: Mark, act: Act
    ) -> MarkedSessions:
        """Revoke up to 10,000 sessions of a player or have them count again, or look what would be.

        Those named that are as wanted stay so, and are not counted. Raises `PlayerNotFound`,
        `InvalidRequest`, or `SessionNotTheirs` where one of those named is not the player's.
        """
        if wanted.since and not FIRST_MOMENT <= wanted.since <= LAST_MOMENT:
            raise refuse_body("since", "Expected a time of the years 1 to 9999 in UTC")
        answer = MarkedSessions(player_id, 0, more=False)
        async with self._transaction(dry_run=wanted.dry_run) as connection:
            await _lock_player(connection, player_id)
            found = await _find_sessions(connection, player_id, wanted, mark)
            session_ids = found[:MOST_SESSIONS]
            await connection.fetch(
                MARK_SESSIONS,
                player_id,
                session_ids,
                mark == "revoke",
                timeout=_STATEMENT_SECONDS,
            )
            answer = MarkedSessions(player_id, len(session_ids), more=len(found) > len(session_ids))
            if wanted.dry_run:
                boards = await _preview_standings(connection, player_id)
                answer = msgspec.structs.replace(answer, boards=boards)
            elif session_ids:
                await connection.fetch(NOTE_CHANGE, player_id)
                await _log(
                    connection,
                    act,
                    f"{mark}_many",
                    player_id=player_id,
                    since=wanted.since,
                    sessions=len(session_ids),
                    session_ids=session_ids,
                )
        return answer

    async def change_state(self, player_id: int, wanted: ChangeState, act: Act) -> StateAnswer:
        """Give a player a state, or look what would be.

        Raises `PlayerNotFound` or `InvalidRequest`.
        """
        if wanted.until is not None:
            if wanted.state == "active":
                raise refuse_body("until", "Expected no time: `active` does not end by itself")
            if not datetime.now(UTC) < wanted.until <= LAST_MOMENT:
                raise refuse_body("until", "Expected a time in the future, up to the year 9999")
        answer = StateAnswer(player_id, wanted.state, wanted.until)
        async with self._transaction(dry_run=wanted.dry_run) as connection:
            before = await _lock_player(connection, player_id)
            if (before["state"], before["state_until"]) != (wanted.state, wanted.until):
                await connection.fetch(CHANGE_STATE, player_id, wanted.state, wanted.until)
                await connection.fetch(NOTE_CHANGE, player_id)
                await _log(
                    connection,
                    act,
                    "state",
                    player_id=player_id,
                    before=before["state"],
                    after=wanted.state,
                    until=wanted.until,
                )
            if wanted.dry_run:
                boards = await _preview_standings(connection, player_id)
                answer = msgspec.structs.replace(answer, boards=boards)
        return answer

    async def change_player(self, player_id: int, wanted: ChangePlayer, act: Act) -> PlayerAnswer:
        """Give a player another name or external id, or look whether that is possible.

        Raises `PlayerNotFound`, `UsernameTaken`, `UsernameReserved`, `ExternalIdTaken` or
        `InvalidRequest`.
        """
        if wanted.username is None and wanted.external_id is UNSET:
            raise refuse_body("username", "Expected `username` or `external_id`")
        cleaned = None if wanted.username is None else clean_new_username(wanted.username)
        external_id = wanted.external_id
        if isinstance(external_id, str):
            check_external_id(external_id)
        async with self._transaction(dry_run=wanted.dry_run) as connection:
            before = await _lock_player(connection, player_id)
            if cleaned not in (None, before["username"]):
                try:
                    await connection.fetch(RENAME_PLAYER, player_id, cleaned)
                except asyncpg.UniqueViolationError as error:
                    raise UsernameTaken(cleaned) from error
                await connection.fetch(NOTE_CHANGE, player_id)
                await _log(
                    connection,
                    act,
                    "rename",
                    player_id=player_id,
                    username_before=before["username"],
                    username=cleaned,
                )
            if external_id not in (UNSET, before["external_id"]):
                await _change_external_id(connection, player_id, external_id)
                await _log(
                    connection,
                    act,
                    "external_id",
                    player_id=player_id,
                    external_id_before=before["external_id"],
                    external_id=external_id,
                )
        return PlayerAnswer(
            player_id,
            cleaned or before["username"],
            before["joined_at"],
            before["external_id"] if external_id is UNSET else external_id,
        )

    async def delete(
        self, player_id: int, act: Act, *, with_scores: bool, dry_run: bool = False
    ) -> DeletionPreview | None:
        """Erase who a player was, for good, or return what would be; raises `PlayerNotFound`.

        Nothing of that person may come back, so the entry in the log is written first: what it says
        is erased with the rest. A submit that is under way may have found the player and commit
        what has to be erased only afterwards. It is waited for, for a second; what takes longer the
        workers erase, within a minute of its end.
        """
        preview = None
        async with self._transaction(dry_run=dry_run) as connection:
            await _lock_player(connection, player_id)
            if dry_run:
                # Submits would wait for a row whose name is changed: to look, the state is enough.
                if with_scores:
                    await connection.fetch(CHANGE_STATE, player_id, "banned", None)
                boards = await _preview_standings(connection, player_id)
                preview = DeletionPreview(player_id, f"deleted-{player_id}", boards)
            else:
                scores = "revoke" if with_scores else "keep"
                await _log(connection, act, "delete", player_id=player_id, scores=scores)
                await connection.fetch(ERASE_FROM_LOG, player_id, timeout=_STATEMENT_SECONDS)
                await connection.fetch(ERASE_FROM_SESSIONS, [player_id], timeout=_STATEMENT_SECONDS)
                await connection.fetch(NOTE_CHANGE, player_id)
                await connection.fetch(FORGET_PLAYER, player_id, with_scores)
        if not dry_run:
            # Done and noted: nobody need try again what is left, and can not.
            with suppress(DatabaseUnavailable):
                await wait_for_writers(self._database)
                await finish_deletions(self._database)
        return preview

    async def correct_season(
        self, slug: str, number: int, act: Act, *, dry_run: bool = False
    ) -> CorrectedSeason:
        """Make the result of a closed season again without what does not count by now, or look.

        Raises `BoardNotFound`, `SeasonNotFound`, `SeasonNotClosed`, `WriterBusy` or `LedgerBusy`.
        """
        await read_season_answer(self._database, slug, number)
        last_session_id = await find_last_session(self._database)
        async with _undo_if(hold_closed_seasons(self._database), dry_run=dry_run) as connection:
            row = await connection.fetchrow(FIND_CLOSED_SEASON, slug, number)
            if row is None:
                raise SeasonNotClosed(slug, number)
            season_id = row["season_id"]
            changed = await correct_season(connection, season_id, last_session_id)
            await _log(
                connection,
                act,
                "correct",
                season_id=season_id,
                revision=row["revision"] + 1,
                changes=[
                    {
                        "user_id": change["player_id"],
                        "score_before": change["score_before"],
                        "score_after": change["score_after"],
                    }
                    for change in changed
                ],
            )
            season = msgspec.structs.asdict(await read_season_answer(connection, slug, number))
            answer = CorrectedSeason(**season)
            if dry_run:
                entries = await _list_corrected(connection, season_id, changed)
                answer = CorrectedSeason(**season, changes=len(changed), entries=entries)
        return answer

    async def list_log(self, after: int, limit: int, order: Order) -> ModerationLogAnswer:
        """Return up to `limit` entries of the log that come after one of them in that order."""
        is_newest = order == "newest"
        start = after or MAX_ID if is_newest else after
        rows = await self._database.fetch(LIST_LOG, start, limit + 1, is_newest)
        return ModerationLogAnswer(
            entries=[
                LogEntry(**{**row, "details": _decode(row["details"])}) for row in rows[:limit]
            ],
            next=rows[limit - 1]["id"] if len(rows) > limit else None,
        )


async def finish_deletions(database: Database) -> None:
    """Erase what was under way when its player was deleted; raises `DatabaseUnavailable`.

    A player is done with once nobody is left who may not know of the deletion.
    """
    # Looked for before it is erased: who is done by then has committed.
    rows = await database.fetch(FOLLOW_DELETIONS)
    if not rows:
        return
    async with database.connect() as connection:
        player_ids = [row["player_id"] for row in rows]
        await connection.fetch(ERASE_FROM_SESSIONS, player_ids, timeout=_STATEMENT_SECONDS)
        complete = [row["player_id"] for row in rows if row["is_complete"]]
        await connection.fetch(END_DELETIONS, complete)


async def end_states(database: Database) -> None:
    """Make those players active again whose state is over; their standings come next."""
    await database.fetch(END_STATES)


async def _lock_player(connection: Connection, player_id: int) -> asyncpg.Record:
    row = await connection.fetchrow(LOCK_PLAYER, player_id)
    if row is None:
        raise PlayerNotFound
    return row


async def _change_external_id(
    connection: Connection, player_id: int, external_id: str | None
) -> None:
    if external_id is not None:
        (owner,) = await find_user_ids(connection, [external_id])
        if owner is not None:
            raise ExternalIdTaken(external_id, owner)
    try:
        await connection.fetch(CHANGE_EXTERNAL_ID, player_id, external_id)
    except asyncpg.UniqueViolationError as error:
        # Between the two statements: the next attempt is told whose it is.
        raise DatabaseUnavailable("another player was given this external id") from error


async def _find_sessions(
    connection: Connection, player_id: int, wanted: MarkSessions, mark: Mark
) -> list[int]:
    """Return those wanted that are to be marked, of those since a time up to one more than may."""
    is_revoked = mark == "restore"
    if wanted.session_ids is None:
        rows = await connection.fetch(
            LIST_SESSIONS_SINCE, player_id, wanted.since, is_revoked, MOST_SESSIONS + 1
        )
        return [row["id"] for row in rows]
    named = set(wanted.session_ids)
    rows = await connection.fetch(
        LIST_SESSIONS_NAMED, player_id, list(named), wanted.since, is_revoked
    )
    not_theirs = named - {row["id"] for row in rows}
    if not_theirs:
        raise SessionNotTheirs(min(not_theirs))
    return [row["id"] for row in rows if row["is_wanted"]]


async def _preview_standings(connection: Connection, player_id: int) -> list[ChangedEntry]:
    rows = await connection.fetch(PREVIEW_STANDINGS, player_id, timeout=_STATEMENT_SECONDS)
    return [ChangedEntry(**row) for row in rows]


async def _list_corrected(
    connection: Connection, season_id: int, changed: list[asyncpg.Record]
) -> list[CorrectedEntry]:
    """Return the foremost of the entries of a season that was just corrected."""
    players = [change["player_id"] for change in changed]
    rows = await connection.fetch(LIST_FINAL_RANKS, season_id, players, timeout=_STATEMENT_SECONDS)
    ranks = {row["player_id"]: row["rank"] for row in rows}
    entries = [
        CorrectedEntry(
            user_id=change["player_id"],
            score_before=change["score_before"],
            rank_before=change["rank_before"],
            score_after=change["score_after"],
            rank_after=ranks.get(change["player_id"]),
        )
        for change in changed
    ]
    entries.sort(key=lambda entry: min(entry.rank_before or MAX_ID, entry.rank_after or MAX_ID))
    return entries[:_MOST_CORRECTED]


async def _log(
    connection: Connection,
    act: Act,
    action: str,
    *,
    player_id: int | None = None,
    session_id: int | None = None,
    season_id: int | None = None,
    **details: object,
) -> None:
    await connection.fetch(
        LOG_ACTION,
        act.key_name,
        action,
        player_id,
        session_id,
        season_id,
        act.reason,
        _encode(details).decode(),
    )
