"""Why is it slow, asked of a real service whose PostgreSQL is held up: the console names it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random

import asyncpg
import httpx
import psutil
import pytest

from dashboard.app import Console
from dashboard.client.gateway import Gateway
from dashboard.clock import SystemClock
from tests.support.commits import wait_until_commits_wait
from tests.support.console.headless import read_screen
from tests.support.databases import Clusters
from tests.support.serving import serve_app
from tests.support.waiting import wait_until
from tests.support.whole_stack import run_whole_stack


@dataclass
class Scene:
    console: Console
    client: httpx.AsyncClient
    url: str

    def shows(self, *words: str) -> bool:
        text = " ".join(read_screen(self.console).replace("│", " ").split())
        assert all(word in text for word in words), text
        return True

    async def see(self, *words: str) -> None:
        await wait_until(lambda: self.shows(*words))

    async def submit(self, request_id: str) -> int:
        body = {"user_id": 1, "score": 5}
        headers = {"X-Request-Id": request_id}
        answer = await self.client.post("/api/leaderboard/submit", json=body, headers=headers)
        return answer.status_code

    async def find_backend(self, application: str) -> psutil.Process:
        async with self.connect() as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = $1"
            return psutil.Process(await connection.fetchval(query, application))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self.url, server_settings={"application_name": "psql"})
        try:
            yield connection
        finally:
            await connection.close()

    async def configure(self, setting: str) -> None:
        async with self.connect() as connection:
            await connection.execute(f"ALTER SYSTEM SET {setting}")
            await connection.execute("SELECT pg_reload_conf()")


# What is held up here is not given up.
_PATIENT = {"database_timeout_seconds": 120.0, "redis_timeout_seconds": 60.0}


@pytest.fixture
async def scene(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    # Every commit is watched, however soon after another one.
    monkeypatch.setattr("service.sessions.service._WATCH_INTERVAL_SECONDS", 0.0)
    async with (
        run_whole_stack(clusters) as stack,
        serve_app(stack.settings.model_copy(update=_PATIENT)) as (_, client),
    ):
        await client.post("/api/players", json={"username": "ada"})
        console = Console(Gateway(str(client.base_url)), SystemClock(), Random(7))
        async with console.run_test(size=(80, 24)):
            scene = Scene(console, client, stack.postgres.url)
            assert await scene.submit("first") == 200
            await console.run_action("slow('POST /api/leaderboard/submit')")
            yield scene


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()


async def test_a_lock_that_somebody_holds_is_named(scene: Scene) -> None:
    async with scene.connect() as connection, connection.transaction():
        await connection.execute("LOCK TABLE game_session IN SHARE MODE")
        submitting = asyncio.create_task(scene.submit("behind-a-lock"))
        await scene.see("✕ Submits wait for a lock, table game_session", "(psql, idle in")
    assert await submitting == 200
    await scene.see("Submits wait for the statement", "behind-a-lock")


async def test_a_commit_that_waits_for_a_standby_is_named(scene: Scene) -> None:
    await scene.configure("synchronous_standby_names = 'nobody'")
    await wait_until_commits_wait(scene.url)
    submitting = asyncio.create_task(scene.submit("behind-a-standby"))
    await scene.see("✕ A commit has been under way for", "PostgreSQL waits on IPC:SyncRep")
    # Nobody comes: it goes on without one.
    await scene.configure("synchronous_standby_names = ''")
    assert await submitting == 200
    await scene.see("▲ Submits wait for the commit", "IPC:SyncRep", "behind-a-standby")


async def test_a_frozen_process_of_postgresql_is_named(scene: Scene) -> None:
    backend = await scene.find_backend("leaderboard api ledger")
    with suspended(backend):
        submitting = asyncio.create_task(scene.submit("behind-the-ice"))
        await scene.see("✕ A commit has been under way for", "frozen")
    assert await submitting == 200
    await scene.see("behind-the-ice")
