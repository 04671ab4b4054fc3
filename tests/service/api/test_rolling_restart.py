"""A rolling restart under load: SIGUSR1 to `leaderboard up`."""

import asyncio
import signal
from contextlib import closing

import httpx
import psutil

from tests.support.databases import Clusters
from tests.support.fire.traffic import Traffic
from tests.support.up_process import UpProcess


def find_api(up: UpProcess) -> set[int]:
    children = psutil.Process(up.process.pid).children()
    return {child.pid for child in children if "-m service.api --" in " ".join(child.cmdline())}


async def join(url: str) -> list[int]:
    async with httpx.AsyncClient(base_url=url) as client:
        answers = [
            await client.post("/api/players", json={"username": f"player {number}"})
            for number in range(20)
        ]
    return [answer.raise_for_status().json()["user_id"] for answer in answers]


async def test_rolling_restart_fails_no_request(clusters: Clusters) -> None:
    with closing(UpProcess(clusters.make("rolling"), None, "--processes", "2")) as up:
        url = await asyncio.to_thread(up.wait_until_ready)
        before = find_api(up)
        traffic = Traffic(url, await join(url), seed=1)
        async with traffic.running(fresh_connections=6):
            await traffic.wait_for_more(30)
            up.send(signal.SIGUSR1)
            await asyncio.to_thread(up.wait_for_line, "Rolling restart done")
            await traffic.wait_for_more(30)
        after = find_api(up)
        assert traffic.broken == {}
        assert traffic.refused == 0
    assert len(before) == len(after) == 2
    assert before.isdisjoint(after)
