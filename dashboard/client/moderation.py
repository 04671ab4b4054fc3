"""What the service answers about moderation, as the console understands it."""

from typing import Any

import msgspec

from dashboard.client.answers import Entry, Moment, Season


class ChangedEntry(msgspec.Struct, frozen=True):
    """A player's entry on a board as it is and as it becomes; None where there is none."""

    board: str
    season: int
    score_before: int | None
    rank_before: int | None
    score_after: int | None
    rank_after: int | None


class MarkedSessions(msgspec.Struct, frozen=True):
    """How many sessions were revoked or restored, or would be, and what that changes."""

    sessions: int
    boards: tuple[ChangedEntry, ...] = ()


class ChangedState(msgspec.Struct, frozen=True):
    """A player's state as it is or would be, and what that changes."""

    state: str
    until: Moment | None
    boards: tuple[ChangedEntry, ...] = ()


class CorrectedEntry(msgspec.Struct, frozen=True):
    """A player's entry in a closed season as it is and as it becomes; None where there is none."""

    user_id: int
    score_before: int | None
    rank_before: int | None
    score_after: int | None
    rank_after: int | None


class CorrectedSeason(msgspec.Struct, frozen=True):
    """A closed season as it would be or is now; the foremost of those whose entries change."""

    revision: int
    changes: int = 0
    entries: tuple[CorrectedEntry, ...] = ()


class MarkedSession(msgspec.Struct, frozen=True):
    """A session after a moderator's call, and since when it is revoked; None where it counts."""

    session_id: int
    revoked_at: Moment | None


class LogEntry(msgspec.Struct, frozen=True):
    """What was done, by which key, to what and why; `details` differ from action to action."""

    id: int
    at: Moment
    key: str | None
    action: str
    user_id: int | None
    session_id: int | None
    board: str | None
    season: int | None
    reason: str | None
    details: dict[str, Any]


class ModerationLog(msgspec.Struct, frozen=True):
    """Some of the log, newest first; `next` is where the older entries begin."""

    entries: tuple[LogEntry, ...]
    next: int | None


class RuleFacts(msgspec.Struct, frozen=True):
    """By which rule sessions make a score, and which of them count."""

    operator: str
    direction: str
    ties: str
    game_mode: str | None
    min_score: int | None
    max_score: int | None


class CountedSession(msgspec.Struct, frozen=True):
    """A session that counts in the season."""

    session_id: int
    score: int
    score_text: str
    submitted_at: Moment


class Evidence(msgspec.Struct, frozen=True):
    """A standing, as the ledger makes it or as it is stored; `sessions` is there for sums."""

    score: int
    sessions: int | None
    session_id: int | None
    reached_at: Moment


class IndexEvidence(msgspec.Struct, frozen=True):
    """What reads show."""

    score: int
    rank: int


class Explanation(msgspec.Struct, frozen=True):
    """Why a player's rank on a board is what it is.

    `sessions` are those that count, up to a hundred; `next_before` is null where there are no
    others. `changing`: the standing is about to be made again.
    """

    season: Season
    rule: RuleFacts
    user_id: int
    username: str
    state: str
    until: Moment | None
    score: int | None
    score_text: str | None
    rank: int | None
    players: int
    above: Entry | None
    below: Entry | None
    sessions: tuple[CountedSession, ...]
    next_before: int | None
    ledger: Evidence | None
    standing: Evidence | None
    index: IndexEvidence | None
    stored_rank: int | None
    pending: int
    changing: bool
