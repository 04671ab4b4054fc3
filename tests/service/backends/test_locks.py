"""The writer's lock is a lease: kept as long as its holder runs, lost by one that is frozen."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE

import asyncpg
import pytest

from service.backends import locks
from service.backends.database import Database
from service.backends.locks import LeaseLost, WriterBusy, hold_writer_lock
from service.settings.settings import Settings
from tests.support.lock_waits import count_lock_waits
from tests.support.up_process import clean_environment
from tests.support.waiting import wait_until

LEASE_SECONDS = 3.0

# Says when it has the lock; told to, whether it still has it, or works until it has lost it.
HOLD = f"""
import asyncio, sys
from service.backends.database import Database
from service.settings.settings import load_settings
from service.backends import locks
locks._LEASE_SECONDS = {LEASE_SECONDS}

async def hold():
    database = Database(load_settings(), application_name="holder")
    await database.open()
    async with locks.hold_writer_lock(database, wait_seconds=1) as lease:
        print("held", flush=True)
        work = await asyncio.to_thread(sys.stdin.readline) == "work\\n"
        lease.check()
        print("still held", flush=True)
        while work:
            await asyncio.sleep(0.01)
            lease.check()

asyncio.run(hold())
"""


async def start_holder(settings: Settings) -> asyncio.subprocess.Process:
    environment = clean_environment() | {"DATABASE_URL": settings.require_database_url()}
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD), env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    return holder


async def test_frozen_holder_loses_the_lock_and_is_told(
    settings: Settings, database: Database
) -> None:
    holder = await start_holder(settings)
    os.kill(holder.pid, signal.SIGSTOP)
    async with asyncio.timeout(60), hold_writer_lock(database, wait_seconds=20):
        os.kill(holder.pid, signal.SIGCONT)
        _, error = await holder.communicate(b"work\n")
    assert await holder.wait() == 1
    assert LeaseLost.__name__ in error.decode()


async def test_running_holder_keeps_the_lock_beyond_its_lease(
    settings: Settings, database: Database
) -> None:
    holder = await start_holder(settings)
    with pytest.raises(WriterBusy):
        async with hold_writer_lock(database, wait_seconds=2 * LEASE_SECONDS):
            pass
    told, _ = await holder.communicate(b"look\n")
    assert (await holder.wait(), told) == (0, b"still held\n")
    async with hold_writer_lock(database, wait_seconds=1):
        pass


async def find_holder(database: Database) -> int:
    (holder,) = await database.fetch(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return int(holder["pid"])


async def test_what_was_confirmed_is_committed_before_the_next_holder_goes_on(
    settings: Settings, database: Database
) -> None:
    other = Database(settings, application_name="leaderboard tests")
    await other.open()

    async def read_title() -> object:
        async with hold_writer_lock(other, wait_seconds=60):
            row = await other.fetch_one("SELECT title FROM board")
            assert row is not None
            return row["title"]

    async def lose_lock() -> None:
        async with hold_writer_lock(database, wait_seconds=1) as lease:
            holder = await find_holder(other)
            async with database.transaction() as connection:
                await connection.execute("UPDATE board SET title = 'confirmed'")
                await lease.confirm(connection)
                await other.fetch("SELECT pg_terminate_backend($1, 60000)", holder)
                reading = asyncio.create_task(read_title())
                await wait_until(lambda: count_lock_waits(other))
            assert await reading == "confirmed"
            async with lease.transaction() as connection:
                await connection.execute("UPDATE board SET title = 'lost'")

    with pytest.raises(LeaseLost):
        await lose_lock()
    assert await read_title() == "confirmed"
    await other.close()


async def test_renewal_that_is_late_does_not_end_the_lease(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease_seconds, statement_seconds = 10.0, 1.0
    monkeypatch.setattr(locks, "_LEASE_SECONDS", lease_seconds)
    impatient = settings.model_copy(update={"database_timeout_seconds": statement_seconds})
    holder = Database(impatient, application_name="leaderboard tests")
    await holder.open()
    async with hold_writer_lock(holder, wait_seconds=1) as lease:
        pid = await find_holder(database)
        # It gets no turn for longer than a statement may take, and a renewal comes meanwhile.
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(lease_seconds / 5 + 2 * statement_seconds)
        os.kill(pid, signal.SIGCONT)
        (turn,) = await database.fetch("SELECT clock_timestamp() + interval '1 s' AS ended_at")

        async def is_renewed_again() -> bool:
            return bool(
                await database.fetch(
                    "SELECT FROM pg_stat_activity WHERE pid = $1 AND query_start > $2",
                    *(pid, turn["ended_at"]),
                )
            )

        await wait_until(is_renewed_again, seconds=2 * lease_seconds)
        lease.check()
    await holder.close()


async def test_lease_that_can_not_be_renewed_is_known_to_be_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_LEASE_SECONDS", LEASE_SECONDS)

    async def lose_lock() -> None:
        async with hold_writer_lock(database, wait_seconds=1) as lease:
            # The transaction ends with it, and the lock; the connection stays.
            with pytest.raises(asyncpg.DivisionByZeroError):
                await lease._connection.execute("SELECT 1 / 0")
            while True:
                await asyncio.sleep(0.01)
                lease.check()

    with pytest.raises(LeaseLost):
        async with asyncio.timeout(60):
            await lose_lock()
