"""The wake-up: one message for many submits, none lost, whatever falls between whatever."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import dramatiq
import pytest
from dramatiq.common import dq_name
from dramatiq.errors import ConnectionClosed
from redis.asyncio import Redis

import service.backends.broker
from service.backends.broker import (
    STANDINGS_QUEUE,
    connect_broker,
    count_messages,
    disconnect_broker,
)
from service.backends.database import Database
from service.backends.locks import hold_writer_lock
from service.backends.redis import DIRTY_KEY, MUTEX_KEY, connect_redis
from service.backends.refresh_signal import (
    _PAUSE_WITHOUT_FLAG_SECONDS,
    DIRTY_FLAG_MS,
    RefreshSignal,
)
from service.local.embedded import ValkeyServer
from service.sessions.service import Ledger, Submission
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_player, record_scores
from tests.support.outages import hanging
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

WAKE_UPS = 120


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[dramatiq.Broker]:
    broker = connect_broker(settings.require_broker_url())
    yield broker
    disconnect_broker(broker)


@pytest.fixture
async def refresh_signal(redis: Redis, broker: dramatiq.Broker) -> AsyncIterator[RefreshSignal]:
    refresh_signal = RefreshSignal(redis, broker)
    yield refresh_signal
    await refresh_signal.drain()


def count_ready(broker: dramatiq.Broker) -> int:
    return count_messages(broker, STANDINGS_QUEUE).ready


def take_message(broker: dramatiq.Broker) -> None:
    """Take the message that waits, as a worker does that begins with it."""
    broker.declare_queue(STANDINGS_QUEUE)
    consumer = broker.consume(STANDINGS_QUEUE)
    message = next(consumer)
    assert message is not None
    consumer.ack(message)
    consumer.close()


async def raise_now(refresh_signal: RefreshSignal, times: int = 1) -> None:
    for _ in range(times):
        refresh_signal.raise_soon()
    await refresh_signal.drain()


async def test_many_submits_are_one_message(
    refresh_signal: RefreshSignal, broker: dramatiq.Broker
) -> None:
    await raise_now(refresh_signal, 100)
    await raise_now(refresh_signal)
    assert count_ready(broker) == 1


async def count_raisings(redis: Redis) -> int:
    """Return how often the flag was raised, or was found up."""
    commands = await redis.info("commandstats")
    return int(commands.get("cmdstat_set", {"calls": 0})["calls"])


async def test_commits_that_follow_each_other_cost_redis_no_command_each(
    refresh_signal: RefreshSignal, redis: Redis
) -> None:
    await raise_now(refresh_signal)
    before, began_at = await count_raisings(redis), time.monotonic()
    for _ in range(100):
        refresh_signal.raise_soon()
        # Longer than it takes to raise the flag.
        await asyncio.sleep(0.002)
    await refresh_signal.drain()
    took = time.monotonic() - began_at
    assert 0 < await count_raisings(redis) - before <= took / 0.01 + 2


async def test_submit_while_the_flag_is_looked_at_has_it_looked_at_again(
    refresh_signal: RefreshSignal, redis: Redis
) -> None:
    before = await count_raisings(redis)
    await redis.client_pause(200, all=False)
    refresh_signal.raise_soon()
    for _ in range(10):
        await asyncio.sleep(0)
    # The first look is on its way, and may be before this commit.
    refresh_signal.raise_soon()
    await refresh_signal.drain()
    assert await count_raisings(redis) - before == 2


async def test_who_asks_anyway_is_heard_also_while_others_wait(
    refresh_signal: RefreshSignal, redis: Redis, broker: dramatiq.Broker
) -> None:
    await redis.set(DIRTY_KEY, b"1", px=DIRTY_FLAG_MS)
    await raise_now(refresh_signal)
    refresh_signal.raise_soon()
    await asyncio.sleep(0)
    refresh_signal.raise_soon(anyway=True)
    await refresh_signal.drain()
    assert count_ready(broker) == 1


async def test_submit_after_the_flag_was_lowered_sends_a_message(
    refresh_signal: RefreshSignal, broker: dramatiq.Broker, redis: Redis
) -> None:
    await raise_now(refresh_signal)
    take_message(broker)
    await redis.delete(DIRTY_KEY)
    await raise_now(refresh_signal)
    assert count_ready(broker) == 1


async def test_no_message_joins_one_that_waits(
    refresh_signal: RefreshSignal, broker: dramatiq.Broker, redis: Redis
) -> None:
    """The flag falls every few seconds while no worker is there to keep it up."""
    for _ in range(5):
        await raise_now(refresh_signal)
        await redis.delete(DIRTY_KEY)
    assert count_ready(broker) == 1


async def test_submit_during_the_sending_of_a_message_is_not_forgotten(
    refresh_signal: RefreshSignal, broker: dramatiq.Broker, redis: Redis
) -> None:
    refresh_signal.raise_soon()
    await wait_until(lambda: redis.exists(DIRTY_KEY))
    await refresh_signal.drain()
    # A refresh came and went meanwhile.
    take_message(broker)
    await redis.delete(DIRTY_KEY)
    await raise_now(refresh_signal)
    assert count_ready(broker) == 1


async def test_flag_of_a_crashed_worker_falls_by_itself(
    refresh_signal: RefreshSignal, redis: Redis
) -> None:
    await raise_now(refresh_signal)
    assert 0 < await redis.pttl(DIRTY_KEY) <= DIRTY_FLAG_MS


async def test_refresh_lowers_the_flag_before_its_last_look(
    refresher: Refresher, refresh_signal: RefreshSignal, redis: Redis
) -> None:
    await raise_now(refresh_signal)
    await refresher.refresh()
    assert not await redis.exists(DIRTY_KEY)


async def test_submit_wakes_after_its_commit_and_not_for_nothing(
    database: Database,
    refresh_signal: RefreshSignal,
    broker: dramatiq.Broker,
    settings: Settings,
) -> None:
    user_id = await make_player(database)
    ledger = Ledger(database, refresh_signal, settings)
    await database.fetch("ALTER TABLE game_session ADD CHECK (score < 100)")
    with pytest.raises(Exception, match="game_session_score_check"):
        await ledger.record(Submission(user_id, 100, "solo", None))
    await refresh_signal.drain()
    assert count_ready(broker) == 0
    await ledger.record(Submission(user_id, 99, "solo", None))
    await refresh_signal.drain()
    assert count_ready(broker) == 1


async def test_redis_away_fails_no_submit(database: Database, settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"})
    redis, broker = connect_redis(away), connect_broker(away.require_broker_url())
    refresh_signal = RefreshSignal(redis, broker)
    ledger = Ledger(database, refresh_signal, away)
    user_id = await make_player(database)
    assert await ledger.record(Submission(user_id, 1, "solo", None))
    await refresh_signal.drain()
    await redis.aclose()
    disconnect_broker(broker)


async def test_cache_that_is_away_holds_up_no_message(
    settings: Settings, broker: dramatiq.Broker
) -> None:
    redis = connect_redis(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"}))
    refresh_signal = RefreshSignal(redis, broker)
    began_at = time.monotonic()
    for _ in range(3):
        # Many who ask are one message, as ever.
        await raise_now(refresh_signal, 100)
        assert count_ready(broker) == 1
        take_message(broker)
    assert time.monotonic() - began_at >= 2 * _PAUSE_WITHOUT_FLAG_SECONDS
    # Who cannot know whether there is anything to fold leaves that to the sweep.
    refresh_signal.raise_soon(anyway=True)
    await refresh_signal.drain()
    assert count_ready(broker) == 0
    await redis.aclose()


async def test_scores_are_folded_while_the_cache_is_away(
    settings: Settings, database: Database, broker: dramatiq.Broker
) -> None:
    urls = {"redis_url": "redis://127.0.0.1:1", "broker_url": settings.require_redis_url()}
    own = settings.model_copy(update=urls)
    redis = connect_redis(own)
    refresh_signal = RefreshSignal(redis, broker)
    ledger = Ledger(database, refresh_signal, own)
    user_id = await make_player(database)
    with run_worker(own):
        # This one may be folded because the worker has just begun, and the next one while it is.
        await ledger.record(Submission(user_id, 1, "solo", None))
        await wait_until(lambda: is_folded(database))
        async with hold_writer_lock(database, wait_seconds=60):
            await ledger.record(Submission(user_id, 1, "solo", None))
        await wait_until(lambda: is_folded(database))
    await refresh_signal.drain()
    await redis.aclose()


async def test_refreshes_without_redis_do_not_queue_up(
    settings: Settings, database: Database
) -> None:
    own = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"})
    redis = connect_redis(own)
    refresher = Refresher(database, redis, own)
    await record_scores(database, (await make_player(database), 1))
    async with hold_writer_lock(database, wait_seconds=60):
        refreshing = [asyncio.create_task(refresher.refresh()) for _ in range(5)]
        await wait_until(lambda: sum(task.done() for task in refreshing) == 4)
    outcomes = await asyncio.gather(*refreshing)
    assert sorted(outcome.sessions for outcome in outcomes) == [0, 0, 0, 0, 1]
    await redis.aclose()


async def test_message_that_could_not_be_sent_leaves_no_flag(redis: Redis) -> None:
    broker = connect_broker("redis://127.0.0.1:1")
    await raise_now(RefreshSignal(redis, broker))
    assert not await redis.exists(DIRTY_KEY)
    disconnect_broker(broker)


async def test_flag_that_a_hanging_redis_raised_late_holds_up_no_message(
    server_directory: Path, settings: Settings
) -> None:
    with ValkeyServer(server_directory / "hanging-wakeup") as valkey:
        own = settings.model_copy(update={"redis_url": valkey.url, "redis_timeout_seconds": 0.2})
        redis, broker = connect_redis(own), connect_broker(valkey.url)
        refresh_signal = RefreshSignal(redis, broker)

        async def is_raised() -> bool:
            return bool(await redis.exists(DIRTY_KEY))

        await redis.ping()
        with hanging(valkey):
            await raise_now(refresh_signal)
        # What it was asked for before lies in its socket: it answers that first.
        await wait_until(is_raised)
        assert count_ready(broker) == 0
        await raise_now(refresh_signal)
        assert count_ready(broker) == 1
        await redis.aclose()
        disconnect_broker(broker)


async def test_refresh_sees_sessions_that_come_in_while_it_lowers_the_flag(
    refresher: Refresher, refresh_signal: RefreshSignal, database: Database, redis: Redis
) -> None:
    """Redis holds every write back, so that the flag's fall and rise race when it goes on."""
    user_id = await make_player(database)
    for turn in range(15):
        await record_scores(database, (user_id, 1))
        refreshing = asyncio.create_task(refresher.refresh())
        await wait_until(lambda: is_folded(database))
        await redis.client_pause(random.Random(turn).randint(5, 60), all=False)
        await record_scores(database, (user_id, 1))
        await raise_now(refresh_signal)
        await refreshing
        # Either that refresh saw it, or there is a flag and a message for the next one.
        assert await is_folded(database) or await redis.exists(DIRTY_KEY)
        await refresher.refresh()
        assert await is_folded(database)


