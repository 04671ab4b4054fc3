"""Wakes the workers when there is something to fold.

The flag `leaderboard:dirty` means that a message is on its way or a refresh is running. A submit
raises it after its commit and sends the message only where the flag was down; a refresh lowers it
before its last look at the outbox. So a committed session is either seen by that last look, or its
submit finds the flag down and sends a message. What a crash still loses, the sweep finds.

At most one message waits: the flag also falls by itself, again and again while no worker is there,
and a refresh that has not begun yet will see every session that is committed before it does.

While Redis is away nothing tells whether a message is on its way. The broker may be another server,
so a process that was asked sends one all the same, once a second at most; a worker that has a
refresh waiting drops the next.
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

import dramatiq
from redis.asyncio import Redis

from service.backends.broker import BROKER_ERRORS, STANDINGS_QUEUE, count_messages
from service.backends.redis import DIRTY_KEY, REDIS_ERRORS
from service.batching import Tracer
from service.request_ids import MESSAGE_OPTION, request_id

REFRESH_ACTOR: Final = "standings.refresh"

# Long enough for a refresh to renew it, short enough that a flag left by a crash expires soon.
DIRTY_FLAG_MS: Final = 5_000

_PAUSE_WITHOUT_FLAG_SECONDS: Final = 1.0

# Under load commits follow each other faster than this, and to raise a flag that is up costs a
# process as much as two submits. A flag that was just lowered waits so much longer, at most.
_PAUSE_SECONDS: Final = 0.01

_log = logging.getLogger(__name__)


class BrokerUnavailable(Exception):
    """The broker takes no messages."""


class RefreshSignal:
    """Asks for a refresh, without making anyone wait for it."""

    def __init__(self, redis: Redis, broker: dramatiq.Broker, tracer: Tracer | None = None) -> None:
        self._redis = redis
        self._broker = broker
        self._tracer = tracer
        self._sender: asyncio.Task[None] | None = None
        self._is_asked = self._is_asked_anyway = False
        self._next_at = self._next_without_flag_at = 0.0
        self.problem: Exception | None = None
        """Why the last wake-up failed: `BrokerUnavailable`, or an error of Redis."""

    def raise_soon(self, *, anyway: bool = False) -> None:
        """Ask for a refresh in the background; calls that follow at once become one more.

        With `anyway` the message is sent even if the flag is up: a process that starts cannot know
        whether the one that raised it was killed before it sent the message. As nothing may have
        been committed, it is not sent without Redis.
        """
        self._is_asked = True
        self._is_asked_anyway = self._is_asked_anyway or anyway
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def drain(self) -> None:
        """Wait until what was asked for has been sent, or has failed."""
        if self._sender is not None:
            await self._sender

    async def _send(self) -> None:
        if self._tracer is not None:
            # The trace of the submit that asks ends before this does.
            self._tracer.leave()
        while self._is_asked:
            if not self._is_asked_anyway:
                await asyncio.sleep(self._next_at - time.monotonic())
            # The flag is looked at after all the commits that have asked until now.
            anyway = self._is_asked_anyway
            self._is_asked = self._is_asked_anyway = False
            self._next_at = time.monotonic() + _PAUSE_SECONDS
            try:
                # After a failure the flag means nothing: a Redis that hung may have raised it
                # later, for a command that had timed out.
                await self._wake_refresh(anyway=anyway or self.problem is not None)
                self.problem = None
            except (*REDIS_ERRORS, BrokerUnavailable) as error:
                # Nothing is lost: the session is in the outbox, where the sweep finds it.
                if self.problem is None:
                    _log.warning("waking the workers failed, ranks may have to wait: %s", error)
                self.problem = error
                if not anyway and not isinstance(error, BrokerUnavailable):
                    await self._wake_without_flag()

    async def _wake_refresh(self, *, anyway: bool) -> None:
        if await self._redis.set(DIRTY_KEY, b"1", nx=not anyway, px=DIRTY_FLAG_MS):
            try:
                await asyncio.to_thread(send_refresh, self._broker, request_id.get())
            except BROKER_ERRORS as error:
                # No message is on its way: the next submit has to try again.
                await self._redis.delete(DIRTY_KEY)
                raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error

    async def _wake_without_flag(self) -> None:
        await asyncio.sleep(self._next_without_flag_at - time.monotonic())
        # For all who asked until now.
        self._is_asked = False
        self._next_without_flag_at = time.monotonic() + _PAUSE_WITHOUT_FLAG_SECONDS
        with suppress(*BROKER_ERRORS):
            await asyncio.to_thread(send_refresh, self._broker, request_id.get())


def send_refresh(broker: dramatiq.Broker, woken_by: str | None = None) -> None:
    """Send the message of a refresh, unless one is waiting; blocks for a round trip or two.

    Raises one of `BROKER_ERRORS`.
    """
    if count_messages(broker, STANDINGS_QUEUE).ready:
        return
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=STANDINGS_QUEUE,
        actor_name=REFRESH_ACTOR,
        args=(),
        kwargs={},
        options={} if woken_by is None else {MESSAGE_OPTION: woken_by},
    )
    broker.enqueue(message)
