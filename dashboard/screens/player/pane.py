"""One player: place, neighbours, and the way since the watch began."""

from typing import Final

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Digits
from textual.worker import Worker, WorkerState

from dashboard.client.gateway import Gateway, GatewayError
from dashboard.client.messages import WorkerFailed
from dashboard.screens.player.lines import draw_facts, draw_neighbours
from dashboard.state.console_state import Picture
from dashboard.state.lookup import POLL_SECONDS, Lookup, Stage, find_player, read_place
from dashboard.text.names import clean_name, fit_name, quote_name
from dashboard.text.numbers import write_count, write_percentile
from dashboard.widgets.chart import Chart
from dashboard.widgets.lines import Lines
from dashboard.widgets.panel import Panel
from dashboard.widgets.tones import ToneLine, choose_line

DEBOUNCE_SECONDS: Final = 0.3
_NAME: Final = 40
_SESSION_SCORE: Final = 11
_MODE: Final = 20


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
        & .facts-below { display: none; padding: 0 1; }
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
        self._digits = Horizontal(classes="big")
        self._facts = Lines(classes="facts")
        self._facts_below = Lines(classes="facts-below")
        self._neighbours = Panel("Neighbours (» this player, = tie)")
        self._neighbours.add_class("neighbours")
        self._sessions = Panel("Last sessions")
        self._sessions.add_class("sessions")
        self._ranks = Chart("Rank while watched", write_count, inverted=True)
        self._scores = Chart("Score while watched", write_count)
        self._scores.add_class("scores")

    def compose(self) -> ComposeResult:
        """Who, where in big digits, among whom, and how that changed."""
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
        percentile = write_percentile(rank.rank, rank.players) if rank and rank.rank else "-"
        _update(self._percentile, percentile)
        now, at = self._picture.clock.now(), self._picture.clock.monotonic()
        for facts in (self._facts, self._facts_below):
            room = facts.content_size.width
            with_rank = not self._digits.display
            facts.show(draw_facts(lookup, room, now, with_rank=with_rank), dim=dim)
        own_id = lookup.player.user_id if lookup.player else None
        width = self._neighbours.content_size.width
        neighbours = draw_neighbours(lookup.neighbours, own_id, width, at)
        self._neighbours.show(neighbours, dim=dim)
        self._ranks.show(list(lookup.ranks), dim=dim)
        self._scores.show(list(lookup.scores), dim=dim)
        self._sessions.show(self._draw_sessions(), dim=dim)

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
                zone = self._picture.clock.now().tzinfo
                joined = f", joined {player.joined_at.astimezone(zone):%Y-%m-%d %H:%M}"
                room = self._head.content_size.width or 2 * _NAME
                own_id = f"  id {player.user_id}"
                # A long name takes no room from the figures behind it.
                name = fit_name(player.username, max(1, min(_NAME, room - len(own_id)))).rstrip()
                return choose_line(
                    room,
                    [(name, "strong"), (own_id + joined, "muted")],
                    [(name, "strong"), (own_id, "muted")],
                )

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
