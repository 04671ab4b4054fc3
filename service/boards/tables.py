"""The tables of rules, boards and their seasons."""

from piccolo.columns import (
    BigInt,
    BigSerial,
    Boolean,
    ForeignKey,
    Integer,
    OnDelete,
    OnUpdate,
    Timestamptz,
    Varchar,
)
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Unique
from piccolo.table import Table

from service.boards.words import Direction, Operator, Ties


class Rule(Table):
    """How sessions become scores and scores become ranks; rows never change."""

    id = BigSerial(primary_key=True)
    operator = Varchar(length=10, default=Operator.SUM.value)
    direction = Varchar(length=10, default=Direction.HIGH.value)
    ties = Varchar(length=10, default=Ties.SHARED.value)
    game_mode = Varchar(length=50, null=True, default=None)
    min_score = BigInt(null=True, default=None)
    max_score = BigInt(null=True, default=None)
    score_format = Varchar(length=16, default="integer")
    cron = Varchar(length=100, null=True, default=None)
    timezone = Varchar(length=64, null=True, default=None)


class Board(Table):
    """A view over the ledger, with the rule of its next season."""

    id = BigSerial(primary_key=True)
    slug = Varchar(length=64, unique=True, default=None)
    title = Varchar(length=255, default=None)
    rule_id = ForeignKey(Rule, null=False, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict)
    version = BigInt(default=1, help_text="Counts changes.")
    created_at = Timestamptz(default=TimestamptzNow())
    archived_at = Timestamptz(null=True, default=None)


class Season(Table):
    """One period of a board; a board without a schedule has one that stays open."""

    id = BigSerial(primary_key=True)
    board_id = ForeignKey(
        Board, null=False, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict
    )
    number = Integer(default=None, help_text="Below 0 for one that is built to replace another.")
    rule_id = ForeignKey(Rule, null=False, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict)
    starts_at = Timestamptz(default=None)
    ends_at = Timestamptz(null=True, default=None)
    sealed_at = Timestamptz(null=True, default=None, help_text="From when on no fold changes it.")
    last_session_id = BigInt(
        null=True, default=None, help_text="The newest when it was sealed, or archived."
    )
    missed_after = BigInt(null=True, default=None, help_text="It lacks sessions after this one,")
    missed_until = BigInt(null=True, default=None, help_text="up to this one: it was archived.")
    closed_at = Timestamptz(null=True, default=None)
    has_index = Boolean(default=True, help_text="Redis may hold its index.")
    revision = Integer(default=1, help_text="Counts corrections of its result.")
    fill_from_player = BigInt(null=True, default=None, help_text="Null once it is filled.")

    season_board_number = Unique(["board_id", "number"])


class SeasonRefresh(Table):
    """What the last refresh of a season made of it.

    The key is (season_id, number); Piccolo knows single-column keys only.
    """

    season_id = ForeignKey(
        Season,
        primary_key=True,
        null=False,
        on_delete=OnDelete.cascade,
        on_update=OnUpdate.cascade,
    )
    number = BigInt(default=0, help_text="Of the last refresh that changed the season.")
    token = BigInt(default=0, help_text="What that refresh drew, to be told from others.")
    players = BigInt(default=0, help_text="Standings in this season, counted by the fold.")


class DroppedSeason(Table):
    """A season that was replaced, with standings and an index still to be deleted."""

    season_id = BigInt(primary_key=True, default=None)
    dropped_at = Timestamptz(default=TimestamptzNow())
