"""The tables of boards and their seasons."""

from enum import StrEnum

from piccolo.columns import (
    BigInt,
    BigSerial,
    ForeignKey,
    Integer,
    OnDelete,
    OnUpdate,
    Timestamptz,
    Varchar,
)
from piccolo.constraints import Unique
from piccolo.table import Table


class Operator(StrEnum):
    """How a player's sessions of one season become one score."""

    SUM = "sum"
    BEST = "best"
    LATEST = "latest"


class Direction(StrEnum):
    """Which end of the scores is the top."""

    HIGH = "high"
    LOW = "low"


class Board(Table):
    """A ranking rule over the ledger."""

    id = BigSerial(primary_key=True)
    slug = Varchar(length=64, unique=True, default=None)
    title = Varchar(length=255, default=None)
    operator = Varchar(length=10, default=Operator.SUM.value)
    direction = Varchar(length=10, default=Direction.HIGH.value)
    game_mode = Varchar(length=50, null=True, default=None)
    reset_schedule = Varchar(length=100, null=True, default=None)
    timezone = Varchar(length=64, default="UTC")
    min_score = BigInt(null=True, default=None)
    max_score = BigInt(null=True, default=None)


class Season(Table):
    """One period of a board; a board without a schedule has one that stays open."""

    id = BigSerial(primary_key=True)
    board_id = ForeignKey(
        Board, null=False, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict
    )
    number = Integer(default=None)
    starts_at = Timestamptz(default=None)
    ends_at = Timestamptz(null=True, default=None)
    closed_at = Timestamptz(null=True, default=None)
    players = BigInt(default=0, help_text="Standings in this season, counted by the fold.")
    last_refresh = BigInt(default=0, help_text="Number of the last refresh that changed it.")
    refresh_token = BigInt(default=0, help_text="What that refresh drew, to be told from others.")

    season_board_number = Unique(["board_id", "number"])
