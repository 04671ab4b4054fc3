"""The rule of a board: how sessions make a score, and how scores make ranks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from service.boards.schedule import Schedule
from service.boards.words import Direction, Operator, Ties
from service.validation import MAX_SCORE, MIN_SCORE

BOARDS_OF_A_SESSION: Final = 20
"""Most boards that one session may count on."""

_MS_OF: Final = {"ms": 1, "s": 1000}


@dataclass(frozen=True, slots=True)
class ScoreFormat:
    """How a score, which is an integer, is written: its `kind`, with a scale or a unit.

    As text, in the database: `integer`, `decimal:2`, `duration:ms`.
    """

    text: str = "integer"

    @property
    def kind(self) -> str:
        """The kind alone: `integer`, `decimal` or `duration`."""
        return self.text.partition(":")[0]

    @property
    def detail(self) -> str:
        """The scale or the unit; empty for an integer."""
        return self.text.partition(":")[2]

    def write(self, score: int) -> str:
        """Return the score as people write it: `1200`, `12.50`, `1:23.456`, `-0:07`."""
        sign = "-" if score < 0 else ""
        if self.kind == "decimal":
            whole, rest = divmod(abs(score), 10 ** int(self.detail))
            return f"{sign}{whole}.{rest:0{self.detail}}"
        if self.kind == "duration":
            seconds, ms = divmod(abs(score) * _MS_OF[self.detail], 1000)
            minutes, seconds = divmod(seconds, 60)
            hours, minutes = divmod(minutes, 60)
            clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
            return f"{sign}{clock}.{ms:03}" if self.detail == "ms" else f"{sign}{clock}"
        return str(score)


@dataclass(frozen=True, slots=True)
class Rule:
    """A board's rule; the defaults are those of `global`, which every session counts on."""

    operator: Operator = Operator.SUM
    direction: Direction = Direction.HIGH
    ties: Ties = Ties.SHARED
    game_mode: str | None = None
    min_score: int | None = None
    max_score: int | None = None
    score_format: ScoreFormat = ScoreFormat()
    schedule: Schedule | None = None

    @classmethod
    def of_row(cls, row: Any) -> "Rule":
        """Return a rule as a statement answers it, with the columns of the table `rule`."""
        return cls(
            operator=Operator(row["operator"]),
            direction=Direction(row["direction"]),
            ties=Ties(row["ties"]),
            game_mode=row["game_mode"],
            min_score=row["min_score"],
            max_score=row["max_score"],
            score_format=ScoreFormat(row["score_format"]),
            schedule=None if row["cron"] is None else Schedule(row["cron"], row["timezone"]),
        )

    @property
    def columns(self) -> tuple[Any, ...]:
        """The values of the table's columns, in their order, without the id."""
        return (
            self.operator.value,
            self.direction.value,
            self.ties.value,
            self.game_mode,
            self.min_score,
            self.max_score,
            self.score_format.text,
            self.schedule.cron if self.schedule else None,
            self.schedule.timezone if self.schedule else None,
        )

    @property
    def is_first(self) -> bool:
        """Whether equal scores stand one after the other."""
        return self.ties is Ties.FIRST

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest score that count."""
        return (
            MIN_SCORE if self.min_score is None else self.min_score,
            MAX_SCORE if self.max_score is None else self.max_score,
        )

    def counts_like(self, other: "Rule") -> bool:
        """Whether the same sessions make the same standings by both."""
        return replace(self, score_format=other.score_format, schedule=other.schedule) == other

    def find_end(self, after: datetime) -> datetime | None:
        """Return the first end of a season after this instant; None without a schedule."""
        return self.schedule.find_next(after) if self.schedule else None

    def sort(self, score: int) -> int:
        """Return the score as it is sorted, where less is better; and the score of that again."""
        return -score if self.direction is Direction.HIGH else score


def count_matching(boards: Iterable[Iterable[Rule]], candidate: Rule) -> int:
    """Return on how many boards one session can count at most that the candidate counts too.

    Each of the others has one rule, or several while one gives way to the next. A session has one
    mode and one score: where only some bounds overlap, none counts on all of them.
    """
    others = [[rule for rule in board if _shares_mode(rule, candidate)] for board in boards]
    modes = {rule.game_mode for board in others for rule in board if rule.game_mode is not None}
    if candidate.game_mode is not None:
        modes = {candidate.game_mode}
    return max(_count_at_once(others, candidate, mode) for mode in (*modes, candidate.game_mode))


def _shares_mode(rule: Rule, other: Rule) -> bool:
    return None in (rule.game_mode, other.game_mode) or rule.game_mode == other.game_mode


def _count_at_once(boards: list[list[Rule]], candidate: Rule, mode: str | None) -> int:
    """Return how many boards count one and the same score of a mode, the candidate among them."""
    low, high = candidate.bounds
    bounds = [[rule.bounds for rule in board if rule.game_mode in (None, mode)] for board in boards]
    # As many as anywhere count at a score where one of them begins.
    begins = {low, *(least for board in bounds for least, _ in board if low <= least <= high)}
    return 1 + max(
        sum(any(least <= score <= most for least, most in board) for board in bounds)
        for score in begins
    )
