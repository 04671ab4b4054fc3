"""What stands beside the board: how much comes in, who moves, who gains, what the marks mean."""

from typing import Final

from dashboard.screens.live.board_columns import describe_movement
from dashboard.state.board import Line
from dashboard.state.console_state import Picture
from dashboard.text.names import fit_name
from dashboard.text.numbers import (
    choose_text,
    draw_sparkline,
    write_amount,
    write_change,
    write_rate,
)
from dashboard.widgets.tones import ToneLine

_MOST_LINES: Final = 5
_WIDTH: Final = 29
_GRAPH: Final = 28


def draw_marks(follow: str) -> list[ToneLine]:
    """Return what the marks of the board mean; `follow` is the key that follows a player."""
    followed = f" followed ({follow})"
    return [
        [("▲", "good"), (" climbed  ", ""), ("▼", "bad"), (" fell  ", ""), ("= tie", "")],
        [("NEW", "accent"), (" was not in this list", "")],
        [("●", "muted"), (" scored, kept the rank", "")],
        [("»", "accent"), (choose_text(_WIDTH - 1, f"{followed} until you move", followed), "")],
    ]


def read_submits(picture: Picture) -> float | None:
    """Return how many submits a second came in at the last look."""
    submits = picture.health.read_values("submits")
    return submits[-1] if submits else None


def draw_traffic(picture: Picture) -> list[ToneLine]:
    """Return what comes in, of all players."""
    history = picture.health.read_values("submits")
    pending = picture.status.pending_sessions if picture.status else None
    return [
        [(write_rate(read_submits(picture)), "strong"), (" submitted", "muted")],
        [(draw_sparkline(history, _GRAPH), "accent")],
        [(write_amount(pending, "session"), "strong"), (" pending", "muted")],
    ]


def draw_movers(picture: Picture, at: float) -> list[ToneLine]:
    """Return who moved furthest of the lines listed."""
    movers = picture.board.list_movers(_MOST_LINES, at)
    return [_draw_mover(line) for line in movers] or _draw_nobody(picture, "moved")


def draw_gainers(picture: Picture, at: float) -> list[ToneLine]:
    """Return who gained most of the lines listed."""
    gainers = picture.board.list_gainers(_MOST_LINES, at)
    return [_draw_gainer(line) for line in gainers] or _draw_nobody(picture, "scored")


def _draw_nobody(picture: Picture, what: str) -> list[ToneLine]:
    lines = len(picture.board)
    if picture.top is None or lines >= picture.top.players:
        return [[(f"nobody has {what} yet", "muted")]]
    # The submits beside it are of all players.
    return [[(f"none of these {lines:,} players", "muted")], [(f"has {what} yet", "muted")]]


def _draw_mover(line: Line) -> ToneLine:
    movement, rank = describe_movement(line), f" {line.rank:>6,}"
    name = fit_name(line.username, _WIDTH - len(movement[0]) - len(rank))
    return [movement, (name, ""), (rank, "")]


def _draw_gainer(line: Line) -> ToneLine:
    gained = f" {write_change(line.gained or 0):>12}"
    return [(fit_name(line.username, _WIDTH - len(gained)), ""), (gained, "good")]
