"""How far the data on a screen can be trusted: one state machine for all screens."""

from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Final

from dashboard.client.gateway import FILLING, GatewayError, Refused
from dashboard.client.link_state import Connected, Connecting, Faulty
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_amount

ARCHIVED: Final = "archived: nothing counts here until it is unarchived"
"""What is said of a board that counts nothing."""


class Kind(Enum):
    """The states; the value is the mark that stands for one where there is no colour."""

    LOADING = "…"
    EMPTY = "○"
    CLOSED = "□"
    LIVE = "●"
    FINAL = "■"
    STALE = "◐"
    WARNING = "▲"
    ALARM = "◆"
    DISCONNECTED = "✕"
    ERROR = "!"
    PAUSED = "‖"


@dataclass(frozen=True, slots=True)
class DataState:
    """One state, and a sentence that tells the operator what to do about it.

    `last` is said behind it, and stays where the sentence is too long: what to press, when it is
    asked again, of when that is which is shown.
    """

    kind: Kind
    sentence: str
    last: str = ""

    @property
    def is_dim(self) -> bool:
        """Whether the data must not be taken for current."""
        return self.kind in {Kind.STALE, Kind.DISCONNECTED, Kind.ERROR}


def judge_error(error: GatewayError, again: str, kept: str = "") -> DataState:
    """Return the state of what the service refuses: `again` is how often it is asked, all the same.

    Unless it says how long it does not want to be. `kept` is said of what is shown meanwhile.
    """
    if isinstance(error, Refused) and error.delay_seconds:
        again = f"in {ceil(error.delay_seconds)} s"
    message = clean_name(error.message).removesuffix(".")
    return DataState(Kind.ERROR, f"{error.code}: {message}.", f" Asked again {again}.{kept}")


def judge_board(state: ConsoleState) -> DataState:
    """Return the state of the board's data."""
    age = state.describe_age(state.board_at, state.top.as_of) if state.top else ""
    trouble = judge_link(state, age)
    if trouble is not None:
        return trouble
    pause = judge_pause(state)
    if pause is not None:
        return pause
    if state.top_error is not None:
        if state.top_error.code == FILLING:
            return judge_filling(state)
        kept = f" Shown {age}." if age else ""
        return judge_error(state.top_error, "each second", kept)
    if state.top is None:
        board = state.board_name or f"the first board of {state.address}"
        return DataState(Kind.LOADING, f"Waiting for {board}")
    lag = state.find_lag()
    # The result of a closed season is stored: whatever lags, it does not.
    if lag is not None and not state.is_final:
        return DataState(Kind.STALE, f"{age}: {lag}")
    if not state.top.players:
        return _judge_empty(state)
    return DataState(Kind.FINAL if state.is_final or state.is_archived else Kind.LIVE, "")


def _judge_empty(state: ConsoleState) -> DataState:
    """Return the state of a board without players."""
    if state.chosen.is_global:
        key = state.keys["mode.simulate"]
        return DataState(Kind.EMPTY, f"Nobody has played yet: press {key} to start traffic")
    is_over = state.is_final or state.is_archived
    nobody = "No score counted in" if is_over else "No score counts yet in"
    key = state.keys["console.boards"]
    return DataState(
        Kind.EMPTY, f"{nobody} {state.board_name}: {key} chooses another board or season"
    )


def judge_pause(state: ConsoleState) -> DataState | None:
    """Return the state of what is held back, None while nothing is."""
    if state.paused_at is None:
        return None
    since = f"Paused since {state.paused_at:%H:%M:%S}"
    held = f"{write_amount(state.held, 'update')} held back"
    key = state.keys["console.pause"]
    return DataState(Kind.PAUSED, f"{since}: {held}. Press {key} to go on.")


def judge_filling(state: ConsoleState) -> DataState:
    """Return the state of the data of a board that counts the past first."""
    return DataState(
        Kind.LOADING,
        f"{state.short_title} is being filled from the ledger: its ranks come when that is "
        f"done. {state.keys['console.boards']} chooses another board.",
    )


def judge_link(state: ConsoleState, age: str = "") -> DataState | None:
    """Return what is wrong with the connection, if anything is; `age` is of what is shown."""
    link = state.link
    if isinstance(link, Connected):
        return None
    if isinstance(link, Connecting):
        if age:
            shown = f"; shown {age}"
            return DataState(Kind.DISCONNECTED, f"connecting to {state.address}", shown)
        return DataState(Kind.LOADING, f"Connecting to {state.address}")
    last = f"; {state.describe_retry()}" + (f"; shown {age}" if age else "")
    if isinstance(link, Faulty):
        message = clean_name(link.message).removesuffix(".")
        return DataState(Kind.ERROR, f"{link.code}: {message}", last)
    where = "" if age else f" at {state.address}"
    return DataState(Kind.DISCONNECTED, f"{link.reason}{where}", last)
