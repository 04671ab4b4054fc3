"""What the endpoints of moderation take and answer."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from service.boards.schemas import SeasonAnswer
from service.http.examples import NOW, THEN
from service.players.names import ExternalId, Username
from service.standings.board_schemas import BoardEntry, SeasonFacts
from service.validation import MAX_ID, STORABLE_TEXT

LONGEST_REASON = 1_000
MOST_SESSIONS = 10_000

Reason = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=LONGEST_REASON,
        pattern=STORABLE_TEXT,
        description="Why, for the moderation log.",
    ),
]
State = Literal["active", "hidden", "banned"]
Verdict = Literal[
    "improved", "kept", "out_of_bounds", "other_mode", "late", "revoked", "banned", "pending"
]


class GiveReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why this is done."""

    reason: Reason

    @classmethod
    def example(cls) -> "GiveReason":
        return cls("speedhack, seen in replay 4711")


class MarkSessions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions of a player: all, or only those since a time, or of some that are named.

    Each of `session_ids` has to be the player's. With `dry_run` they are only looked at.
    """

    reason: Reason
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    session_ids: (
        Annotated[
            list[Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]],
            msgspec.Meta(min_length=1, max_length=MOST_SESSIONS),
        ]
        | None
    ) = None
    dry_run: bool | None = False

    @classmethod
    def example(cls) -> "MarkSessions":
        return cls("speedhack, seen in replay 4711", since=THEN, dry_run=True)


class MarkedSession(msgspec.Struct, frozen=True):
    """A session, and since when it is revoked; null where it counts."""

    session_id: int
    user_id: int
    score: int
    game_mode: str
    submitted_at: datetime
    revoked_at: datetime | None

    @classmethod
    def example(cls) -> "MarkedSession":
        return cls(1, 1, 1_200, "solo", THEN, NOW)


class ChangedEntry(msgspec.Struct, frozen=True):
    """What a player's entry on a board is, and what it becomes; null where there is none."""

    board: str
    season: int
    score_before: int | None
    rank_before: int | None
    score_after: int | None
    rank_after: int | None


class MarkedSessions(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many sessions it was, or would be, and whether more are left: call again for these.

    With `dry_run`, `boards` has the entries that would change; nothing was done then.
    """

    user_id: int
    sessions: int
    more: bool
    boards: list[ChangedEntry] | UnsetType = UNSET

    @classmethod
    def example(cls) -> "MarkedSessions":
        entry = ChangedEntry("global", 1, 1_200, 2, 900, 3)
        return cls(1, 1, more=False, boards=[entry])


class ChangeState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state of a player, and when it ends by itself; with `dry_run` only looked at."""

    state: State
    reason: Reason
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    dry_run: bool | None = False

    @classmethod
    def example(cls) -> "ChangeState":
        return cls("banned", "speedhack, seen in replay 4711")


class StateAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A player's state; `until` is when it ends by itself, null: never.

    With `dry_run`, what they would be, and `boards` has the entries that would change.
    """

    user_id: int
    state: State
    until: datetime | None
    boards: list[ChangedEntry] | UnsetType = UNSET

    @classmethod
    def example(cls) -> "StateAnswer":
        return cls(1, "banned", None)


class ChangePlayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Another name or external id for a player; with `dry_run` only whether both can be had.

    An `external_id` of null takes the player's away.
    """

    username: Username | None = None
    external_id: ExternalId | UnsetType | None = UNSET
    reason: Reason
    dry_run: bool | None = False

    any_of: ClassVar = ("username", "external_id")

    @classmethod
    def example(cls) -> "ChangePlayer":
        return cls(username="lovelace", reason="asked for by the player")


class DeletionPreview(msgspec.Struct, frozen=True):
    """What a player who is deleted would be called, and the entries that would change."""

    user_id: int
    username: str
    boards: list[ChangedEntry]

    @classmethod
    def example(cls) -> "DeletionPreview":
        return cls(1, "deleted-1", [ChangedEntry("global", 1, 1_200, 2, None, None)])


class CorrectSeason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a closed season is made again; with `dry_run` only looked at."""

    reason: Reason
    dry_run: bool | None = False

    @classmethod
    def example(cls) -> "CorrectSeason":
        return cls("speedhack, seen in replay 4711")


class CorrectedEntry(msgspec.Struct, frozen=True):
    """What a player's entry in a closed season is and what it becomes; null where there is none."""

    user_id: int
    score_before: int | None
    rank_before: int | None
    score_after: int | None
    rank_after: int | None


class CorrectedSeason(SeasonAnswer, frozen=True):
    """The season as it is now or, with `dry_run`, as it would be.

    With `dry_run`, `changes` is how many players would have another entry because other sessions
    count, and `entries` are up to 100 of these: first those who stand best, before or after.
    """

    changes: int | UnsetType = UNSET
    entries: list[CorrectedEntry] | UnsetType = UNSET

    @classmethod
    def example(cls) -> "CorrectedSeason":
        entry = CorrectedEntry(1, 1_200, 2, 900, 3)
        return cls(7, "closed", THEN, NOW, NOW, 3, 2, changes=1, entries=[entry])


class LogEntry(msgspec.Struct, frozen=True):
    """What was done, by which key, to what and why; `details` differ from action to action."""

    id: int
    at: datetime
    key: str | None
    action: str
    user_id: int | None
    session_id: int | None
    board: str | None
    season: int | None
    reason: str | None
    details: dict[str, Any]

    @classmethod
    def example(cls) -> "LogEntry":
        reason = "speedhack, seen in replay 4711"
        return cls(1, NOW, "support", "revoke", 1, 1, None, None, reason, {})


class ModerationLogAnswer(msgspec.Struct, frozen=True):
    """Some of the log, in the order asked for.

    `next` goes on from here as `after`; null at the end.
    """

    entries: list[LogEntry]
    next: int | None

    @classmethod
    def example(cls) -> "ModerationLogAnswer":
        return cls([LogEntry.example()], next=None)


class BoardVerdict(msgspec.Struct, frozen=True):
    """What became of a session on a board: `improved` where it makes the standing now.

    That is what the standing itself says (`details`), of a closed season its result. `pending`: not
    counted yet, or the player's standing is about to be made again. `revoked` and `banned` come
    first: a closed season may count such a session all the same, until it is corrected.
    """

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


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a player's rank is what it is.

    `sessions` are those that count, up to 100: of `sum` all make the standing, of `best` and
    `latest` the first one does. `next_before` is the `before` that goes on from here; null where
    none is left. A closed season has those of its result, whatever was revoked, restored or
    imported since; `ledger` is without what was revoked since, and with what was restored.
    `pending` sessions are not folded yet; `changing`: the standing is about to be made again, and
    `ledger`, `standing`, `index` and `stored_rank`, which is of the last re-rank, may differ until
    then.
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
    next_before: int | None
    ledger: Evidence | None
    standing: Evidence | None
    index: IndexEvidence | None
    stored_rank: int | None
    pending: int
    changing: bool
    saturated: bool = False

    @classmethod
    def example(cls) -> "Explanation":
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
            next_before=None,
            ledger=evidence,
            standing=evidence,
            index=IndexEvidence(83_456, 1),
            stored_rank=1,
            pending=0,
            changing=False,
        )
