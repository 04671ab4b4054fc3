"""The board over the last minute: each player's line now, how it has moved, and who of all did."""

from collections import deque
from collections.abc import Sequence
from heapq import nlargest
from typing import Any, Final, NamedTuple

from dashboard.client.answers import Entry, Mover, Movers
from dashboard.configuration.columns import Sorting
from dashboard.text.scores import INTEGER, ScoreFormat

WINDOW_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 5.0
_TREND_POINTS: Final = 8

FLASH_SECONDS: Final = 0.6

COUNTING_SECONDS: Final = 20.0
"""How old a count of the service must be before it takes the place of the one before."""


class _Place(NamedTuple):
    """Where a player stood at some moment."""

    rank: int
    score: int


class Line(NamedTuple):
    """One line of the board, ready to be shown.

    `climbed` counts ranks over the window, positive towards the first, None for a player who was
    not on the board then; `gained` counts points, less than none for a time that was bettered.
    `seen_seconds` is the time since the score last changed, None while it has not.
    """

    user_id: int
    username: str
    rank: int
    tied: bool
    score: int
    score_text: str
    climbed: int | None
    gained: int | None
    gained_text: str
    improved: bool
    trend: tuple[int | None, ...]
    seen_seconds: float | None
    flashing: bool


class Board:
    """Follows a list of consecutive entries, keyed by player; times are monotonic seconds.

    `first` is the place of its first entry on the whole board, from 0. `is_low` says whether less
    is better, None while all scores are equal.

    Every five seconds it keeps the places of all players. Movement is measured against the oldest
    of those, so that memory stays flat however many scores come in.
    """

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.score_format = INTEGER
        self.is_low: bool | None = None
        self.entries: Sequence[Entry] = ()
        self._position: dict[int, int] = {}
        self._past: deque[tuple[float, dict[int, _Place]]] = deque(
            maxlen=int(WINDOW_SECONDS / _STEP_SECONDS) + 1
        )
        self._changed_at: dict[int, float] = {}
        self._scored_at: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def take(self, entries: Sequence[Entry], at: float) -> None:
        """Follow the board to its next state."""
        before = self._position
        first = not self._past
        position: dict[int, int] = {}
        for index, entry in enumerate(entries):
            user_id = entry.user_id
            position[user_id] = index
            was = before.get(user_id)
            if was is None:
                if not first:
                    self._changed_at[user_id] = at
            elif self.entries[was].score != entry.score:
                self._changed_at[user_id] = self._scored_at[user_id] = at
        for user_id in before.keys() - position.keys():
            self._changed_at.pop(user_id, None)
            self._scored_at.pop(user_id, None)
        self.entries, self._position = entries, position
        if entries:
            best, worst = entries[0], entries[-1]
            self.score_format = ScoreFormat.of_text(best.score_text)
            if best.score != worst.score:
                self.is_low = best.score < worst.score
        if first:
            self._past.append((at, self._list_places()))
        self.pass_time(at)

    def pass_time(self, at: float) -> None:
        """Let the window move on, whether or not anything changes.

        Not to be called while the entries may be out of date: after such a gap the window reaches
        back across it, until a full minute has been watched again.
        """
        if self._past and at - self._past[-1][0] >= _STEP_SECONDS:
            self._past.append((at, self._list_places()))
        while len(self._past) > 1 and at - self._past[1][0] >= WINDOW_SECONDS:
            self._past.popleft()

    def find(self, user_id: int) -> int | None:
        """Return the position of a player's line, from 0."""
        return self._position.get(user_id)

    def search(self, wanted: str) -> list[int]:
        """Return the positions of players whose name, in any case, or id contains `wanted`."""
        wanted = wanted.casefold()
        return [
            index
            for index, entry in enumerate(self.entries)
            if wanted in entry.username.casefold() or wanted in str(entry.user_id)
        ]

    def sort(self, positions: Sequence[int], sorting: Sorting) -> list[int]:
        """Return positions in another order; those without a value come last either way."""
        values = {index: self._read_sort_value(index, sorting.column) for index in positions}
        known = [index for index in positions if values[index] is not None]
        known.sort(key=values.__getitem__, reverse=sorting.reverse)
        return known + [index for index in positions if values[index] is None]

    def _read_sort_value(self, index: int, column: str) -> Any:
        """Return what a line is sorted by, the least first: who climbed, won or scored most."""
        entry = self.entries[index]
        then = self._past[0][1].get(entry.user_id) if self._past else None
        match column:
            case "move":
                return then and entry.rank - then.rank
            case "player":
                return entry.username.casefold()
            case "id":
                return entry.user_id
            case "gain":
                return then and -self._improve(entry.score - then.score)
            case "seen":
                scored_at = self._scored_at.get(entry.user_id)
                return None if scored_at is None else -scored_at
        return index

    def read_window_seconds(self, at: float) -> float:
        """Return the time that movements are about: a minute or a little more, less at first."""
        return at - self._past[0][0] if self._past else 0.0

    def read_line(self, index: int, at: float) -> Line:
        """Return the line at a position, as of `at`."""
        entry = self.entries[index]
        user_id = entry.user_id
        then = self._past[0][1].get(user_id)
        scored_at = self._scored_at.get(user_id)
        changed_at = self._changed_at.get(user_id)
        gained = entry.score - then.score if then else None
        return Line(
            user_id=user_id,
            username=entry.username,
            rank=entry.rank,
            tied=self._is_tied(index),
            score=entry.score,
            score_text=entry.score_text,
            climbed=then.rank - entry.rank if then else None,
            gained=gained,
            gained_text=self.score_format.write_change(gained or 0),
            improved=self._improve(gained or 0) > 0,
            trend=self._read_trend(entry),
            seen_seconds=None if scored_at is None else at - scored_at,
            flashing=changed_at is not None and at - changed_at < FLASH_SECONDS,
        )

    def list_movers(self, count: int, at: float) -> list[Line]:
        """Return the lines that climbed or fell furthest; a new one counts from the list's end."""
        then = self._past[0][1] if self._past else {}
        moved: list[tuple[int, int]] = []
        for index, entry in enumerate(self.entries):
            place = then.get(entry.user_id)
            if place is not None:
                distance = abs(place.rank - entry.rank)
            else:
                # Below the first players somebody new may have come from above or below.
                distance = 0 if self.first else len(self.entries) - index
            if distance:
                moved.append((distance, -index))
        return [self.read_line(-index, at) for _, index in nlargest(count, moved)]

    def list_gainers(self, count: int, at: float) -> list[Line]:
        """Return the lines whose scores became better by most over the window."""
        then = self._past[0][1] if self._past else {}
        gains = [
            (self._improve(entry.score - then[entry.user_id].score), index)
            for index, entry in enumerate(self.entries)
            if entry.user_id in then
        ]
        best = nlargest(count, (gain for gain in gains if gain[0] > 0))
        return [self.read_line(index, at) for _, index in best]

    def _improve(self, change: int) -> int:
        """Return by how much a change of a score makes it better, less than 0 for worse."""
        return -change if self.is_low else change

    def _is_tied(self, index: int) -> bool:
        rank = self.entries[index].rank
        return (index > 0 and self.entries[index - 1].rank == rank) or (
            index + 1 < len(self.entries) and self.entries[index + 1].rank == rank
        )

    def _list_places(self) -> dict[int, _Place]:
        return {entry.user_id: _Place(entry.rank, entry.score) for entry in self.entries}

    def _read_trend(self, entry: Entry) -> tuple[int | None, ...]:
        recent = list(self._past)[-(_TREND_POINTS - 1) :]
        places = (places.get(entry.user_id) for _, places in recent)
        return (*(place.score if place else None for place in places), entry.score)


class MoverWatch:
    """Keeps who moved furthest; each re-rank of the service begins that count again.

    Right after one nobody has moved: until there is something to see, the last count is shown as it
    ended.
    """

    def __init__(self) -> None:
        self.shown: Movers | None = None
        self._newest: Movers | None = None
        self._begun_at = 0.0

    def take(self, movers: Movers | None, at: float) -> None:
        """Note an answer at `at` monotonic seconds; None: the service does not say."""
        if movers is not None and (self._newest is None or self._newest.since != movers.since):
            self._begun_at = at
        before, self._newest = self.shown, movers
        is_begun = at - self._begun_at >= COUNTING_SECONDS
        if before is None or movers is None or before.since == movers.since or is_begun:
            self.shown = movers

    def list_movers(self) -> list[Mover]:
        """Return who moved, furthest first."""
        if self.shown is None:
            return []
        movers = [*self.shown.climbed, *self.shown.fell]
        return sorted(movers, key=lambda mover: -abs(mover.climbed))
