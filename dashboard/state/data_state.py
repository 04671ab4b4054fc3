"""In what condition the figures on a screen are: one state machine for all screens."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The conditions; the value is the mark that stands for one where there is no colour."""

    LOADING = "…"
    EMPTY = "○"
    LIVE = "●"
    STALE = "◐"
    DISCONNECTED = "✕"
    ERROR = "!"
    PAUSED = "‖"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, and a sentence for the operator that says what to do about it."""

    kind: Kind
    sentence: str

    @property
    def is_dim(self) -> bool:
        """Whether the figures must not be taken for current ones."""
        return self.kind in {Kind.STALE, Kind.DISCONNECTED, Kind.ERROR}
