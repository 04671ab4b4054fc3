"""How far a player has moved on a board, as a mark."""

from typing import Final

from dashboard.widgets.tones import Span

MOVEMENT_WIDTH: Final = 6


def describe_movement(climbed: int | None, gained: int | None = None) -> Span:
    """Return ▲ with the ranks climbed, ▼ with those fallen, NEW, ● for a score that kept its rank.

    The mark says it all; the tone only repeats it.
    """
    if climbed is None:
        return "NEW".ljust(MOVEMENT_WIDTH), "accent"
    if climbed > 0:
        return f"▲{_write_ranks(climbed)}".ljust(MOVEMENT_WIDTH), "good"
    if climbed < 0:
        return f"▼{_write_ranks(-climbed)}".ljust(MOVEMENT_WIDTH), "fell"
    return ("●" if gained else "").ljust(MOVEMENT_WIDTH), "muted"


def _write_ranks(ranks: int) -> str:
    """Return a number of ranks in four cells: 999, 1.2k, 957k."""
    thousand, ten_thousand = 1_000, 10_000
    if ranks < thousand:
        return f"{ranks}"
    # Cut, not rounded: 9,999 is not 10.0k.
    return f"{ranks // 100 / 10:.1f}k" if ranks < ten_thousand else f"{ranks // thousand}k"
