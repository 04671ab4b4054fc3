"""What the endpoints of the leaderboard return."""

from datetime import datetime
from typing import Final, Self

import msgspec

from service.http.examples import NOW
from service.standings.run import Run

_encode: Final = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the leaderboard: competition rank, so players that tie share one.

    `saturated` says that the exact sum lies beyond ±(2^53 - 1), at which `total_score` stops.
    """

    user_id: int
    username: str
    total_score: int
    rank: int
    saturated: bool = False

    @classmethod
    def example(cls) -> "Entry":
        return cls(user_id=1, username="ada", total_score=1_200, rank=2)


_BOARD: Final = [
    Entry(user_id=2, username="grace", total_score=1_500, rank=1),
    Entry.example(),
    Entry(user_id=3, username="linus", total_score=1_200, rank=2),
]


class Top(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first entries; `as_of` is the moment of the refresh that they show."""

    leaderboard: list[Entry]
    players: int
    as_of: datetime
    stale: bool = False
    pending: bool = False

    @classmethod
    def example(cls) -> Self:
        return cls(_BOARD, 3, NOW)

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return consecutive entries of `global`."""
        return cls(list_entries(run), run.players, run.as_of, run.stale)


class Around(Top, frozen=True, omit_defaults=True):
    """Consecutive entries, best first: a player between neighbours, or a page of the board."""


class Rank(msgspec.Struct, frozen=True, omit_defaults=True):
    """One player's rank; null for a player who has not played yet.

    `percentile` is the share of players, in percent, whom this player is level with or ahead of.
    `saturated` is that of `Entry`.
    """

    user_id: int
    username: str
    total_score: int
    rank: int | None
    players: int
    percentile: float | None
    as_of: datetime
    saturated: bool = False
    stale: bool = False
    pending: bool = False

    @classmethod
    def example(cls) -> "Rank":
        return cls(3, "linus", 1_200, 2, 3, compute_percentile(2, 3), NOW)


def encode_top(limit: int, run: Run, *, pending: bool = False) -> bytes:
    """Return the body of `/top` with up to `limit` entries."""
    top = Top.of(run.cut(limit))
    return _encode(msgspec.structs.replace(top, pending=True) if pending else top)


def list_entries(run: Run) -> list[Entry]:
    """Return the entries of a run of `global`, where a higher score is better."""
    return [
        Entry(user_id, username, -sort_score, rank, user_id in run.saturated)
        for user_id, username, sort_score, rank in zip(
            run.user_ids, run.usernames, run.sort_scores, run.ranks, strict=True
        )
    ]


def compute_percentile(rank: int, players: int) -> float:
    """Return the share of `players`, in percent, that a player at `rank` is level with or beats.

    The first of any number has 100; the last of ten has 10.
    """
    return round(100 * (players - rank + 1) / players, 2)
