"""Checks the URLs of servers, before anything connects to them.

The drivers would check them too, but only when they connect: in every request, or with a traceback.
Each check returns the URL, or raises a `ValueError` that says what is allowed.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from redis import ConnectionPool
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

_POSTGRES_SCHEMES: Final = ("postgresql", "postgres")
_REDIS_SCHEMES: Final = ("redis", "rediss", "unix")
_CLUSTER_SCHEMES: Final = ("redis+cluster", "rediss+cluster")
_RABBITMQ_SCHEMES: Final = ("amqp", "amqps")

_POSTGRES_FORM: Final = "postgresql://[user:password@]host:port/database[?option=value]"
_REDIS_FORM: Final = "redis://[user:password@]host:port/number[?option=value]"
_CLUSTER_FORM: Final = (
    "for a cluster redis+cluster://[user:password@]host:port,host:port[?option=value]"
)
_RABBITMQ_FORM: Final = "amqp://[user:password@]host:port/vhost[?option=value]"

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_POSTGRES_CHOICES: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": (
        *("any", "primary", "standby"),
        *("read-write", "read-only", "prefer-standby"),
    ),
}

_DEFAULT_REDIS_PORT: Final = 6379
_DEFAULT_PORTS: Final = {
    **dict.fromkeys(_POSTGRES_SCHEMES, 5432),
    **dict.fromkeys((*_REDIS_SCHEMES, *_CLUSTER_SCHEMES), _DEFAULT_REDIS_PORT),
    "amqp": 5672,
    "amqps": 5671,
}

_LOGIN: Final = re.compile(r"(?<=//).*@|^[^/]*@")
_PASSWORD_OPTION: Final = re.compile(r"(?<=password=)[^&]*")
_SPECIAL: Final = (
    "in user and password, / ? # [ ] are written %2F %3F %23 %5B %5D; behind the host, @ is %40"
)


def check_postgres_url(url: str) -> str:
    """Check a URL of PostgreSQL, which may name several hosts, separated by commas.

    An option that the driver does not know is a setting of the server, and only that can check it.
    """
    _check_scheme(url, _POSTGRES_SCHEMES)
    _check_login(url, _POSTGRES_FORM)
    _try(url, _POSTGRES_FORM, lambda: _check_postgres_places(url))
    options = parse_qs(urlsplit(url).query)
    for name, choices in _POSTGRES_CHOICES.items():
        for choice in options.get(name, []):
            if choice not in choices:
                raise ValueError(f"{_POSTGRES_FORM} ({name} is one of {', '.join(choices)})")
    return url


def _check_postgres_places(url: str) -> None:
    """Refuse options, ports and hosts at which asyncpg fails with some error of Python."""
    parts = urlsplit(url)
    options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    places = [urlsplit(f"//{place}") for place in parts.netloc.rpartition("@")[2].split(",")]
    ports = ",".join(options.get("port", [])).split(",")
    for place in [*places, *(urlsplit(f"//host:{port}") for port in ports)]:
        _ = place.port
    for hosts in (
        [unquote(place.hostname or "") for place in places],
        ",".join(options.get("host", [])).split(","),
    ):
        if len(hosts) > 1 and "" in hosts:
            raise ValueError("a host is missing beside a comma")
        for host in hosts:
            _check_host(host)


def _check_host(host: str) -> None:
    """Refuse the name of no possible host, which is no `OSError` to whoever would look it up."""
    try:
        if not host.startswith("/"):
            # As `socket.getaddrinfo` does it.
            host.encode("idna")
    except UnicodeError as error:
        fault = f"no host can be named {host!r}: between its dots are 1 to 63 characters"
        raise ValueError(fault) from error


def check_redis_url(url: str) -> str:
    """Check a URL of a Redis or Valkey, or of a cluster of them."""
    _check_scheme(url, (*_REDIS_SCHEMES, *_CLUSTER_SCHEMES))
    _check_login(url, _CLUSTER_FORM if is_cluster(url) else _REDIS_FORM)
    if is_cluster(url):
        _try(url, _CLUSTER_FORM, lambda: _make_cluster(url))
    else:
        _check_redis_number(url)
        _try(url, _REDIS_FORM, lambda: _check_redis_place(BlockingConnectionPool, url))
    return url


def check_broker_url(url: str) -> str:
    """Check a URL of Dramatiq's broker, a Redis or a RabbitMQ."""
    _check_scheme(url, (*_REDIS_SCHEMES, *_RABBITMQ_SCHEMES))
    is_rabbitmq = urlsplit(url).scheme in _RABBITMQ_SCHEMES
    _check_login(url, _RABBITMQ_FORM if is_rabbitmq else _REDIS_FORM)
    if is_rabbitmq:
        # Loaded only where it is used.
        from pika import URLParameters  # noqa: PLC0415

        _try(url, _RABBITMQ_FORM, lambda: _check_host(URLParameters(url).host))
    else:
        _check_redis_number(url)
        _try(url, _REDIS_FORM, lambda: _check_redis_place(ConnectionPool, url))
    return url


