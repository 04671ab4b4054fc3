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
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name, xq_name
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.cache import DIRTY_KEY

REFRESH_ACTOR: Final = "standings.refresh"
STANDINGS_QUEUE: Final = "standings"

# Long enough for a refresh to renew it, short enough that a flag left by a crash soon falls.
DIRTY_FLAG_MS: Final = 5_000

_log = logging.getLogger(__name__)


def connect_broker(url: str) -> dramatiq.Broker:
    """Return a broker for sending messages, with no middleware; connects when first used."""
    return RedisBroker(url=url, middleware=[])  # type: ignore[no-untyped-call]


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

    def raise_soon(self) -> None:
        """Ask for a refresh in the background; calls while one is being sent become one more."""
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        else:
            self._raised_again = True

    async def drain(self) -> None:
        """Wait until what was asked for has been sent, or has failed."""
        if self._sender is not None:
            await self._sender

    async def _send(self) -> None:
        while True:
            self._raised_again = False
            try:
                await self._wake_refresh()
                self._failing = False
            except (RedisError, dramatiq.DramatiqError, OSError, TimeoutError) as error:
                # Nothing is lost: the session is in the outbox, and the sweep will find it.
                if not self._failing:
                    _log.warning("the workers cannot be woken, ranks wait for the sweep: %s", error)
                self._failing = True
            if not self._raised_again:
                return

    async def _wake_refresh(self) -> None:
        if await self._redis.set(DIRTY_KEY, b"1", nx=True, px=DIRTY_FLAG_MS):
            message: dramatiq.Message[None] = dramatiq.Message(
                queue_name=STANDINGS_QUEUE,
                actor_name=REFRESH_ACTOR,
                args=(),
                kwargs={},
                options={},
            )
            await asyncio.to_thread(self._broker.enqueue, message)
