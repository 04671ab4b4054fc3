"""The table of what moderators did."""

from piccolo.columns import JSONB, BigInt, BigSerial, Timestamptz, Varchar
from piccolo.table import Table


class ModerationLog(Table):
    """What a moderator did, or what ended by itself."""

    id = BigSerial(primary_key=True)
    at = Timestamptz()
    key_name = Varchar(length=64, null=True, default=None)
    action = Varchar(length=20, default=None)
    player_id = BigInt(null=True, default=None)
    session_id = BigInt(null=True, default=None)
    season_id = BigInt(null=True, default=None)
    reason = Varchar(length=1000, null=True, default=None)
    details = JSONB(default="{}")
