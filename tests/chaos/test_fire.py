"""Promises P1, P2 and P6 under fire: exactly once and atomic, whatever ends and when."""

import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import httpx
import psutil
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.backends.database import Database
from service.backends.redis import SeasonKeys, connect_redis
from service.maintenance.audit import audit
from tests.support.databases import Clusters
from tests.support.factories import find_global_season, make_players, record_scores
from tests.support.fire.deployment import Deployment, pause
from tests.support.fire.programs import START_SECONDS
from tests.support.fire.traffic import Traffic
from tests.support.fire.truth import check_reads, check_standings, wait_until_drained
from tests.support.waiting import wait_until

PLAYERS = 100
# With so many the index is rebuilt in several steps, so that things can happen in between.
CROWD = 25_000

PROGRAM_KILLS = 52
VALKEY_ROUNDS = 2
POSTGRES_KILLS = 3
API_STOPS = 6

JOIN_CROWD = """
WITH joined AS (
    INSERT INTO player (username)
    SELECT 'one of the crowd ' || number FROM generate_series(1, $1::int) AS number
    RETURNING id
),
played AS (
    INSERT INTO game_session (player_id, score, submitted_at)
    SELECT id, id % 50, now() FROM joined
    RETURNING player_id, id
)
INSERT INTO outbox (player_ids, session_ids)
SELECT array_agg(player_id), array_agg(id) FROM played GROUP BY id / 256
"""

