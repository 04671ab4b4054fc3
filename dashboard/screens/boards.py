"""Which board to show, and which season of it: two tables that are filtered by typing."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import ClassVar, Final, NamedTuple

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import Matcher
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from dashboard.client.answers import BoardFacts, Season
from dashboard.client.gateway import Gateway, GatewayError
from dashboard.screens.dialog import ListDialog, draw_error
from dashboard.simulation.client.requests import GLOBAL_BOARD
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import clean_name, fit_name, quote_name
from dashboard.text.numbers import (
    NOTHING,
    read_number,
    write_age,
    write_count,
    write_moment,
    write_span,
)
from dashboard.widgets.field import Field
from dashboard.widgets.lines import Lines

# What is counted and waits on a board changes all the time.
_AGAIN_SECONDS: Final = 2.0

_TITLE: Final = 20
_LONG_TITLE: Final = 60
_MOMENT: Final = 16


class Choice(NamedTuple):
    """A board, and a season of it; None: the current one, whichever that becomes."""

    board: BoardFacts
    season: Season | None


class _Row(NamedTuple):
    """One line of a list: its text, what typing finds it by, and what it stands for."""

    text: str
    found_by: str
    choice: Choice


class BoardsScreen(ListDialog[Choice | None]):
    """Lists the boards and then the seasons of the one chosen, unless it has only one.

    While it lists the boards it reads them again every two seconds.
    """

    LINK = "boards"

    DEFAULT_CSS = """
    BoardsScreen {
        & #columns, & #trouble { padding: 0 1; height: 1; }
        & #trouble { display: none; height: auto; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "list_move(-1)", "Up", show=False, id="boards.up"),
        Binding("down", "list_move(1)", "Down", show=False, id="boards.down"),
        Binding("pageup", "list_page(-1)", "Page up", show=False, id="boards.page_up"),
        Binding("pagedown", "list_page(1)", "Page down", show=False, id="boards.page_down"),
        Binding("escape", "back", "Back", id="boards.back"),
    ]

    def __init__(self, gateway: Gateway, state: ConsoleState) -> None:
        super().__init__()
        self._gateway = gateway
        self._state = state
        self._boards: list[_Row] | None = None
        self._seasons: list[_Row] | None = None
        self._board: BoardFacts | None = None
        self._listed: list[_Row] = []

    def compose(self) -> ComposeResult:
        """A field, and below it what it finds."""
        with Vertical(id="choice", classes="frame"):
            yield Field(select_on_focus=False)
            yield Lines(id="columns")
            yield Lines(id="trouble")
            yield OptionList()

    def on_mount(self) -> None:
        """Ask for the boards."""
        self._show_list()
        self.read_boards()

    @property
    def _zone(self) -> tzinfo | None:
        return self._state.clock.now().tzinfo

    @work(exclusive=True, exit_on_error=False)
    async def read_boards(self) -> None:
        """Read what boards there are, again and again."""
        while True:
            try:
                boards = await self._gateway.list_boards()
            except GatewayError as error:
                self._show_trouble(error)
            else:
                self._take_boards(boards)
            await self._state.clock.sleep(_AGAIN_SECONDS)

    def _take_boards(self, boards: list[BoardFacts]) -> None:
        """Show the boards as they are now, with the cursor where it is."""
        # The one that is always there comes first, as it does in the console.
        boards.sort(key=lambda board: (board.slug != GLOBAL_BOARD, board.slug))
        is_first = self._boards is None
        self._boards = [self._draw_board(board) for board in boards]
        self.query_one("#trouble", Lines).display = False
        self._show_rows(self._state.chosen.slug if is_first else self._find_slug())

    @work(exclusive=True, exit_on_error=False)
    async def read_seasons(self, board: BoardFacts) -> None:
        """Read what seasons a board has."""
        try:
            seasons = (await self._gateway.read_seasons(board.slug)).seasons
        except GatewayError as error:
            self._show_trouble(error)
            return
        self._seasons = [self._draw_season(board, season) for season in seasons]
        self._show_list()

    def on_input_changed(self) -> None:
        """List what matches, the best match first."""
        self._show_rows()

    def on_input_submitted(self) -> None:
        """Choose the line under the cursor."""
        row = self.options.highlighted
        if row is not None and row < len(self._listed):
            self._choose(self._listed[row].choice)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell the slug: titles may be alike, or too long for their column."""
        if self._board is None and event.option_index < len(self._listed):
            self._describe_keys(self._listed[event.option_index].choice.board.slug)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose the line that was clicked."""
        self._choose(self._listed[event.option_index].choice)

    def action_back(self) -> None:
        """Go back from the seasons to the boards, and from those to the console."""
        if self._board is None:
            self.dismiss(None)
            return
        slug, self._board, self._seasons = self._board.slug, None, None
        self.workers.cancel_node(self)
        self._show_list(slug)
        self.read_boards()

    def _choose(self, choice: Choice) -> None:
        if self._board is not None:
            is_current = choice.season is not None and (
                choice.season.number == self._board.season.number
            )
            self.dismiss(choice._replace(season=None) if is_current else choice)
        elif choice.board.season.number == 1:
            self.dismiss(choice)
        else:
            self._board = choice.board
            self._show_list()
            self.read_seasons(choice.board)

    def _show_list(self, current: str = "") -> None:
        """Show another list from its start, with the cursor on the board that is `current`."""
        field, frame = self.query_one(Input), self.query_one("#choice")
        self._describe_keys("")
        keys = self._state.keys["console.keys"]
        if self._board is None:
            frame.border_title = Content("Boards")
            field.placeholder = f"type a part of a title or of a slug; {keys} lists the keys"
            columns = _write_board("Board", "State", "Players", "Pending", "Waits", "Season, ends")
        else:
            title = fit_name(self._board.title, _LONG_TITLE).rstrip()
            frame.border_title = Content(f"Seasons of {title}")
            field.placeholder = f"type a season's number; {keys} lists the keys"
            columns = _write_season("Season", "State", "Players", "Begins", "Ends")
        self.query_one("#columns", Lines).show([[(columns, "muted")]])
        self.query_one("#trouble", Lines).display = False
        with field.prevent(Input.Changed):
            field.value = ""
        self._show_rows(current)

    def _describe_keys(self, slug: str) -> None:
        back = self._state.keys["boards.back"]
        goes = "closes" if self._board is None else "goes back to the boards"
        about = f"{slug}{self._describe_work(slug)}: " if slug else ""
        self.query_one("#choice").border_subtitle = Content(f"{about}enter chooses, {back} {goes}")

    def _describe_work(self, slug: str) -> str:
        """Return what the service does with a board that is being filled or ends."""
        boards = self._state.status.boards if self._state.status else None
        for filling in boards.filling if boards else ():
            if filling.board == slug:
                return f", {filling.percent:g} % filled"
        for ending in boards.ending if boards else ():
            if ending.board == slug:
                return f", season {ending.season} waits for {clean_name(ending.waits_for)}"
        return ""

    def _find_slug(self) -> str:
        """Return the board under the cursor."""
        row = self.options.highlighted
        return (
            "" if row is None or row >= len(self._listed) else self._listed[row].choice.board.slug
        )

    def _show_rows(self, current: str = "") -> None:
        """Show what matches, with the cursor on the board that is `current`, else the first."""
        options = self.options
        before, self._listed = self._listed, self._find_rows(self.query_one(Input).value.strip())
        if current and before and _name_rows(before) == _name_rows(self._listed):
            # The same lines under the same cursor: only what has changed is drawn anew.
            for at, (old, new) in enumerate(zip(before, self._listed, strict=True)):
                if old.text != new.text:
                    options.replace_option_prompt_at_index(at, Content(new.text))
            return
        top = options.scroll_y
        options.clear_options()
        options.add_options(Option(Content(row.text)) for row in self._listed)
        if self._listed:
            slugs = [row.choice.board.slug for row in self._listed]
            is_kept = self._board is None and current in slugs
            options.highlighted = slugs.index(current) if is_kept else 0
            if is_kept:
                options.scroll_to(y=top, animate=False)
        else:
            options.add_option(Option(Content(self._describe_lack()), disabled=True))

    def _find_rows(self, wanted: str) -> list[_Row]:
        rows = self._boards if self._board is None else self._seasons
        if rows is None or not wanted:
            return rows or []
        if self._board is not None and wanted.isascii() and wanted.isdecimal():
            return self._find_seasons(self._board, rows, wanted)
        matcher = Matcher(wanted)
        scores = {row: matcher.match(row.found_by) for row in rows}
        # A stable sort: equal matches stay in the order of the list.
        return sorted((row for row in rows if scores[row]), key=lambda row: -scores[row])

    def _find_seasons(self, board: BoardFacts, rows: Sequence[_Row], wanted: str) -> list[_Row]:
        """Return the season of that number, which may be older than those listed, then longer."""
        found = [row for row in rows if row.found_by.split()[0].startswith(wanted)]
        found.sort(key=lambda row: len(row.found_by.split()[0]))
        number = read_number(wanted)
        listed = {row.choice.season.number for row in rows if row.choice.season}
        if number is not None and number < board.season.number and number not in listed:
            found.insert(0, self._draw_season(board, Season(number, "")))
        return found

    def _describe_lack(self) -> str:
        rows = self._boards if self._board is None else self._seasons
        if rows is None:
            has_failed = self.query_one("#trouble", Lines).display
            return "nothing to choose from" if has_failed else "… asking the service"
        what = "board" if self._board is None else "season"
        return f"no {what} matches {quote_name(self.query_one(Input).value)}"

    def _show_trouble(self, error: GatewayError) -> None:
        trouble = self.query_one("#trouble", Lines)
        trouble.show(draw_error(error, self.room))
        trouble.display = True
        self._show_rows(self._find_slug())

    def _draw_board(self, board: BoardFacts) -> _Row:
        pending, waits = self._write_pending(board)
        text = _write_board(
            board.title,
            _write_state(board),
            write_count(board.players),
            pending,
            waits,
            f"{board.season.number}, {_write_end(board, self._state.clock.now())}",
        )
        return _Row(text, f"{clean_name(board.title)} {board.slug}", Choice(board, None))

    def _write_pending(self, board: BoardFacts) -> tuple[str, str]:
        """Return how many sessions wait to be counted there, and how long the oldest has."""
        status = self._state.status
        if status is None or status.boards is None or board.state == "archived":
            return NOTHING, NOTHING
        boards = status.boards
        if boards.pending is None:
            return NOTHING, NOTHING
        # Of many only the oldest were looked at.
        is_all = (status.pending_sessions or 0) <= boards.pending_limit
        for pending in boards.pending:
            if pending.board == board.slug:
                more = "" if is_all else "+"
                return f"{write_count(pending.sessions)}{more}", write_age(pending.oldest_seconds)
        return ("0" if is_all else NOTHING), NOTHING

    def _draw_season(self, board: BoardFacts, season: Season) -> _Row:
        name = {board.season.number: ", current", board.season.number - 1: ", previous"}
        relation = name.get(season.number, "")
        state = "FINAL" if season.is_final else season.state
        text = _write_season(
            f"{season.number}{relation}",
            state,
            write_count(season.players),
            write_moment(season.starts_at, self._zone),
            write_moment(season.ends_at, self._zone),
        )
        return _Row(text, f"{season.number} {relation} {state}", Choice(board, season))


