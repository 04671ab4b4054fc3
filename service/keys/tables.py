"""The table of API keys."""

from piccolo.columns import BigSerial, Bytea, Timestamptz, Varchar
from piccolo.table import Table


class ApiKey(Table):
    """Who may call. Never deleted: that a key was once made closes the service for good."""

    id = BigSerial(primary_key=True)
    name = Varchar(length=64, unique=True, default=None)
    role = Varchar(length=16, default=None)
    digest = Bytea(unique=True, default=None)
    """SHA-256 of the key, which nobody keeps; it is random, so that no salt is needed."""
    hint = Varchar(length=8, default=None)
    """The key's last characters, by which its owner knows it."""
    created_at = Timestamptz()
    revoked_at = Timestamptz(null=True, default=None)
