"""A Redis that has no memory left for an index: folds go on, and it is tried again with pauses."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.local.embedded import ValkeyServer
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players_with_scores, record_scores
from tests.support.index_checks import assert_index_follows
from tests.support.serving import connect_client, run_app
from tests.support.waiting import wait_until

PLAYERS = 60_000


@pytest.fixture(scope="module")
def own_valkey(server_directory: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(server_directory / "full") as server:
        yield server


@pytest.fixture
async def full_redis(own_valkey: ValkeyServer, settings: Settings) -> AsyncIterator[Redis]:
    """An empty Redis with a megabyte more than it needs for itself."""
    redis = connect_redis(settings.model_copy(update={"redis_url": own_valkey.url}))
    await redis.flushall()
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", used + 1_000_000)
    yield redis
    await redis.config_set("maxmemory", 0)
    await redis.aclose()


async def make_board(database: Database) -> list[int]:
    """Make standings whose index takes some megabytes."""
    user_ids = await make_players_with_scores(database, [1, 2])
    await database.fetch(
        f"INSERT INTO player (username) SELECT 'p' || n FROM generate_series(1, {PLAYERS}) n"
    )
    await database.fetch(
        """
        INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
        SELECT season.id, player.id, 5, -5, 1, now() FROM season, player WHERE player.id > $1
        """,
        user_ids[-1],
    )
    await database.fetch("UPDATE season_refresh SET players = $1", PLAYERS)
    return user_ids


async def count_scans(redis: Redis) -> int:
    """Return how many loads of an index began, or would have."""
    stats = await redis.info("commandstats")
    return int(stats.get("cmdstat_zadd", {}).get("calls", 0))


async def read_problem(database: Database) -> str | None:
    row = await database.fetch_one("SELECT refresh_problem FROM refresh_state")
    assert row is not None
    problem: str | None = row["refresh_problem"]
    return problem


async def test_index_that_does_not_fit_holds_up_no_fold(
    database: Database,
    settings: Settings,
    full_redis: Redis,
    own_valkey: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.standings.refresh.pauses._PAUSE_SECONDS", (600.0, 600.0))
    user_ids = await make_board(database)
    settings = settings.model_copy(update={"redis_url": own_valkey.url})
    refresher = Refresher(database, full_redis, settings)
    assert (await refresher.refresh()).sessions == 2
    assert await full_redis.keys("*index*") == []
    attempts = await count_scans(full_redis)
    assert attempts
    problem = await read_problem(database)
    assert problem is not None
    assert "maxmemory" in problem

    folded = 0
    for _ in range(5):
        await record_scores(database, (user_ids[0], 1))
        folded += (await refresher.refresh()).sessions
    assert folded == 5
    assert await count_scans(full_redis) == attempts
    rows = await database.fetch("SELECT score FROM standing WHERE player_id = $1", user_ids[0])
    assert rows[0]["score"] == 1 + folded
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        status = (await client.get("/api/ops/status")).json()

        await full_redis.config_set("maxmemory", 0)

        # At the next look, which ends the pause.
        async def is_well() -> bool:
            await refresher.refresh()
            return await read_problem(database) is None

        await wait_until(is_well)
        status = (await client.get("/api/ops/status")).json()
        assert status["parts"]["index"] == {
            "state": "ok",
            "offset": 1 + folded,
            "last_refresh": 1 + folded,
            "behind": 0,
            "lag_seconds": 0.0,
            "cause": None,
        }
    await assert_index_follows(full_redis, database)
