"""Statements that wait for a lock, which a test holds."""

from service.backends.database import Database

_FIND_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def count_lock_waits(database: Database) -> int:
    """Return how many statements wait for a lock in this database."""
    return len(await database.fetch(_FIND_WAITING))


async def terminate_lock_waits(database: Database) -> None:
    """End the connections of those that wait."""
    await database.fetch(f"SELECT pg_terminate_backend(pid) FROM ({_FIND_WAITING}) AS waiting")


async def cancel_lock_waits(database: Database) -> None:
    """Have those that wait give up, as after a time limit."""
    await database.fetch(f"SELECT pg_cancel_backend(pid) FROM ({_FIND_WAITING}) AS waiting")
