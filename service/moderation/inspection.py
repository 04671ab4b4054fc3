"""Why a score counts or not, and why a rank is what it is."""

from datetime import datetime
from typing import Any, Final, Literal

import asyncpg
import msgspec

from service.backends.database import Database, load_sql
from service.boards.finder import Season
from service.boards.schemas import describe_rule
from service.http.examples import NOW, THEN
from service.moderation.errors import SessionNotFound
from service.moderation.schemas import State
from service.players.errors import PlayerNotFound
from service.standings.board_schemas import BoardEntry, SeasonFacts, list_entries
from service.standings.reads.ranks import RankReader

JUDGE_SESSION: Final = load_sql("moderation", "judge_session")
EXPLAIN_STANDING: Final = load_sql("moderation", "explain_standing")
LIST_COUNTED_SESSIONS: Final = load_sql("moderation", "list_counted_sessions")

_SESSIONS: Final = 100

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

Verdict = Literal[
    "improved", "kept", "out_of_bounds", "other_mode", "late", "revoked", "banned", "pending"
]


class BoardVerdict(msgspec.Struct, frozen=True):
    """What became of a session on a board: `improved` where it makes the standing now."""

    board: str
    season: int
    verdict: Verdict


class SessionAnswer(msgspec.Struct, frozen=True):
    """A session, and what became of it on the boards that had a season at its time."""

    session_id: int
    user_id: int
    score: int
    game_mode: str
    submitted_at: datetime
    metadata: dict[str, Any] | None
    boards: list[BoardVerdict]

    @classmethod
    def example(cls) -> "SessionAnswer":
        """Return what the documentation shows."""
        verdict = BoardVerdict("global", 1, "improved")
        return cls(1, 1, 1_200, "solo", THEN, None, [verdict])


class CountedSession(msgspec.Struct, frozen=True):
    """A session that counts in the season."""

    session_id: int
    score: int
    score_text: str
    submitted_at: datetime


class Evidence(msgspec.Struct, frozen=True):
    """A standing, as the ledger makes it or as it is stored; `sessions` is there for sums."""

    score: int
    sessions: int | None
    session_id: int | None
    reached_at: datetime


class IndexEvidence(msgspec.Struct, frozen=True):
    """What reads show: of Redis or, while that is away, of PostgreSQL."""

    score: int
    rank: int


class Explanation(msgspec.Struct, frozen=True):
    """Why a player's rank is what it is.

    `sessions` are those that count, up to 100, `more` where there are others: of `sum` all make the
    standing, of `best` and `latest` the first one does. `pending` sessions are not folded yet;
    `changing`: the standing is about to be made again, and `ledger`, `standing`, `index` and
    `stored_rank`, which is of the last re-rank, may differ until then.
    """

    board: str
    season: SeasonFacts
    rule: dict[str, Any]
    user_id: int
    username: str
    state: State
    until: datetime | None
    score: int | None
    score_text: str | None
    rank: int | None
    players: int
    above: BoardEntry | None
    below: BoardEntry | None
    sessions: list[CountedSession]
    more: bool
    ledger: Evidence | None
    standing: Evidence | None
    index: IndexEvidence | None
    stored_rank: int | None
    pending: int
    changing: bool

    @classmethod
    def example(cls) -> "Explanation":
        """Return what the documentation shows."""
        evidence = Evidence(83_456, None, 1, THEN)
        return cls(
            board="weekly-laps",
            season=SeasonFacts(7, "open", 1, THEN, None),
            rule={"operator": "best", "direction": "low"},
            user_id=2,
            username="grace",
            state="active",
            until=None,
            score=83_456,
            score_text="1:23.456",
            rank=1,
            players=1,
            above=None,
            below=None,
            sessions=[CountedSession(1, 83_456, "1:23.456", NOW)],
            more=False,
            ledger=evidence,
            standing=evidence,
            index=IndexEvidence(83_456, 1),
            stored_rank=1,
            pending=0,
            changing=False,
        )


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
    database: Database, rank_reader: RankReader, season: Season, user_id: int
) -> Explanation:
    """Return what makes a player's rank in a season; raises `PlayerNotFound`."""
    row = await database.fetch_one(EXPLAIN_STANDING, season.season_id, user_id)
    if row is None:
        raise PlayerNotFound
    sessions = await database.fetch(LIST_COUNTED_SESSIONS, season.season_id, user_id, _SESSIONS + 1)
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
        more=len(sessions) > _SESSIONS,
        ledger=_read_evidence(row, "ledger"),
        standing=_read_evidence(row, "standing"),
        index=IndexEvidence(ranks[0].total_score, ranks[0].rank or 0) if ranks else None,
        stored_rank=row["stored_rank"],
        pending=row["pending"],
        changing=row["is_changing"],
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
