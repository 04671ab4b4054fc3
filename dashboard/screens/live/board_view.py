"""The board on the screen, drawn line by line."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Final

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from dashboard.configuration.columns import COLUMNS, DEFAULT_COLUMNS, Sorting
from dashboard.state.board import Board, Line
from dashboard.text.names import fit_name, quote_name
from dashboard.text.numbers import draw_sparkline
from dashboard.text.scores import group_score
from dashboard.widgets.movement import describe_movement
from dashboard.widgets.tones import Span, Toned, ToneLine

_HEADER_LINES: Final = 1

_SHORTEST_RANK: Final = 8
_SHORTEST_NAME: Final = 20
_LEAST_NAME: Final = 6
_SEEN_STEP: Final = 5

_OPTIONAL: Final = ("score", "move", "gain", "seen", "trend", "id")
"""The columns that give way to the name where there is no room, the most telling first."""

_LEFT: Final = ("move", "player")
"""What begins at the left of its column."""


class BoardView(ScrollView, Toned, can_focus=True):
    """Shows a board. Its cursor stays with a player, wherever that player's line goes.

    A `DataTable` draws all its visible rows again for one changed cell; this draws the lines that
    look different than before, and asks the board only for those in sight.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"board--cursor", "board--flash"}

    DEFAULT_CSS = """
    BoardView {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & .board--cursor { background: $primary 40%; text-style: bold; }
        & .board--flash { background: $warning 25%; text-style: bold; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="board.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="board.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="board.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="board.page_down"),
        Binding("home", "jump(0)", "First", show=False, id="board.first"),
        Binding("end", "jump(-1)", "Last", show=False, id="board.last"),
        Binding("enter", "choose", "Open", id="board.choose"),
    ]

    @dataclass
    class Chosen(Message):
        """The operator wants to see this player."""

        user_id: int

    @dataclass
    class HeadSelected(Message):
        """The operator wants the lines sorted by this column."""

        column: str

    @dataclass
    class PastEdge(Message):
        """The operator wants to go on where the lines end: `step` up (-1) or down (1)."""

        step: int
        all_the_way: bool

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.followed: int | None = None
        self.selected: int | None = None
        self._board = Board()
        self._at = 0.0
        self.wanted = ""
        self.columns: tuple[str, ...] = DEFAULT_COLUMNS
        self.sorting = Sorting()
        self._shown: Sequence[int] = ()
        self._drawn: dict[int, tuple[object, Strip]] = {}
        self._seen: dict[int, Line] = {}
        self._row = 0
        self._placed = False
        self._lines = 0
        self._dimmed = False
        self._rank_width = 0

    def show(self, board: Board, at: float, *, dim: bool = False) -> None:
        """Show a board as of `at` monotonic seconds, and draw what looks different."""
        self._board, self._at = board, at
        rank_width = measure_rank(board.entries[-1].rank if board.entries else 0)
        if dim is not self._dimmed or rank_width != self._rank_width:
            self._dimmed, self._rank_width = dim, rank_width
            self._forget_drawn()
        self._choose_shown()
        self._keep_cursor()
        before, self._seen = self._seen, {}
        for row in self._rows_in_sight():
            self._seen[row] = line = self._read(row)
            if before.get(row) != line:
                self._refresh_row(row)

    def start_anew(self) -> None:
        """Show all of another board from its first line, and follow nobody."""
        self.followed = self.selected = None
        self._row, self._placed = 0, False
        self.scroll_to(y=0, animate=False, immediate=True)
        self.filter("")

    def filter(self, wanted: str) -> None:
        """Show only players whose name or id contains `wanted`; they keep their ranks."""
        self.wanted = wanted.strip()
        self._choose_shown()
        self._forget_drawn()
        self._keep_cursor()
        self._reveal()

    def set_columns(self, columns: tuple[str, ...], sorting: Sorting) -> None:
        """Show other columns, or the lines in another order."""
        if (columns, sorting) != (self.columns, self.sorting):
            self.columns, self.sorting = columns, sorting
            self._choose_shown()
            self._forget_drawn()
            self._keep_cursor()
            self._reveal()

    @property
    def is_sorted(self) -> bool:
        """Whether the lines are in another order than that of the board."""
        return self.sorting != Sorting()

    @property
    def listed(self) -> Sequence[int]:
        """The positions on the board of the lines that are shown."""
        return self._shown

    @property
    def matches(self) -> int:
        """How many lines are shown."""
        return len(self._shown)

    @property
    def place(self) -> int | None:
        """The place of the cursor on the whole board, from 1."""
        return self._board.first + self._shown[self._row] + 1 if self._shown else None

    def read_selected(self) -> Line | None:
        """Return the line under the cursor."""
        if not self._shown:
            return None
        return self._board.read_line(self._shown[self._row], self._at)

    def go_to_rank(self, rank: int) -> bool:
        """Put the cursor on the first line of that rank or a worse one; False beyond the last."""
        for index in sorted(self._shown):
            if self._board.entries[index].rank >= rank:
                self.go_to_position(index)
                return True
        return False

    def go_to_position(self, index: int) -> None:
        """Put the cursor on the line of a position on the board."""
        self._select(self._shown.index(index) if index in self._shown else 0)

    def follow_selected(self) -> int | None:
        """Follow the player under the cursor, or nobody any more; return who is followed."""
        self._placed = True
        self.followed = None if self.followed == self.selected else self.selected
        self._forget_drawn()
        self._reveal()
        return self.followed

    def action_move(self, rows: int) -> None:
        """Move the cursor by lines."""
        self._go(self._row + rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by screens."""
        self._go(self._row + pages * max(1, self.size.height - _HEADER_LINES - 1))

    def action_jump(self, row: int) -> None:
        """Move the cursor to the first or last line; from there to the first or last of all."""
        row %= max(1, len(self._shown))
        if row == self._row and self._placed and self._is_as_listed:
            self.post_message(self.PastEdge(1 if row else -1, all_the_way=True))
        self._select(row)

    def action_choose(self) -> None:
        """Look up the player under the cursor."""
        if self.selected is not None:
            self.post_message(self.Chosen(self.selected))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the line, of which a second click looks the player up; or sort."""
        if event.y < _HEADER_LINES:
            column = self._find_head(event.x)
            if column is not None:
                self.post_message(self.HeadSelected(column))
            return
        row = self.scroll_offset.y + event.y - _HEADER_LINES
        if row < len(self._shown):
            self._select(row)
            if event.chain > 1:
                self.action_choose()

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in sight when there are fewer lines, if it was."""
        lines, self._lines = self._lines, event.size.height - _HEADER_LINES
        if self._placed and 0 <= self._row - self.scroll_offset.y < lines:
            self._reveal()

    def notify_style_update(self) -> None:
        """Forget lines in the colours of another theme."""
        super().notify_style_update()
        self._drawn.clear()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the window."""
        width = self.scrollable_content_region.width
        if y < _HEADER_LINES:
            return self.draw_line(self._draw_head(self._lay_out(width)), width)
        row = self.scroll_offset.y + y - _HEADER_LINES
        if row >= len(self._shown):
            return Strip.blank(width, self.visual_style.rich_style)
        line = self._seen.get(row)
        if line is None:
            line = self._seen[row] = self._read(row)
        under_cursor = line.user_id == self.selected
        key = (line, width, under_cursor, self.has_focus)
        drawn = self._drawn.get(row)
        if drawn is None or drawn[0] != key:
            followed = line.user_id == self.followed
            drawn = (
                key,
                self.draw_line(
                    draw_board_line(line, width, self._lay_out(width), followed=followed),
                    width,
                    over=self._find_highlight(line, under_cursor=under_cursor),
                    dim=self._dimmed,
                ),
            )
            self._drawn[row] = drawn
        return drawn[1]

    def _lay_out(self, width: int) -> "_Layout":
        return choose_layout(self.columns, width, self._rank_width)

    def _draw_head(self, layout: "_Layout") -> ToneLine:
        """Return the names of the columns, and what players' names or ids are filtered by."""
        text = ""
        for name, width in layout:
            title = COLUMNS[name].title
            if name == "gain" and self._board.is_low:
                title = "Change"
            if name == "player" and self.wanted:
                title = f"Player {quote_name(self.wanted, width - len('Player  '))}"
            if self.is_sorted and name == self.sorting.column:
                title += "↑" if self.sorting.reverse else "↓"
            text += _fit(name, title, width)
        return [(text, "muted")]

    def _find_head(self, x: int) -> str | None:
        """Return the column whose head is there, if lines can be sorted by it."""
        layout = self._lay_out(self.scrollable_content_region.width)
        ends = accumulate(width for _, width in layout)
        names = (name for (name, _), end in zip(layout, ends, strict=True) if x < end)
        name = next(names, None)
        return name if name is not None and COLUMNS[name].sorts else None

    @property
    def _is_as_listed(self) -> bool:
        """Whether each line of the board is where it is on the board."""
        return not self.wanted and not self.is_sorted

    def _find_highlight(self, line: Line, *, under_cursor: bool) -> Style | None:
        if under_cursor:
            return self.get_component_rich_style("board--cursor")
        return self.get_component_rich_style("board--flash") if line.flashing else None

    def _read(self, row: int) -> Line:
        return _coarsen(self._board.read_line(self._shown[row], self._at))

    def _refresh_row(self, row: int) -> None:
        y = row - self.scroll_offset.y + _HEADER_LINES
        if y >= _HEADER_LINES:
            self.refresh(Region(0, y, self.scrollable_content_region.width, 1))

    def _rows_in_sight(self) -> range:
        first = self.scroll_offset.y
        return range(first, min(first + self.size.height - _HEADER_LINES, len(self._shown)))

    def _choose_shown(self) -> None:
        entries = self._board.entries
        if self.wanted:
            self._shown = self._board.search(self.wanted)
        elif self.is_sorted or self._shown != range(len(entries)):
            self._shown = range(len(entries))
        if self.is_sorted:
            self._shown = self._board.sort(self._shown, self.sorting)
        size = Size(0, len(self._shown) + _HEADER_LINES)
        if size != self.virtual_size:
            self.virtual_size = size
            self._forget_drawn()

    def _forget_drawn(self) -> None:
        self._drawn.clear()
        self._seen.clear()
        self.refresh()

    def _keep_cursor(self) -> None:
        """Find the row to which the selected player has gone."""
        if not self._shown:
            self._row = 0
            return
        before = self._row, self.selected
        # Until the operator chooses a player, the cursor waits on the first line.
        wanted = (self.followed, self.selected) if self._placed else ()
        for user_id in wanted:
            row = self._find_row(user_id)
            if row is not None:
                self._row = row
                break
        # A player who is gone leaves the cursor to whoever stands in that place now.
        self._row = min(self._row, len(self._shown) - 1)
        self.selected = self._board.entries[self._shown[self._row]].user_id
        if (self._row, self.selected) != before:
            self._refresh_row(self._row)
            # The view follows only whom the operator follows: others may fall out of it.
            if self.followed is not None:
                self._reveal()

    def _find_row(self, user_id: int | None) -> int | None:
        index = None if user_id is None else self._board.find(user_id)
        if index is None or self._is_as_listed:
            return index
        return self._shown.index(index) if index in self._shown else None

    def _go(self, row: int) -> None:
        last = len(self._shown) - 1
        at_edge = (row < 0 and self._row == 0) or (row > last and self._row == last)
        if at_edge and self._is_as_listed:
            self.post_message(self.PastEdge(-1 if row < 0 else 1, all_the_way=False))
        self._select(row)

    def _select(self, row: int) -> None:
        if not self._shown:
            return
        before = self._row
        self._placed = True
        self._row = max(0, min(row, len(self._shown) - 1))
        self.selected = self._board.entries[self._shown[self._row]].user_id
        if self.followed is not None and self.followed != self.selected:
            self.followed = None
            self._forget_drawn()
        self._refresh_row(before)
        self._refresh_row(self._row)
        self._reveal()

    def _reveal(self) -> None:
        """Scroll as little as it takes to have the cursor in sight."""
        first = self.scroll_offset.y
        height = max(1, self.size.height - _HEADER_LINES)
        if self._row < first:
            self.scroll_to(y=self._row, animate=False, immediate=True)
        elif self._row >= first + height:
            self.scroll_to(y=self._row - height + 1, animate=False, immediate=True)


