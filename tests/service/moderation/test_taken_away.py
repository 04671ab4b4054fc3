"""P9: what was taken away is gone from two API processes and a stream, whatever Redis does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from service.backends.database import Database
from service.backends.redis import connect_redis
from service.local.embedded import ValkeyServer
from service.maintenance.audit import audit
from service.settings.settings import Settings
from tests.support.event_stream import EventStream, open_stream
from tests.support.factories import make_player, record_scores
from tests.support.outages import stopped
from tests.support.serving import serve_app
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

WHY = {"reason": "speedhack"}
BEFORE = ["revoked", "banned", "renamed", "other"]
AFTER = ["honest", "other"]
SECONDS = 30.0


class Service:
    """Two applications over one PostgreSQL and a Valkey of their own, with a real worker."""

    def __init__(self, settings: Settings, valkey: ValkeyServer) -> None:
        self.settings = settings
        self.valkey = valkey
        self.clients: list[httpx.AsyncClient] = []
        self._user_ids: list[int] = []
        self._session_ids: list[int] = []

    async def fill(self, database: Database) -> None:
        """Write four scores down, and wait until everybody sees them."""
        self._user_ids = [await make_player(database, name) for name in BEFORE]
        self._session_ids = await record_scores(
            database, *zip(self._user_ids, (500, 400, 300, 20), strict=True)
        )
        await self.wait_until_all(BEFORE, stale=False)

    async def take_away(self) -> None:
        """Revoke the session of one player, ban the next and rename the third, by one process."""
        _, banned, renamed, _ = self._user_ids
        for method, path, body in (
            ("POST", f"/api/sessions/{self._session_ids[0]}/revoke", {}),
            ("PUT", f"/api/players/{banned}/state", {"state": "banned"}),
            ("PATCH", f"/api/players/{renamed}", {"username": "honest"}),
        ):
            answer = await self.clients[0].request(method, path, json=WHY | body)
            assert answer.status_code == 200, answer.text

    async def wait_until_all(self, names: list[str] | None, *, stale: bool) -> None:
        """Wait until all reads of both processes have these names, all of them stale or none."""

        async def are_so() -> bool:
            for client in self.clients:
                for path in ("top", "page", f"around/{self._user_ids[-1]}"):
                    answer = await client.get(f"/api/leaderboard/{path}")
                    assert answer.status_code == 200, answer.text
                    assert answer.json().get("stale", False) is stale
                    found = [entry["username"] for entry in answer.json()["leaderboard"]]
                    assert names in (None, found)
                for user_id, name in zip(self._user_ids, BEFORE, strict=True):
                    rank = (await client.get(f"/api/leaderboard/rank/{user_id}")).json()
                    assert rank.get("stale", False) is stale
                    if names is not None:
                        is_there = name in names or rank["username"] in names
                        assert (rank["rank"] is not None) is is_there
            return True

        assert await wait_until(are_so, seconds=SECONDS)


@pytest.fixture
async def service(
    settings: Settings, database: Database, server_directory: Path
) -> AsyncIterator[Service]:
    with ValkeyServer(server_directory / "taken-away") as valkey:
        own = settings.model_copy(
            update={
                "redis_url": valkey.url,
                "broker_url": valkey.url,
                "redis_timeout_seconds": 0.3,
                "stale_after_seconds": 0.5,
            }
        )
        async with AsyncExitStack() as exits:
            exits.enter_context(run_worker(own))
            service = Service(own, valkey)
            for _ in range(2):
                _, client = await exits.enter_async_context(serve_app(own))
                service.clients.append(client)
            await service.fill(database)
            yield service


async def read_until_gone(stream: EventStream) -> None:
    """Read a stream until it has sent what is right, and does not call it stale."""
    while True:
        top = await stream.read_top()
        names = [entry["username"] for entry in top["leaderboard"]]
        if names == AFTER and not top.get("stale"):
            return


async def test_what_was_taken_away_is_gone_though_redis_was_emptied(service: Service) -> None:
    redis = connect_redis(service.settings)
    async with open_stream(service.clients[1]) as stream:
        await service.take_away()
        await redis.flushall()
        await service.wait_until_all(AFTER, stale=False)
        await read_until_gone(stream)
    await redis.aclose()
    assert await audit(service.settings)


async def test_what_was_taken_away_while_redis_was_away_is_gone_at_its_return(
    service: Service,
) -> None:
    async with open_stream(service.clients[1]) as stream:
        with stopped(service.valkey):
            await service.take_away()
            # Whatever is shown meanwhile, nobody is told that it is the newest.
            await service.wait_until_all(None, stale=True)
        await service.wait_until_all(AFTER, stale=False)
        await read_until_gone(stream)
    assert await audit(service.settings)
