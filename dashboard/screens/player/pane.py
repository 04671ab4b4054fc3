"""One player: rank, neighbours, and the history since the lookup."""

from datetime import datetime
from typing import Final

from rich.cells import cell_len
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Digits

from dashboard.client.answers import Rank
from dashboard.client.connection import FINAL_SECONDS
from dashboard.client.gateway import Gateway, GatewayError
from dashboard.screens.console_screen import WorkerReporter
from dashboard.screens.player.chart import Chart
from dashboard.state.board import Board
from dashboard.state.console_state import ConsoleState
from dashboard.state.lookup import POLL_SECONDS, Lookup, Stage, find_player, read_place
from dashboard.text.names import clean_name, fit_name, quote_name
from dashboard.text.numbers import (
    localize,
    write_amount,
    write_count,
    write_moment,
    write_percentile,
    write_time,
)
from dashboard.text.scores import group_score
from dashboard.widgets.lines import Lines
from dashboard.widgets.movement import describe_movement
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import Span, ToneLine, choose_line

DEBOUNCE_SECONDS: Final = 0.3
_NAME: Final = 40
_SESSION_SCORE: Final = 11
_MODE: Final = 20
_REVOKED: Final = "revoked"

_PASSED_NAME: Final = 20
_SHORTEST_NAME: Final = 8
_NAME_BEFORE_MOVEMENT: Final = 16


