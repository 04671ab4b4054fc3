"""A leaderboard in the simplest words, to compare the service with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

LIMIT = 2**53 - 1


@dataclass
class BoardModel:
    """Sums of scores, ranked by counting; `names` are those of all players."""

    names: Mapping[int, str]
    totals: dict[int, int] = field(default_factory=dict)

    def add(self, user_id: int, score: int) -> None:
        """Count a session."""
        self.totals[user_id] = self.totals.get(user_id, 0) + score

    def rank_of(self, total: int) -> int:
        """Return one more than the number of players with a better total."""
        return 1 + sum(other > total for other in self.totals.values())

    def list_everybody(self) -> list[dict[str, Any]]:
        """Return every entry, best first, ties by player."""
        order = sorted(self.totals, key=lambda user_id: (-self.totals[user_id], user_id))
        return [
            {
                "user_id": user_id,
                "username": self.names[user_id],
                "total_score": self.totals[user_id],
                "rank": self.rank_of(self.totals[user_id]),
            }
            for user_id in order
        ]

    def list_around(self, user_id: int, radius: int) -> list[dict[str, Any]]:
        """Return a player and the neighbours above and below."""
        everybody = self.list_everybody()
        place = [entry["user_id"] for entry in everybody].index(user_id)
        return everybody[max(0, place - radius) : place + radius + 1]

    def read_rank(self, user_id: int) -> dict[str, Any]:
        """Return the answer to `/rank`, but for its time, for a player who stands."""
        (entry,) = self.list_around(user_id, 0)
        level_or_behind = sum(total <= entry["total_score"] for total in self.totals.values())
        return entry | {
            "players": len(self.totals),
            "percentile": round(100 * level_or_behind / len(self.totals), 2),
        }


@dataclass(frozen=True)
class Session:
    """A line of the ledger."""

    session_id: int
    user_id: int
    score: int
    game_mode: str
    submitted_at: datetime


@dataclass(frozen=True)
class RuleModel:
    """A board's rule, with the names of the API."""

    operator: str = "sum"
    direction: str = "high"
    ties: str = "shared"
    game_mode: str | None = None
    min_score: int | None = None
    max_score: int | None = None
    format: Mapping[str, Any] = field(default_factory=lambda: {"kind": "integer"})

    def counts(self, session: Session) -> bool:
        """Tell whether a session of the season counts."""
        return (
            self.game_mode in (None, session.game_mode)
            and (self.min_score is None or session.score >= self.min_score)
            and (self.max_score is None or session.score <= self.max_score)
        )

    def write(self, score: int) -> str:
        """Return a score as people write it."""
        if self.format["kind"] == "decimal":
            scale = self.format["scale"]
            return f"{Decimal(score).scaleb(-scale, Context(prec=40)):.{scale}f}"
        if self.format["kind"] == "duration":
            digits = str(abs(score)).rjust(4, "0") if self.format["unit"] == "ms" else ""
            seconds = int(digits[:-3]) if digits else abs(score)
            text = f"{seconds // 60 % 60}:{seconds % 60:02}"
            if seconds >= 3600:
                text = f"{seconds // 3600}:{text.rjust(5, '0')}"
            return f"{'-' if score < 0 else ''}{text}{f'.{digits[-3:]}' if digits else ''}"
        return str(score)


@dataclass(frozen=True)
class StandingModel:
    """A player's score in one season, and the session that decides between equals."""

    user_id: int
    score: int
    tie: int
    saturated: bool


class SeasonModel:
    """A season worked out from its sessions in the simplest way."""

    def __init__(
        self, rule: RuleModel, names: Mapping[int, str], sessions: Iterable[Session]
    ) -> None:
        self.rule = rule
        self.names = names
        theirs: dict[int, list[Session]] = {}
        for session in sorted(sessions, key=lambda session: session.session_id):
            if rule.counts(session):
                theirs.setdefault(session.user_id, []).append(session)
        standings = [self._make_standing(user_id, own) for user_id, own in theirs.items()]
        self.standings = sorted(standings, key=lambda one: (*self.key(one), one.user_id))

    def key(self, standing: StandingModel) -> tuple[int, int]:
        """Return what ranks are made of: less is better."""
        return (
            -standing.score if self.rule.direction == "high" else standing.score,
            standing.tie if self.rule.ties == "first" else 0,
        )

    def list_entries(self) -> list[dict[str, Any]]:
        """Return every entry, best first."""
        keys = [self.key(standing) for standing in self.standings]
        return [
            {
                "user_id": one.user_id,
                "username": self.names[one.user_id],
                "score": one.score,
                "score_text": self.rule.write(one.score),
                "rank": 1 + sum(other < key for other in keys),
            }
            | ({"saturated": True} if one.saturated else {})
            for one, key in zip(self.standings, keys, strict=True)
        ]

    def find_place(self, score: int) -> dict[str, Any]:
        """Return the answer to `/place`."""
        wanted = -score if self.rule.direction == "high" else score
        better = sum(self.key(one)[0] < wanted for one in self.standings)
        behind = sum(self.key(one)[0] <= wanted for one in self.standings)
        entries = self.list_entries()
        return {
            "rank": 1 + (behind if self.rule.ties == "first" else better),
            "players": len(entries),
            "above": entries[behind - 1] if behind else None,
            "below": entries[behind] if behind < len(entries) else None,
        }

    def find_cutoff(self, percent: Fraction) -> dict[str, Any] | None:
        """Return rank and score of the last of the best so many percent; None where nobody is."""
        entries = self.list_entries()
        if not entries:
            return None
        last = next(
            number
            for number in range(1, len(entries) + 1)
            if number >= percent * len(entries) / 100
        )
        entry = entries[last - 1]
        return {"rank": last, "score": entry["score"], "score_text": entry["score_text"]}

    def _make_standing(self, user_id: int, sessions: Sequence[Session]) -> StandingModel:
        if self.rule.operator == "best":
            pick = max if self.rule.direction == "high" else min
            score = pick(session.score for session in sessions)
            tie = next(session.session_id for session in sessions if session.score == score)
            return StandingModel(user_id, score, tie, saturated=False)
        if self.rule.operator == "latest":
            last = max(sessions, key=lambda session: (session.submitted_at, session.session_id))
            return StandingModel(user_id, last.score, last.session_id, saturated=False)
        total = sum(session.score for session in sessions)
        counted = [session.session_id for session in sessions if session.score != 0]
        tie = counted[-1] if counted else sessions[0].session_id
        score = max(-LIMIT, min(LIMIT, total))
        return StandingModel(user_id, score, tie, saturated=score != total)
