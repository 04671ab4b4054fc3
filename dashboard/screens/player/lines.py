"""What the console says of a player in words, and the table of the neighbours."""

from datetime import datetime
from typing import Final

from rich.cells import cell_len

from dashboard.client.answers import Rank
from dashboard.screens.live.board_columns import describe_movement
from dashboard.state.board import Board
from dashboard.state.lookup import Lookup
from dashboard.text.names import clean_name, fit_name
from dashboard.text.numbers import (
    write_amount,
    write_change,
    write_count,
    write_percentile,
    write_time,
)
from dashboard.widgets.tones import Span, ToneLine, choose_line

_PASSED_NAME: Final = 20
_SHORTEST_NAME: Final = 8
_NAME_BEFORE_MOVEMENT: Final = 16


def draw_facts(lookup: Lookup, room: int, now: datetime, *, with_rank: bool) -> list[ToneLine]:
    """Return four lines at most; `with_rank` where rank and percentile are not in big digits."""
    rank = lookup.rank
    if rank is None:
        return []
    if rank.rank is None:
        return [
            [("○ No sessions yet", "accent")],
            [("A rank comes with the first score.", "")],
            [(f"{write_count(rank.players)} players stand on the board", "muted")],
        ]
    points = write_amount(rank.total_score, "point")
    as_of = f", board as of {write_time(rank.as_of, now.tzinfo)}"
    head: Span = (f"#{rank.rank:,} " if with_rank else "", "strong")
    players = f"of {rank.players:,} players"
    score: list[Span] = [(points, "strong")]
    if with_rank:
        score.append((f", percentile {write_percentile(rank.rank, rank.players)}", ""))
    standing = choose_line(room, [head, (players + as_of, "muted")], [head, (players, "muted")])
    lines = [standing, score] if with_rank else [score, standing]
    return [*lines, _draw_next(lookup, rank, room), _draw_way(lookup, room)]


def _draw_next(lookup: Lookup, rank: Rank, room: int) -> ToneLine:
    if rank.rank == 1:
        return [("first of all", "good")]
    above = lookup.find_next_above()
    if above is None:
        return [("passing the next one now", "muted")]
    entry, points = above
    name = fit_name(entry.username, _PASSED_NAME).rstrip()
    amount: Span = (f"{write_amount(points, 'point')} to pass #{entry.rank:,}", "accent")
    return choose_line(
        room, [amount, (f" {name}", "")], [amount], [(f"{points:,} to pass #{entry.rank:,}", "")]
    )


def _draw_way(lookup: Lookup, room: int) -> ToneLine:
    gained, climbed = lookup.gained, lookup.climbed
    points = f"{write_change(gained) or '±0'} point{'' if abs(gained) == 1 else 's'}"
    mark = "▲" if climbed > 0 else "▼" if climbed else "±"
    ranks = f"{mark}{abs(climbed):,} rank{'' if abs(climbed) == 1 else 's'}"
    text = f"{points}, {ranks}"
    return choose_line(
        room,
        [(f"{text} while watched", "muted")],
        [(f"{text} watched", "muted")],
        [(text, "muted")],
    )


def draw_neighbours(board: Board, own_id: int | None, width: int, at: float) -> list[ToneLine]:
    """Return a line for each neighbour; only names are cut, and for them the movement goes."""
    lines = [board.read_line(index, at) for index in range(len(board))]
    if not lines:
        return [[("nobody around", "muted")]]
    ranks = [f"{'=' if line.tied else ''}{line.rank:,} " for line in lines]
    # Who was not among these neighbours before may have stood on the board all the time.
    moves: list[Span] = [
        ("", "") if line.climbed is None else describe_movement(line) for line in lines
    ]
    moves = [(text.strip(), tone) for text, tone in moves]
    scores = [f" {line.score:,}" for line in lines]
    rank_width, score_width = max(map(len, ranks)), max(map(len, scores))
    move_width = max(len(text) for text, _ in moves)
    move_width += bool(move_width)
    room = width - len("» ") - rank_width - score_width
    longest = max(cell_len(clean_name(line.username)) for line in lines)
    if room - move_width < min(longest, _NAME_BEFORE_MOVEMENT):
        moves, move_width = [("", "")] * len(lines), 0
    name_width = max(_SHORTEST_NAME, room - move_width)
    return [
        [
            ("» " if line.user_id == own_id else "  ", "accent"),
            (rank.rjust(rank_width), "strong"),
            (move.ljust(move_width), tone),
            (fit_name(line.username, name_width), "accent" if line.user_id == own_id else ""),
            (score.rjust(score_width), "strong" if line.user_id == own_id else ""),
        ]
        for line, rank, (move, tone), score in zip(lines, ranks, moves, scores, strict=True)
    ]
