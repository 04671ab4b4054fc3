"""The columns of the board: which there are, and by which its lines can be sorted."""

from collections.abc import Collection
from typing import Any, Final, NamedTuple


class Column(NamedTuple):
    """A column by the name that people write; `width` in cells, 0 where what is in it decides."""

    name: str
    title: str
    width: int
    means: str
    sorts: bool = True


COLUMNS: Final = {
    column.name: column
    for column in (
        Column("rank", "Rank", 0, "the rank on the whole board"),
        Column("move", "Move", 6, "ranks climbed or fallen"),
        Column("player", "Player", 0, "the name"),
        Column("id", "Id", 12, "the player's id"),
        Column("score", "Score", 16, "the score that is ranked"),
        Column("gain", "Gain", 12, "points won in the same time as the ranks"),
        Column("trend", "Trend", 10, "the score over the last half minute", sorts=False),
        Column("seen", "Scored", 8, "since when"),
    )
}
DEFAULT_COLUMNS: Final = ("rank", "move", "player", "score", "gain", "trend", "seen")
LEAST_COLUMNS: Final = ("rank", "player")

REVERSE_MARK: Final = "-"


class Sorting(NamedTuple):
    """By which column the lines are sorted, and whether the other way round."""

    column: str = "rank"
    reverse: bool = False

    def __str__(self) -> str:
        return REVERSE_MARK * self.reverse + self.column


def read_columns(chosen: Any) -> tuple[str, ...]:
    """Return columns that were chosen, those that are usual where these cannot be shown."""
    if not isinstance(chosen, Collection) or isinstance(chosen, str):
        return DEFAULT_COLUMNS
    known = tuple(name for name in COLUMNS if name in chosen)
    is_usable = len(known) == len(chosen) and all(name in chosen for name in LEAST_COLUMNS)
    return tuple(chosen) if is_usable else DEFAULT_COLUMNS


def read_sorting(chosen: Any) -> Sorting:
    """Return how to sort, by rank where that is not known: `gain`, or `-gain` the other way."""
    name = chosen.removeprefix(REVERSE_MARK) if isinstance(chosen, str) else ""
    if name not in COLUMNS or not COLUMNS[name].sorts:
        return Sorting()
    return Sorting(name, chosen != name)
