"""A worker that is idle waits at its queues, and asks for nothing."""

from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest
from dramatiq.errors import ConnectionClosed
from redis.asyncio import Redis

import service.backends.broker
from service.backends.broker import STANDINGS_QUEUE, connect_broker, disconnect_broker
from service.local.embedded import ValkeyServer
from service.settings.settings import Settings
from tests.support.outages import hanging

LOOKS = 20


def make_message() -> "dramatiq.Message[None]":
    return dramatiq.Message(
        queue_name=STANDINGS_QUEUE, actor_name="some.actor", args=(), kwargs={}, options={}
    )


def consume(broker: dramatiq.Broker) -> dramatiq.Consumer:
    broker.declare_queue(STANDINGS_QUEUE)
    return broker.consume(STANDINGS_QUEUE, prefetch=1, timeout=10)


def look_for_ever(consumer: dramatiq.Consumer) -> None:
    while True:
        assert next(consumer) is None


@pytest.fixture
def broker(settings: Settings) -> Iterator[dramatiq.Broker]:
    broker = connect_broker(settings.require_broker_url())
    yield broker
    disconnect_broker(broker)


async def count_questions(redis: Redis) -> int:
    """Return how often Dramatiq has asked for messages."""
    stats = await redis.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_message_is_heard_of_without_asking(
    broker: dramatiq.Broker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.backends.broker, "_ASKED_AGAIN_SECONDS", 60.0)
    consumer = consume(broker)
    assert next(consumer) is None
    before = await count_questions(redis)
    assert [next(consumer) for _ in range(LOOKS)] == [None] * LOOKS
    assert await count_questions(redis) == before
    sent = broker.enqueue(make_message())
    taken = None
    while taken is None:
        taken = next(consumer)
    assert taken.message_id == sent.message_id
    # To send it, and to take it.
    assert await count_questions(redis) == before + 2
    consumer.ack(taken)
    consumer.close()


async def test_messages_of_a_full_consumer_stay_for_others(
    broker: dramatiq.Broker,
) -> None:
    full, other = consume(broker), consume(broker)
    sent = [broker.enqueue(make_message()) for _ in range(2)]
    first = next(full)
    assert [next(full) for _ in range(LOOKS)] == [None] * LOOKS
    second = next(other)
    assert [one and one.message_id for one in (first, second)] == [
        message.message_id for message in sent
    ]


async def test_redis_is_asked_now_and_then_all_the_same(
    broker: dramatiq.Broker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dramatiq takes a worker that has asked nothing for a minute for dead."""
    monkeypatch.setattr(service.backends.broker, "_ASKED_AGAIN_SECONDS", 0.05)
    consumer = consume(broker)
    assert next(consumer) is None
    before = await count_questions(redis)
    while await count_questions(redis) == before:
        assert next(consumer) is None
    consumer.close()


async def test_redis_that_ends_or_hangs_while_a_queue_is_waited_at_is_away(
    server_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.backends.broker, "_ASKED_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(service.backends.broker, "_TIMEOUT_SECONDS", 2.0)
    with ValkeyServer(server_directory / "broker") as server:
        broker = connect_broker(server.url)
        consumer = consume(broker)
        assert next(consumer) is None
        with hanging(server), pytest.raises(ConnectionClosed):
            look_for_ever(consumer)
        consumer.close()
        consumer = consume(broker)
        assert next(consumer) is None
        assert next(consumer) is None
    with pytest.raises(ConnectionClosed):
        look_for_ever(consumer)
    consumer.close()
    disconnect_broker(broker)
