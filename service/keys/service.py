"""Making, listing and revoking keys."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.backends.database import Database, load_sql
from service.errors import UsageError
from service.keys.roles import Role

MAKE_KEY: Final = load_sql("keys", "make_key")
LIST_KEYS: Final = load_sql("keys", "list_keys")
REVOKE_KEY: Final = load_sql("keys", "revoke_key")

# So that a key is known for one wherever it turns up.
_PREFIX: Final = "lb_"
_RANDOM_BYTES: Final = 32
_HINT_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key: all but the key itself."""

    name: str
    role: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None


def digest_key(key: bytes) -> bytes:
    """Return what is stored in place of a key."""
    return hashlib.sha256(key).digest()


async def make_key(database: Database, *, name: str, role: Role) -> str:
    """Make a key and return it, which nobody can do again.

    Raises `UsageError` where the name is taken, also by a key that was revoked.
    """
    key = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    row = await database.fetch_one(
        MAKE_KEY, name, role.word, digest_key(key.encode()), key[-_HINT_LENGTH:]
    )
    if row is None:
        raise UsageError(
            f"a key named {name} was made before; choose another name (`leaderboard keys list`)"
        )
    return key


async def list_keys(database: Database) -> list[KeyRecord]:
    """Return every key that was ever made, in that order."""
    return [KeyRecord(**row) for row in await database.fetch(LIST_KEYS)]


async def revoke_key(database: Database, name: str) -> datetime:
    """Make a key worthless for good; return when that was done first.

    Raises `UsageError` where there is no such key.
    """
    row = await database.fetch_one(REVOKE_KEY, name)
    if row is None:
        raise UsageError(f"no key is named {name}; `leaderboard keys list` shows them all")
    revoked_at = row["revoked_at"]
    assert isinstance(revoked_at, datetime)
    return revoked_at
