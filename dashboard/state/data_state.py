"""How far the data on a screen can be trusted: one state machine for all screens."""

from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Final

from dashboard.client.gateway import GatewayError, Refused
from dashboard.text.names import clean_name

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
