"""The table of players."""

from piccolo.columns import BigSerial, Timestamptz, Varchar
from piccolo.table import Table


class Player(Table):
    """Who scores. Never deleted: the ledger refers to it for ever."""

    id = BigSerial(primary_key=True)
    username = Varchar(length=255, unique=True, default=None)
    external_id = Varchar(length=128, null=True, unique=True, default=None)
    joined_at = Timestamptz()
    banned_at = Timestamptz(null=True, default=None)