def measure_rank(worst: int) -> int:
    """Return the width of a column for ranks down to the worst one, also where those tie."""
    return max(_SHORTEST_RANK, len(f"={worst:,}") + 1)


_Layout = Sequence[tuple[str, int]]
"""Columns and how wide they are, in their order."""


def choose_layout(columns: Sequence[str], width: int, rank_width: int) -> _Layout:
    """Return the columns that leave a name room enough, and how wide each is then."""
    sizes = {"rank": rank_width}
    for name in columns:
        if name in _OPTIONAL:
            # A blank between what ends at the right of its column and what begins at the left.
            following = columns[columns.index(name) + 1 : columns.index(name) + 2]
            is_close = name not in _LEFT and following and following[0] in _LEFT
            sizes[name] = COLUMNS[name].width + bool(is_close)
    room = width - rank_width - _SHORTEST_NAME
    for name in _OPTIONAL:
        if name in sizes:
            # The score gives way to nothing but a terminal that is too narrow for anything.
            if name == "score" or sizes[name] <= room:
                room -= sizes[name]
            else:
                del sizes[name]
    sizes["player"] = width - sum(sizes.values())
    return [(name, sizes[name]) for name in columns if name in sizes]


def _fit(name: str, text: str, width: int) -> str:
    """Return a head in the cells of its column."""
    if name == "player":
        return fit_name(text, width)
    if name == "rank":
        return text.rjust(width - 1) + " "
    if name in _LEFT:
        return text.ljust(width)
    return text.rjust(COLUMNS[name].width).ljust(width)


