"""SIGTERM to a worker that is in the middle of an actor, and to a scheduler."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress

import dramatiq
import pytest

from service.backends.broker import STANDINGS_QUEUE, connect_broker, disconnect_broker
from service.backends.database import Database
from service.maintenance.audit import audit
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.support.factories import make_players_with_scores, record_scores
from tests.support.up_process import STOP_SECONDS, clean_environment
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

# Long enough for a worker to end that does not wait for its actors.
_GRACE_SECONDS = 1.0

WAITING = """
    SELECT count(*) FROM pg_locks
    JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND application_name = 'leaderboard worker'
"""


async def is_waiting(database: Database) -> bool:
    row = await database.fetch_one(WAITING)
    assert row is not None
    return bool(row["count"])


def send(settings: Settings, actor_name: str) -> None:
    broker = connect_broker(settings.require_broker_url())
    broker.enqueue(
        dramatiq.Message(
            queue_name=STANDINGS_QUEUE, actor_name=actor_name, args=(), kwargs={}, options={}
        )
    )
    disconnect_broker(broker)


@pytest.mark.parametrize(
    ("actor_name", "needed"),
    [("standings.refresh", "latest_refresh"), ("standings.rerank", "rank_block")],
)
async def test_worker_finishes_what_it_has_begun(
    settings: Settings,
    database: Database,
    refresher: Refresher,
    actor_name: str,
    needed: str,
) -> None:
    first, _ = await make_players_with_scores(database, [1, 2])
    await refresher.refresh()
    await rerank(database)
    await database.fetch("UPDATE database_state SET reranked_at = NULL")
    with run_worker(settings) as worker:
        await record_scores(database, (first, 10))
        if actor_name == "standings.rerank":
            await refresher.refresh()
        async with database.transaction() as connection:
            await connection.execute(f"LOCK TABLE {needed} IN EXCLUSIVE MODE")
            send(settings, actor_name)
            await wait_until(lambda: is_waiting(database))
            worker.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(worker.wait, _GRACE_SECONDS)
            assert worker.poll() is None, "it did not wait for its actor"
        assert await asyncio.to_thread(worker.wait, STOP_SECONDS) == 0
    if actor_name == "standings.rerank":
        ranks = await database.fetch("SELECT rank FROM ranked_standing ORDER BY player_id")
        assert [row["rank"] for row in ranks] == [1, 2]
    else:
        assert (await database.fetch_one("SELECT FROM pending_session")) is None
    assert await audit(settings)


def test_scheduler_ends_at_once(settings: Settings) -> None:
    ready, write_end = os.pipe()
    environment = clean_environment() | {
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
    }
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "workers.scheduler", "--ready-fd", str(write_end)],
        env=environment,
        pass_fds=[write_end],
    )
    os.close(write_end)
    try:
        assert os.read(ready, 1) == b"\n"
        scheduler.terminate()
        assert scheduler.wait(STOP_SECONDS) == 0
    finally:
        os.close(ready)
        scheduler.kill()
