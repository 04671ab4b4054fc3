"""What moderators did, and deletions that are not complete."""

from piccolo.columns import JSONB, Array, BigInt, BigSerial, Text, Timestamptz, Varchar
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


class ForgottenPlayer(Table):
    """A player who was deleted while something of theirs may have been under way."""

    player_id = BigInt(primary_key=True, default=None)
    transactions = Array(
        base_column=Text(), null=True, default=None, help_text="Those that may be: virtual ids."
    )
