"""What the endpoints of any board return."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from service.boards.finder import Season
from service.http.examples import NOW, THEN
from service.standings.cursors import encode_cursor
from service.standings.reads.movers import Move
from service.standings.run import Run
from service.standings.schemas import Rank, compute_percentile
from service.validation import MAX_ID

Details = dict[str, Any]

_encode_json: Final = msgspec.json.Encoder().encode


class SeasonFacts(msgspec.Struct, frozen=True):
    """Which season an answer is of, and how often its result was corrected."""

    number: int
    state: str
    revision: int
    starts_at: datetime | None
    ends_at: datetime | None

    @classmethod
    def of(cls, season: Season) -> "SeasonFacts":
        """Return the facts of a season."""
        return cls(season.number, season.state, season.revision, season.starts_at, season.ends_at)


_SEASON: Final = SeasonFacts(7, "open", 1, THEN, THEN + timedelta(days=7))


class BoardEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a board. With `details`, also the session that made the standing."""

    user_id: int
    username: str
    score: int
    score_text: str
    rank: int
    saturated: bool = False
    session_id: int | msgspec.UnsetType | None = msgspec.UNSET
    reached_at: datetime | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    @classmethod
    def example(cls) -> "BoardEntry":
        return cls(2, "grace", 83_456, "1:23.456", 1)


class Friend(BoardEntry, frozen=True, omit_defaults=True, kw_only=True):
    """One of several players: `rank` on the board, `position` among them, from 1."""

    position: int

    @classmethod
    def example(cls) -> "Friend":
        return cls(2, "grace", 83_456, "1:23.456", 1, position=1)


class Mover(BoardEntry, frozen=True, omit_defaults=True, kw_only=True):
    """A line as it is now, and by how many ranks it rose; below 0 where it fell."""

    climbed: int

    @classmethod
    def example(cls) -> "Mover":
        return cls(2, "grace", 83_456, "1:23.456", 1, climbed=7)

    @classmethod
    def of(cls, season: Season, move: Move) -> "Mover":
        """Return a player who moved."""
        score = season.rule.sort(move.rank.sort_score)
        return cls(
            move.user_id,
            move.rank.username,
            score,
            season.rule.score_format.write(score),
            move.rank.rank,
            move.rank.saturated,
            climbed=move.climbed,
        )


class BoardEntries(msgspec.Struct, frozen=True, omit_defaults=True):
    """Consecutive entries of a board, best first; `next` and `prev` go on in either direction."""

    board: str
    season: SeasonFacts
    entries: list[BoardEntry]
    players: int
    as_of: datetime
    next: str | None
    prev: str | None
    stale: bool = False
    pending: bool = False

    @classmethod
    def example(cls) -> "BoardEntries":
        return cls("weekly-laps", _SEASON, [BoardEntry.example()], 1, NOW, None, None)

    @classmethod
    def of(cls, season: Season, run: Run, details: dict[int, Details]) -> "BoardEntries":
        """Return a run of a season's players."""
        is_last = run.position + len(run.user_ids) >= run.players
        return cls(
            board=season.slug,
            season=SeasonFacts.of(season),
            entries=list_entries(season, run, details),
            players=run.players,
            as_of=season.date(run.as_of),
            next=None if is_last or not run.user_ids else _encode_place(season, run, -1),
            prev=None if run.position == 0 or not run.user_ids else _encode_place(season, run, 0),
            stale=run.stale,
        )


class BoardRank(msgspec.Struct, frozen=True, omit_defaults=True):
    """One player's entry; `score` and `rank` are null for one without a session that counts.

    `percentile` is the share of players, in percent, whom this player is level with or ahead of.
    """

    board: str
    season: SeasonFacts
    user_id: int
    username: str
    score: int | None
    score_text: str | None
    rank: int | None
    players: int
    percentile: float | None
    as_of: datetime
    saturated: bool = False
    stale: bool = False
    pending: bool = False
    session_id: int | msgspec.UnsetType | None = msgspec.UNSET
    reached_at: datetime | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    @classmethod
    def example(cls) -> "BoardRank":
        return cls(
            "weekly-laps",
            _SEASON,
            2,
            "grace",
            83_456,
            "1:23.456",
            1,
            3,
            compute_percentile(1, 3),
            NOW,
        )

    @classmethod
    def of(cls, season: Season, rank: Rank, details: Details | None = None) -> "BoardRank":
        """Return a player's rank in a season."""
        score = None if rank.rank is None else rank.total_score
        return cls(
            season.slug,
            SeasonFacts.of(season),
            rank.user_id,
            rank.username,
            score,
            None if score is None else season.rule.score_format.write(score),
            rank.rank,
            rank.players,
            rank.percentile,
            season.date(rank.as_of),
            rank.saturated,
            rank.stale,
            rank.pending,
            **(details or {}),
        )


