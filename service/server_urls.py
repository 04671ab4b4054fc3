"""What the URLs of PostgreSQL, Redis and RabbitMQ must look like, told before anybody connects.

Each check raises `ValueError` that says what is allowed. Options are tried on the library that will
get them, without connecting.
"""

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from redis import ConnectionPool
from redis.exceptions import RedisError

from service.cluster import CLUSTER_SCHEMES, parse_cluster_url

_POSTGRES_SCHEMES: Final = ("postgresql", "postgres")
_REDIS_SCHEMES: Final = ("redis", "rediss", "unix")
_RABBITMQ_SCHEMES: Final = ("amqp", "amqps")

_LAST_PORT: Final = 65_535

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_POSTGRES_CHOICES: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": (
        *("any", "primary", "standby"),
        *("read-write", "read-only", "prefer-standby"),
    ),
}

_LOGIN: Final = re.compile(r"(?<=//).*@|^[^/]*@")


def check_postgres_url(url: str) -> str:
    """Check a URL of PostgreSQL, which may name several hosts with commas between."""
    _check_scheme(url, _POSTGRES_SCHEMES)
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    places = parts.netloc.rpartition("@")[2].split(",")
    ports = [place.rpartition(":")[2] for place in places if re.search(r":[^\]]*$", place)]
    for port in filter(None, [*ports, *",".join(options.get("port", [])).split(",")]):
        if not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
            raise ValueError(f"a URL with a port from 1 to {_LAST_PORT} ({port!r} is none)")
    for name, choices in _POSTGRES_CHOICES.items():
        for value in options.get(name, []):
            if value not in choices:
                raise ValueError(f"a URL whose {name} is one of {', '.join(choices)}")
    return url


def check_redis_url(url: str) -> str:
    """Check a URL of a Redis or Valkey, or of a cluster of them."""
    _check_scheme(url, (*_REDIS_SCHEMES, *CLUSTER_SCHEMES))
    if urlsplit(url).scheme in CLUSTER_SCHEMES:
        try:
            parse_cluster_url(url)
        except ValueError as error:
            raise ValueError(
                "for a cluster redis+cluster://[user:password@]host:port,host:port[?option=value] "
                f"({error})"
            ) from error
    else:
        _try_redis_url(url)
    return url


def check_broker_url(url: str) -> str:
    """Check a URL of Dramatiq's broker."""
    _check_scheme(url, (*_REDIS_SCHEMES, *_RABBITMQ_SCHEMES))
    if urlsplit(url).scheme in _RABBITMQ_SCHEMES:
        # As long to import as all the rest of a small command, and only some need it.
        import pika  # noqa: PLC0415

        try:
            pika.URLParameters(url)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"amqp://[user:password@]host:port[/vhost][?option=value] ({error})"
            ) from error
    else:
        _try_redis_url(url)
    return url


def hide_password(url: str) -> str:
    """Return a URL without its user and password, however wrong the rest of it is."""
    return _LOGIN.sub("…@", url)


def _check_scheme(url: str, schemes: tuple[str, ...]) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise ValueError(f"a URL ({error})") from error
    if scheme not in schemes:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"a URL that starts with one of {allowed}")


def _try_redis_url(url: str) -> None:
    try:
        ConnectionPool.from_url(url).make_connection()
    except TypeError as error:
        # "… got an unexpected keyword argument 'name'"
        option = str(error).rpartition(" ")[2]
        raise ValueError(
            f"a URL with options that Redis's client knows ({option} is none)"
        ) from error
    except (ValueError, RedisError) as error:
        raise ValueError(
            f"redis://[user:password@]host:port[/database][?option=value] ({error})"
        ) from error
