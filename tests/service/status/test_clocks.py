"""Clocks that differ by an hour, or are set: what is there is shown, and nothing waits."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dramatiq
import httpx
import pytest
import time_machine
from redis.asyncio import Redis

from service.backends.broker import (
    PERIODIC_QUEUE,
    connect_broker,
    count_messages,
    disconnect_broker,
)
from service.backends.redis import SCHEDULER_KEY, WORKER_PROCESSES_KEY
from service.logs import _ConsumerFilter
from service.settings.settings import Settings
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker, send_sweep
from workers.periodiq_scheduler import PatientScheduler

HOURS = pytest.mark.parametrize("hours", [-1, 1])


@pytest.fixture
def broker(settings: Settings) -> Iterator[dramatiq.Broker]:
    broker = connect_broker(settings.require_redis_url())
    yield broker
    disconnect_broker(broker)


async def read_parts(client: httpx.AsyncClient) -> dict[str, str]:
    parts = (await client.get("/api/ops/status")).json()["parts"]
    return {name: parts[name]["state"] for name in ("worker", "scheduler")}


@HOURS
async def test_machines_with_other_clocks_are_there(
    client: httpx.AsyncClient, settings: Settings, hours: int
) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        # As the scheduler of a machine with this clock sends it; the worker's is right.
        send_sweep(settings)

        async def are_there() -> bool:
            return await read_parts(client) == {"worker": "ok", "scheduler": "ok"}

        with run_worker(settings):
            await wait_until(are_there)
            ready = (await client.get("/health/ready")).json()
            assert ready["parts"]["worker"] == "ok"
            status = (await client.get("/api/ops/status")).json()
            seen = datetime.fromisoformat(status["parts"]["scheduler"]["last_seen_at"])
            assert timedelta() <= datetime.now(UTC) - seen < timedelta(seconds=30)
        assert (await read_parts(client))["worker"] == "away"


async def test_heartbeat_from_before_the_clock_was_set_back_is_nobody(
    client: httpx.AsyncClient, redis: Redis
) -> None:
    seconds, _ = await redis.time()
    hour_ahead = 1000 * (seconds + 3_600)
    await redis.hset(WORKER_PROCESSES_KEY, "dead:1", f'{{"at": {hour_ahead}, "process": {{}}}}')
    await redis.set(SCHEDULER_KEY, hour_ahead)
    # A scheduler sends one message a minute: it is missed when it was not heard of since then.
    assert await read_parts(client) == {"worker": "away", "scheduler": "ok"}
    assert await redis.hlen(WORKER_PROCESSES_KEY) == 0
    noted = await redis.get(SCHEDULER_KEY)
    assert noted is not None
    assert seconds <= int(noted) / 1000 < seconds + 60


async def test_scheduler_that_was_not_heard_of_for_minutes_is_away(
    client: httpx.AsyncClient, redis: Redis
) -> None:
    seconds, _ = await redis.time()
    await redis.set(SCHEDULER_KEY, 1000 * (seconds - 120))
    assert (await read_parts(client))["scheduler"] == "ok"
    await redis.set(SCHEDULER_KEY, 1000 * (seconds - 140))
    assert (await read_parts(client))["scheduler"] == "away"


def test_scheduler_sends_nothing_while_its_last_message_waits(
    broker: dramatiq.Broker,
) -> None:
    @dramatiq.actor(actor_name="tests.nothing", queue_name=PERIODIC_QUEUE, broker=broker)
    def nothing() -> None:
        """Do nothing."""

    # Made without the signals of a process of its own.
    scheduler = PatientScheduler.__new__(PatientScheduler)
    scheduler._rounds = None
    for _ in range(3):
        scheduler.send_actors([nothing], datetime.now(UTC))
        assert count_messages(broker, PERIODIC_QUEUE).ready == 1


@HOURS
def test_warnings_are_limited_whatever_the_clock_does(hours: int) -> None:
    consumers = _ConsumerFilter()

    def warn() -> bool:
        text = "Consumer encountered a connection error"
        name = "dramatiq.worker.ConsumerThread(standings)"
        return consumers.filter(logging.LogRecord(name, logging.WARNING, "", 0, text, (), None))

    assert warn()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        assert not warn()
