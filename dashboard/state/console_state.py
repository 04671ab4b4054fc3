"""What the console knows of the service, whatever screen is shown. No user interface."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from dashboard.client.answers import BoardFacts, Season, Status, Top
from dashboard.client.gateway import (
    KEY_CODES,
    LIMIT_CODES,
    BoardSeason,
    GatewayError,
)
from dashboard.client.link_state import Connected, Connecting, Disconnected, Faulty, Link
from dashboard.client.rights import Rights
from dashboard.clock import Clock
from dashboard.configuration.columns import DEFAULT_COLUMNS, read_sorting
from dashboard.configuration.preferences import Preferences
from dashboard.keys.keymap import KeyNames
from dashboard.simulation.reports.run_directory import FoundRun
from dashboard.state.access import Access
from dashboard.state.board import Board, MoverWatch
from dashboard.state.event_log import Event, EventLog, Severity
from dashboard.state.parts.alarms import Alarms
from dashboard.state.parts.health import Health, measure_rate
from dashboard.state.parts.verdict import (
    KEY_AT_LIMIT,
    Trouble,
    describe_lost_link,
    describe_refusal,
    describe_silence,
    list_troubles,
)
from dashboard.state.parts.watch import Watch
from dashboard.state.run_events import RunEvents
from dashboard.text.names import clean_name, fit_name
from dashboard.text.numbers import write_age, write_moment, write_time

_TITLE: Final = 30

SILENCE_SECONDS: Final = 4.5
"""Longest time between two statuses of a service that answers: past it nothing is known of it."""

_STALE_PARTS: Final = {
    "postgresql": "PostgreSQL is away, so no score is taken and no rank changes",
    "redis": "Redis is away and ranks may lag",
    "worker": "no worker runs, so ranks stand still",
    "index": "Redis lacks the index, so ranks come from PostgreSQL until it is rebuilt by itself",
}


class ConsoleState:
    """Keeps the newest of what arrives; while paused it holds that back and counts it."""

    def __init__(
        self,
        clock: Clock,
        url: str,
        keys: KeyNames,
        rights: Rights,
        preferences: Preferences,
    ) -> None:
        self.rights = rights
        self.columns: tuple[str, ...] = DEFAULT_COLUMNS
        self._usual_sorting = read_sorting(preferences.configuration.sort)
        self.sorting = self._usual_sorting
        self.profile = preferences.profile.name if preferences.profile else None
        self.clock = clock
        self.url = url
        self.keys = keys
        self.address = url.partition("://")[2]
        self.link: Link = Connecting()
        self.chosen = BoardSeason()
        self.board_facts: BoardFacts | None = None
        self.board = Board()
        self.movers = MoverWatch()
        self.top: Top | None = None
        self.status: Status | None = None
        self.status_error: GatewayError | None = None
        self.access: Access | None = None
        self.round_trip_ms: float | None = None
        self.status_round_trip_ms = 0.0
        self.paused_at: datetime | None = None
        self.held = 0
        self.run_state = "no run"
        self.run_is_silent = False
        self.log = EventLog()
        self.health = Health()
        self.watch = Watch(self.log, preferences.configuration.limits)
        self.alarms = Alarms(self.log)
        self._restarted: set[str] = set()
        self._run_events = RunEvents(self.log)
        self._lost_since: datetime | None = None
        self._lost_because = ""
        self._heard_at: float | None = None
        self.top_error: GatewayError | None = None
        self._newest_top: tuple[Top, int] | None = None
        self._listed_season: Season | None = None
        self._newest_status: Status | None = None
        self._from_database = False
        self.board_at: float | None = None
        """When the lines that are shown were last current, in monotonic seconds."""
        self.status_at: float | None = None
        """When the status that is shown, or what is known without one, came."""
        self._newest_board_at: float | None = None
        self._newest_status_at: float | None = None
        self._board_holds = False
        self._last_link_text = ""
        self._last_refusal = ""

    def take_link(self, link: Link) -> None:
        """Note the state of the connection."""
        self.link = link
        if isinstance(link, Connecting):
            return
        self._heard_at = self.clock.monotonic()
        if not isinstance(link, Connected):
            self._board_holds, self._last_refusal = False, ""
        severity: Severity = "bad"
        if isinstance(link, Connected):
            severity, text = "info", f"connected to {self.address}"
            self._lost_since = None
        elif isinstance(link, Faulty):
            severity = _judge_code(link.code)
            text = f"{link.code}: {clean_name(link.message)}"
            self._note_loss(f"{link.code}: {link.message}")
        else:
            text = f"disconnected: {link.reason}"
            self._note_loss(link.reason)
        # A hundred failed attempts are one event.
        if text != self._last_link_text:
            self._last_link_text = text
            self.log.add(Event(self.clock.now(), "Console", severity, text))

    def _note_loss(self, reason: str) -> None:
        self._lost_because = reason
        if self._lost_since is None:
            self._lost_since = self.clock.now()

    def choose_board(
        self, chosen: BoardSeason, facts: BoardFacts | None = None, season: Season | None = None
    ) -> None:
        """Show another board or season, of which a list may have told already."""
        if chosen != self.chosen:
            # What was sorted is not to be taken for the order of another board.
            self.sorting = self._usual_sorting
        self.chosen, self.board_facts = chosen, facts
        self._listed_season = season or (facts.season if facts else None)
        self.board, self.movers = Board(), MoverWatch()
        self.top = self._newest_top = self.top_error = None
        self.board_at = self._newest_board_at = None
        self._from_database = self._board_holds = False

    def take_board_facts(self, facts: BoardFacts) -> None:
        """Note the title and the state of a board; one that was left is not shown any more."""
        if facts.slug == self.chosen.slug:
            self.board_facts = facts

    def take_top(self, top: Top | None, first: int) -> None:
        """Note the newest lines of the board; None only says that nothing has changed."""
        if top is not None:
            self.top_error = None
            self._board_holds = True
            before = self._newest_top[0] if self._newest_top else self.top
            if before is not None:
                self._note_season(before.season, top.season)
            self._newest_top = top, first
            self.held += self.paused and self.top is not None
            self._from_database = top.stale
        is_final = top.season.is_final if top else self.is_final
        if (self.find_lag() is None or is_final) and self.top_error is None:
            self._newest_board_at = self.clock.monotonic()

    def _note_season(self, before: Season, season: Season) -> None:
        """Log that a season has ended, whether or not that is shown by now."""
        if season.number > before.number:
            text = f"season {before.number} ended, season {season.number} is shown"
        elif season.number == before.number and season.is_final and not before.is_final:
            text = f"season {season.number} is closed"
        else:
            return
        title = fit_name(self.board_title, _TITLE).rstrip()
        self.log.add(Event(self.clock.now(), "Board", "info", f"{title}: {text}"))

    def take_top_error(self, error: GatewayError) -> None:
        """Note that the service refuses the board."""
        self.top_error = error
        self._board_holds = False

    def take_status(self, status: Status, round_trip_ms: float) -> None:
        """Note the state of the parts."""
        self.round_trip_ms = round_trip_ms
        self.status_error = self.access = None
        self._newest_status = status
        self._heard_at = self._newest_status_at = self.clock.monotonic()
        self._restarted |= self.watch.take(status, round_trip_ms, self.clock.now())
        self.held += self.paused

    def take_status_error(self, error: GatewayError) -> None:
        """Note that the service refuses its status."""
        # A key at its limit is refused again and again, which is one event.
        if error.code != self._last_refusal:
            self._last_refusal = error.code
            text = f"status refused: {error.code}: {clean_name(error.message)}"
            self.log.add(Event(self.clock.now(), "Console", _judge_code(error.code), text))
        self.status_error = error
        self._heard_at = self.clock.monotonic()

    def take_access(self, access: Access) -> None:
        """Note that the status is not for this key, and what is known without it."""
        before, self.access, self.status_error = self.access, access, None
        self._heard_at = self.clock.monotonic()
        if self.status is None:
            # It is shown in the place of one, and at once.
            self.status_at = self._heard_at
        if before is None or before.role != access.role:
            self.log.add(Event(self.clock.now(), "Console", "info", access.describe()))

    def take_run(self, run: FoundRun | None, state: str) -> None:
        """Note the state of the run that the operator watches."""
        self.run_state = state
        now = self.clock.now()
        self.run_is_silent = run is not None and run.measure_silence(now) is not None
        self._run_events.note(run, now)

    @property
    def paused(self) -> bool:
        """Whether what arrives is held back."""
        return self.paused_at is not None

    def toggle_pause(self) -> None:
        """Freeze what is shown, or go on with the newest."""
        self.paused_at = None if self.paused else self.clock.now()
        self.held = 0

    def note_alarms(self) -> bool:
        """Return whether something is wrong that nobody has been called for yet."""
        bad = [trouble.what for trouble in self.list_troubles() if trouble.is_bad]
        return self.alarms.note(bad, self.clock.monotonic())

    def acknowledge(self) -> Sequence[str]:
        """Note that the operator knows what is wrong; return what was news."""
        return self.alarms.acknowledge(self.clock.now())

    def advance(self) -> None:
        """Show what has arrived; while paused, only the first lines of a board just chosen."""
        if not self.paused:
            self._show_status()
        if not self.paused or self.top is None:
            self._show_top()

    def _show_status(self) -> None:
        if self._newest_status is not None:
            before, self.status = self.status, self._newest_status
            self._newest_status, self.status_at = None, self._newest_status_at
            self.status_round_trip_ms = self.round_trip_ms or 0.0
            self.health.take(
                self.status,
                self.status_round_trip_ms,
                measure_rate(before, self.status),
                self._restarted,
            )
            self._restarted = set()

    def _show_top(self) -> None:
        at = self.clock.monotonic()
        if self._newest_top is not None:
            number = self.season.number if self.season else None
            if self.top is not None and self._newest_top[0].season.number != number:
                # Who moved in the season before is nobody in this one.
                self.movers = MoverWatch()
            (self.top, first), self._newest_top = self._newest_top, None
            if (first, self.top.season.number) != (self.board.first, number):
                # Other lines, or those of another season, have another history.
                self.board = Board(first)
            self.board.take(self.top.entries, at)
        elif self._board_holds:
            self.board.pass_time(at)
        # A stream that has nothing new to tell says nothing of lines that never came.
        self.board_at = self._newest_board_at if self.top is not None else None

    @property
    def season(self) -> Season | None:
        """The season that is shown, None before anything is known of it."""
        return self.top.season if self.top else self._listed_season

    @property
    def is_final(self) -> bool:
        """Whether the season that is shown is over, and its result stays."""
        return self.season is not None and self.season.is_final

    @property
    def is_archived(self) -> bool:
        """Whether the board counts nothing, and is shown as it was."""
        return self.board_facts is not None and self.board_facts.state == "archived"

    @property
    def lists_all(self) -> bool:
        """Whether everybody who stands on the board is listed, as far as is known."""
        return self.top is None or len(self.board) >= self.top.players

    @property
    def board_title(self) -> str:
        """What the board is called, safe to be shown."""
        if self.chosen.is_global or self.board_facts is None:
            return self.chosen.slug
        return clean_name(self.board_facts.title)

    @property
    def short_title(self) -> str:
        """What a sentence calls the board: of a long title no more than tells it from others."""
        return fit_name(self.board_title, _TITLE).rstrip()

    @property
    def season_text(self) -> str:
        """Which season it is and what has become of it or of its board; of `global` nothing."""
        season = self.season
        if self.chosen.is_global or season is None:
            return ""
        mark = " FINAL" if season.is_final else " ending" if season.state == "ending" else ""
        archived = ", archived" * self.is_archived
        return f", season {season.number}{mark}{archived}"

    @property
    def board_name(self) -> str:
        """The board and its season, in a sentence; empty for `global`."""
        if self.chosen.is_global:
            return ""
        number = f", season {self.season.number}" if self.season else ""
        return f"{self.short_title}{number}"

    @property
    def of_board(self) -> str:
        """What goes behind that which is counted on a board; empty for `global`."""
        return f" of {self.board_name}" if self.board_name else ""

    @property
    def board_columns(self) -> dict[str, object]:
        """The board and the season of a row that is exported."""
        return {"board": self.chosen.slug, "season": self.season.number if self.season else None}

    @property
    def file_part(self) -> str:
        """The board and the season in the name of a file; `global` has one season."""
        if self.chosen.is_global or self.season is None:
            return f"-{self.chosen.slug}"
        return f"-{self.chosen.slug}-season-{self.season.number}"

    @property
    def copied_board(self) -> str:
        """Behind what is copied, the board and the season; `global` has one season."""
        if self.chosen.is_global or self.season is None:
            return f"\t{self.chosen.slug}"
        return f"\t{self.chosen.slug}, season {self.season.number}"

    def list_troubles(self) -> Sequence[Trouble]:
        """Return what keeps scores from being taken or ranks from being right, cause first.

        Pausing holds figures back, and never this.
        """
        if self._lost_since is not None:
            # Of the parts nothing is known then.
            retry = self.describe_retry()
            lost = describe_lost_link(self._lost_what, self._lost_because, retry, self._lost_since)
            return [lost._replace(severity="warn") if lost.what == KEY_AT_LIMIT else lost]
        if self._heard_at is None:
            return ()
        silence = self.clock.monotonic() - self._heard_at
        if silence > SILENCE_SECONDS:
            silent_since = self.clock.now() - timedelta(seconds=silence)
            return [describe_silence(silent_since)]
        if self.status_error is not None:
            return [describe_refusal(self.status_error)]
        if self.access is not None:
            return self.access.list_troubles()
        return list_troubles(self.watch, self.clock.now(), self.keys["console.slow"])

    @property
    def _lost_what(self) -> str:
        """What is lost: the service may be there, and not for this key, or not now."""
        if self._lost_because.startswith(LIMIT_CODES):
            return KEY_AT_LIMIT
        return "API key refused" if self._lost_because.startswith(KEY_CODES) else "API away"

    def describe_retry(self) -> str:
        """Return when the service is asked again, in a few words."""
        if not isinstance(self.link, Disconnected | Faulty):
            return "it is being tried now"
        seconds = max(0, round(self.link.retry_at - self.clock.monotonic()))
        return f"next try in {seconds} s ({self.keys['console.retry']}: now)"

    def find_lag(self) -> str | None:
        """Return why the ranks may lag behind the ledger, None if they do not."""
        for name, reason in _STALE_PARTS.items():
            if self.watch.read_verdict(name) == "away" or (
                self.access is not None and self.access.is_away(name)
            ):
                return reason
        if self._from_database:
            return "the service reads from PostgreSQL and ranks may lag"
        return None

    def describe_end(self) -> str:
        """Return when the season that is shown ends, or ended."""
        ends_at = self.season.ends_at if self.season else None
        return write_moment(ends_at, self.clock.now().tzinfo)

    def measure_age(self, current_at: float | None) -> float | None:
        """Return the seconds since what is shown was current; None for what never was."""
        return None if current_at is None else self.clock.monotonic() - current_at

    def describe_age(self, current_at: float | None, as_of: datetime) -> str:
        """Return how old what is shown is: `as of 12:03:07, 9 s ago`.

        What lagged from the first is as of the moment that the service says.
        """
        now = self.clock.now()
        age = self.measure_age(current_at)
        if age is None:
            return f"as of {write_time(as_of, now.tzinfo)}"
        return f"as of {write_time(now - timedelta(seconds=age), now.tzinfo)}, {write_age(age)} ago"


def _judge_code(code: str) -> Severity:
    """Return how bad an answer with this code is: a key at its limit has to wait."""
    return "warn" if code in LIMIT_CODES else "bad"
