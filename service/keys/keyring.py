"""The keys in memory of each process: read when they change, never for a request."""

import asyncio
import hmac
import logging
from typing import Any, Final, NamedTuple

from service.backends.database import Database, load_sql
from service.errors import ServiceError
from service.keys.errors import KeysUnknown
from service.keys.roles import Role
from service.keys.service import digest_key
from service.lifecycle import stop_task
from service.settings.settings import Settings

READ_VERSION: Final = load_sql("keys", "read_version")
READ_KEYS: Final = load_sql("keys", "read_keys")

# A revoked key is to be worthless everywhere within a second.
_POLL_SECONDS: Final = 0.4
_PATIENCE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Key(NamedTuple):
    """A valid key."""

    name: str
    role: Role
    digest: bytes


class Keyring:
    """The valid keys, at most a second old while PostgreSQL is there, and as last known after.

    It has a connection of its own, so that a busy pool cannot keep a revoked key alive.
    """

    def __init__(self, settings: Settings) -> None:
        patience_seconds = min(_PATIENCE_SECONDS, settings.database_timeout_seconds)
        own = {"database_timeout_seconds": patience_seconds}
        self._database = Database(
            settings.model_copy(update=own), application_name="leaderboard api keys", pool_size=1
        )
        self._keys: dict[bytes, Key] = {}
        self._version: tuple[Any, ...] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_behind = False
        self._changed = asyncio.Event()
        self.problem: ServiceError | None = KeysUnknown()
        """Why the keys are not known at all; None once they were read."""
        self.is_empty = False
        """Whether no key was ever made; revoked ones count."""

    async def start(self) -> None:
        """Read the keys, if PostgreSQL is there, and follow their changes from then on."""
        await self._database.open()
        await self._read_if_there()
        self._watch = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        await stop_task(self._watch)
        await self._database.close()

    def find(self, key: bytes) -> Key | None:
        """Return a valid key by what its owner sent; None for anything else."""
        digest = digest_key(key)
        # The dictionary compares digests, and nobody can aim at one. The rest is for what that
        # may still tell by its time.
        found = self._keys.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return found

    async def wait_for_change(self) -> None:
        """Wait until a key is made or revoked; callers ask again what holds then."""
        await self._changed.wait()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            await self._read_if_there()

    async def _read_if_there(self) -> None:
        try:
            await self._read()
        except Exception as error:  # noqa: BLE001 - nobody else would go on reading
            if not self._is_behind:
                reason = error.explain() if isinstance(error, ServiceError) else error
                _log.warning("API keys stay as they were last known: %s", reason)
            self._is_behind = True
            if self.problem is not None and isinstance(error, ServiceError):
                self.problem = error
        else:
            self._is_behind = False

    async def _read(self) -> None:
        row = await self._database.fetch_one(READ_VERSION)
        assert row is not None
        version = tuple(row)
        if version == self._version:
            return
        # A change in between is only seen twice.
        self._keys = {
            key["digest"]: Key(key["name"], Role[key["role"].upper()], key["digest"])
            for key in await self._database.fetch(READ_KEYS)
        }
        self._version = version
        self.is_empty = row["made"] == 0
        self.problem = None
        # Whoever waits has the old one, whoever waits from now on a new one.
        self._changed.set()
        self._changed = asyncio.Event()
