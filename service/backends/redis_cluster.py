"""The connection to a Redis Cluster."""

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service.settings.urls import parse_cluster_url


def connect_cluster(
    url: str, timeout_seconds: float, adapt: Callable[[type[Connection]], type[Connection]]
) -> RedisCluster:
    """Return a client of a cluster that fails fast; it connects when first used.

    `adapt` returns the class of connection that is used in place of redis-py's.
    """
    nodes, options = parse_cluster_url(url)
    ours: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "client_name": "leaderboard",
    }
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        # So that nodes are found again by the names in the URL when all their addresses changed.
        dynamic_startup_nodes=False,
        # While a node is away, the keys of the others can be read.
        require_full_coverage=False,
        # Only the number of retries is used; before each one the nodes are looked up again.
        retry=Retry(NoBackoff(), 1),
        **(ours | options),
    )
    # It takes no class of connection, but makes every node that it finds from these.
    adapted = adapt(cluster.connection_kwargs["connection_class"])
    cluster.connection_kwargs["connection_class"] = adapted
    for node in cluster.nodes_manager.startup_nodes.values():
        node.connection_class = adapted
    return cluster


def is_cluster_client(redis: Redis) -> bool:
    """Return whether a client is that of a cluster, which is typed as a `Redis` everywhere else."""
    client: object = redis
    return isinstance(client, RedisCluster)


async def open_subscription(redis: Redis) -> PubSub:
    """Return a subscription; in a cluster to any node, as what is published reaches all of them.

    The node is a random one, so that after a failure another one is tried.
    """
    client: object = redis
    if isinstance(client, RedisCluster):
        await client.initialize()
        return client.pubsub(node=client.get_random_node())
    return redis.pubsub()


async def ping(redis: Redis) -> None:
    """Wait for an answer; in a cluster, from each node that keys are read from."""
    client: object = redis
    if isinstance(client, RedisCluster):
        await client.execute_command("PING", target_nodes=RedisCluster.PRIMARIES)
    else:
        await redis.ping()
