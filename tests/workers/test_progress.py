"""What a worker notes of itself for `leaderboard health worker`, and what becomes of it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import asyncpg
import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO, TimeLimitExceeded
from dramatiq.threading import raise_thread_exception
from msgspec.structs import replace

from service.backends.database import Database
from service.progress import WorkerProgress, read_progress
from service.settings.settings import Settings
from tests.support.databases import Clusters
from tests.support.factories import make_players, record_scores
from tests.support.outages import hanging, stopped
from tests.support.waiting import wait_until
from tests.support.whole_stack import run_whole_stack
from tests.support.worker_process import run_worker
from workers.progress import NoteProgress

# What compose gives the check.
_CHECK_SECONDS = 10.0

_FIND_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'leaderboard worker'
    AND wait_event_type = 'Lock' AND query LIKE '%outbox%'
"""


def find_progress(file: Path) -> WorkerProgress:
    progress = read_progress(file)
    assert progress is not None
    return progress


async def ask(file: Path) -> str:
    """Run the check as a container does; return what it says. It has to be well, and soon."""
    began = time.monotonic()
    command = [sys.executable, "-m", "service.commands.main", "health", "worker", str(file)]
    done = await to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < _CHECK_SECONDS
    return done.stdout


@asynccontextmanager
async def locked_outbox(database_url: str) -> AsyncIterator[None]:
    """Have folds wait inside the block."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_worker_tells_of_an_actor_whose_backend_is_frozen(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "progress"
    settings = settings.model_copy(update={"database_timeout_seconds": 3.0})
    (player,) = await make_players(database, 1)
    await record_scores(database, (player, 7))

    async def find_waiting() -> list[asyncpg.Record]:
        return await database.fetch(_FIND_WAITING)

    async def is_folded() -> bool:
        row = await database.fetch_one("SELECT FROM standing WHERE player_id = $1", player)
        return row is not None

    async with contextlib.AsyncExitStack() as stack:
        async with locked_outbox(settings.require_database_url()):
            # It begins with a refresh.
            stack.enter_context(run_worker(settings, "--progress", str(file)))
            (backend,) = await wait_until(find_waiting)
            freeze = stack.enter_context(contextlib.ExitStack())
            freeze.enter_context(frozen(backend["pid"]))
        # The lock is that of the frozen one now.
        (run,) = await wait_until(lambda: find_progress(file).running)
        assert (await ask(file)).startswith("standings.refresh has run for ")
        # The clock put forward to past its time limit.
        late = run.since + 620
        problem = replace(find_progress(file), noted_at=late, running=[run]).find_problem(late)
        assert problem == "standings.refresh has run for 620 s of at most 600, and nothing ends it"
        # Its statement has a limit as well: it comes to an end, and is tried again.
        await wait_until(lambda: run not in find_progress(file).running, seconds=60)
        assert "the last one ended" in await ask(file)
        freeze.close()
        await wait_until(is_folded, seconds=60)


async def test_worker_that_waits_for_redis_is_well(clusters: Clusters, tmp_path: Path) -> None:
    file = tmp_path / "progress"

    def notes_on(since: float) -> bool:
        return find_progress(file).noted_at > since + 3

    async with run_whole_stack(clusters, "--progress", str(file)) as stack:
        for away in (stopped, hanging):
            with away(stack.valkey):
                before = find_progress(file).noted_at
                # It notes on, and is asked without a Redis.
                await wait_until(partial(notes_on, before))
                await ask(file)


async def test_frozen_worker_is_not_well(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "progress"

    def find_problem() -> str | None:
        # The clock put forward by what a note takes, and some.
        return find_progress(file).find_problem(time.monotonic() + 11)

    with run_worker(settings, "--progress", str(file)) as worker:
        await wait_until(lambda: file.exists() and find_problem() is None)
        with frozen(worker.pid):
            problem = await wait_until(find_problem)
            assert problem is not None
            assert problem.endswith("s ago: it stands still")
        await wait_until(lambda: find_problem() is None)


# The thread that is ended says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_worker_that_lost_a_thread_is_not_well(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    broker = StubBroker(middleware=[AsyncIO(), NoteProgress(file)])
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    await to_thread(worker.start)
    try:
        await wait_until(lambda: file.exists() and find_progress(file).threads_lost == 0)
        ident = worker.workers[0].ident
        assert ident is not None
        # As a time limit does that is reached just when its actor has ended.
        raise_thread_exception(ident, TimeLimitExceeded)  # type: ignore[no-untyped-call]
        problem = await wait_until(lambda: find_progress(file).find_problem(time.monotonic()))
        assert problem == "1 of the worker's threads have ended by an error"
    finally:
        await to_thread(worker.stop)
