"""The connection to a Redis Cluster, by a URL of our own form.

`redis+cluster://user:password@one:6379,two:6379?option=value`, or `rediss+cluster://` over TLS. The
nodes are some to start from; they name the rest. Redis-py itself takes only one node in a URL, and
nothing there tells a cluster.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CLUSTER_SCHEMES: Final = ("redis+cluster", "rediss+cluster")

_DEFAULT_PORT: Final = 6379


def is_cluster(url: str) -> bool:
    """Tell whether a URL names a cluster."""
    return urlsplit(url).scheme in CLUSTER_SCHEMES


def connect_cluster(url: str, timeout_seconds: float) -> RedisCluster:
    """Return a client of a cluster that fails fast; it connects when first used."""
    nodes, options = parse_cluster_url(url)
    ours: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "client_name": "leaderboard",
    }
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        # Found again under the names that they were given, when all their addresses changed.
        dynamic_startup_nodes=False,
        # The rest of the keys can be read while a node is away.
        require_full_coverage=False,
        # Only how many tries is taken from this; after each the nodes are looked up again.
        retry=Retry(NoBackoff(), 1),
        **(ours | options),
    )


def parse_cluster_url(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Return the nodes and the options of a cluster's URL; raises `ValueError`."""
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
    return parts.hostname, parts.port or _DEFAULT_PORT


def is_cluster_client(redis: Redis) -> bool:
    """Tell whether a client is that of a cluster, which passes for a `Redis` everywhere else."""
    client: object = redis
    return isinstance(client, RedisCluster)


async def open_subscription(redis: Redis) -> PubSub:
    """Return a subscription, to any node of a cluster: what is published reaches all of them.

    Which one changes from call to call, so that after a failure another one is asked.
    """
    client: object = redis
    if isinstance(client, RedisCluster):
        await client.initialize()
        return client.pubsub(node=client.get_random_node())
    return redis.pubsub()


async def ping(redis: Redis) -> None:
    """Wait for an answer, of a cluster from each node that keys are read from."""
    client: object = redis
    if isinstance(client, RedisCluster):
        await client.execute_command("PING", target_nodes=RedisCluster.PRIMARIES)
    else:
        await redis.ping()
