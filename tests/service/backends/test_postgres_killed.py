"""P2: a score that was answered is on disk, also when PostgreSQL is killed at that moment."""

import asyncio
import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from service.backends.broker import connect_broker, disconnect_broker
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.backends.refresh_signal import RefreshSignal
from service.errors import DatabaseUnavailable
from service.local.embedded import PostgresServer
from service.schema.migrate import migrate
from service.sessions.service import Ledger, Submission
from service.settings.settings import load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.databases import Clusters
from tests.support.factories import make_player
from tests.support.waiting import wait_until

ANSWERED_BEFORE_A_KILL = 300
KILLS = 2


@pytest.fixture
def durable_postgres(clusters: Clusters) -> Iterator[PostgresServer]:
    """A PostgreSQL that waits for the disk, as in production."""
    with PostgresServer(clusters.make("durable")) as server:
        yield server


def kill(server: PostgresServer) -> None:
    """Kill every process of the server at once, as the loss of the machine would."""
    assert server.process is not None
    family = [server.process.pid]
    family += [child.pid for child in psutil.Process(server.process.pid).children()]
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    server.stop()


async def test_every_answered_score_survives_a_killed_postgres(
    durable_postgres: PostgresServer, redis_url: str
) -> None:
    await migrate(durable_postgres.url)
    settings = load_settings(database_url=durable_postgres.url, redis_url=redis_url)
    redis, broker = connect_redis(settings), connect_broker(redis_url)
    refresh_signal = RefreshSignal(redis, broker)
    database = Database(settings, application_name="leaderboard tests")
    await database.open()
    ledger = Ledger(database, refresh_signal, settings)
    refresher = Refresher(database, redis, settings)
    user_id = await make_player(database)
    answered: list[int] = []
    stopping = False

    async def submit() -> None:
        while not stopping:
            try:
                answered.append(await ledger.record(Submission(user_id, 1, "solo", None)))
            except DatabaseUnavailable:
                # Nothing is promised about this one.
                await asyncio.sleep(0)

    async def refresh() -> None:
        while not stopping:
            try:
                await refresher.refresh()
            except DatabaseUnavailable:
                await asyncio.sleep(0)

    async def wait_for_answers(number: int) -> None:
        await wait_until(lambda: len(answered) >= number, seconds=60)

    working = asyncio.gather(*(submit() for _ in range(16)), refresh())
    for turn in range(1, KILLS + 1):
        await wait_for_answers(turn * ANSWERED_BEFORE_A_KILL)
        kill(durable_postgres)
        durable_postgres.start()
    stopping = True
    await working
    await refresher.refresh()

    rows = await database.fetch("SELECT id FROM game_session")
    ledger_ids = {row["id"] for row in rows}
    assert set(answered) <= ledger_ids
    standing = await database.fetch_one("SELECT score, sessions FROM standing")
    assert standing is not None
    assert tuple(standing) == (len(ledger_ids), len(ledger_ids))

    await refresh_signal.drain()
    await database.close()
    await redis.aclose()
    disconnect_broker(broker)