def _name_rows(rows: Sequence[_Row]) -> list[tuple[str, Season | None]]:
    """Return what these lines stand for."""
    return [(row.choice.board.slug, row.choice.season) for row in rows]


def _write_state(board: BoardFacts) -> str:
    """Return what becomes of a board's scores: of an archived one nothing, whatever its season."""
    if board.state != "open":
        return board.state
    return "FINAL" if board.season.is_final else board.season.state


def _write_end(board: BoardFacts, now: datetime) -> str:
    """Return when the season ends, in words; for an archived board time stands still."""
    ends_at = board.season.ends_at
    if ends_at is None:
        return "never"
    if board.state == "archived":
        return NOTHING
    seconds = (ends_at - now).total_seconds()
    return f"in {write_span(seconds)}" if seconds > 0 else f"{write_span(-seconds)} ago"


def _write_board(name: str, state: str, players: str, pending: str, waits: str, season: str) -> str:
    """Return one line of the boards, which leaves 80 cells their frame."""
    counts = f"{players:>10} {pending:>7} {waits:>6}"
    return f"{fit_name(name, _TITLE)} {state:<8} {counts}  {season:<{_MOMENT}}"


def _write_season(name: str, state: str, players: str, begins: str, ends: str) -> str:
    """Return one line of the seasons, as wide."""
    return f"{name:<14} {state:<8} {players:>12}  {begins:<{_MOMENT}}  {ends:<{_MOMENT}}"
