"""One player as looked up and watched."""

import asyncio
from collections import deque
from enum import Enum, auto
from typing import Final, NamedTuple

import msgspec

from dashboard.client.answers import Entry, Player, Rank, Session, Top
from dashboard.client.gateway import (
    GLOBAL,
    NOT_FOUND,
    BoardSeason,
    Gateway,
    GatewayError,
    Refused,
)
from dashboard.state.board import Board
from dashboard.text.numbers import read_number
from dashboard.text.scores import INTEGER, ScoreFormat

RADIUS: Final = 5
LAST_SESSIONS: Final = 20
POLL_SECONDS: Final = 2.0

_LOOKS: Final = 600
_UNAVAILABLE: Final = 503


class Place(NamedTuple):
    """Where a player stands, among whom, the nearest one who is better, and the last sessions.

    `state` is asked for only of who has no rank; None where it is not told.
    """

    rank: Rank
    around: Top
    above: Entry | None
    sessions: tuple[Session, ...] | None
    state: str | None = None


class Stage(Enum):
    """How far a look-up has come."""

    IDLE = auto()
    SEARCHING = auto()
    MISSING = auto()
    FAILED = auto()
    UNPLAYED = auto()
    UNCOUNTED = auto()
    BANNED = auto()
    FOUND = auto()


class Lookup:
    """What is known of the player whom the operator asked for.

    A read that fails leaves what was known; `error` says why it is not newer.
    """

    def __init__(self, wanted: str = "", board: BoardSeason = GLOBAL) -> None:
        self.wanted = wanted
        self.board = board
        self.player: Player | None = None
        self.rank: Rank | None = None
        self.error: GatewayError | None = None
        self.score_format = INTEGER
        self.sessions: tuple[Session, ...] | None = None
        self.current_at: float | None = None
        """When the place was last current, in monotonic seconds."""
        self._seasons: tuple[int, int] | None = None
        self._above: Entry | None = None
        self._missing = False
        self._banned = False
        self._begin()

    def _begin(self) -> None:
        """Begin to watch."""
        self.neighbours = Board()
        self.ranks: deque[float | None] = deque(maxlen=_LOOKS)
        self.scores: deque[float | None] = deque(maxlen=_LOOKS)
        self._first_score: int | None = None
        self._first_rank: int | None = None

    @property
    def stage(self) -> Stage:
        """Return how far the look-up has come."""
        if self.rank is not None:
            return Stage.FOUND if self.rank.rank is not None else self._find_lack(self.rank)
        if self._missing:
            return Stage.MISSING
        if self.error is not None:
            return Stage.FAILED
        return Stage.SEARCHING if self.wanted else Stage.IDLE

    def _find_lack(self, rank: Rank) -> Stage:
        """Return why the player has no rank."""
        # Who is banned by now may well stand in a season that is closed.
        if self._banned and not rank.season.is_final:
            return Stage.BANNED
        return Stage.UNPLAYED if self.sessions == () else Stage.UNCOUNTED

    def is_about(self, wanted: str) -> bool:
        """Whether this is how one asks for the player who is known here."""
        player = self.player
        number = wanted.strip().removeprefix("#").lstrip("0")
        if player is None:
            return False
        # A name of digits may also be the id of somebody else, who comes first.
        return number == str(player.user_id) or (
            wanted == player.username and not number.isdecimal()
        )

    def take_player(self, player: Player | None) -> None:
        """Note who it is; None: there is no such player."""
        self.player, self.error = player, None
        self._missing = player is None

    def take_place(self, place: Place, at: float, *, lags: bool) -> None:
        """Note where the player stands at `at` monotonic seconds, and how the player got there.

        `lags` where ranks may be older than that, but for those of a closed season.
        """
        rank = place.rank
        if self.player and self.rank and rank.username != self.rank.username:
            # It was changed, or forgotten; one that has not changed may lag behind the player's.
            self.player = msgspec.structs.replace(self.player, username=rank.username)
        if rank.season.is_final or not (lags or rank.stale):
            self.current_at = at
        seasons = rank.season.number, place.around.season.number
        if seasons != self._seasons:
            # Another season, which rank and neighbours come to one by one, has another history.
            self._seasons = seasons
            self._begin()
        if place.sessions is not None:
            self.sessions = place.sessions
        self.rank, self.error, self._above = rank, None, place.above
        self._banned = place.state == "banned"
        self.neighbours.take(place.around.entries, at)
        if rank.score_text is not None:
            self.score_format = ScoreFormat.of_text(rank.score_text)
        score = rank.score
        if score is None and self.board.is_global:
            # A sum, here of no sessions.
            score = 0
        if self._first_score is None:
            self._first_score = score
        if self._first_rank is None:
            self._first_rank = rank.rank
        self.ranks.append(rank.rank)
        self.scores.append(score)

    @property
    def gained(self) -> int:
        """Points gained since the watch began, which the charts may have forgotten."""
        if self.rank is None or self.rank.score is None or self._first_score is None:
            return 0
        return self.rank.score - self._first_score

    @property
    def climbed(self) -> int:
        """Ranks climbed since the watch began or the first rank came, negative for a fall."""
        if self.rank is None or self.rank.rank is None or self._first_rank is None:
            return 0
        return self._first_rank - self.rank.rank

    def take_error(self, error: GatewayError) -> None:
        """Note why there is nothing newer."""
        self.error = error

    def find_next_above(self) -> tuple[Entry, int] | None:
        """Return the nearest player who is better, and the points to pass that player.

        Where who was first with a score stands before others with it, that may be an equal one.
        """
        rank, above = self.rank, self._above
        if rank is None or rank.rank is None or rank.score is None or above is None:
            return None
        distance = above.score - rank.score
        is_low = self.neighbours.is_low
        # Rank and neighbours are of two moments: in between the player may have passed that one.
        if above.rank >= rank.rank or (is_low is not None and distance * (-1) ** is_low < 0):
            return None
        return above, abs(distance) + 1


