"""Standings, and how far refreshes have come."""

from piccolo.columns import (
    UUID,
    Array,
    BigInt,
    BigSerial,
    Boolean,
    DoublePrecision,
    Integer,
    Numeric,
    SmallInt,
    Text,
    Timestamptz,
)
from piccolo.columns.defaults.uuid import UUID4
from piccolo.table import Table


class Standing(Table):
    """One player's score in one season.

    The key is (season_id, player_id); Piccolo knows single-column keys only. No foreign keys: every
    row is derived from the ledger, which has them.
    """

    season_id = BigInt(primary_key=True, default=None)
    player_id = BigInt(default=None)
    score = BigInt(default=None)
    sort_score = BigInt(
        default=None, help_text="The score in the board's order: less is better, in every season."
    )
    tie_key = BigInt(default=0, help_text="Which of equal scores is first; 0 where they are level.")
    sessions = BigInt(null=True, default=None, help_text="Of how many a sum is.")
    reached_at = Timestamptz(default=None)
    session_id = BigInt(
        null=True,
        default=None,
        help_text="The session that made it; of a sum the last one that changed it.",
    )
    exact_total = Numeric(null=True, default=None, help_text="The sum, where a score cannot be it.")


class ChangedPlayer(Table):
    """A player whose standings are to be made again from the ledger."""

    id = BigSerial(primary_key=True)
    player_id = BigInt(default=None)
    transaction_id = BigInt(default=None)


class RankBlock(Table):
    """The stored ranks of up to 256 players of one season; the key is (season_id, block)."""

    season_id = BigInt(primary_key=True, default=None)
    block = BigInt(default=None, help_text="The player id without its last eight bits.")
    players = Array(base_column=SmallInt(), default=None, help_text="The last eight bits of each.")
    ranks = Array(base_column=Integer(), default=None, help_text="Of each, in the same order.")


class Milestone(Table):
    """Every 250th standing of a season at its last re-rank; the key is (season_id, position)."""

    season_id = BigInt(primary_key=True, default=None)
    position = BigInt(default=None, help_text="How many standings come before it.")
    sort_score = BigInt(default=None)
    tie_key = BigInt(default=None)
    player_id = BigInt(default=None)


class RerankProgress(Table):
    """How far a re-rank is with a season that takes several slices."""

    season_id = BigInt(primary_key=True, default=None)
    epoch = UUID(default=None)
    number = BigInt(default=None)
    slice = Integer(default=0)
    sort_score = BigInt(default=-(2**63), help_text="Of the last standing that was ranked.")
    tie_key = BigInt(default=0)
    player_id = BigInt(default=0)
    rank = BigInt(default=0)
    ranked = BigInt(default=0, help_text="How many standings were ranked by then.")
    part = BigInt(null=True, default=None, help_text="The last part that was stored.")
    stored_ranks = BigInt(default=0)
    worked_ms = DoublePrecision(default=0.0)
    is_done = Boolean(default=False)


class RankSlice(Table):
    """The ranks of one slice in one part; the key is (season_id, part, slice)."""

    season_id = BigInt(primary_key=True, default=None)
    part = BigInt(default=None, help_text="The player id without its last 20 bits.")
    slice = Integer(default=None)
    players = Array(base_column=Integer(), default=None, help_text="The last 20 bits of each.")
    ranks = Array(base_column=Integer(), default=None, help_text="Of each, in the same order.")


class LatestRefresh(Table):
    """The single row that numbers refreshes."""

    number = BigInt(primary_key=True, default=0)
    refreshed_at = Timestamptz(null=True, default=None)
    refresh_ms = DoublePrecision(null=True, default=None)
    refresh_sessions = Integer(null=True, default=None)
    outbox_from = BigInt(default=0, help_text="Transaction from which the next fold claims.")
    latest_session_at = Timestamptz(null=True, default=None, help_text="Of those folded.")


class DatabaseState(Table):
    """The single row about the database; the epoch tells one from another."""

    id = SmallInt(primary_key=True, default=1)
    epoch = UUID(default=UUID4())
    refresh_problem = Text(null=True, default=None, help_text="Why the last refresh failed.")
    reranked_at = Timestamptz(null=True, default=None)
    rerank_ms = DoublePrecision(null=True, default=None)
    rerank_rows = BigInt(null=True, default=None)
    rerank_number = BigInt(default=0, help_text="Number of the refresh the stored ranks show.")
    seasons_until = Timestamptz(null=True, default=None, help_text="Until when there are seasons.")
