"""What stands beside the board: what comes in, who moves, who wins most, what marks mean."""

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from dashboard.client.answers import Mover
from dashboard.state.board import Line
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import fit_name
from dashboard.text.numbers import (
    choose_text,
    draw_sparkline,
    write_amount,
    write_rate,
    write_time,
)
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
    """Return who moved furthest, and of how many players and which time these are."""
    movers, of = list_movers(state, at)
    if not movers:
        return _draw_nobody(state, "moved")
    label: list[ToneLine] = [[(of, "muted")]] if of else []
    return [*map(_draw_mover, movers[: _SIDE_LINES - len(label)]), *label]


def draw_movers_line(state: ConsoleState, at: float, width: int) -> ToneLine:
    """Return the same in one line, of as many as there is room for; nothing where nobody moved."""
    movers, of = list_movers(state, at)
    of = of or f"of the {len(state.board):,} listed"
    title = " Movers "
    line: list[Span] = [(title, "strong")]
    room = width - len(title) - len(of) - 1
    for mover in movers:
        move, tone = _describe_move(mover)
        text = f" {fit_name(mover.username, _SHORT_NAME).rstrip()}  "
        room -= len(move.strip()) + cell_len(text)
        if room < 0:
            break
        line += [(move.strip(), tone), (text, "")]
    return [*line, (of, "muted")] if movers else []


def list_movers(state: ConsoleState, at: float) -> tuple[Sequence[Line | Mover], str]:
    """Return who moved furthest of the whole board, and of which time or how many that is.

    Where the service does not say, they are of the lines listed; empty words: these are all.
    """
    listed = state.board.list_movers(_SIDE_LINES, at)
    if state.lists_all:
        return listed, ""
    of_all, movers = state.movers.shown, state.movers.list_movers()
    if state.is_final or of_all is None or of_all.since is None or not movers:
        return listed, f"of the {len(state.board):,} listed"
    if not of_all.complete:
        return movers, f"of the last {of_all.scores:,} scores"
    return movers, f"of all since {write_time(of_all.since, state.clock.now().tzinfo)}"


def draw_gainers(state: ConsoleState, at: float) -> list[ToneLine]:
    """Return who gained most of the lines listed."""
    gainers = state.board.list_gainers(_SIDE_LINES, at)
    return [_draw_gainer(line) for line in gainers] or _draw_nobody(state, "scored")


def _draw_nobody(state: ConsoleState, what: str) -> list[ToneLine]:
    if state.is_final:
        return [[("nobody: the season is over", "muted")]]
    if state.lists_all:
        return [[(f"nobody has {what} yet", "muted")]]
    # The submits beside it are of all players.
    return [
        [(f"none of these {len(state.board):,} players", "muted")],
        [(f"has {what} yet", "muted")],
    ]


def _describe_move(line: Line | Mover) -> Span:
    return describe_movement(line.climbed, line.gained if isinstance(line, Line) else None)


def _draw_mover(line: Line | Mover) -> ToneLine:
    movement, rank = _describe_move(line), f" {f'#{line.rank:,}':>7}"
    name = fit_name(line.username, _SIDE_WIDTH - len(movement[0]) - len(rank))
    return [movement, (name, ""), (rank, "")]


def _draw_gainer(line: Line) -> ToneLine:
    gained = f" {line.gained_text:>12}"
    return [(fit_name(line.username, _SIDE_WIDTH - len(gained)), ""), (gained, "good")]
