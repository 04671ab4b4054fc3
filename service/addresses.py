"""Whether the URL of a server can be used at all, asked before anybody connects to it.

The drivers would say so too, but only when they connect: to every request, or with a traceback.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from redis import ConnectionPool
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

from service.cluster import connect_cluster, is_cluster

_REDIS_FORM: Final = "redis://[user:password@]host:port/number[?option=value]"
_RABBITMQ_SCHEMES: Final = ("amqp", "amqps")
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def check_database_url(url: str) -> None:
    """Raise `ValueError` for a URL of PostgreSQL that nothing can be at.

    An option that is not one of the driver's is a setting of the server, which alone knows it.
    """
    form = "postgresql://[user:password@]host:port/database[?option=value]"
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    with_ports = [f"//{place}" for place in parts.netloc.rpartition("@")[2].split(",")]
    with_ports += [f"//host:{port}" for port in ",".join(options.get("port", [])).split(",")]
    _try(form, lambda: [urlsplit(place).port for place in with_ports])
    for mode in options.get("sslmode", []):
        if mode not in _SSL_MODES:
            raise ValueError(f"{form} (sslmode is one of {', '.join(_SSL_MODES)})")


def check_redis_url(url: str) -> None:
    """Raise `ValueError` for a URL of Redis, or of a cluster, with which there is no connecting."""
    if is_cluster(url):
        form = "for a cluster redis+cluster://[user:password@]host:port,host:port[?option=value]"
        _try(form, lambda: connect_cluster(url, timeout_seconds=1.0))
    else:
        pool: Any = BlockingConnectionPool
        _try(_REDIS_FORM, lambda: pool.from_url(url).make_connection())


def check_broker_url(url: str) -> None:
    """Raise `ValueError` for a URL of Redis or RabbitMQ with which there is no connecting."""
    if urlsplit(url).scheme in _RABBITMQ_SCHEMES:
        # With Redis alone nobody has to load it.
        from pika import URLParameters  # noqa: PLC0415

        _try("amqp://[user:password@]host:port/vhost[?option=value]", lambda: URLParameters(url))
    else:
        pool: Any = ConnectionPool
        _try(_REDIS_FORM, lambda: pool.from_url(url).make_connection())


def _try(form: str, make: Callable[[], Any]) -> None:
    try:
        make()
    except (ValueError, TypeError, RedisError) as error:
        raise ValueError(f"{form} ({error})") from error
