"""The status while a store is frozen: soon, with its cause, and nothing else is called dead."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from service.api.app import create_app
from service.local.embedded import PostgresServer, ValkeyServer
from tests.support.databases import Clusters
from tests.support.outages import hanging
from tests.support.serving import connect_client, run_app
from tests.support.waiting import wait_until
from tests.support.whole_stack import run_whole_stack

# The whole page, whatever of it does not come, and what the machine's other work may add.
SOON_SECONDS = 4.0


# These tests are about how soon something is told.
pytestmark = pytest.mark.usefixtures("usual_limits")


class Scene:
    def __init__(
        self,
        client: httpx.AsyncClient,
        postgres: PostgresServer,
        valkey: ValkeyServer,
        read_seconds: Callable[[], float],
    ) -> None:
        self.client, self.postgres, self.valkey = client, postgres, valkey
        self.read_seconds = read_seconds
        self.longest = 0.0

    async def read(self) -> dict[str, Any]:
        asked_at = self.read_seconds()
        response = await self.client.get("/api/ops/status")
        self.longest = max(self.longest, self.read_seconds() - asked_at)
        assert response.status_code == 200
        status: dict[str, Any] = response.json()
        return status

    async def wait_for(self, **states: str) -> dict[str, Any]:
        """Wait until these parts are in these states; return all parts then."""

        async def are_so() -> dict[str, Any]:
            parts: dict[str, Any] = (await self.read())["parts"]
            assert {name: parts[name]["state"] for name in states} == states
            return parts

        return await wait_until(are_so)


@pytest.fixture
async def scene(clusters: Clusters, read_seconds: Callable[[], float]) -> AsyncIterator[Scene]:
    async with (
        run_whole_stack(clusters) as stack,
        run_app(create_app(stack.settings)) as app,
        connect_client(app) as client,
    ):
        scene = Scene(client, stack.postgres, stack.valkey, read_seconds)
        everything = ("postgresql", "redis", "worker", "scheduler", "index")
        await scene.wait_for(**dict.fromkeys(everything, "ok"))
        yield scene


async def test_a_frozen_postgres_is_away_with_its_cause_and_since_when(scene: Scene) -> None:
    with hanging(scene.postgres):
        frozen_at = datetime.now(UTC)
        parts = await scene.wait_for(postgresql="away")
        told_at = datetime.now(UTC)
        assert "has not answered" in parts["postgresql"]["cause"]
        since = datetime.fromisoformat(parts["postgresql"]["since"])
        # When it was last heard of, and not when that was noticed.
        assert since < told_at - timedelta(seconds=1.5)
        assert abs(since - frozen_at) < timedelta(seconds=2)
        await scene.read()
        assert scene.longest < SOON_SECONDS
    parts = await scene.wait_for(postgresql="ok")
    assert (parts["postgresql"]["cause"], parts["postgresql"]["since"]) == (None, None)


async def test_what_is_heard_of_through_a_frozen_redis_is_unknown_and_not_away(
    scene: Scene,
) -> None:
    with hanging(scene.valkey):
        parts = await scene.wait_for(redis="away")
        others = {name: parts[name]["state"] for name in ("worker", "scheduler", "index")}
        assert others == dict.fromkeys(others, "unknown")
        assert parts["redis"]["cause"]
        metrics = (await scene.client.get("/metrics")).text
        assert 'leaderboard_part_state{part="redis"} 0.0' in metrics
        assert 'part_state{part="worker"}' not in metrics
        await scene.read()
        assert scene.longest < SOON_SECONDS
    # Until the worker is heard of again it is not said to be away, either.
    seen: set[str] = set()

    async def is_back() -> bool:
        state = (await scene.read())["parts"]["worker"]["state"]
        seen.add(state)
        return bool(state == "ok")

    await wait_until(is_back)
    assert seen <= {"unknown", "behind", "ok"}
