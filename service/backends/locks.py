"""Locks for one writer at a time: of standings and index, of stored ranks, of results of seasons.

A lock is a lease: its holder renews it, and a holder that is frozen loses it to the next.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import asyncpg

from service.backends.database import Connection, Database, translate_errors
from service.errors import DatabaseUnavailable, ServiceError
from service.lifecycle import stop_task

# Any numbers will do, as long as nothing else in this database locks the same ones.
_WRITER_LOCK: Final = 0x6C656164_73746E64
_RERANK_LOCK: Final = 0x6C656164_72616E6B
_CLOSING_LOCK: Final = 0x6C656164_636C6F73
_RANKS_LOCK: Final = 0x6C656164_626C6F63

# Storing the ranks of a million takes seconds.
_RANKS_SECONDS: Final = 600.0

# A frozen holder lets nobody else write for this long, so it is as short as a process may pause
# without losing its lock: for a garbage collection, a live migration, a busy disk.
_LEASE_SECONDS: Final = 20.0
_RENEWALS_IN_A_LEASE: Final = 5

# Behind a pooler only the server knows which process serves the transaction.
_BEGIN: Final = """
    SELECT
        pg_backend_pid(),
        set_config('lock_timeout', $1, true),
        set_config('idle_in_transaction_session_timeout', $2, true)
"""

# Two statements: the lock is looked for once the fence is held.
_CONFIRM: Final = """
    SELECT pg_advisory_xact_lock_shared({fence});
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {high} AND objid = {low} AND objsubid = 1
        AND pid = {pid} AND granted
"""


class WriterBusy(ServiceError):
    """Another writer of standings did not finish while we waited."""

    status = 503
    code = "standings_busy"
    retry_after_seconds = 5

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            f"Another process has been writing standings for over {wait_seconds:g} s; "
            "try again when it has finished."
        )


class LeaseLost(DatabaseUnavailable):
    """The connection that held the lock has ended, and another process may be writing by now."""

    def __init__(self) -> None:
        super().__init__(
            "the connection that held the lock of the only writer has ended, with PostgreSQL or "
            f"because this process stood still for {_LEASE_SECONDS:g} s; another one may go on"
        )


class Lease:
    """A lock that is held as long as its connection is.

    What its holder writes, it writes in a transaction that `confirm` ends, mostly one of
    `transaction`: so it is committed before the next one holds the lock, or not at all.
    """

    def __init__(self, database: Database, lock: int, connection: Connection, pid: int) -> None:
        self._database = database
        self._connection = connection
        self._confirm = _CONFIRM.format(
            fence=_find_fence(lock), pid=pid, high=lock >> 32, low=lock & 0xFFFFFFFF
        )
        self._is_lost = False
        connection.add_termination_listener(self._lose)

    def _lose(self, _: object) -> None:
        self._is_lost = True

    def check(self) -> None:
        """Raise `LeaseLost` where the server has said that it took the lock back."""
        if self._is_lost:
            raise LeaseLost

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits only while the lock is held."""
        async with self._database.transaction() as connection:
            yield connection
            await self.confirm(connection)

    async def confirm(self, connection: Connection) -> None:
        """Have this transaction commit before anybody else holds the lock; or raise `LeaseLost`.

        The last statement of the transaction: whoever gets the lock next waits for its commit.
        """
        if await connection.execute(self._confirm) != "SELECT 1":
            raise LeaseLost

    def end(self) -> None:
        """Stop listening: the connection goes back to the pool, and serves others."""
        if not self._is_lost:
            self._connection.remove_termination_listener(self._lose)

    async def renew(self) -> None:
        """Renew the lease until the task is cancelled or the lock is lost.

        A renewal may be late, on a busy machine, for as long as the server may keep the lock
        without it. Cancelled any sooner, it could end the transaction, and with it the lock.
        """
        with suppress(DatabaseUnavailable), translate_errors():
            while True:
                await asyncio.sleep(_LEASE_SECONDS / _RENEWALS_IN_A_LEASE)
                await self._connection.execute("SELECT", timeout=_LEASE_SECONDS)
        # Nobody renews it any more.
        self._is_lost = True
        # Where the server has not ended it already.
        with suppress(asyncpg.InterfaceError):
            self._connection.terminate()


@asynccontextmanager
async def _hold_lock(lock: int, database: Database, *, wait_seconds: float) -> AsyncIterator[Lease]:
    """Hold an advisory lock inside the block; raises `WriterBusy` after `wait_seconds` without it.

    The lock belongs to an open transaction that does nothing else. It ends with the connection, at
    once when the process dies, and works behind a transaction pooler. The holder works on other
    connections and only renews this one: where it does not, because it is frozen, the server ends
    the transaction as idle. Whoever lost the lock can do no harm: what it writes is confirmed
    (`Lease.confirm`), and the index takes only the change that follows its offset.

    A second lock is the fence between one holder and the next. Those who confirm share it until
    their commit, and whoever gets the lock passes it alone, and at once gives it back: by then all
    that was confirmed before is committed, and nothing else of the holder before can be. Nobody
    waits for anything while holding it.

    Of those in this process who want it one at a time waits on a connection: all of them together
    could take every connection that the holder needs for its work.
    """
    gives_up_at = time.monotonic() + wait_seconds
    turn = database.turns[lock]
    try:
        async with asyncio.timeout(wait_seconds):
            await turn.acquire()
    except TimeoutError:
        raise WriterBusy(wait_seconds) from None
    lease: Lease | None = None
    try:
        async with database.transaction() as connection:
            # A time-out of 0 would mean none.
            left_ms = max(1, round((gives_up_at - time.monotonic()) * 1000))
            pid = await connection.fetchval(_BEGIN, str(left_ms), f"{_LEASE_SECONDS:g}s")
            try:
                await connection.execute(
                    f"SELECT pg_advisory_xact_lock({lock});"
                    # What was locked since a savepoint is given back with it.
                    "SAVEPOINT before_fence;"
                    f"SELECT pg_advisory_xact_lock({_find_fence(lock)});"
                    "ROLLBACK TO SAVEPOINT before_fence",
                    timeout=wait_seconds + 60,
                )
            except asyncpg.LockNotAvailableError as error:
                raise WriterBusy(wait_seconds) from error
            lease = Lease(database, lock, connection, pid)
            renewing = asyncio.create_task(lease.renew())
            try:
                yield lease
            finally:
                # Before the transaction ends: a connection takes one statement at a time.
                await stop_task(renewing)
                lease.end()
    except DatabaseUnavailable:
        # The end of the transaction fails on a connection that the server has ended.
        if lease is not None:
            lease.check()
        raise
    finally:
        turn.release()


hold_writer_lock: Final = partial(_hold_lock, _WRITER_LOCK)
"""Hold the lock of the only writer of standings and index inside the block."""

hold_rerank_lock: Final = partial(_hold_lock, _RERANK_LOCK)
"""Hold the lock of re-ranking inside the block; with the writer lock, this one comes first."""

hold_closing_lock: Final = partial(_hold_lock, _CLOSING_LOCK)
"""Hold the lock of closing seasons inside the block; no other lock is taken in it."""


def _find_fence(lock: int) -> int:
    return -lock


async def lock_ranks(connection: Connection) -> None:
    """Have nobody else store ranks or milestones until the transaction ends.

    A re-rank stores those of before, and who closes a season the last ones: whoever comes later
    sees what the other one has committed, from the next statement on.
    """
    await connection.execute(f"SELECT pg_advisory_xact_lock({_RANKS_LOCK})", timeout=_RANKS_SECONDS)