def draw_board_line(line: Line, width: int, layout: _Layout, *, followed: bool) -> ToneLine:
    """Return a line of the board in `width` cells."""
    spans = {name: _write_cell(name, line, size) for name, size in layout if name != "player"}
    # A number too long for its column takes room from the name: names may be cut, numbers may not.
    room = width - sum(len(text) for text, _ in spans.values())
    mark = "» " if followed else ""
    name = mark + fit_name(line.username, max(_LEAST_NAME, room - len(mark) - 1)) + " "
    spans["player"] = (name, "accent" if followed else "")
    return [spans[name] for name, _ in layout]


def _write_cell(name: str, line: Line, width: int) -> Span:
    """Return what a line has in a column that is not the name's, in its cells."""
    size = COLUMNS[name].width
    match name:
        case "rank":
            rank = f"{'=' if line.tied else ''}{line.rank:,}"
            return rank.rjust(width - 1) + " ", "strong"
        case "move":
            return describe_movement(line.climbed, line.gained)
        case "score":
            score = group_score(line.score, line.score_text).rjust(size)
            return score.ljust(width), "strong" if line.flashing else ""
        case "gain":
            gain = f" {line.gained_text}".rjust(size)
            return gain.ljust(width), "good" if line.improved else "muted"
        case "trend":
            return draw_sparkline(line.trend, size - 2).rjust(size).ljust(width), "accent"
        case "id":
            return f" {line.user_id}".rjust(size).ljust(width), "muted"
        case _:
            return _write_seen(line.seen_seconds).rjust(size).ljust(width), "muted"


def _coarsen(line: Line) -> Line:
    """Return the line with its age in steps, so that it is not drawn again for each second."""
    seen = line.seen_seconds
    minute = 60
    if seen is None:
        return line
    step = _SEEN_STEP if seen < minute else minute
    return line._replace(seen_seconds=seen // step * step)


def _write_seen(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < _SEEN_STEP:
        return "now"
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{seconds:.0f} s"
    return f"{seconds // minute:.0f} min" if seconds < hour else f"{seconds // hour:.0f} h"
