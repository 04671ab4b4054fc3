"""Why a score counts or not, and why a rank is what it is."""

from typing import Any, Final

import asyncpg
import msgspec

from service.backends.database import Database, load_sql
from service.boards.finder import Season
from service.boards.schemas import describe_rule
from service.moderation.schemas import (
    BoardVerdict,
    CountedSession,
    Evidence,
    Explanation,
    IndexEvidence,
    SessionAnswer,
)
from service.players.errors import PlayerNotFound
from service.standings.board_schemas import SeasonFacts, list_entries
from service.standings.errors import SessionNotFound
from service.standings.reads.ranks import RankReader

JUDGE_SESSION: Final = load_sql("moderation", "judge_session")
EXPLAIN_STANDING: Final = load_sql("moderation", "explain_standing")
LIST_COUNTED_SESSIONS: Final = load_sql("moderation", "list_counted_sessions")

_SESSIONS: Final = 100

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


async def read_session(database: Database, session_id: int) -> SessionAnswer:
    """Return a session and what became of it on each board; raises `SessionNotFound`."""
    rows = await database.fetch(JUDGE_SESSION, session_id)
    if not rows:
        raise SessionNotFound
    session = rows[0]
    return SessionAnswer(
        session_id=session["session_id"],
        user_id=session["player_id"],
        score=session["score"],
        game_mode=session["game_mode"],
        submitted_at=session["submitted_at"],
        metadata=session["metadata"] and _decode(session["metadata"]),
        boards=[
            BoardVerdict(row["slug"], row["number"], row["verdict"])
            for row in rows
            if row["slug"] is not None
        ],
    )


async def explain_rank(
    database: Database,
    rank_reader: RankReader,
    season: Season,
    user_id: int,
    before: int | None,
) -> Explanation:
    """Return what makes a player's rank in a season, with the sessions listed behind `before`.

    Raises `PlayerNotFound`.
    """
    row = await database.fetch_one(EXPLAIN_STANDING, season.season_id, user_id)
    if row is None:
        raise PlayerNotFound
    # One more than are shown, to know whether there are others.
    sessions = await database.fetch(
        LIST_COUNTED_SESSIONS, season.season_id, user_id, _SESSIONS + 1, before
    )
    ranks = await rank_reader.read_ranks(season, [user_id])
    around = await rank_reader.read_around(season, user_id, 1)
    entries = list_entries(season, around, {})
    places = [entry.user_id for entry in entries]
    at = places.index(user_id) if user_id in places else None
    own = None if at is None else entries[at]
    return Explanation(
        board=season.slug,
        season=SeasonFacts.of(season),
        rule=describe_rule(season.rule),
        user_id=user_id,
        username=row["username"],
        state=row["state"],
        until=row["state_until"],
        score=own.score if own else None,
        score_text=own.score_text if own else None,
        rank=own.rank if own else None,
        players=around.players,
        above=entries[at - 1] if at else None,
        below=entries[at + 1] if at is not None and at + 1 < len(entries) else None,
        sessions=[
            CountedSession(
                one["session_id"],
                one["score"],
                season.rule.score_format.write(one["score"]),
                one["submitted_at"],
            )
            for one in sessions[:_SESSIONS]
        ],
        next_before=sessions[_SESSIONS - 1]["session_id"] if len(sessions) > _SESSIONS else None,
        ledger=_read_evidence(row, "ledger"),
        standing=_read_evidence(row, "standing"),
        index=IndexEvidence(ranks[0].total_score, ranks[0].rank or 0) if ranks else None,
        stored_rank=row["stored_rank"],
        pending=row["pending"],
        changing=row["is_changing"],
        saturated=own is not None and own.saturated,
    )


def _read_evidence(row: asyncpg.Record, source: str) -> Evidence | None:
    if row[f"{source}_score"] is None:
        return None
    return Evidence(
        score=row[f"{source}_score"],
        sessions=row[f"{source}_sessions"],
        session_id=row[f"{source}_session_id"],
        reached_at=row[f"{source}_reached_at"],
    )
