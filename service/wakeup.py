"""Wakes the workers when there is something to fold.

`leaderboard:dirty` says that a wake-up is on its way or a refresh is at work. A submit raises the
flag after its commit and sends the message only where the flag was down; a refresh lowers it before
its last look at the outbox. So a committed session is either seen by that last look, or its submit
finds the flag down and sends a message. What a crash still loses, the sweep finds.
"""

import asyncio
import logging
from typing import Final

import dramatiq
import redis as blocking_redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name, xq_name
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from service.cache import DIRTY_KEY

REFRESH_ACTOR: Final = "standings.refresh"
STANDINGS_QUEUE: Final = "standings"

# Long enough for a refresh to renew it, short enough that a flag left by a crash soon falls.
DIRTY_FLAG_MS: Final = 5_000

# Nothing that a broker asks of Redis blocks there.
_BROKER_TIMEOUT_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


def connect_broker(url: str) -> dramatiq.Broker:
    """Return a broker for sending messages, with no middleware; connects when first used."""
    client = connect_broker_client(url)
    return RedisBroker(client=client, middleware=[])  # type: ignore[no-untyped-call]


def connect_broker_client(url: str) -> "blocking_redis.Redis":
    """Return the client of a broker that gives up in time; connects when first used.

    Dramatiq's own would wait without end for a Redis that is silent.
    """
    pool = blocking_redis.ConnectionPool.from_url(
        url,
        socket_timeout=_BROKER_TIMEOUT_SECONDS,
        socket_connect_timeout=_BROKER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        client_name="leaderboard-broker",
    )
    return blocking_redis.Redis(connection_pool=pool)


def disconnect_broker(broker: dramatiq.Broker) -> None:
    """Close the broker's connections, which its own `close` leaves open."""
    assert isinstance(broker, RedisBroker)
    broker.client.connection_pool.disconnect()


def count_messages(broker: dramatiq.Broker) -> tuple[int, int, int]:
    """Return how many messages are ready, delayed and given up; blocks for a round trip."""
    names = (STANDINGS_QUEUE, dq_name(STANDINGS_QUEUE), xq_name(STANDINGS_QUEUE))
    assert isinstance(broker, RedisBroker)
    ready, delayed, dead = (f"{broker.namespace}:{name}" for name in names)
    pipeline = broker.client.pipeline(transaction=False)
    pipeline.llen(ready)
    pipeline.llen(delayed)
    pipeline.zcard(dead)
    counts = pipeline.execute()
    return counts[0], counts[1], counts[2]


class RefreshSignal:
    """Asks for a refresh, without making anyone wait for it."""

    def __init__(self, redis: Redis, broker: dramatiq.Broker) -> None:
        self._redis = redis
        self._broker = broker
        self._sender: asyncio.Task[None] | None = None
        self._raised_again = False
        self._failing = False

    def raise_soon(self, *, anyway: bool = False) -> None:
        """Ask for a refresh in the background; calls while one is being sent become one more.

        `anyway` asks also where the flag is up: a process that starts cannot know whether the one
        that raised it was killed before it sent the message.
        """
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send(anyway=anyway))
        else:
            self._raised_again = True

    async def drain(self) -> None:
        """Wait until what was asked for has been sent, or has failed."""
        if self._sender is not None:
            await self._sender

    async def _send(self, *, anyway: bool) -> None:
        while True:
            self._raised_again = False
            try:
                await self._wake_refresh(anyway=anyway)
                anyway = False
                self._failing = False
            except (RedisError, dramatiq.DramatiqError, OSError, TimeoutError) as error:
                # Nothing is lost: the session is in the outbox, and the sweep will find it.
                if not self._failing:
                    _log.warning("the workers cannot be woken, ranks wait for the sweep: %s", error)
                self._failing = True
            if not self._raised_again:
                return

    async def _wake_refresh(self, *, anyway: bool) -> None:
        if await self._redis.set(DIRTY_KEY, b"1", nx=not anyway, px=DIRTY_FLAG_MS):
            await self._send_message()

    async def _send_message(self) -> None:
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=STANDINGS_QUEUE,
            actor_name=REFRESH_ACTOR,
            args=(),
            kwargs={},
            options={},
        )
        await asyncio.to_thread(self._broker.enqueue, message)
