"""`REDIS_URL=redis+cluster://…`: the main path with a cluster as the cache.

Runs on the wheel's Valkey. Dramatiq needs a Redis of its own then.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.local.embedded import PostgresServer
from tests.support.cluster import find_owner, make_cluster_url, run_cluster
from tests.support.main_path import walk_main_path
from tests.support.parts import Part, create_database


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[list[Part], list[int]]]:
    async with run_cluster(tmp_path) as found:
        yield found


def test_main_path_with_a_cluster(
    cluster: tuple[list[Part], list[int]],
    postgres: PostgresServer,
    redis_url: str,
    tmp_path: Path,
) -> None:
    parts, ports = cluster
    environment = {
        "DATABASE_URL": create_database(postgres.url, "with_cluster"),
        "REDIS_URL": make_cluster_url(ports),
        "BROKER_URL": redis_url,
    }

    walk_main_path(environment, tmp_path, choose=lambda: find_owner(parts, ports), must_accept=True)
