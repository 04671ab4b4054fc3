"""Live: the board as it moves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingsMap, BindingType
from textual.containers import Horizontal, Vertical
from textual.dom import DOMNode
from textual.message import Message
from textual.widgets import Input

from dashboard.client.gateway import PAGE_LIMIT, BoardSeason, Gateway, GatewayError
from dashboard.client.link_state import Connected
from dashboard.configuration.columns import COLUMNS, Sorting
from dashboard.screens.console_screen import ConsoleScreen, Row
from dashboard.screens.live.board_view import BoardView
from dashboard.screens.live.columns import ColumnsScreen
from dashboard.screens.live.headline import describe_filtered, describe_place, describe_sorted
from dashboard.screens.live.side import (
    draw_gainers,
    draw_marks,
    draw_movers,
    draw_movers_line,
    draw_traffic,
)
from dashboard.state.console_state import ConsoleState
from dashboard.state.data_state import DataState
from dashboard.text.names import clean_name, fit_name
from dashboard.text.numbers import drop_grouping, read_number
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from dashboard.widgets.prompt import Prompt

_LOOK_AGAIN_SECONDS = 1.0

_MOST_MOVERS = 10
# The service looks at thousands of scores for an answer.
_MOVERS_SECONDS = 10.0
# An older service does not know who moves, and not every key may ask.
_MOVERS_AGAIN_SECONDS = 60.0


class TrafficPanel(Panel):
    """What comes in, and on enter why that is slow."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "app.slow", "Why slow", tooltip="Why is it slow", id="live.slow"),
    ]


