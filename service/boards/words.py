"""The words of a board and of its rule: apart from the rest, for commands that start fast."""

from enum import StrEnum
from typing import Final

GLOBAL_BOARD: Final = "global"


class Operator(StrEnum):
    """How a player's sessions of one season become one score."""

    SUM = "sum"
    BEST = "best"
    LATEST = "latest"


class Direction(StrEnum):
    """Which end of the scores is the top."""

    HIGH = "high"
    LOW = "low"


class Ties(StrEnum):
    """What players with equal scores are: level, or one after the other."""

    SHARED = "shared"
    FIRST = "first"