class PlayerRanks(msgspec.Struct, frozen=True):
    """A player's entries on several boards; `next` is the `after` that goes on from here."""

    entries: list[BoardRank]
    next: str | None

    @classmethod
    def example(cls) -> "PlayerRanks":
        return cls([BoardRank.example()], None)


class AskedPlayers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose ranks are asked for: up to 1,000 players."""

    user_ids: Annotated[
        list[Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]],
        msgspec.Meta(min_length=1, max_length=1_000),
    ]

    @classmethod
    def example(cls) -> "AskedPlayers":
        return cls([2, 3, 99])


class Friends(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some players, best first; `missing` are those without a session that counts."""

    board: str
    season: SeasonFacts
    entries: list[Friend]
    missing: list[int]
    players: int
    as_of: datetime
    stale: bool = False

    @classmethod
    def example(cls) -> "Friends":
        return cls("weekly-laps", _SEASON, [Friend.example()], [3, 99], 1, NOW)


class Movers(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who moved furthest of all who scored since a re-rank; `since` is null before the first one.

    Where more than `scores` came in since, `complete` is false: these are of so many, the newest.
    """

    board: str
    season: SeasonFacts
    since: datetime | None
    climbed: list[Mover]
    fell: list[Mover]
    scores: int
    complete: bool
    stale: bool = False

    @classmethod
    def example(cls) -> "Movers":
        return cls("weekly-laps", _SEASON, THEN, [Mover.example()], [], 10_000, complete=True)


class PlaceAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a score would stand now, and the entries above and below, null where there is none."""

    board: str
    season: SeasonFacts
    rank: int
    players: int
    above: BoardEntry | None
    below: BoardEntry | None
    as_of: datetime
    stale: bool = False

    @classmethod
    def example(cls) -> "PlaceAnswer":
        return cls("weekly-laps", _SEASON, 2, 1, BoardEntry.example(), None, NOW)


class Cutoff(msgspec.Struct, frozen=True):
    """The score that the best so many percent have; null where nobody stands."""

    percent: float
    rank: int | None
    score: int | None
    score_text: str | None


class Cutoffs(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which score it takes to be among the best; who ties with the last of these is in."""

    board: str
    season: SeasonFacts
    cutoffs: list[Cutoff]
    players: int
    as_of: datetime
    stale: bool = False

    @classmethod
    def example(cls) -> "Cutoffs":
        return cls("weekly-laps", _SEASON, [Cutoff(10, 1, 83_456, "1:23.456")], 1, NOW)


def encode_board_top(season: Season, limit: int, run: Run) -> bytes:
    """Return the body of a board's `/top` with up to `limit` entries."""
    return _encode_json(BoardEntries.of(season, run.cut(limit), {}))


def list_entries(season: Season, run: Run, details: dict[int, Details]) -> list[BoardEntry]:
    """Return the entries of a run, with details where there are any."""
    write, sort = season.rule.score_format.write, season.rule.sort
    saturated = run.saturated
    entries = []
    for user_id, username, sort_score, rank in zip(
        run.user_ids, run.usernames, run.sort_scores, run.ranks, strict=True
    ):
        score = sort(sort_score)
        entries.append(
            BoardEntry(
                user_id,
                username,
                score,
                write(score),
                rank,
                user_id in saturated,
                **details.get(user_id, {}),
            )
        )
    return entries


def _encode_place(season: Season, run: Run, line: int) -> str:
    return encode_cursor(season, (run.sort_scores[line], run.tie_keys[line], run.user_ids[line]))
