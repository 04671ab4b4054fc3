"""Dramatiq's broker: Redis or RabbitMQ, as `BROKER_URL` says."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import dramatiq
import redis as blocking_redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.redis import _RedisConsumer as _Consumer
from dramatiq.common import dq_name, xq_name
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from service.backends.redis import DRIVER

if TYPE_CHECKING:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

STANDINGS_QUEUE: Final = "standings"
PERIODIC_QUEUE: Final = "periodic"
"""What the scheduler asks for has a queue of its own, so that no refresh can hold it up."""

BROKER_ERRORS: Final = (RedisError, dramatiq.DramatiqError, OSError, TimeoutError)
"""What a broker raises that is away or unusable."""

_TIMEOUT_SECONDS: Final = 5.0

_ASKED_AGAIN_SECONDS: Final = 1.0


class QueuedMessages(NamedTuple):
    """How many messages a queue has: to do, for later, given up."""

    ready: int
    delayed: int
    dead: int


def connect_broker(url: str, middleware: Sequence[dramatiq.Middleware] = ()) -> dramatiq.Broker:
    """Return a broker that gives up after five seconds; it connects when first used."""
    if urlsplit(url).scheme in {"amqp", "amqps"}:
        return _connect_rabbitmq(url, middleware)
    # Dramatiq's own client would wait for ever for a Redis that is silent.
    pool = blocking_redis.ConnectionPool.from_url(
        url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        client_name="leaderboard-broker",
        driver_info=DRIVER,
    )
    return _RedisBroker(  # type: ignore[no-untyped-call]
        client=blocking_redis.Redis(connection_pool=pool), middleware=list(middleware)
    )


class _RedisConsumer(_Consumer):
    """Dramatiq's consumer, which hears of a message at once.

    Its own asks for one every tenth of a second: four queues where nothing happens would take a
    worker and Redis as much processor time as hundreds of ranks a second. This one waits at the
    queue, by a command that moves its first message to where it is, and looks up every `timeout`
    milliseconds whether it is to stop, or whether a message is due that was put off. Dramatiq's own
    question is asked once a second all the same: it tells Redis that this worker lives.
    """

    _waiting: AbstractConnection | None = None
    _answered_by = 0.0

    def __next__(self) -> Any:
        """Return the next message, or None where there was none for a moment."""
        # There were none just now, and one more may be held here.
        if self.misses and self.outstanding_message_count < self.prefetch:
            try:
                if not self._wait():
                    return None
            except RedisError as error:
                self.close()
                raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
            self.misses = 0
        return super().__next__()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Leave the queue."""
        if self._waiting is not None:
            self._waiting.disconnect()  # type: ignore[no-untyped-call]
            self._leave(self._waiting)

    def _wait(self) -> bool:
        """Wait a moment for a message; return whether to ask for one."""
        connection = self._waiting
        if connection is None:
            connection = self._waiting = self.broker.client.connection_pool.get_connection()
            queue = f"{self.broker.namespace}:{self.queue_name}"
            connection.send_command("BLMOVE", queue, queue, "LEFT", "LEFT", _ASKED_AGAIN_SECONDS)
            self._answered_by = time.monotonic() + _ASKED_AGAIN_SECONDS
        # What is late is read, which takes a Redis for away that says nothing for too long.
        if connection.can_read(self.timeout / 1000) or time.monotonic() > self._answered_by:
            connection.read_response()
            self._leave(connection)
            return True
        return False

    def _leave(self, connection: AbstractConnection) -> None:
        self._waiting = None
        self.broker.client.connection_pool.release(connection)


class _RedisBroker(RedisBroker):
    """Dramatiq's broker, which takes a Redis that refuses, or is none, for one that is away.

    Otherwise it would take that for a bug, and log a traceback of each queue twice a second.
    """

    consumer_class = _RedisConsumer

    def _dispatch(self, command: str) -> Callable[..., Any]:
        do_dispatch: Callable[..., Any] = super()._dispatch(command)  # type: ignore[no-untyped-call]

        def dispatch(queue_name: str, *arguments: object) -> Any:
            try:
                return do_dispatch(queue_name, *arguments)
            except RedisError as error:
                raise RedisConnectionError(str(error)) from error

        return dispatch


def disconnect_broker(broker: dramatiq.Broker) -> None:
    """Close the broker's connections, which a Redis broker's own `close` leaves open."""
    if isinstance(broker, RedisBroker):
        broker.client.connection_pool.disconnect()
    else:
        broker.close()


def count_messages(broker: dramatiq.Broker, queue_name: str) -> QueuedMessages:
    """Count the messages of a queue; blocks for a round trip.

    Raises one of `BROKER_ERRORS`.
    """
    if not isinstance(broker, RedisBroker):
        return _count_in_rabbitmq(broker, queue_name)
    names = (queue_name, dq_name(queue_name), xq_name(queue_name))
    ready, delayed, dead = (f"{broker.namespace}:{name}" for name in names)
    pipeline = broker.client.pipeline(transaction=False)
    pipeline.llen(ready)
    pipeline.llen(delayed)
    pipeline.zcard(dead)
    return QueuedMessages(*pipeline.execute())


def _connect_rabbitmq(url: str, middleware: Sequence[dramatiq.Middleware]) -> "RabbitmqBroker":
    """Return a RabbitMQ broker, with a connection for each thread that uses it.

    RabbitMQ closes an idle connection after a while without a heartbeat; the next message opens a
    new one. Every message is confirmed: otherwise one for a queue that RabbitMQ has lost would be
    dropped silently.
    """
    # Loaded only where it is used.
    from dramatiq.brokers.rabbitmq import RabbitmqBroker  # noqa: PLC0415

    broker = RabbitmqBroker(url=url, middleware=list(middleware), confirm_delivery=True)
    parameters: Any = broker.parameters
    for one in parameters if isinstance(parameters, list) else [parameters]:
        one.socket_timeout = min(one.socket_timeout, _TIMEOUT_SECONDS)
        one.stack_timeout = min(one.stack_timeout, 2 * _TIMEOUT_SECONDS)
        # Short of memory or disk, RabbitMQ blocks those who publish.
        if one.blocked_connection_timeout is None:
            one.blocked_connection_timeout = _TIMEOUT_SECONDS
    return broker


def _count_in_rabbitmq(broker: dramatiq.Broker, queue_name: str) -> QueuedMessages:
    import pika.exceptions  # noqa: PLC0415 - loaded only where it is used
    from dramatiq.brokers.rabbitmq import RabbitmqBroker  # noqa: PLC0415

    assert isinstance(broker, RabbitmqBroker)
    # The second try is for a connection that was closed because it was idle.
    for last in (False, True):
        try:
            counts = broker.get_queue_message_counts(queue_name)
        except pika.exceptions.AMQPError as error:
            del broker.connection
            if last:
                raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
        else:
            return QueuedMessages(*counts)
    raise AssertionError
