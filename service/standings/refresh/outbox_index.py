"""The index of the outbox: as large as a long snapshot has made it until it is built anew."""

import logging
from typing import Final

from service.backends.database import Database, load_sql

FIND_OUTBOX_INDEXES: Final = load_sql("standings/refresh", "find_outbox_indexes")

_SMALL_BYTES: Final = 8 * 1024 * 1024

# Building it waits for whoever has read the outbox in a transaction that is still open. Submits and
# folds do not wait for it, but vacuum does.
_WAIT_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


async def shrink_outbox_index(database: Database, above_bytes: int = _SMALL_BYTES) -> None:
    """Build the outbox's index anew where it has more than so many bytes and next to no entries.

    Where that has to wait for somebody's transaction it is given up; the next call tries again.
    """
    async with database.connect() as connection:
        for index in await connection.fetch(FIND_OUTBOX_INDEXES, above_bytes):
            name = index["name"]
            statement = "DROP INDEX" if index["is_unfinished"] else "REINDEX INDEX"
            try:
                await connection.execute(f"{statement} CONCURRENTLY {name}", timeout=_WAIT_SECONDS)
            except TimeoutError:
                _log.warning(
                    "the index of the outbox stays large for now: a transaction has kept it from"
                    " being built anew for %g s",
                    _WAIT_SECONDS,
                )
                return
            if not index["is_unfinished"]:
                _log.info("the index of the outbox was nearly empty and has been built anew")
