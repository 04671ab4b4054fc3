"""Redis is a follower: whatever it lost, kept or holds of others, reads are right and it heals."""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import SeasonKeys, connect_redis, encode_member, find_names_bucket
from service.local.embedded import PostgresServer
from service.settings.settings import Settings
from service.standings.index.change import SeasonChange
from service.standings.index.offset import Offset
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher
from service.standings.run import Run
from tests.support.board_model import BoardModel
from tests.support.databases import create_database
from tests.support.factories import (
    find_global_season,
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.fresh_reads import ask_for_top, read_fresh_top
from tests.support.index_checks import (
    assert_index_follows,
    read_index,
    read_offset,
    refresh_without_redis,
)
from tests.support.season_work import SeasonWorker
from tests.support.serving import connect_client, run_app


async def read(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.get(f"/api/leaderboard/{path}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def model_ledger(database: Database) -> BoardModel:
    """Return the board as the ledger has it."""
    names = await database.fetch("SELECT id, username FROM player")
    model = BoardModel({row["id"]: row["username"] for row in names})
    for row in await database.fetch("SELECT player_id, score FROM game_session"):
        model.add(row["player_id"], row["score"])
    return model


async def check_reads(
    client: httpx.AsyncClient, database: Database, *, stale: bool | None = None
) -> None:
    """Check that top, ranks and neighbours are those of the ledger."""
    model = await model_ledger(database)
    answers = [await read(client, "top?limit=100")]
    assert answers[0]["leaderboard"] == model.list_everybody()
    for user_id in model.totals:
        rank, around = (
            await read(client, f"rank/{user_id}"),
            await read(client, f"around/{user_id}"),
        )
        assert rank.items() >= model.read_rank(user_id).items()
        assert around["leaderboard"] == model.list_around(user_id, 5)
        answers += [rank, around]
    if stale is not None:
        assert {answer.get("stale", False) for answer in answers[1:]} == {stale}


@asynccontextmanager
async def start_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Start another API process."""
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        yield client


async def test_crash_between_commit_and_publish_is_mended_by_the_next_refresh(
    refresher: Refresher, database: Database, redis: Redis, settings: Settings
) -> None:
    first, second = await make_players_with_scores(database, [10, 5])
    await refresher.refresh()
    season_id = await find_global_season(database)
    for _ in range(2):
        await record_scores(database, (second, 50))
        await refresh_without_redis(settings)
    assert await read_index(redis, season_id) == {first: -10, second: -5}
    await refresher.refresh()
    assert await read_index(redis, season_id) == {first: -10, second: -105}
    await assert_index_follows(redis, database)


async def test_crash_between_commit_and_publish_is_mended_by_a_refresh_with_more_to_fold(
    refresher: Refresher, database: Database, redis: Redis, settings: Settings
) -> None:
    first, second = await make_players_with_scores(database, [10, 5])
    await refresher.refresh()
    await record_scores(database, (second, 50))
    await refresh_without_redis(settings)
    await record_scores(database, (first, 7))
    await refresher.refresh()
    await assert_index_follows(redis, database)


async def test_flushed_redis_is_filled_again(
    client: httpx.AsyncClient, refresher: Refresher, database: Database, redis: Redis
) -> None:
    await make_players_with_scores(database, [10, 5, 5])
    await refresher.refresh()
    await read_fresh_top(client, database)
    await redis.flushall()
    await check_reads(client, database, stale=True)
    await refresher.refresh()
    await assert_index_follows(redis, database)
    await check_reads(client, database, stale=False)


@pytest.mark.parametrize("lost", ["offset", "top", "names"])
async def test_single_lost_key_makes_no_read_wrong(
    client: httpx.AsyncClient, refresher: Refresher, database: Database, redis: Redis, lost: str
) -> None:
    first, *_ = await make_players_with_scores(database, [10, 5, 5])
    await ask_for_top(client, database, redis)
    await refresher.refresh()
    await read_fresh_top(client, database)
    keys = SeasonKeys.of(await find_global_season(database))
    name = find_names_bucket(first) if lost == "names" else getattr(keys, lost)
    assert await redis.delete(name) == 1
    await check_reads(client, database)
    await record_scores(database, (first, 1))
    await refresher.refresh()
    await read_fresh_top(client, database)
    await check_reads(client, database, stale=False)


async def lose(redis: Redis, ties: str) -> None:
    assert await redis.delete(ties) == 1


async def spoil(redis: Redis, ties: str) -> None:
    await redis.set(ties, b"nonsense", get=False)


async def lose_some(redis: Redis, ties: str) -> None:
    """As where they were lost, and some were added since."""
    await lose(redis, ties)
    await redis.hset(ties, "players", "1")


@pytest.mark.parametrize("damage", [lose, spoil, lose_some])
@pytest.mark.parametrize("is_read", [True, False])
async def test_lost_tie_keys_make_no_read_wrong(
    client: httpx.AsyncClient,
    refresher: Refresher,
    database: Database,
    redis: Redis,
    damage: Callable[[Redis, str], Awaitable[None]],
    *,
    is_read: bool,
) -> None:
    laps = await make_season(database, "laps", operator="best", ties="first")
    users = await make_players_with_scores(database, [30, 20, 20])
    await refresher.refresh()
    await damage(redis, SeasonKeys.of(laps).ties)

    async def check(scores: list[int], *, stale: bool) -> None:
        entries = list(zip(users, scores, (1, 2, 3), strict=True))
        ranks = await client.post("/api/boards/laps/ranks", json={"user_ids": users})
        answers = [ranks.json()]
        for entry in entries:
            path = f"/api/boards/laps/rank/{entry[0]}"
            rank = (await client.get(path)).json()
            assert (rank["user_id"], rank["score"], rank["rank"]) == entry
            answers.append(rank)
            async with asyncio.timeout(30):
                around = await client.get(path.replace("rank", "around"))
            answers.append(around.json())
        for answer in answers:
            assert (answer["players"], answer.get("stale", False)) == (3, stale)
            for listed in answer.get("entries", []):
                assert (listed["user_id"], listed["score"], listed["rank"]) in entries
        assert not ranks.json()["missing"]

    if is_read:
        await check([30, 20, 20], stale=True)
    # Nothing is added to what is left.
    await record_scores(database, (users[0], 50))
    await refresher.refresh()
    await assert_index_follows(redis, database)
    await check([50, 20, 20], stale=False)


async def test_tie_keys_lost_while_nothing_is_folded_are_made_again(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    laps = await make_season(database, "laps", operator="best", ties="first")
    await make_players_with_scores(database, [30, 20, 20])
    await refresher.refresh()
    await redis.delete(SeasonKeys.of(laps).ties)
    await refresher.refresh()
    await assert_index_follows(redis, database)


async def test_wrong_index_of_the_right_size_leaves_no_read_without_an_answer(
    client: httpx.AsyncClient, refresher: Refresher, database: Database, redis: Redis
) -> None:
    """Somebody wrote to it by hand: a player is in it who cannot be found there."""
    first, second = await make_players_with_scores(database, [10, 5])
    await refresher.refresh()
    index = SeasonKeys.of(await find_global_season(database)).index
    await redis.zrem(index, encode_member(first))
    # Found by its id, which is in the last bytes, and by no member.
    await redis.zadd(index, {b"12345678" + encode_member(first): -10})
    async with asyncio.timeout(30):
        around = await read(client, f"around/{first}")
    model = await model_ledger(database)
    assert around["leaderboard"] == model.list_around(first, 5)
    assert around["stale"]
    assert not (await read(client, f"around/{second}")).get("stale", False)


async def test_redis_with_an_older_copy_is_noticed_and_mended(
    client: httpx.AsyncClient, refresher: Refresher, database: Database, redis: Redis
) -> None:
    _, second = await make_players_with_scores(database, [10, 5])
    await ask_for_top(client, database, redis)
    await refresher.refresh()
    keys = SeasonKeys.of(await find_global_season(database))
    copies = {name: await redis.dump(name) for name in (keys.index, keys.offset, keys.top)}
    await record_scores(database, (second, 50))
    await refresher.refresh()
    await read_fresh_top(client, database)
    await check_reads(client, database, stale=False)
    for name, copy in copies.items():
        assert copy is not None
        await redis.restore(name, 0, copy, replace=True)
    await check_reads(client, database, stale=True)
    await refresher.refresh()
    await assert_index_follows(redis, database)
    await check_reads(client, database, stale=False)


@asynccontextmanager
async def publish_another_database(
    postgres: PostgresServer, template_database: str, settings: Settings
) -> AsyncIterator[None]:
    """Leave in our Redis what a service with another database has published there."""
    async with create_database(postgres, template_database) as url:
        theirs = settings.model_copy(update={"database_url": url})
        database, redis = Database(theirs, application_name="theirs"), connect_redis(theirs)
        await database.open()
        await redis.flushall()
        await database.fetch("UPDATE database_state SET epoch = gen_random_uuid()")
        await make_players_with_scores(database, [1_000, 2_000, 3_000, 4_000, 5_000])
        await Refresher(database, redis, theirs).refresh()
        await redis.aclose()
        await database.close()
        yield


@pytest.mark.parametrize("started", ["before", "after"])
async def test_redis_of_another_database_is_noticed_and_mended(
    settings: Settings,
    refresher: Refresher,
    database: Database,
    redis: Redis,
    postgres: PostgresServer,
    template_database: str,
    started: str,
) -> None:
    await make_players_with_scores(database, [10, 5, 5])
    await refresher.refresh()
    another = publish_another_database(postgres, template_database, settings)
    async with AsyncExitStack() as stack:
        if started == "before":
            client = await stack.enter_async_context(start_client(settings))
            await read_fresh_top(client, database)
            await stack.enter_async_context(another)
        else:
            await stack.enter_async_context(another)
            client = await stack.enter_async_context(start_client(settings))
        await check_reads(client, database, stale=True)
        await refresher.refresh()
        await assert_index_follows(redis, database)
        await read_fresh_top(client, database)
        await check_reads(client, database, stale=False)


@pytest.mark.parametrize("offset", [b"", b"nonsense", b"\xff\xfe", b":0/0@0", b"x:1/3@1"])
async def test_offset_that_is_none_of_ours_is_mended(
    client: httpx.AsyncClient,
    refresher: Refresher,
    database: Database,
    redis: Redis,
    offset: bytes,
) -> None:
    await make_players_with_scores(database, [10, 5, 5])
    await refresher.refresh()
    await read_fresh_top(client, database)
    await redis.set(SeasonKeys.of(await find_global_season(database)).offset, offset)
    await check_reads(client, database, stale=True)
    await refresher.refresh()
    await assert_index_follows(redis, database)
    await check_reads(client, database, stale=False)


async def test_rebuild_given_up_halfway_leaves_the_old_index_and_no_trace(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    await make_players_with_scores(database, [10, 5])
    await refresher.refresh()
    season_id = await find_global_season(database)
    keys = SeasonKeys.of(season_id)
    before = await read_index(redis, season_id)
    # What a killed rebuild has loaded so far.
    abandoned = f"{keys.new_index}:1"
    await redis.zadd(abandoned, {encode_member(99): -99})
    assert await read_index(redis, season_id) == before
    await redis.delete(keys.offset)
    await refresher.refresh()
    await assert_index_follows(redis, database)
    assert await redis.keys(f"{keys.new_index}*") == [abandoned.encode()]
    assert await redis.ttl(keys.index) == -1


async def test_rebuild_of_many_standings(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    """More than one load and one chunk of a load."""
    await database.fetch(
        "INSERT INTO player (username) SELECT 'p' || number FROM generate_series(1, 21000) number"
    )
    await database.fetch(
        """
        INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
        SELECT $1, id, id % 1000 - 500, 500 - id % 1000, 1, now() FROM player
        """,
        await find_global_season(database),
    )
    await database.fetch("UPDATE season_refresh SET players = 21000")
    await refresher.refresh()
    await assert_index_follows(redis, database)


async def test_publish_refuses_a_gap(
    refresher: Refresher, database: Database, redis: Redis
) -> None:
    (user_id,) = await make_players_with_scores(database, [5])
    await refresher.refresh()
    season_id = await find_global_season(database)
    before = await read_index(redis, season_id)
    offset = await read_offset(redis, season_id)
    assert offset is not None
    index = Index(redis, database)
    now = datetime.now(UTC)

    def make_change(epoch: str, previous: int, token: int = offset.token) -> SeasonChange:
        return SeasonChange(
            season_id=season_id,
            is_first=False,
            previous=Offset(epoch, previous, 1, now, token),
            offset=Offset(epoch, previous + 1, 1, now),
            top=Run([], [], [], [], players=0, as_of=now),
            packed=struct.pack(">qq", user_id, -99),
        )

    for epoch, previous in (offset.epoch, 2), (offset.epoch, 0), ("another", 1), ("", 1):
        assert not await index.publish(make_change(epoch, previous))
        assert await read_index(redis, season_id) == before
        assert await read_offset(redis, season_id) == offset
    assert not await index.publish(make_change(offset.epoch, 1, offset.token + 1))
    # An index that lost a player, as its size tells.
    await redis.zrem(SeasonKeys.of(season_id).index, encode_member(user_id))
    assert not await index.publish(make_change(offset.epoch, 1))
    await redis.zadd(SeasonKeys.of(season_id).index, {encode_member(user_id): -5})
    assert await index.publish(make_change(offset.epoch, 1))
    assert await read_index(redis, season_id) == {user_id: -99}
    # The same once more, as after an answer that was lost.
    assert not await index.publish(make_change(offset.epoch, 1))


async def test_process_that_starts_beside_an_old_redis_shows_nothing_of_it(
    settings: Settings, refresher: Refresher, database: Database, redis: Redis
) -> None:
    """Redis was restored from an older snapshot while no process ran that would know better."""
    user_ids = await make_players_with_scores(database, [30, 20, 10])
    await refresher.refresh()
    old = {key: await redis.dump(key) for key in await redis.keys("leaderboard:{*")}
    await record_scores(database, (user_ids[2], 100))
    await refresher.refresh()
    for key, dumped in old.items():
        assert isinstance(dumped, bytes)
        await redis.restore(key, 0, dumped, replace=True)
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        await check_reads(client, database, stale=True)
        await refresher.refresh()
        await check_reads(client, database, stale=False)


async def test_an_index_is_built_with_a_word_and_mended_with_a_warning(
    client: httpx.AsyncClient,
    database: Database,
    redis: Redis,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "service.standings.refresh.refresh")
    worker = SeasonWorker(database, redis, settings)

    async def list_told() -> dict[str, str]:
        caplog.clear()
        while await worker.work():
            pass
        return {record.getMessage(): record.levelname for record in caplog.records}

    await make_players_with_scores(database, [10, 5])
    await worker.work()
    for slug, count_from in (("new", "now"), ("filled", "ever")):
        await client.put(f"/api/boards/{slug}", json={"count_from": count_from})
    assert await list_told() == {
        "the index of new, season 1 has been built": "INFO",
        "the index of filled, season 1 has been built": "INFO",
    }
    closed = await client.post("/api/boards/new/seasons/current/close")
    assert closed.status_code == 200, closed.text
    assert await list_told() == {"the index of new, season 2 has been built": "INFO"}
    await record_scores(database, ((await make_players(database, 1))[0], 7))
    await refresh_without_redis(settings)
    lag = "was behind or lost and has been rebuilt"
    assert await list_told() == {
        f"the index of {name} {lag}": "WARNING"
        for name in ("global, season 1", "new, season 2", "filled, season 1")
    }
    await redis.flushall()
    assert (await list_told())[f"the index of global, season 1 {lag}"] == "WARNING"
