"""One player: place, neighbours, and the way since the watch began."""

from typing import Final

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Digits
from textual.worker import Worker, WorkerState

from dashboard.figures import write_amount, write_change, write_count, write_time
from dashboard.gateway import Gateway, GatewayError
from dashboard.lookup import POLL_SECONDS, Lookup, Stage, find_player, read_place
from dashboard.messages import WorkerFailed
from dashboard.names import clean_name, fit_name
from dashboard.picture import Picture
from dashboard.widgets.board_columns import describe_movement
from dashboard.widgets.chart import Chart
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import Span, ToneLine

DEBOUNCE_SECONDS: Final = 0.3
_NAME: Final = 40
_PASSED_NAME: Final = 20
_SHORTEST_NAME: Final = 8
_SCORE: Final = 12
_RANK: Final = len("=1,000,000")
_MOVEMENT: Final = len("▼999,999 ")
_LEAST_WITH_MOVEMENT: Final = 42
_SESSION_SCORE: Final = 11
_MODE: Final = 20
_BESIDE_NAME: Final = 2 + _RANK + 1 + _SCORE


class PlayerPane(Vertical):
    """Looks a player up, and keeps looking until another one is asked for."""

    DEFAULT_CSS = """
    PlayerPane {
        width: 1fr;
        & .head { height: 1; padding: 0 1; }
        & .big { height: 4; }
        & .big Vertical { width: auto; min-width: 14; height: 4; padding: 0 1; }
        & .big Lines { width: 12; }
        & .big .facts { width: 1fr; height: 4; padding: 0 1; }
        & Digits { width: auto; height: 3; }
        & .way { height: 1fr; }
        & .neighbours { width: 1fr; height: 100%; }
        & .charts { width: 1fr; }
        & .sessions { height: 1fr; }
    }
    """

    def __init__(self, picture: Picture, gateway: Gateway, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lookup = Lookup()
        self._picture = picture
        self._gateway = gateway
        self._head = Lines(classes="head")
        self._rank = Digits("")
        self._percentile = Digits("")
        self._facts = Lines(classes="facts")
        self._neighbours = Panel("Neighbours")
        self._neighbours.add_class("neighbours")
        self._sessions = Panel("Last sessions")
        self._sessions.add_class("sessions")
        self._ranks = Chart("Rank while watched", write_count, inverted=True)
        self._scores = Chart("Score while watched", write_count)
        self._scores.add_class("scores")

    def compose(self) -> ComposeResult:
        """Who, where in big digits, among whom, and how that changed."""
        yield self._head
        with Horizontal(classes="big"):
            with Vertical():
                yield Lines(classes="rank-label")
                yield self._rank
            with Vertical(classes="percentile"):
                yield Lines(classes="percentile-label")
                yield self._percentile
            yield self._facts
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
        """Look for another player; while the operator is `typing`, wait for a pause in it.

        Who is not found yet is looked for again if the operator says so.
        """
        if wanted == self.lookup.wanted and (typing or self.lookup.player is not None):
            return
        self.lookup = Lookup(wanted)
        if wanted:
            self.follow(self.lookup, DEBOUNCE_SECONDS if typing else 0.0)
        else:
            self.workers.cancel_node(self)

    @work(exclusive=True, exit_on_error=False)
    async def follow(self, lookup: Lookup, delay_seconds: float) -> None:
        """Find the player, then ask again and again where that player stands."""
        clock = self._picture.clock
        if delay_seconds:
            await clock.sleep(delay_seconds)
        while True:
            try:
                if lookup.player is None:
                    lookup.take_player(await find_player(self._gateway, lookup.wanted))
                if lookup.player is None:
                    return
                place = await read_place(self._gateway, lookup.player.user_id)
            except GatewayError as error:
                lookup.take_error(error)
            else:
                if self._picture.paused and lookup.rank is not None:
                    self._picture.held += 1
                else:
                    lookup.take_place(place, clock.monotonic())
            await clock.sleep(POLL_SECONDS)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Tell the console of a failed worker: Textual tells only the widget that started it."""
        if event.state is WorkerState.ERROR:
            self.post_message(WorkerFailed(event.worker))

    def show(self, *, dim: bool) -> None:
        """Show what is known now."""
        lookup = self.lookup
        self._head.show([self._draw_head()], dim=dim)
        rank = lookup.rank
        placed = rank is not None and rank.rank is not None
        _update(self._rank, f"{rank.rank:,}" if rank and placed else "-")
        percentile = rank.percentile if rank else None
        _update(self._percentile, "-" if percentile is None else f"{percentile:.2f}")
        self._facts.show(self._draw_facts(), dim=dim)
        self._neighbours.show(self._draw_neighbours(), dim=dim)
        self._ranks.show(list(lookup.ranks), dim=dim)
        self._scores.show(list(lookup.scores), dim=dim)
        self._sessions.show(self._draw_sessions(), dim=dim)

    def _draw_head(self) -> ToneLine:
        lookup = self.lookup
        wanted = clean_name(lookup.wanted)[:_NAME] if lookup.wanted else ""
        match lookup.stage:
            case Stage.IDLE:
                return [("No player chosen yet", "muted")]
            case Stage.SEARCHING:
                return [(f"… looking for {wanted}", "muted")]
            case Stage.MISSING:
                return [("? not found: ", "warn"), (f"no player has the id or name {wanted}", "")]
            case Stage.FAILED:
                error = lookup.error
                text = f"{error.code}: {clean_name(error.message)}" if error else ""
                return [("! error: ", "bad"), (text, "")]
            case _:
                player = lookup.player
                if player is None:
                    return []
                zone = self._picture.clock.now().tzinfo
                joined = f"{player.joined_at.astimezone(zone):%Y-%m-%d %H:%M}"
                return [
                    (fit_name(player.username, _NAME).rstrip(), "strong"),
                    (f"  id {player.user_id}, joined {joined}", "muted"),
                ]

    def _draw_facts(self) -> list[ToneLine]:
        lookup, rank = self.lookup, self.lookup.rank
        if rank is None:
            return []
        if rank.rank is None:
            return [
                [("○ No sessions yet", "accent")],
                [("A rank comes with the first score.", "")],
                [(f"{write_count(rank.players)} players stand on the board", "muted")],
            ]
        lines: list[ToneLine] = [
            [(f"{rank.total_score:,}", "strong"), (" points", "")],
            [(self._write_players(rank.players), "muted")],
        ]
        above = lookup.find_next_above()
        if rank.rank == 1:
            lines.append([("first of all", "good")])
        elif above is None:
            lines.append([("passing the next one now", "muted")])
        else:
            entry, points = above
            lines.append(
                [
                    (f"{write_amount(points, 'point')} to pass #{entry.rank:,}", "accent"),
                    (f" {fit_name(entry.username, _PASSED_NAME).rstrip()}", ""),
                ]
            )
        lines.append([(f"{write_change(lookup.gained) or '±0'} while watched", "muted")])
        return lines

    def _write_players(self, players: int) -> str:
        rank = self.lookup.rank
        at = write_time(rank.as_of if rank else None, self._picture.clock.now().tzinfo)
        full = f"of {players:,} players at {at}"
        fits = len(full) <= self._facts.content_size.width
        return full if fits else f"of {players:,} players"

    def _draw_neighbours(self) -> list[ToneLine]:
        board = self.lookup.neighbours
        at = self._picture.clock.monotonic()
        player = self.lookup.player
        width = self._neighbours.content_size.width
        movement = _MOVEMENT if width >= _LEAST_WITH_MOVEMENT else 0
        name_width = max(_SHORTEST_NAME, width - _BESIDE_NAME - movement)
        lines: list[ToneLine] = []
        for index in range(len(board)):
            line = board.read_line(index, at)
            own = player is not None and line.user_id == player.user_id
            rank = f"{'=' if line.tied else ''}{line.rank:,}"
            # Who was not among these neighbours before may have stood on the board all the time.
            text, tone = describe_movement(line) if line.climbed is not None else ("", "")
            moved: Span = (f"{text:<{_MOVEMENT}}" if movement else "", tone)
            lines.append(
                [
                    ("» " if own else "  ", "accent"),
                    (f"{rank:>{_RANK}} ", "strong"),
                    moved,
                    (fit_name(line.username, name_width), "accent" if own else ""),
                    (f"{line.score:>{_SCORE},}", "strong" if own else ""),
                ]
            )
        return lines or [[("nobody around", "muted")]]

    def _draw_sessions(self) -> list[ToneLine]:
        sessions = self.lookup.sessions
        if sessions is None:
            asked = self.lookup.rank is not None
            return [[("! not to be had now", "warn") if asked else ("-", "muted")]]
        now = self._picture.clock.now()
        lines: list[ToneLine] = []
        for session in sessions:
            moment = session.submitted_at.astimezone(now.tzinfo)
            when = f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d}"
            lines.append(
                [
                    (f"{when:<10}", "muted"),
                    (f"{session.score:>{_SESSION_SCORE},} ", "strong"),
                    (fit_name(session.game_mode, _MODE).rstrip(), ""),
                ]
            )
        return lines or [[("none yet", "muted")]]


def _update(digits: Digits, value: str) -> None:
    if digits.value != value:
        digits.update(value)
