"""The writer's lock is a lease: kept as long as its holder runs, lost by one that is frozen."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE

import pytest

from service.backends.database import Database
from service.backends.locks import LeaseLost, WriterBusy, hold_writer_lock
from service.settings.settings import Settings
from tests.support.up_process import clean_environment

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