class PlayerPane(WorkerReporter, Vertical):
    """Looks a player up, and keeps looking until another one is asked for."""

    DEFAULT_CSS = """
    PlayerPane {
        width: 1fr;
        & .head { height: 1; padding: 0 1; }
        & .big { height: 4; }
        & .big Vertical { width: auto; min-width: 14; height: 4; padding: 0 1; }
        & .big Lines { width: 12; }
        & .big .facts { width: 1fr; height: 4; padding: 0 1; }
        & .facts-below { display: none; padding: 0 1; }
        & Digits { width: auto; height: 3; }
        & .way { height: 1fr; }
        & .neighbours { width: 1fr; height: 100%; }
        & .charts { width: 1fr; }
        & .sessions { height: 1fr; }
    }
    """

    def __init__(self, state: ConsoleState, gateway: Gateway, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lookup = Lookup()
        self._state = state
        self._gateway = gateway
        self._head = Lines(classes="head")
        self._rank = Digits("")
        self._percentile = Digits("")
        self._digits = Horizontal(classes="big")
        self._facts = Lines(classes="facts")
        self._facts_below = Lines(classes="facts-below")
        self._neighbours = Panel("Neighbours (» this player, = tie)")
        self._neighbours.add_class("neighbours", update=False)
        self._sessions = Panel("Last sessions")
        self._sessions.add_class("sessions", update=False)
        self._ranks = Chart("Rank while watched", write_count, inverted=True)
        self._scores = Chart("Score while watched", self._write_score)
        self._scores.add_class("scores", update=False)

    def compose(self) -> ComposeResult:
        """Name, rank in big digits, neighbours, and history."""
        yield self._head
        with self._digits:
            with Vertical():
                yield Lines(classes="rank-label")
                yield self._rank
            with Vertical(classes="percentile"):
                yield Lines(classes="percentile-label")
                yield self._percentile
            yield self._facts
        yield self._facts_below
        with Horizontal(classes="way"):
            yield self._neighbours
            with Vertical(classes="charts"):
                yield self._ranks
                yield self._scores
                yield self._sessions

    def on_mount(self) -> None:
        """Label the digits."""
        self.query_one(".rank-label", Lines).show([[("Rank", "muted")]])
        self.query_one(".percentile-label", Lines).show([[("Percentile", "muted")]])

    def look_up(self, wanted: str, *, typing: bool = False) -> None:
        """Look up another player; while the operator is `typing`, wait for a pause.

        Who is not found yet is looked for again if the operator says so.
        """
        is_same = (wanted, self._state.chosen) == (self.lookup.wanted, self.lookup.board)
        if is_same and (typing or self.lookup.player is not None):
            return
        self.lookup = Lookup(wanted, self._state.chosen)
        if wanted:
            self.follow(self.lookup, DEBOUNCE_SECONDS if typing else 0.0)
        else:
            self.workers.cancel_node(self)

    def look_up_again(self) -> None:
        """Look up the same player anew, who may have another name by now, or none."""
        if self.lookup.player is not None:
            self.lookup = Lookup(str(self.lookup.player.user_id), self._state.chosen)
            self.follow(self.lookup, 0.0)

    def ask_now(self) -> None:
        """Give up the pause before the player is asked for again."""
        if self.lookup.wanted:
            self.follow(self.lookup, 0.0)

    @work(exclusive=True, exit_on_error=False)
    async def follow(self, lookup: Lookup, delay_seconds: float) -> None:
        """Find the player, then poll the player's rank, in a closed season less often."""
        clock = self._state.clock
        if delay_seconds:
            await clock.sleep(delay_seconds)
        while lookup.board == self._state.chosen:
            pause_seconds = POLL_SECONDS
            try:
                if lookup.player is None:
                    found = await find_player(self._gateway, lookup.wanted, lookup.board)
                    lookup.take_player(found)
                if lookup.player is None:
                    return
                place = await read_place(self._gateway, lookup.board, lookup.player.user_id)
            except GatewayError as error:
                lookup.take_error(error)
            else:
                if place.rank.season.is_final:
                    pause_seconds = FINAL_SECONDS
                if self._state.paused and lookup.rank is not None:
                    # It is the operator who keeps it back, and not the service any more.
                    lookup.error = None
                    self._state.held += 1
                else:
                    lags = self._state.find_lag() is not None
                    lookup.take_place(place, clock.monotonic(), lags=lags)
            await clock.sleep(pause_seconds)

    def show(self, *, dim: bool) -> None:
        """Show what is known now."""
        if self.lookup.board != self._state.chosen:
            # The same player, on the board that was chosen since.
            self.look_up(self.lookup.wanted)
        lookup = self.lookup
        self._head.show([self._draw_head()], dim=dim)
        rank = lookup.rank
        placed = rank is not None and rank.rank is not None
        _update(self._rank, f"{rank.rank:,}" if rank and placed else "-")
        percentile = write_percentile(rank.rank, rank.players) if rank and rank.rank else "-"
        _update(self._percentile, percentile)
        now, at = self._state.clock.now(), self._state.clock.monotonic()
        for facts in (self._facts, self._facts_below):
            room = facts.content_size.width
            with_rank = not self._digits.display
            is_over = self._state.is_archived or (rank is not None and rank.season.is_final)
            of_board = self._state.of_board
            lines = _draw_facts(lookup, room, now, of_board, with_rank=with_rank, is_over=is_over)
            facts.show(lines, dim=dim)
        own_id = lookup.player.user_id if lookup.player else None
        width = self._neighbours.room
        neighbours: list[ToneLine] = [[("-", "muted")]]
        if rank is not None:
            neighbours = _draw_neighbours(lookup.neighbours, own_id, width, at)
        self._neighbours.show(neighbours, dim=dim)
        self._ranks.show(list(lookup.ranks), dim=dim)
        self._scores.show(list(lookup.scores), dim=dim)
        self._sessions.show(self._draw_sessions(), dim=dim)

    def _write_score(self, score: float) -> str:
        return self.lookup.score_format.write(round(score))

    def _draw_head(self) -> ToneLine:
        lookup = self.lookup
        wanted = quote_name(lookup.wanted, _NAME) if lookup.wanted else ""
        match lookup.stage:
            case Stage.IDLE:
                return [("No player chosen yet", "muted")]
            case Stage.SEARCHING:
                return [(f"… looking for {wanted}", "muted")]
            case Stage.MISSING:
                return [("? not found: ", "warn"), (wanted, "")]
            case Stage.FAILED:
                error = lookup.error
                text = f"{error.code}: {clean_name(error.message)}" if error else ""
                return [("! error: ", "bad"), (text, "")]
            case _:
                player = lookup.player
                if player is None:
                    return []
                zone = self._state.clock.now().tzinfo
                joined = player.joined_at and f", joined {write_moment(player.joined_at, zone)}"
                room = self._head.content_size.width or 2 * _NAME
                own_id = f"  id {player.user_id}"
                # A long name takes no room from the numbers behind it.
                name = fit_name(player.username, max(1, min(_NAME, room - len(own_id)))).rstrip()
                return choose_line(
                    room,
                    [(name, "strong"), (own_id + (joined or ""), "muted")],
                    [(name, "strong"), (own_id, "muted")],
                )

    def _draw_sessions(self) -> list[ToneLine]:
        sessions = self.lookup.sessions
        if sessions is None:
            asked = self.lookup.rank is not None
            return [[("! not to be had now", "warn") if asked else ("-", "muted")]]
        now = self._state.clock.now()
        room = self._sessions.room
        lines: list[ToneLine] = []
        for session in sessions:
            moment = localize(session.submitted_at, now.tzinfo)
            when = f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d}"
            score = f"{session.score:>{_SESSION_SCORE},} "
            mode: Span = (fit_name(session.game_mode, _MODE).rstrip(), "")
            if session.revoked_at is None:
                lines.append([(f"{when:<10}", "muted"), (score, "strong"), mode])
                continue
            gone: Span = (f" {_REVOKED}", "warn")
            full: ToneLine = [(f"{when:<10}{score}", "muted"), mode, gone]
            lines.append(choose_line(room, full, [(f"{when} {session.score:,}", "muted"), gone]))
        return lines or [[("none yet", "muted")]]