def _check_redis_place(pool: Any, url: str) -> None:
    connection = pool.from_url(url).make_connection()
    # That of a socket has no host, or None.
    _check_host(getattr(connection, "host", None) or "")


def _check_redis_number(url: str) -> None:
    """Refuse a database that is no number, for which redis-py would take 0."""
    parts = urlsplit(url)
    if parts.scheme != "unix" and not re.fullmatch("/?[0-9]*", parts.path):
        raise ValueError(f"{_REDIS_FORM} (the database is a number)")


def is_cluster(url: str) -> bool:
    """Return whether a URL names a cluster."""
    return urlsplit(url).scheme in _CLUSTER_SCHEMES


def parse_cluster_url(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Return the nodes and the options of a cluster's URL; raises `ValueError`.

    The form is our own: `redis+cluster://user:password@one:6379,two:6379?option=value`, or
    `rediss+cluster://` over TLS. These nodes are the first to be asked; they name the others. In
    redis-py's own URLs there is only one node, and nothing that marks a cluster.
    """
    parts = urlsplit(url)
    login, at, places = parts.netloc.rpartition("@")
    nodes = [_parse_node(place) for place in places.split(",")]
    if parts.path not in {"", "/", "/0"}:
        raise ValueError("a cluster has no database but 0")
    scheme = parts.scheme.removesuffix("+cluster")
    options: dict[str, Any] = dict(
        parse_url(parts._replace(scheme=scheme, netloc=f"{login}{at}node", path="").geturl())
    )
    options.pop("host")
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    return nodes, options


def _parse_node(place: str) -> tuple[str, int]:
    parts = urlsplit(f"//{place}")
    if not parts.hostname:
        raise ValueError("a node has no host")
    return parts.hostname, parts.port or _DEFAULT_REDIS_PORT


def describe_address(url: str) -> str:
    """Return where a URL leads, without user name or password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return unquote(parts.path)
    if "," in parts.netloc:
        return parts.netloc.rpartition("@")[2]
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    return f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"


def hide_login(url: str) -> str:
    """Return a URL without its user and password, however wrong the rest of it is."""
    return _PASSWORD_OPTION.sub("…", _LOGIN.sub("…@", url))


def _check_scheme(url: str, schemes: tuple[str, ...]) -> None:
    allowed = "a URL that starts with one of " + ", ".join(f"{scheme}://" for scheme in schemes)
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise ValueError(f"{allowed} ({_find_reason(url, error)})") from error
    if scheme not in schemes:
        raise ValueError(allowed)


def _check_login(url: str, form: str) -> None:
    """Refuse a URL whose login was cut off: in `//ada:12/x@host` the host is ada, with port 12.

    Only the value of an option, or the path of a socket, may contain an unescaped "@".
    """
    parts = urlsplit(url)
    later = [part for part in parts.query.split("&") if "=" not in part.partition("@")[0]]
    later.append(parts.fragment)
    if parts.scheme != "unix" or (":" in parts.netloc and "@" not in parts.netloc):
        later.append(parts.path)
    if any("@" in part for part in later):
        raise ValueError(f"{form} ({_SPECIAL})")


def _make_cluster(url: str) -> RedisCluster:
    nodes, options = parse_cluster_url(url)
    for host, _ in nodes:
        _check_host(host)
    return RedisCluster(startup_nodes=[ClusterNode(*node) for node in nodes], **options)


def _try(url: str, form: str, make: Callable[[], Any]) -> None:
    try:
        make()
    except TypeError as error:
        # "… got an unexpected keyword argument 'name'"
        option = str(error).rpartition(" ")[2]
        raise ValueError(f"{form} (there is no option {option})") from error
    except (ValueError, RedisError) as error:
        raise ValueError(f"{form} ({_find_reason(url, error)})") from error


def _find_reason(url: str, error: Exception) -> str:
    """Return the error message, except where it would quote a password that was cut off."""
    try:
        is_cut = "@" in url and "@" not in urlsplit(url).netloc
    except ValueError:
        is_cut = "@" in url
    return _SPECIAL if is_cut else str(error)
