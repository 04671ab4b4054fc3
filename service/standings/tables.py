"""Standings, and how far refreshes have come."""

from piccolo.columns import UUID, BigInt, DoublePrecision, Integer, SmallInt, Timestamptz
from piccolo.columns.defaults.uuid import UUID4
from piccolo.table import Table


class Standing(Table):
    """One player's score in one season.

    The key is (season_id, player_id); Piccolo knows single-column keys only, so the migration
    sets it. No foreign keys: every row is derived from the ledger, which has them.
    """

    season_id = BigInt(primary_key=True)
    player_id = BigInt()
    score = BigInt()
    sort_score = BigInt(
        help_text="The score in the board's order: lower is better, in every season."
    )
    sessions = BigInt()
    reached_at = Timestamptz()


class RefreshState(Table):
    """The single row that numbers refreshes; the epoch tells one database from another."""

    id = SmallInt(primary_key=True, default=1)
    epoch = UUID(default=UUID4())
    number = BigInt(default=0)
    refreshed_at = Timestamptz(null=True, default=None)
    refresh_ms = DoublePrecision(null=True, default=None)
    refresh_sessions = Integer(null=True, default=None)
    reranked_at = Timestamptz(null=True, default=None)
    rerank_ms = DoublePrecision(null=True, default=None)
    rerank_rows = BigInt(null=True, default=None)
    rerank_number = BigInt(default=0, help_text="Number of the refresh the stored ranks show.")
