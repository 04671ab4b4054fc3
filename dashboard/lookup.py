"""One player as looked up and watched."""

import asyncio
from collections import deque
from enum import Enum, auto
from typing import Final

from dashboard.answers import Entry, Player, Rank, Session, Top
from dashboard.board import Board
from dashboard.gateway import Gateway, GatewayError, Refused

RADIUS: Final = 5
LAST_SESSIONS: Final = 20
POLL_SECONDS: Final = 2.0

_LOOKS: Final = 600
_LARGEST_ID: Final = 2**63 - 1
_NOT_FOUND: Final = 404


class Stage(Enum):
    """How far a look-up has come."""

    IDLE = auto()
    SEARCHING = auto()
    MISSING = auto()
    FAILED = auto()
    UNPLAYED = auto()
    FOUND = auto()


class Lookup:
    """What is known of the player whom the operator asked for.

    A read that fails leaves what was known; `error` says why it is not newer.
    """

    def __init__(self, wanted: str = "") -> None:
        self.wanted = wanted
        self.player: Player | None = None
        self.rank: Rank | None = None
        self.error: GatewayError | None = None
        self.neighbours = Board()
        self.sessions: tuple[Session, ...] | None = None
        self.ranks: deque[float | None] = deque(maxlen=_LOOKS)
        self.scores: deque[float | None] = deque(maxlen=_LOOKS)
        self._missing = False

    @property
    def stage(self) -> Stage:
        """Return how far the look-up has come."""
        if self.rank is not None:
            return Stage.FOUND if self.rank.rank is not None else Stage.UNPLAYED
        if self._missing:
            return Stage.MISSING
        if self.error is not None:
            return Stage.FAILED
        return Stage.SEARCHING if self.wanted else Stage.IDLE

    def take_player(self, player: Player | None) -> None:
        """Note who it is; None: there is no such player."""
        self.player, self.error = player, None
        self._missing = player is None

    def take_rank(
        self, rank: Rank, around: Top, sessions: tuple[Session, ...] | None, at: float
    ) -> None:
        """Note where the player stands at `at` monotonic seconds, and how the player got there."""
        if sessions is not None:
            self.sessions = sessions
        self.rank, self.error = rank, None
        self.neighbours.take(around.leaderboard, at)
        self.ranks.append(rank.rank)
        self.scores.append(rank.total_score)

    def take_error(self, error: GatewayError) -> None:
        """Note why there is nothing newer."""
        self.error = error

    def find_next_above(self) -> tuple[Entry, int] | None:
        """Return the nearest player with a better score, and the points to pass that player."""
        if self.rank is None or self.rank.rank is None:
            return None
        score = self.rank.total_score
        better = [entry for entry in self.neighbours.entries if entry.total_score > score]
        return (better[-1], better[-1].total_score - score + 1) if better else None


async def find_player(gateway: Gateway, wanted: str) -> Player | None:
    """Return the player of that id, else of exactly that name; None if there is neither.

    Raises `GatewayError` for everything but a player who is not there.
    """
    number = wanted.strip().removeprefix("#")
    if number.isascii() and number.isdecimal() and 0 < int(number) <= _LARGEST_ID:
        try:
            return await gateway.find_player(int(number))
        except Refused as error:
            if error.status != _NOT_FOUND:
                raise
    try:
        return await gateway.find_player_by_name(wanted)
    except Refused as error:
        if error.status != _NOT_FOUND:
            raise
    return None


async def read_place(
    gateway: Gateway, user_id: int
) -> tuple[Rank, Top, tuple[Session, ...] | None]:
    """Return where a player stands, among whom, and the last sessions. Raises `GatewayError`."""
    return await asyncio.gather(
        gateway.read_rank(user_id),
        gateway.read_around(user_id, RADIUS),
        _read_sessions(gateway, user_id),
    )


async def _read_sessions(gateway: Gateway, user_id: int) -> tuple[Session, ...] | None:
    # The ledger is in PostgreSQL alone: while that is away, ranks are still answered.
    try:
        return (await gateway.read_sessions(user_id, LAST_SESSIONS)).sessions
    except Refused:
        return None