_numbers = count(1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fire:
    """A deployment with players who stand on the board, its traffic, and what checks them."""

    deployment: Deployment
    database: Database
    redis: Redis
    keys: SeasonKeys
    traffic: Traffic
    url: str
    user_ids: Sequence[int]
    chance: random.Random

    async def check(self) -> None:
        """Assert that every promise was kept, once everything has been folded."""
        stopped_at = time.monotonic()
        await wait_until_drained(self.database, self.redis)
        _log.info("%s; drained in %.1f s", self.traffic.describe(), time.monotonic() - stopped_at)
        await self.traffic.check_ledger(self.database)
        truth = await check_standings(self.database, self.redis)
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:

            async def is_fresh() -> bool:
                response = await client.get(f"/api/leaderboard/rank/{self.user_ids[0]}")
                return "stale" not in response.json()

            # A process leaves a Valkey that hung alone for a moment longer (`Breaker`).
            await wait_until(is_fresh)
            await check_reads(client, truth, self.user_ids)
        assert await audit(self.deployment.settings)


@asynccontextmanager
async def fire(clusters: Clusters, *, crowd: int = 0) -> AsyncIterator[Fire]:
    """Start everything; `crowd` more players stand on the board and do nothing.

    A failure tells the seed of its random choices; FIRE_SEED in the environment repeats them.
    """
    seed = int(os.environ.get("FIRE_SEED") or secrets.randbits(32))
    deployment = Deployment(clusters.make(f"fire-{next(_numbers)}"))
    async with deployment.running() as url, contextlib.AsyncExitStack() as stack:
        database = Database(deployment.settings, application_name="leaderboard tests")
        await database.open()
        stack.push_async_callback(database.close)
        redis = connect_redis(deployment.settings)
        stack.push_async_callback(redis.aclose)
        user_ids = await make_players(database, PLAYERS)
        await database.fetch(JOIN_CROWD, crowd)
        await record_scores(database, *((user_id, 1) for user_id in user_ids))
        traffic = Traffic(url, user_ids, seed)
        # The first score wakes a worker, and from then on everybody is on the board.
        async with traffic.running():
            await traffic.wait_for_more(1)
        await wait_until_drained(database, redis)
        try:
            keys = SeasonKeys.of(await find_global_season(database))
            chance = random.Random(seed)
            yield Fire(deployment, database, redis, keys, traffic, url, user_ids, chance)
        except BaseException as error:
            error.add_note(f"FIRE_SEED={seed}")
            raise


async def test_killed_programs_lose_and_double_nothing(clusters: Clusters) -> None:
    async with fire(clusters) as scene:
        deployment, traffic, chance = scene.deployment, scene.traffic, scene.chance
        async with traffic.running(), asyncio.TaskGroup() as restarts:
            for _ in range(PROGRAM_KILLS):
                await traffic.wait_for_more(5)
                await pause(chance, 0.4)
                await wait_until(lambda: deployment.serving, seconds=START_SECONDS)
                victim = chance.choice(deployment.serving)
                await deployment.end(victim)
                restarts.create_task(deployment.start(victim))
        assert traffic.refused == 0
        await scene.check()


async def test_lost_and_damaged_valkey_is_made_good(clusters: Clusters) -> None:
    async with fire(clusters, crowd=CROWD) as scene:
        blows = [kill_valkey, freeze_valkey, flush, damage_keys]
        async with scene.traffic.running():
            for _ in range(VALKEY_ROUNDS):
                scene.chance.shuffle(blows)
                for strike in blows:
                    await strike(scene)
                    await scene.traffic.wait_for_more(20)
                    await scene.traffic.wait_for_reads(3)
        # Whoever stores scores needs no Valkey, and who reads them can do without.
        assert scene.traffic.refused == 0
        assert scene.traffic.broken == {}
        await scene.check()


async def kill_valkey(scene: Fire) -> None:
    """Have no Valkey for a while, then an empty one."""
    valkey = scene.deployment.valkey
    await scene.deployment.kill_server(valkey)
    await scene.traffic.wait_for_more(20)
    await scene.traffic.wait_for_reads(3)
    (valkey.folder / "dump.rdb").unlink(missing_ok=True)
    await scene.deployment.restart_server(valkey)


async def freeze_valkey(scene: Fire) -> None:
    """Have a Valkey that takes connections and answers nothing, for a while."""
    valkey = scene.deployment.valkey.process
    assert valkey is not None
    valkey.send_signal(signal.SIGSTOP)
    try:
        await scene.traffic.wait_for_more(20)
        await scene.traffic.wait_for_reads(1)
    finally:
        valkey.send_signal(signal.SIGCONT)


async def flush(scene: Fire) -> None:
    """Delete everything, as one may at any time; again and again, so that rebuilds are hit too."""
    for _ in range(20):
        await scene.redis.flushall()
        await pause(scene.chance, 0.1)


async def damage_keys(scene: Fire) -> None:
    """Lose single keys, as Redis may that runs out of memory, and find others in a wrong state."""
    keys, redis = scene.keys, scene.redis
    damages: list[Callable[[], Awaitable[object]]] = [
        lambda: redis.delete(keys.index),
        lambda: redis.delete(keys.offset),
        lambda: redis.delete(keys.top),
        lambda: redis.zremrangebyrank(keys.index, 0, 10),
        lambda: redis.set(keys.offset, "of another kind"),
        lambda: redis.set(keys.index, "of another kind"),
        lambda: redis.set(keys.top, "of another kind"),
        lambda: redis.publish("leaderboard:events", "of another kind"),
        redis.script_flush,
        lambda: redis.client_kill_filter(_type="pubsub"),
        lambda: redis.client_kill_filter(_type="normal", skipme=True),
    ]
    scene.chance.shuffle(damages)
    for damage in damages:
        # A key that is still of another kind takes no further damage.
        with contextlib.suppress(ResponseError):
            await damage()
        await scene.traffic.wait_for_more(2)


async def test_killed_postgres_loses_nothing_and_is_waited_for(clusters: Clusters) -> None:
    async with fire(clusters) as scene:
        deployment, traffic = scene.deployment, scene.traffic
        async with traffic.running():
            for _ in range(POSTGRES_KILLS):
                await traffic.wait_for_more(20)
                await pause(scene.chance, 0.3)
                await deployment.kill_server(deployment.postgres)
                await traffic.wait_for_refusals(5)
                await traffic.wait_for_reads(3)
                await deployment.restart_server(deployment.postgres)
                await traffic.wait_for_more(20)
                await pause(scene.chance, 0.3)
                await crash_backend(scene)
            await traffic.wait_for_more(20)
        assert traffic.broken == {}
        await scene.check()


async def crash_backend(scene: Fire) -> None:
    """Kill one connection's process; PostgreSQL then ends all others and recovers by itself."""
    postgres = scene.deployment.postgres.process
    assert postgres is not None
    backends = [
        process
        for process in psutil.Process(postgres.pid).children()
        if "leaderboard" in " ".join(process.cmdline())
    ]
    with contextlib.suppress(psutil.NoSuchProcess):
        scene.chance.choice(backends).kill()


async def test_stopped_api_processes_answer_what_they_were_sent(clusters: Clusters) -> None:
    async with fire(clusters) as scene:
        deployment, traffic = scene.deployment, scene.traffic
        async with traffic.running(fresh_connections=6):
            for _ in range(API_STOPS):
                await traffic.wait_for_more(30)
                await pause(scene.chance, 0.1)
                victim = scene.chance.choice(deployment.api)
                await deployment.end(victim, signal.SIGTERM)
                await deployment.start(victim)
        assert traffic.broken == {}
        assert traffic.refused == 0
        await scene.check()
