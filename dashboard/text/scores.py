"""Scores and what lies between them, written as their board writes scores."""

from typing import Final, NamedTuple

from dashboard.text.numbers import write_amount

_MINUTE: Final = 60


class ScoreFormat(NamedTuple):
    """How a board writes its scores: with so many `decimals`, and as a time where it is one.

    A season keeps the format that it was opened with, which the board may have changed since. The
    texts of its scores always tell.
    """

    decimals: int = 0
    is_duration: bool = False

    @classmethod
    def of_text(cls, score_text: str) -> "ScoreFormat":
        """Return the format in which a score is written: `1200`, `12.50`, `1:23.456`."""
        return cls(len(score_text.partition(".")[2]), ":" in score_text)

    @property
    def is_integer(self) -> bool:
        """Whether scores are points, and not parts of them or a time."""
        return self == INTEGER

    def write(self, score: int) -> str:
        """Return a score or a difference: 1,200, 12.50, 1:23.456."""
        sign = "-" if score < 0 else ""
        whole, rest = divmod(abs(score), 10**self.decimals)
        text = f"{whole}"
        if self.is_duration:
            minutes, seconds = divmod(whole, _MINUTE)
            hours, minutes = divmod(minutes, _MINUTE)
            text = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        elif self.is_integer:
            text = f"{whole:,}"
        return f"{sign}{text}.{rest:0{self.decimals}}" if self.decimals else f"{sign}{text}"

    def write_change(self, change: int) -> str:
        """Return a change with its sign, and nothing for none."""
        sign = "+" if change > 0 else "\N{MINUS SIGN}"
        return f"{sign}{self.write(abs(change))}" if change else ""

    def write_points(self, score: int) -> str:
        """Return a score with what is counted, where that is points: 1 point, 1:23.456."""
        return write_amount(score, "point") if self.is_integer else self.write(score)


INTEGER: Final = ScoreFormat()


def group_score(score: int, score_text: str) -> str:
    """Return the board's own text of a score, with its thousands grouped where it is an integer."""
    return f"{score:,}" if ScoreFormat.of_text(score_text).is_integer else score_text
