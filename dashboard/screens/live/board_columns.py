"""The columns of the board: what a line says in each, and which fit into a width."""

from typing import Final

from dashboard.state.board import Line
from dashboard.text.names import fit_name, quote_name
from dashboard.text.numbers import draw_sparkline, write_change, write_count
from dashboard.widgets.tones import Span, ToneLine

_SHORTEST_RANK: Final = 8
_MOVE: Final = 6
_SCORE: Final = 16
_GAIN: Final = 12
_TREND: Final = 10
_SEEN: Final = 8
_SHORTEST_NAME: Final = 20
_LEAST_NAME: Final = 6
_SEEN_STEP: Final = 5

Columns = tuple[str, ...]


def measure_rank(worst: int) -> int:
    """Return the width of a column for ranks down to the worst one, also where those tie."""
    return max(_SHORTEST_RANK, len(f"={worst:,}") + 1)


def choose_columns(width: int, rank_width: int = _SHORTEST_RANK) -> Columns:
    """Return the optional columns that leave a name room enough, the most telling first."""
    room = width - rank_width - _MOVE - _SHORTEST_NAME - _SCORE
    chosen = []
    for name, size in (("gain", _GAIN), ("seen", _SEEN), ("trend", _TREND)):
        if size <= room:
            chosen.append(name)
            room -= size
    return tuple(chosen)


def draw_header(width: int, rank_width: int = _SHORTEST_RANK, wanted: str = "") -> ToneLine:
    """Return the names of the columns, and what players' names or ids are filtered by."""
    columns = choose_columns(width, rank_width)
    text = "Rank".rjust(rank_width - 1) + " " + "Move".ljust(_MOVE)
    name_width = _measure_name(width, rank_width, columns)
    player = f"Player {quote_name(wanted, name_width - 8)}" if wanted else "Player"
    text += fit_name(player, name_width) + "Score".rjust(_SCORE)
    for name, title, size in (
        ("gain", "Gain", _GAIN),
        ("trend", "Trend", _TREND),
        ("seen", "Scored", _SEEN),
    ):
        if name in columns:
            text += title.rjust(size)
    return [(text, "muted")]


def draw_board_line(
    line: Line, width: int, rank_width: int = _SHORTEST_RANK, *, followed: bool = False
) -> ToneLine:
    """Return a line of the board in `width` cells."""
    columns = choose_columns(width, rank_width)
    rank = f"{'=' if line.tied else ''}{line.rank:,}".rjust(rank_width - 1) + " "
    before: list[Span] = [(rank, "strong"), describe_movement(line)]
    score = write_count(line.score).rjust(_SCORE)
    after: list[Span] = [(score, "strong" if line.flashing else "")]
    if "gain" in columns:
        gain = f" {write_change(line.gained)}" if line.gained is not None else ""
        after.append((gain.rjust(_GAIN), "good" if (line.gained or 0) > 0 else "muted"))
    if "trend" in columns:
        after.append((draw_sparkline(line.trend, _TREND - 2).rjust(_TREND), "accent"))
    if "seen" in columns:
        after.append((_write_seen(line.seen_seconds).rjust(_SEEN), "muted"))
    # A figure too long for its column takes from the name: names may be cut, figures may not.
    room = width - sum(len(text) for text, _ in (*before, *after))
    mark = "» " if followed else ""
    name = mark + fit_name(line.username, max(_LEAST_NAME, room - len(mark) - 1)) + " "
    return [*before, (name, "accent" if followed else ""), *after]


def describe_movement(line: Line) -> Span:
    """Return ▲ with the ranks climbed, ▼ with those fallen, NEW, ● for a score that kept its rank.

    The mark says it all; the tone only repeats it.
    """
    if line.climbed is None:
        return "NEW".ljust(_MOVE), "accent"
    if line.climbed > 0:
        return f"▲{_write_ranks(line.climbed)}".ljust(_MOVE), "good"
    if line.climbed < 0:
        return f"▼{_write_ranks(-line.climbed)}".ljust(_MOVE), "bad"
    return ("●" if line.gained else "").ljust(_MOVE), "muted"


def coarsen(line: Line) -> Line:
    """Return the line with its age in steps, so that it is not drawn again for each second."""
    seen = line.seen_seconds
    minute = 60
    if seen is None:
        return line
    step = _SEEN_STEP if seen < minute else minute
    return line._replace(seen_seconds=seen // step * step)


def _write_ranks(ranks: int) -> str:
    """Return a number of ranks in four cells: 999, 1.2k, 957k."""
    thousand, ten_thousand = 1_000, 10_000
    if ranks < thousand:
        return f"{ranks}"
    # Cut, not rounded: 9,999 is not 10.0k.
    return f"{ranks // 100 / 10:.1f}k" if ranks < ten_thousand else f"{ranks // thousand}k"


def _write_seen(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < _SEEN_STEP:
        return "now"
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{seconds:.0f} s"
    return f"{seconds // minute:.0f} min" if seconds < hour else f"{seconds // hour:.0f} h"


def _measure_name(width: int, rank_width: int, columns: Columns) -> int:
    sizes = {"gain": _GAIN, "trend": _TREND, "seen": _SEEN}
    return width - rank_width - _MOVE - _SCORE - sum(sizes[name] for name in columns)
