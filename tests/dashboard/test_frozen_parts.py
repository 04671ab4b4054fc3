"""The console against a real service of which a part is frozen: it runs on, and says nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random

import httpx
import psutil
import pytest

from dashboard.app import Console
from dashboard.client.gateway import Gateway
from dashboard.clock import SystemClock
from service.local.embedded import PostgresServer, ValkeyServer
from tests.support.console.headless import read_screen
from tests.support.databases import Clusters
from tests.support.outages import hanging
from tests.support.patience import stopwatch
from tests.support.serving import serve_app
from tests.support.waiting import wait_until
from tests.support.whole_stack import run_whole_stack

SOON_SECONDS = 5.0
SCREENS = {"f1": "live", "f2": "player", "f3": "simulate", "f4": "health"}


# These tests are about how soon something is told.
pytestmark = pytest.mark.usefixtures("usual_limits")


@dataclass
class Scene:
    console: Console
    client: httpx.AsyncClient
    postgres: PostgresServer
    valkey: ValkeyServer
    worker_pid: int

    async def press(self, key: str) -> None:
        await self.console.run_action(f"switch_mode('{SCREENS[key]}')")

    def shows(self, text: str) -> bool:
        return text in read_screen(self.console)

    async def submit(self) -> int:
        body = {"user_id": 1, "score": 5}
        return (await self.client.post("/api/leaderboard/submit", json=body)).status_code


@pytest.fixture
async def scene(clusters: Clusters) -> AsyncIterator[Scene]:
    async with (
        run_whole_stack(clusters) as stack,
        serve_app(stack.settings) as (_, client),
    ):
        await client.post("/api/players", json={"username": "ada"})
        assert (
            await client.post("/api/leaderboard/submit", json={"user_id": 1, "score": 5})
        ).status_code == 200
        console = Console(Gateway(str(client.base_url)), SystemClock(), Random(7))
        async with console.run_test(size=(80, 24)):
            yield Scene(console, client, stack.postgres, stack.valkey, stack.worker_pid)


def tells_postgres_is_away(scene: Scene) -> bool:
    return (
        scene.shows("✕ PostgreSQL away")
        and scene.shows("submits are refused, ranks still answered")
        and not scene.shows("● connected")
        and not scene.shows("● live")
    )


async def test_a_frozen_postgres_is_told_on_every_screen_in_time(scene: Scene) -> None:
    await wait_until(lambda: scene.shows("● connected") and scene.shows("● live"))
    with hanging(scene.postgres):
        with stopwatch() as read_seconds:
            await wait_until(lambda: tells_postgres_is_away(scene))
            assert read_seconds() < SOON_SECONDS
        for key in SCREENS:
            await scene.press(key)
            await wait_until(lambda: tells_postgres_is_away(scene))
    await wait_until(lambda: scene.shows("● connected") and scene.shows("● live"))


async def test_a_frozen_redis_is_one_alarm_in_time(scene: Scene) -> None:
    await wait_until(lambda: scene.shows("● connected") and scene.shows("● live"))
    with hanging(scene.valkey):
        with stopwatch() as read_seconds:
            await wait_until(lambda: scene.shows("✕ Redis away"))
            assert read_seconds() < SOON_SECONDS
        await scene.press("f4")
        await wait_until(lambda: read_screen(scene.console).count("? unknown") == 3)
    await wait_until(lambda: scene.shows("● connected") and scene.shows("● live"))
    bad = [event for event in scene.console.state.log if event.severity == "bad"]
    assert [event.part for event in bad] == ["Redis"]


async def test_a_frozen_worker_is_told_while_scores_wait(scene: Scene) -> None:
    await wait_until(lambda: scene.shows("● connected") and scene.shows("● live"))
    worker = psutil.Process(scene.worker_pid)
    family = [worker, *worker.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        with stopwatch() as read_seconds:
            assert await scene.submit() == 200
            await wait_until(
                lambda: scene.shows("✕ Ranks stand still") or scene.shows("✕ Worker away")
            )
            assert read_seconds() < SOON_SECONDS
        await wait_until(lambda: scene.shows("✕ Worker away"))
    finally:
        for process in family:
            process.resume()
    await wait_until(lambda: scene.shows("● connected") and scene.shows("● live"))
