"""The index of the outbox: as large as a long snapshot has made it until it is built anew."""

import logging
from typing import Final

import asyncpg

from service.backends.database import Database, load_sql
from service.errors import explain_error

FIND_OUTBOX_INDEXES: Final = load_sql("standings/refresh", "find_outbox_indexes")

_SMALL_BYTES: Final = 8 * 1024 * 1024

# REINDEX waits for whoever has written to the outbox, then for every older snapshot of the
# database, whatever that has read, then for whoever holds a lock on the outbox. No submit and no
# fold waits for it; no vacuum of the outbox runs meanwhile.
_WAIT_SECONDS: Final = 5.0
# A snapshot older than this will hardly end in time.
_OLD_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


async def shrink_outbox_index(database: Database, above_bytes: int = _SMALL_BYTES) -> None:
    """Build the outbox's index anew where it has more than so many bytes and next to no entries.

    Where others keep it waiting for too long it is given up; the next call tries again.
    """
    async with database.connect() as connection:
        for index in await connection.fetch(FIND_OUTBOX_INDEXES, above_bytes, _OLD_SECONDS):
            name = index["name"]
            verb = "DROP" if index["is_leftover"] else "REINDEX"
            statement = f"{verb} INDEX CONCURRENTLY {name}"
            try:
                await connection.execute(statement, timeout=_WAIT_SECONDS)
            except TimeoutError:
                _log.warning(
                    "%s was given up after %g s, in which others had transactions open",
                    statement,
                    _WAIT_SECONDS,
                )
                return
            except asyncpg.PostgresError as error:
                _log.warning("%s failed: %s", statement, explain_error(error))
                return
            if not index["is_leftover"]:
                _log.info("%s was nearly empty and has been built anew", name)