async def is_folded(database: Database) -> bool:
    return not await database.fetch("SELECT session_id FROM pending_session LIMIT 1")


async def test_no_wake_up_is_lost(
    settings: Settings, database: Database, refresh_signal: RefreshSignal
) -> None:
    """Each submit comes as soon as the last one is folded: while the refresh is about to end.

    There is neither a sweep nor a later submit that would make up for a lost one.
    """
    user_id = await make_player(database)
    ledger = Ledger(database, refresh_signal, settings)
    pauses = random.Random(1)
    with run_worker(settings):
        for _ in range(WAKE_UPS):
            for _ in range(pauses.randint(0, 40)):
                await database.fetch("SELECT 1")
            await ledger.record(Submission(user_id, 1, "solo", None))
            await wait_until(lambda: is_folded(database))
    row = await database.fetch_one("SELECT score FROM standing")
    assert row is not None
    assert row["score"] == WAKE_UPS


def test_worker_takes_a_silent_redis_for_one_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error of the consumer is logged as a bug, with its traceback."""
    monkeypatch.setattr(service.backends.broker, "_TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = connect_broker(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        consumer = broker.consume(STANDINGS_QUEUE)
        with pytest.raises(ConnectionClosed, match="Timeout"):
            next(consumer)
        disconnect_broker(broker)


async def test_refreshes_that_cannot_work_do_not_multiply(
    settings: Settings,
    database: Database,
    refresh_signal: RefreshSignal,
    broker: dramatiq.Broker,
    redis: Redis,
) -> None:
    """Somebody else holds the writer's lock, and the flag falls again and again meanwhile."""
    async with hold_writer_lock(database, wait_seconds=1):
        with run_worker(settings):
            for _ in range(4):
                await redis.delete(DIRTY_KEY, MUTEX_KEY)
                await raise_now(refresh_signal)
                await wait_until(lambda: count_ready(broker) == 0, seconds=30)
            # All but one give up: that one waits to be tried again, in its queue or in the worker.
            await wait_until(lambda: redis.hlen(f"dramatiq:{dq_name(STANDINGS_QUEUE)}.msgs"))
        assert sum(count_messages(broker, STANDINGS_QUEUE)) <= 2


async def test_refreshes_that_fail_do_not_multiply(
    settings: Settings,
    database: Database,
    refresh_signal: RefreshSignal,
    broker: dramatiq.Broker,
    redis: Redis,
) -> None:
    """One is tried again, whoever wakes the workers meanwhile."""
    queue, delayed = (
        f"dramatiq:{name}.msgs" for name in (STANDINGS_QUEUE, dq_name(STANDINGS_QUEUE))
    )

    async def is_done() -> bool:
        return not await redis.hlen(queue)

    await record_scores(database, (await make_player(database), 1))
    await database.fetch("ALTER TABLE standing ADD CONSTRAINT none CHECK (false)")
    with run_worker(settings):
        for _ in range(4):
            await redis.delete(DIRTY_KEY, MUTEX_KEY)
            await raise_now(refresh_signal)
            await wait_until(is_done)
        # The one that is due is in both queues for a moment.
        assert 1 <= await redis.hlen(queue) + await redis.hlen(delayed) <= 2
    assert 1 <= sum(count_messages(broker, STANDINGS_QUEUE)) <= 2
