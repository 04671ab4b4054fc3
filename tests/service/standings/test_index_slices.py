"""A large index is built in slices: folds go on in between, and a killed worker's are not lost."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import MUTEX_KEY, SeasonKeys, encode_member, load_script
from service.errors import CacheUnavailable
from service.maintenance.audit import audit
from service.maintenance.rebuild import rebuild
from service.moderation.service import NOTE_CHANGE
from service.settings.settings import Settings
from service.standings.index.build import parse_build
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher
from tests.support.factories import (
    find_global_season,
    make_player,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.fire.gate import Gate
from tests.support.index_checks import assert_index_follows
from tests.support.outages import connect_nowhere
from tests.support.serving import connect_client, run_app
from tests.support.worker_turn import killed_in_turn

PLAYERS = 1_000
SLICE = 100


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"slice_standings": SLICE})


@pytest.fixture
async def user_ids(database: Database, settings: Settings, redis: Redis) -> list[int]:
    """Players who stand, without an index."""
    await database.fetch(
        f"INSERT INTO player (username) SELECT 'p' || n FROM generate_series(1, {PLAYERS}) n"
    )
    await database.fetch(
        "INSERT INTO game_session (player_id, score) SELECT id, id % 300 FROM player"
    )
    await rebuild(settings)
    await redis.flushall()
    return list(range(1, PLAYERS + 1))


async def count_calls(redis: Redis, command: str) -> int:
    stats = await redis.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


async def test_folds_between_slices_reach_the_index_that_is_built(
    refresher: Refresher,
    database: Database,
    redis: Redis,
    settings: Settings,
    user_ids: list[int],
) -> None:
    build_key = SeasonKeys.of(await find_global_season(database)).build
    calls = slices = 0
    more = True
    while more:
        # Some who are loaded fall behind those who are not, some get past them, and one is new.
        moving = user_ids[calls :: PLAYERS // 7]
        newcomer = await make_player(database)
        scores = [1_000 * (-1) ** (calls + line) for line in range(len(moving))]
        await record_scores(database, *zip(moving, scores, strict=True), (newcomer, calls))
        more = (await refresher.refresh()).more
        calls += 1
        build = parse_build(await redis.get(build_key))
        slices += build is not None and build.names_from is None
    assert slices > 2
    assert await redis.keys("*new*") == []
    assert await redis.get(build_key) is None
    await assert_index_follows(redis, database)
    assert await audit(settings)


async def test_fold_that_the_build_does_not_hear_of_begins_it_anew(
    refresher: Refresher, database: Database, redis: Redis, settings: Settings, user_ids: list[int]
) -> None:
    assert (await refresher.refresh()).more
    keys = SeasonKeys.of(await find_global_season(database))
    before = parse_build(await redis.get(keys.build))
    assert before is not None
    # The first was loaded, and now changes while Redis is away.
    await record_scores(database, (user_ids[299], -1_000))
    nowhere = Refresher(database, connect_nowhere(settings), settings)
    assert (await nowhere.refresh()).sessions == 1
    assert (await refresher.refresh()).more
    after = parse_build(await redis.get(keys.build))
    assert after is not None
    assert after.index != before.index
    while (await refresher.refresh()).more:
        pass
    assert await redis.keys("*new*") == []
    await assert_index_follows(redis, database)


async def test_index_that_is_behind_is_read_as_it_was_while_another_is_built(
    refresher: Refresher, database: Database, redis: Redis, settings: Settings
) -> None:
    """Where equal scores go by who was first: the tie keys are those of the index that is read."""
    laps = await make_season(database, "laps", operator="best", ties="first")
    user_ids = await make_players_with_scores(database, range(3 * SLICE))
    await refresher.refresh()
    while (await refresher.refresh()).more:
        pass
    best = user_ids[-1]
    async with run_app(create_app(settings)) as app, connect_client(app) as client:

        async def read(path: str) -> dict[str, Any]:
            answer: dict[str, Any] = (await client.get(f"/api/boards/laps/{path}/{best}")).json()
            return answer

        before = await read("rank")
        assert (before["score"], before["rank"], before["players"]) == (299, 1, 3 * SLICE)
        await record_scores(database, (best, 1_000))
        nowhere = Refresher(database, connect_nowhere(settings), settings)
        assert (await nowhere.refresh()).sessions == 1
        while parse_build(await redis.get(SeasonKeys.of(laps).build)) is None:
            assert (await refresher.refresh()).more
        for _ in range(2):
            assert await read("rank") == before
            async with asyncio.timeout(30):
                assert (await read("around"))["entries"][0]["score"] == 299
            assert (await refresher.refresh()).more
        while (await refresher.refresh()).more:
            pass
        assert (await read("rank"))["score"] == 1_000
    assert await redis.keys("*new*") == []
    await assert_index_follows(redis, database)


async def test_tie_keys_that_a_build_lost_are_loaded_again(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    laps = await make_season(database, "laps", operator="best", ties="first")
    await make_players_with_scores(database, range(3 * SLICE))
    while (await refresher.refresh()).more:
        pass
    keys = SeasonKeys.of(laps)
    await redis.delete(keys.offset)
    assert (await refresher.refresh()).more
    build = parse_build(await redis.get(keys.build))
    assert build is not None
    assert await redis.ttl(build.ties) > 0
    assert await redis.delete(build.ties) == 1
    index = Index(redis, database, SLICE)
    with pytest.raises(CacheUnavailable):
        await index.rebuild_outdated()
    assert await redis.keys("*new*") == []
    await index.rebuild_outdated()
    await assert_index_follows(redis, database)
    assert await redis.ttl(keys.ties) == -1


@pytest.mark.usefixtures("user_ids")
async def test_rebuild_does_not_begin_anew_what_redis_forgets(
    database: Database, redis: Redis
) -> None:
    """One that is full may drop what would expire, after each slice."""
    season_id = await find_global_season(database)
    index = Index(redis, database, SLICE)
    assert not await index.build_slice(season_id)
    assert not await index.build_slice(season_id, is_begun=True)
    assert await redis.delete(SeasonKeys.of(season_id).build) == 1
    with pytest.raises(CacheUnavailable):
        await index.build_slice(season_id, is_begun=True)
    await index.rebuild(season_id)
    await assert_index_follows(redis, database)


async def test_player_who_leaves_between_slices_is_not_in_the_index_that_is_built(
    refresher: Refresher,
    database: Database,
    redis: Redis,
    user_ids: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert (await refresher.refresh()).more
    # The first of all was loaded, and is banned.
    await database.fetch("UPDATE player SET state = 'banned' WHERE id = $1", user_ids[298])
    await database.fetch(NOTE_CHANGE, user_ids[298])
    while (await refresher.refresh()).more:
        pass
    await assert_index_follows(redis, database)
    # It was begun anew at once, not when all was loaded and counted.
    assert "could not be rebuilt" not in caplog.text


async def test_slice_of_a_writer_that_lost_its_build_changes_nothing(redis: Redis) -> None:
    load_index = load_script(redis, "standings/index", "load_index", "tie_keys", "put_standings")
    await redis.set("build", "further on")
    packed = encode_member(7) + struct.pack(">q", -5)
    args: list[bytes | str | int] = [
        packed,
        "where it was",
        "after that",
        60,
        "",
    ]
    assert await load_index(keys=["index", "build"], args=args) == 0
    assert await redis.keys() == [b"build"]
    assert await redis.get("build") == b"further on"


@pytest.fixture
async def gate(redis_url: str, server_directory: Path) -> AsyncIterator[Gate]:
    gate = Gate(redis_url, server_directory / "slices.sock")
    async with gate.running():
        yield gate


@pytest.mark.parametrize("loads", [0, 1, 3, 9])
async def test_killed_worker_is_gone_on_from_where_it_was(
    refresher: Refresher,
    database: Database,
    redis: Redis,
    settings: Settings,
    gate: Gate,
    user_ids: list[int],
    loads: int,
) -> None:
    gate.close_before_script("load_index", "tie_keys", "put_standings", calls=loads)
    environment = {
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": gate.url,
        "LEADERBOARD_REDIS_TIMEOUT_SECONDS": "60",
        "LEADERBOARD_SLICE_STANDINGS": str(SLICE),
    }
    with killed_in_turn("refresh", environment):
        await gate.wait_until_reached()
    # Nobody has to wait until it expires.
    assert await redis.delete(MUTEX_KEY) == 1
    keys = SeasonKeys.of(await find_global_season(database))
    build = parse_build(await redis.get(keys.build))
    assert build is not None
    assert await redis.zcard(build.index) == loads * SLICE
    loaded = await count_calls(redis, "zadd")

    await record_scores(database, (user_ids[0], 5_000), (user_ids[-1], -5_000))
    while (await refresher.refresh()).more:
        pass

    # Each slice is one command here, and so are the changes.
    assert await count_calls(redis, "zadd") - loaded == PLAYERS // SLICE - loads + 1
    assert await redis.keys("*new*") == []
    await assert_index_follows(redis, database)
