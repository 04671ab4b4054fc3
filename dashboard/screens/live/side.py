"""What stands beside the board: what comes in, who moves, who wins most, what marks mean."""

from typing import Final

from rich.cells import cell_len

from dashboard.state.board import Line
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import fit_name
from dashboard.text.numbers import choose_text, draw_sparkline, write_amount, write_rate
from dashboard.widgets.movement import describe_movement
from dashboard.widgets.tones import Span, ToneLine

_SIDE_LINES: Final = 5
_SIDE_WIDTH: Final = 29
_SIDE_GRAPH: Final = 28
_SHORT_NAME: Final = 14


def draw_marks(follow: str) -> list[ToneLine]:
    """Return what the marks of the board mean; `follow` is the key that follows a player."""
    followed = f" followed ({follow})"
    return [
        [("▲", "good"), (" climbed  ", ""), ("▼", "fell"), (" fell  ", ""), ("= tie", "")],
        [("NEW", "accent"), (" was not in this list", "")],
        [("●", "muted"), (" scored, kept the rank", "")],
        [
            ("»", "accent"),
            (choose_text(_SIDE_WIDTH - 1, f"{followed} until you move", followed), ""),
        ],
    ]


def read_submits(state: ConsoleState) -> float | None:
    """Return how many submits a second came in by the last status."""
    submits = state.health.read_values("submits")
    return submits[-1] if submits else None


def draw_traffic(state: ConsoleState) -> list[ToneLine]:
    """Return what comes in, of all players."""
    history = state.health.read_values("submits")
    pending = state.status.pending_sessions if state.status else None
    return [
        [(write_rate(read_submits(state)), "strong"), (" submitted", "muted")],
        [(draw_sparkline(history, _SIDE_GRAPH), "accent")],
        [(write_amount(pending, "session"), "strong"), (" pending", "muted")],
    ]


def draw_movers(state: ConsoleState, at: float) -> list[ToneLine]:
    """Return who moved furthest of the lines listed."""
    movers = state.board.list_movers(_SIDE_LINES, at)
    return [_draw_mover(line) for line in movers] or _draw_nobody(state, "moved")


def draw_movers_line(state: ConsoleState, at: float, width: int) -> ToneLine:
    """Return the same in one line, of as many as there is room for; nothing where nobody moved."""
    movers = state.board.list_movers(_SIDE_LINES, at)
    title, of = " Movers ", f" of the {len(state.board):,} listed"
    line: list[Span] = [(title, "strong")]
    room = width - len(title) - len(of)
    for mover in movers:
        move, tone = describe_movement(mover)
        text = f" {fit_name(mover.username, _SHORT_NAME).rstrip()}  "
        room -= len(move.strip()) + cell_len(text)
        if room < 0:
            break
        line += [(move.strip(), tone), (text, "")]
    return [*line, (of.lstrip(), "muted")] if movers else []


def draw_gainers(state: ConsoleState, at: float) -> list[ToneLine]:
    """Return who gained most of the lines listed."""
    gainers = state.board.list_gainers(_SIDE_LINES, at)
    return [_draw_gainer(line) for line in gainers] or _draw_nobody(state, "scored")


def _draw_nobody(state: ConsoleState, what: str) -> list[ToneLine]:
    if state.is_final:
        return [[("nothing changes any more", "muted")]]
    lines = len(state.board)
    if state.top is None or lines >= state.top.players:
        return [[(f"nobody has {what} yet", "muted")]]
    # The submits beside it are of all players.
    return [[(f"none of these {lines:,} players", "muted")], [(f"has {what} yet", "muted")]]


def _draw_mover(line: Line) -> ToneLine:
    movement, rank = describe_movement(line), f" {line.rank:>6,}"
    name = fit_name(line.username, _SIDE_WIDTH - len(movement[0]) - len(rank))
    return [movement, (name, ""), (rank, "")]


def _draw_gainer(line: Line) -> ToneLine:
    gained = f" {line.gained_text:>12}"
    return [(fit_name(line.username, _SIDE_WIDTH - len(gained)), ""), (gained, "good")]
