"""The index of the outbox: as large as a long snapshot has made it until it is built anew."""

import logging
from typing import Final

import asyncpg

from service.backends.database import Database, load_sql
from service.errors import explain_error

FIND_OUTBOX_INDEXES: Final = load_sql("standings/refresh", "find_outbox_indexes")

_SMALL_BYTES: Final = 8 * 1024 * 1024

# It waits for every older snapshot in the database, whatever that has read, and then for whoever
# holds a lock on the outbox. No submit and no fold waits for it, but no vacuum runs meanwhile.
_WAIT_SECONDS: Final = 5.0
# For such a snapshot it would wait in vain.
_OLD_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


async def shrink_outbox_index(database: Database, above_bytes: int = _SMALL_BYTES) -> None:
    """Build the outbox's index anew where it has more than so many bytes and next to no entries.

    Where that would have to wait for others it is given up; the next call tries again.
    """
    async with database.connect() as connection:
        for index in await connection.fetch(FIND_OUTBOX_INDEXES, above_bytes, _OLD_SECONDS):
            name = index["name"]
            statement = "DROP INDEX" if index["is_leftover"] else "REINDEX INDEX"
            try:
                await connection.execute(f"{statement} CONCURRENTLY {name}", timeout=_WAIT_SECONDS)
            except TimeoutError:
                _log.warning(
                    "%s is kept though it is larger than its entries need: others have had"
                    " transactions open for the %g s in which it was to be replaced",
                    name,
                    _WAIT_SECONDS,
                )
                return
            except asyncpg.PostgresError as error:
                _log.warning("%s could not be replaced: %s", name, explain_error(error))
                return
            if not index["is_leftover"]:
                _log.info("%s was nearly empty and has been built anew", name)