class LiveScreen(ConsoleScreen):
    """The board, and beside it who moves and how much comes in."""

    MODE = "live"
    KEY_OWNERS = (BoardView, ColumnsScreen, TrafficPanel)
    HAS_PLAYERS = True

    DEFAULT_CSS = """
    LiveScreen {
        & #live { height: 1fr; }
        & #board { width: 1fr; }
        & #side { width: 34; height: 1fr; overflow-y: auto; scrollbar-size-vertical: 1; }
        &.-narrow #side { display: none; }
        /* What stands beside the board in a wide terminal, in a line below it. */
        & #moved { display: none; }
        &.-narrow #moved { display: block; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "go_to_rank", "Go to", tooltip="Go to rank", id="live.go_to_rank"),
        Binding("f", "follow", "Follow", id="live.follow"),
        Binding("o", "sort", "Sort by the next column", show=False, id="live.sort"),
        Binding("O", "reverse", "Sort the other way round", show=False, id="live.reverse"),
        Binding("C", "columns", "Choose columns", show=False, id="live.columns"),
        Binding("escape", "clear", "Clear filter, then sorting", show=False, id="live.clear"),
    ]

    WORDS = (
        ("FINAL", "the season is closed: its result stays unless it is corrected"),
        ("▲ ▼", "ranks climbed or fallen in the time that the head line says"),
        ("of all", "Movers: of the whole board, who scored since its ranks were last stored"),
        ("NEW", "was not among the lines listed at the start of that time"),
        ("●", "scored and kept the rank"),
        ("=", "shares its rank with others; places count on, ranks do not"),
        ("»", "the player followed: the list goes where the player goes"),
        ("Gain", "points won in the same time; Change where less is better"),
        ("Scored", "since when, empty where no score was seen to come in"),
        ("pending", "scores in the ledger that are not in the ranks yet"),
    )

    @dataclass
    class WindowWanted(Message):
        """The operator wants to see the part of the board that starts at another place."""

        first: int

    @dataclass
    class PlayerWanted(Message):
        """The operator follows a player who has left the lines that are shown."""

        user_id: int

    _chosen = BoardSeason()
    _wanted_place: int | None = None
    _look_again_at = 0.0
    _is_beyond = False

    def __init__(self, state: ConsoleState, gateway: Gateway) -> None:
        super().__init__(state)
        self._gateway = gateway

    def compose_body(self) -> ComposeResult:
        """The board and the side panel."""
        with Horizontal(id="live"):
            yield BoardView(id="board")
            with Vertical(id="side"):
                yield TrafficPanel("Submits", id="traffic")
                yield Panel("Movers", id="movers")
                yield Panel("Most points", id="gainers")
                yield Panel("Marks", id="legend")
        yield Lines(id="moved")

    @property
    def _binding_chain(self) -> list[tuple[DOMNode, BindingsMap]]:
        # The board's keys move the board also while a panel beside it has the focus, or nothing.
        chain = super()._binding_chain
        board = self._board_view
        elsewhere = self.maximized is not None or isinstance(self.focused, Input)
        if elsewhere or any(node is board for node, _ in chain):
            return chain
        bindings = board._bindings.copy()  # noqa: SLF001  Textual has no other way to them
        bindings.apply_keymap(self.app._keymap)  # noqa: SLF001
        if isinstance(self.focused, TrafficPanel):
            # There enter asks for something else.
            for key in self.keys.list_keys("board.choose"):
                bindings.key_to_bindings.pop(key, None)
        return [(board, bindings), *chain]

    def on_mount(self) -> None:
        """Explain the marks."""
        self.query_one("#legend", Panel).show(draw_marks(self.keys["live.follow"]))
        self._board_view.focus()
        self.follow_movers()

    @work(exit_on_error=False)
    async def follow_movers(self) -> None:
        """Ask who moves on the whole board, where not all of it is listed, while somebody looks."""
        clock, state = self.state.clock, self.state
        asked, next_at = None, 0.0
        while True:
            at, is_here = clock.monotonic(), self.is_current and isinstance(state.link, Connected)
            is_due = at >= next_at or state.movers is not asked
            if is_here and is_due and not (state.lists_all or state.is_final or state.paused):
                asked, next_at = state.movers, at + _MOVERS_SECONDS
                try:
                    movers = await self._gateway.read_movers(state.chosen.slug, _MOST_MOVERS)
                except GatewayError:
                    # What is wrong the other requests say.
                    movers, next_at = None, at + _MOVERS_AGAIN_SECONDS
                asked.take(movers, clock.monotonic())
            await clock.sleep(_LOOK_AGAIN_SECONDS)

    @property
    def _board_view(self) -> BoardView:
        return self.query_one("#board", BoardView)

    def describe_live(self) -> str:
        """Tell how many players there are, how much comes in, and since when moves are counted."""
        state = self.state
        if state.top is None:
            return ""
        if self._wanted_place is not None:
            return f"Fetching the players around place {self._wanted_place + 1:,}"
        view, players, room = self._board_view, state.top.players, self.notice_width
        if view.wanted:
            in_field = isinstance(self.focused, Input)
            return describe_filtered(state, view.wanted, view.matches, in_field=in_field)
        if view.place is None:
            return ""
        if view.is_sorted:
            return describe_sorted(state, players, room)
        is_narrow = self.has_class("-narrow")
        return describe_place(state, view.place, players, room, is_narrow=is_narrow)

    def on_resize(self) -> None:
        """Take the focus from a panel that no longer fits the screen."""
        side = self.query_one("#side")
        if self.focused is not None and side in self.focused.ancestors and not side.display:
            self.set_focus(self._board_view)

    def show_body(self, data_state: DataState) -> None:
        """Show the board as it is now."""
        state = self.state
        at = state.clock.monotonic()
        if state.chosen != self._chosen:
            # What was asked of the last board is nothing to this one.
            self._chosen, self._wanted_place = state.chosen, None
            self._board_view.start_anew()
        self._board_view.set_columns(state.columns, state.sorting)
        self._board_view.show(state.board, at, dim=data_state.is_dim)
        self._arrive()
        self._keep_following(at)
        side = {
            "traffic": draw_traffic(state),
            "movers": draw_movers(state, at),
            "gainers": draw_gainers(state, at),
        }
        is_points = state.board.score_format.is_integer and not state.board.is_low
        self.query_one("#gainers", Panel).set_title("Most points" if is_points else "Most improved")
        moved = draw_movers_line(state, at, self.size.width)
        self.query_one("#moved", Lines).show([moved] if moved else [], dim=data_state.is_dim)
        for name, lines in side.items():
            self.query_one(f"#{name}", Panel).show(lines, dim=data_state.is_dim)

    def list_rows(self) -> Iterable[Row]:
        """Return the lines that are listed, of a filter those that match."""
        at = self.state.clock.monotonic()
        for index in self._board_view.listed:
            line = self.state.board.read_line(index, at)
            yield self.state.board_columns | {
                "rank": line.rank,
                "user_id": line.user_id,
                "username": line.username,
                "score": line.score,
                "score_text": line.score_text,
                "ranks_climbed": line.climbed,
                "points_gained": line.gained,
            }

    def describe_rows(self) -> str:
        """Tell how many of how many players: the list has a part of a large board."""
        lines, players = len(self.state.board), self._count_players()
        if self._board_view.wanted:
            return f"{self._board_view.matches:,} that match of {lines:,} listed"
        return f"{lines:,} listed of {players:,} players" if lines < players else ""

    def find_selected(self) -> int | None:
        """Return the player under the cursor."""
        line = self._board_view.read_selected()
        return line.user_id if line else None

    def describe_selection(self) -> str | None:
        """Return the player under the cursor."""
        line = self._board_view.read_selected()
        if line is None:
            return None
        name = clean_name(line.username)
        board = self.state.copied_board
        return f"{line.rank}\t{line.user_id}\t{name}\t{line.score_text}{board}"

    def start_filter(self) -> None:
        """Filter the board by name or id."""
        key = self.keys["prompt.cancel"]
        hint = f"part of a name, in any case, or of an id; {key} shows all"
        self.ask("filter", f"Filter {self.state.board_name}".rstrip(), hint=hint)

    def action_go_to_rank(self) -> None:
        """Ask for a rank."""
        players = self._count_players()
        if players:
            self.ask("rank", "Go to rank", hint=f"1 to {players:,}")
        else:
            self.notify("Nobody has a rank yet.", markup=False)

    def on_board_view_past_edge(self, event: BoardView.PastEdge) -> None:
        """Go on beyond the lines that are here."""
        board = self.state.board
        if event.step < 0:
            place = 0 if event.all_the_way else board.first - 1
        else:
            place = self._count_players() - 1 if event.all_the_way else board.first + len(board)
        if 0 <= place < self._count_players():
            self._go_to_place(place)

    def _arrive(self) -> None:
        """Go to the place that was asked for once its lines are here."""
        board, place = self.state.board, self._wanted_place
        was_beyond, self._is_beyond = self._is_beyond, False
        if place is None:
            # The board has become so short that it ends before these lines.
            self._is_beyond = board.first > 0 and not board.entries
            if self._is_beyond and not was_beyond:
                # Once is enough: asking again would cut the pause that a slow service is left.
                self.post_message(self.WindowWanted(0))
        elif self._has_place(place):
            self._go_to_place(place)
        elif board.first == _find_window(place):
            # It has become shorter since: the last one is nearest.
            self._wanted_place = None
            self._board_view.go_to_position(len(board) - 1)

    def _keep_following(self, at: float) -> None:
        """Follow a player who has left the lines that are here."""
        followed, state = self._board_view.followed, self.state
        # A service that is away is asked again when its pause is over, and not each second.
        is_watched = isinstance(state.link, Connected) and not state.paused
        if followed is None or not is_watched or not state.board.entries:
            return
        if state.board.find(followed) is None and at >= self._look_again_at:
            self._look_again_at = at + _LOOK_AGAIN_SECONDS
            self.post_message(self.PlayerWanted(followed))

    def _count_players(self) -> int:
        top = self.state.top
        return top.players if top else 0

    def _has_place(self, place: int) -> bool:
        board = self.state.board
        return board.first <= place < board.first + len(board)

    def _go_to_place(self, place: int) -> None:
        """Put the cursor on a place of the whole board, from 0, and fetch it if need be."""
        if self._has_place(place):
            self._wanted_place = None
            self._board_view.go_to_position(place - self.state.board.first)
        elif self.state.paused:
            key = self.keys["console.pause"]
            self.notify(f"Paused: press {key}, then go there.", markup=False)
        elif not isinstance(self.state.link, Connected):
            self.notify("Only the lines that are here can be shown now.", markup=False)
        else:
            self._wanted_place = place
            self._board_view.followed = None
            self.post_message(self.WindowWanted(_find_window(place)))

    def go_to_rank(self, answer: str) -> None:
        """Put the cursor on the first line of a rank."""
        rank = read_number(drop_grouping(answer.strip().removeprefix("#")))
        players = self._count_players()
        if rank is None or rank > players:
            self.notify(f"Ranks go from 1 to {players:,}.", severity="warning", markup=False)
            return
        # The first with a rank has as many players before as are better.
        place = rank - 1
        self._board_view.filter("")
        if not self._has_place(place) or not self._board_view.go_to_rank(rank):
            self._go_to_place(place)

    def action_follow(self) -> None:
        """Follow the player under the cursor, or stop it."""
        followed = self._board_view.follow_selected()
        line = self._board_view.read_selected()
        if line is not None:
            verb = "Following" if followed is not None else "No longer following"
            self.notify(f"{verb} {fit_name(line.username, 40).rstrip()}", markup=False)

    def action_sort(self) -> None:
        """Sort by the next column."""
        names = [name for name in self.state.columns if COLUMNS[name].sorts]
        column = self.state.sorting.column
        place = names.index(column) if column in names else -1
        self._sort(Sorting(names[(place + 1) % len(names)]))

    def action_reverse(self) -> None:
        """Sort by the same column, the other way round."""
        column, reverse = self.state.sorting
        self._sort(Sorting(column, not reverse))

    def on_board_view_head_selected(self, event: BoardView.HeadSelected) -> None:
        """Sort by a column; by the one that it is sorted by already, the other way round."""
        column, reverse = self.state.sorting
        self._sort(Sorting(event.column, event.column == column and not reverse))

    def _sort(self, sorting: Sorting) -> None:
        self.state.sorting = sorting
        self.post_message(self.Chosen("sort", str(sorting)))
        self.show()

    def action_columns(self) -> None:
        """Ask which columns to show."""
        self.app.push_screen(ColumnsScreen(self.state), self._show_columns)

    def _show_columns(self, columns: tuple[str, ...] | None) -> None:
        if columns is not None and columns != self.state.columns:
            self.state.columns = columns
            self.post_message(self.Chosen("columns", list(columns)))
            self.show()

    def action_clear(self) -> None:
        """Show all players again; where all are shown, by rank."""
        if self._board_view.wanted:
            self._board_view.filter("")
        elif self._board_view.is_sorted:
            self._sort(Sorting())

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        """Filter while the operator types."""
        if event.purpose == "filter":
            self._board_view.filter(event.value)

    def on_prompt_answered(self, event: Prompt.Answered) -> None:
        """Go where the operator wants."""
        self._board_view.focus()
        if event.purpose == "rank":
            self.go_to_rank(event.value)

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """Go back to the board."""
        if event.purpose == "filter":
            self._board_view.filter("")
        self._board_view.focus()


def _find_window(place: int) -> int:
    """Return the place from which on lines are read to have a place amid them."""
    return max(0, place - PAGE_LIMIT // 2)