async def find_player(gateway: Gateway, wanted: str, board: BoardSeason) -> Player | None:
    """Return the player of that id, else of exactly that name; None if there is neither.

    Who is registered only PostgreSQL knows: while that is away, whoever has a rank on the board is
    found by the id. The blanks around a name count only where there is a name with them.

    Raises `GatewayError` for everything but a player who is not there.
    """
    user_id = read_number(wanted.strip().removeprefix("#"))
    if user_id is not None:
        try:
            return await gateway.find_player(user_id)
        except Refused as error:
            if error.status == _UNAVAILABLE:
                return Player(user_id, (await gateway.read_rank(board, user_id)).username)
            if error.status != NOT_FOUND:
                raise
    # A name may begin or end with blanks, but those around one that was pasted are seldom its own.
    for name in dict.fromkeys((wanted, wanted.strip() or wanted)):
        try:
            return await gateway.find_player_by_name(name)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
    return None


async def read_place(gateway: Gateway, board: BoardSeason, user_id: int) -> Place:
    """Return where a player stands. Raises `GatewayError`."""
    rank, around, sessions = await asyncio.gather(
        gateway.read_rank(board, user_id),
        gateway.read_around(board, user_id, RADIUS),
        _read_sessions(gateway, user_id),
    )
    own = next((entry for entry in around.entries if entry.user_id == user_id), None)
    better = [entry for entry in around.entries if own and entry.rank < own.rank]
    if own is not None and own.rank > 1 and not better:
        # More tie than are neighbours: the nearest who is better stands just before all of them.
        better = list((await gateway.read_page(board, own.rank - 2, 1)).entries)
    state = None if rank.rank is not None else await _read_state(gateway, board, user_id)
    return Place(rank, around, better[-1] if better else None, sessions, state)


async def _read_sessions(gateway: Gateway, user_id: int) -> tuple[Session, ...] | None:
    # The ledger is in PostgreSQL alone: while that is away, ranks are still answered.
    try:
        return (await gateway.read_sessions(user_id, LAST_SESSIONS)).sessions
    except Refused:
        return None


async def _read_state(gateway: Gateway, board: BoardSeason, user_id: int) -> str | None:
    # A moderator's key may know it.
    try:
        return (await gateway.explain_rank(board, user_id)).state
    except Refused:
        return None