def _update(digits: Digits, value: str) -> None:
    if digits.value != value:
        digits.update(value)


def _draw_facts(
    lookup: Lookup, room: int, now: datetime, of_board: str, *, with_rank: bool, is_over: bool
) -> list[ToneLine]:
    """Return at most four lines; `with_rank` where no big digits show rank and percentile.

    `is_over` where nobody can be passed any more.
    """
    rank = lookup.rank
    if rank is None:
        return []
    if rank.rank is None or rank.score is None or rank.score_text is None:
        return _draw_lack(lookup.stage, rank, of_board)
    points = lookup.score_format.write_points(rank.score)
    as_of = f", board as of {write_time(rank.as_of, now.tzinfo)}"
    head: Span = (f"#{rank.rank:,} " if with_rank else "", "strong")
    players = f"of {rank.players:,} players"
    final = " FINAL" if rank.season.is_final else ""
    score: list[Span] = [(points, "strong")]
    if with_rank:
        score.append((f", percentile {write_percentile(rank.rank, rank.players)}", ""))
    standing = choose_line(
        room,
        [head, (players + of_board + (final or as_of), "muted")],
        [head, (players + of_board + final, "muted")],
        [head, (players + as_of, "muted")],
        [head, (players, "muted")],
    )
    points_line = choose_line(room, score, score[:1])
    lines = [standing, points_line] if with_rank else [points_line, standing]
    return [*lines, _draw_next(lookup, rank, room, is_over=is_over), _draw_way(lookup, room)]


def _draw_lack(stage: Stage, rank: Rank, of_board: str) -> list[ToneLine]:
    """Return why a player has no rank, and among how many."""
    why = {Stage.BANNED: "Banned", Stage.UNPLAYED: "No sessions yet"}
    what = why.get(stage, "No score that counts")
    if rank.season.is_final:
        what = "No score that counted"
    lines: list[ToneLine] = [[(f"○ {what}", "accent")]]
    if stage is Stage.UNPLAYED and not of_board:
        lines.append([("A rank comes with the first score.", "")])
    players = f"{write_count(rank.players)} players{of_board or ' stand on the board'}"
    return [*lines, [(players, "muted")]]


def _draw_next(lookup: Lookup, rank: Rank, room: int, *, is_over: bool) -> ToneLine:
    if rank.rank == 1:
        return [("first of all", "good")]
    above = lookup.find_next_above()
    if above is None:
        return [("passing the next one now", "muted")]
    entry, points = above
    name = fit_name(entry.username, _PASSED_NAME).rstrip()
    score_format = lookup.score_format
    passing = f"behind #{entry.rank:,}" if is_over else f"to pass #{entry.rank:,}"
    if is_over:
        points -= 1
    amount: Span = (f"{score_format.write_points(points)} {passing}", "accent")
    return choose_line(
        room,
        [amount, (f" {name}", "")],
        [amount],
        [(f"{score_format.write(points)} {passing}", "")],
    )


def _draw_way(lookup: Lookup, room: int) -> ToneLine:
    if lookup.rank is not None and lookup.rank.season.is_final:
        return [(f"asked every {FINAL_SECONDS:.0f} s", "muted")]
    gained, climbed = lookup.gained, lookup.climbed
    points = lookup.score_format.write_change(gained) or "±0"
    if lookup.score_format.is_integer:
        points += f" point{'' if abs(gained) == 1 else 's'}"
    else:
        points = f"score {points}"
    mark = "▲" if climbed > 0 else "▼" if climbed else "±"
    text = f"{points}, {mark}{write_amount(abs(climbed), 'rank')}"
    return choose_line(
        room,
        [(f"{text} while watched", "muted")],
        [(f"{text} watched", "muted")],
        [(text, "muted")],
    )


def _draw_neighbours(board: Board, own_id: int | None, width: int, at: float) -> list[ToneLine]:
    """Return a line for each neighbour; only names are cut, and for them the movement goes."""
    lines = [board.read_line(index, at) for index in range(len(board))]
    if not lines:
        return [[("nobody around", "muted")]]
    ranks = [f"{'=' if line.tied else ''}{line.rank:,} " for line in lines]
    # Who was not among these neighbours before may have stood on the board all the time.
    moves: list[Span] = [
        ("", "") if line.climbed is None else describe_movement(line.climbed, line.gained)
        for line in lines
    ]
    moves = [(text.strip(), tone) for text, tone in moves]
    scores = [f" {group_score(line.score, line.score_text)}" for line in lines]
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
