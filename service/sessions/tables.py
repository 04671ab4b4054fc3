"""The ledger and its outbox."""

from piccolo.columns import (
    JSONB,
    Array,
    BigInt,
    BigSerial,
    ForeignKey,
    OnDelete,
    OnUpdate,
    SmallInt,
    Timestamptz,
    Varchar,
)
from piccolo.table import Table

from service.players.tables import Player


class LedgerClock(Table):
    """The newest end of a season that is being closed or was, in its single row."""

    id = SmallInt(primary_key=True, default=1)
    closed_until = Timestamptz(default=None)


class GameSession(Table):
    """One submitted score, which never changes.

    The key is (player_id, id), for a ledger in parts; Piccolo knows single-column keys only.
    """

    id = BigSerial(primary_key=True)
    player_id = ForeignKey(
        Player, null=False, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict
    )
    score = BigInt(default=None)
    game_mode = Varchar(length=50, default="solo")
    submitted_at = Timestamptz()
    idempotency_key = Varchar(length=255, null=True, default=None)
    metadata = JSONB(null=True, default=None)
    revoked_at = Timestamptz(null=True, default=None)


class Outbox(Table):
    """Sessions of one commit that no refresh has folded yet.

    Piccolo asks for a primary key; there is none, because one commit may have several rows.
    """

    transaction_id = BigInt(primary_key=True, default=None)
    player_ids = Array(base_column=BigInt(), default=None)
    session_ids = Array(base_column=BigInt(), default=None)
    written_at = Timestamptz()
