"""`leaderboard rebuild` compares the index with the standings, and makes again what differs."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence

import asyncpg
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys, encode_member, find_names_bucket
from service.boards.finder import LIST_OPEN_SEASONS
from service.errors import DatabaseUnavailable
from service.maintenance.audit import audit
from service.maintenance.connections import open_database
from service.maintenance.rebuild import rebuild
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.support.factories import (
    find_global_season,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.index_checks import assert_index_follows, read_index
from tests.support.lock_waits import count_lock_waits
from tests.support.waiting import wait_until

PLAYERS = 4_200

Damage = Callable[[Redis, SeasonKeys, list[int]], Awaitable[object]]


async def make_board(database: Database, *, score: str) -> list[int]:
    """Have so many players, none of whom stands yet; return them in their order."""
    await database.fetch(
        f"INSERT INTO player (username) SELECT 'p' || n FROM generate_series(1, {PLAYERS}) n"
    )
    await database.fetch(
        f"""
        INSERT INTO game_session (player_id, score, game_mode, submitted_at)
        SELECT id, {score}, 'solo', now() FROM player
        """
    )
    rows = await database.fetch(f"SELECT id FROM player ORDER BY {score} DESC, id")
    return [row["id"] for row in rows]


async def count_calls(redis: Redis, command: str) -> int:
    stats = await redis.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


@pytest.fixture
def small_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the board compared in three loads, and its names in two."""
    monkeypatch.setattr("service.standings.index.writer._STANDINGS_PER_LOAD", 2_000)
    monkeypatch.setattr("service.standings.index.names._BUCKETS_PER_LOAD", 50)


@pytest.mark.usefixtures("small_loads")
async def test_rebuild_leaves_a_right_index_and_its_names_as_they_are(
    database: Database, settings: Settings, redis: Redis
) -> None:
    await make_board(database, score="id % 1000 - 500")
    await rebuild(settings)
    writes = [await count_calls(redis, command) for command in ("zadd", "hset", "rename")]

    await rebuild(settings)

    assert writes == [await count_calls(redis, command) for command in ("zadd", "hset", "rename")]
    assert await redis.ttl(SeasonKeys.of(await find_global_season(database)).index) == -1
    await assert_index_follows(redis, database)
    assert await audit(settings)


@pytest.mark.usefixtures("small_loads")
async def test_rebuild_finds_one_wrong_score(
    database: Database, settings: Settings, redis: Redis
) -> None:
    user_ids = await make_board(database, score="500 - id")
    await rebuild(settings)
    keys = SeasonKeys.of(await find_global_season(database))
    right = await redis.zrange(keys.index, 0, -1, withscores=True)
    for place in (0, 999, 2_000, PLAYERS - 1):
        # Everybody is still in the same place.
        await redis.zincrby(keys.index, 0.5, encode_member(user_ids[place]))

        await rebuild(settings)

        assert await redis.zrange(keys.index, 0, -1, withscores=True) == right, place
    await assert_index_follows(redis, database)


async def add_stranger(redis: Redis, keys: SeasonKeys, _: list[int]) -> None:
    await redis.zadd(keys.index, {encode_member(999_999): 10_000})


async def lose_last(redis: Redis, keys: SeasonKeys, _: list[int]) -> None:
    await redis.zpopmax(keys.index)


async def lose_all(redis: Redis, keys: SeasonKeys, _: list[int]) -> None:
    await redis.delete(keys.index)


async def swap_scores(redis: Redis, keys: SeasonKeys, user_ids: list[int]) -> None:
    first, last = encode_member(user_ids[0]), encode_member(user_ids[-1])
    await redis.zadd(keys.index, {first: 500, last: -499})


async def replace_player(redis: Redis, keys: SeasonKeys, user_ids: list[int]) -> None:
    await redis.zrem(keys.index, encode_member(user_ids[-1]))
    await redis.zadd(keys.index, {encode_member(999_999): 500})


async def spoil_index(redis: Redis, keys: SeasonKeys, _: list[int]) -> None:
    await redis.delete(keys.index)
    await redis.set(keys.index, "nonsense")


async def spoil_top(redis: Redis, keys: SeasonKeys, _: list[int]) -> None:
    await redis.set(keys.top, "nonsense")


async def lose_offset(redis: Redis, keys: SeasonKeys, _: list[int]) -> None:
    await redis.delete(keys.offset)


async def change_name(redis: Redis, _: SeasonKeys, user_ids: list[int]) -> None:
    user_id = user_ids[-1]
    await redis.hset(find_names_bucket(user_id), str(user_id), "somebody else")


async def lose_name(redis: Redis, _: SeasonKeys, user_ids: list[int]) -> None:
    await redis.hdel(find_names_bucket(user_ids[7]), str(user_ids[7]))


async def spoil_names(redis: Redis, _: SeasonKeys, user_ids: list[int]) -> None:
    bucket = find_names_bucket(user_ids[7])
    await redis.delete(bucket)
    await redis.set(bucket, "nonsense")


async def flush(redis: Redis, _: SeasonKeys, __: list[int]) -> None:
    await redis.flushall()


@pytest.mark.parametrize(
    "damage",
    [
        add_stranger,
        lose_last,
        lose_all,
        swap_scores,
        replace_player,
        spoil_index,
        spoil_top,
        lose_offset,
        change_name,
        lose_name,
        spoil_names,
        flush,
    ],
)
async def test_rebuild_mends_what_redis_holds(
    database: Database, settings: Settings, refresher: Refresher, redis: Redis, damage: Damage
) -> None:
    user_ids = await make_players_with_scores(database, [500 - place for place in range(200)])
    await refresher.refresh()
    keys = SeasonKeys.of(await find_global_season(database))
    before = await redis.hgetall(find_names_bucket(user_ids[7]))
    await damage(redis, keys, user_ids)

    await rebuild(settings)

    await assert_index_follows(redis, database)
    assert await redis.hgetall(find_names_bucket(user_ids[7])) == before
    assert await audit(settings)


async def lose_ties(redis: Redis, ties: str) -> None:
    assert await redis.delete(ties) == 1


async def lose_bucket(redis: Redis, ties: str) -> None:
    assert await redis.hdel(ties, "0") == 1


async def change_tie(redis: Redis, ties: str) -> None:
    bucket = await redis.hget(ties, "0")
    assert isinstance(bucket, bytes)
    await redis.hset(ties, "0", bucket[:-1] + b"\xff")


async def miscount_ties(redis: Redis, ties: str) -> None:
    assert await redis.hincrby(ties, "players", 1)


async def spoil_ties(redis: Redis, ties: str) -> None:
    await redis.set(ties, "nonsense")


@pytest.mark.parametrize("damage", [lose_ties, lose_bucket, change_tie, miscount_ties, spoil_ties])
async def test_rebuild_mends_the_tie_keys_beside_an_index(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    redis: Redis,
    damage: Callable[[Redis, str], Awaitable[None]],
) -> None:
    laps = await make_season(database, "laps", operator="best", ties="first")
    await make_players_with_scores(database, [place // 3 for place in range(200)])
    await refresher.refresh()
    assert await audit(settings)
    await damage(redis, SeasonKeys.of(laps).ties)
    assert not await audit(settings)

    await rebuild(settings)

    await assert_index_follows(redis, database)
    assert await audit(settings)


async def test_rebuild_mends_the_index_of_nobody(
    database: Database, settings: Settings, redis: Redis
) -> None:
    await rebuild(settings)
    await spoil_index(redis, SeasonKeys.of(await find_global_season(database)), [])

    await rebuild(settings)

    await assert_index_follows(redis, database)
    assert await audit(settings)


async def compare(index: Index, seasons: Sequence[asyncpg.Record]) -> None:
    await index.find_matching(seasons)


async def make_again(index: Index, seasons: Sequence[asyncpg.Record]) -> None:
    for season in seasons:
        await index.rebuild(season["season_id"])


@pytest.mark.parametrize(
    ("table", "scan"), [("standing", compare), ("player", compare), ("standing", make_again)]
)
async def test_database_that_does_not_answer_a_scan_is_not_taken_for_redis(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    redis: Redis,
    table: str,
    scan: Callable[[Index, Sequence[asyncpg.Record]], Awaitable[None]],
) -> None:
    await make_players_with_scores(database, [5, 7])
    await refresher.refresh()
    hurried = Database(
        settings.model_copy(update={"database_timeout_seconds": 0.5}),
        application_name="leaderboard tests",
    )
    await hurried.open()
    async with database.transaction() as connection:
        await connection.execute(f"LOCK TABLE {table}")
        with pytest.raises(DatabaseUnavailable):
            await scan(Index(redis, hurried), await hurried.fetch(LIST_OPEN_SEASONS))
    await hurried.close()


async def catch_up(refresher: Refresher) -> None:
    await refresher._catch_up_index(float("inf"))


async def rebuild_outdated(refresher: Refresher) -> None:
    await refresher._index.rebuild_outdated()


@pytest.mark.parametrize("work", [catch_up, rebuild_outdated])
async def test_season_that_is_closed_before_its_turn_needs_no_index(
    database: Database,
    refresher: Refresher,
    redis: Redis,
    work: Callable[[Refresher], Coroutine[None, None, None]],
) -> None:
    cup = await make_season(database, "cup")
    await make_players_with_scores(database, [5, 7])
    await refresher.refresh()
    await redis.flushall()
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE standing")
        working = asyncio.create_task(work(refresher))
        # Both are outdated, and the standings of the first one are waited for.
        await wait_until(lambda: count_lock_waits(database))
        await database.fetch(
            "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1", cup
        )
    await working
    await assert_index_follows(redis, database)
    assert await redis.get(SeasonKeys.of(cup).offset) is None


async def test_versions_that_a_snapshot_keeps_are_not_looked_up_one_by_one(
    database: Database, settings: Settings, redis: Redis
) -> None:
    await make_board(database, score="id")
    await rebuild(settings)
    season_id = await find_global_season(database)
    async with database.snapshot() as snapshot:
        assert await snapshot.fetchval("SELECT count(*) FROM standing") == PLAYERS
        # What a connection has read is known once it has ended.
        async with open_database(settings, application_name="leaderboard tests") as own:
            for _ in range(6):
                await own.fetch(
                    "UPDATE standing SET score = score + 1, sort_score = sort_score - 1"
                )
        for work in (lambda own: Index(redis, own).rebuild(season_id), rerank):
            before = await count_pages_read(database)
            async with open_database(settings, application_name="leaderboard tests") as own:
                await work(own)
            read = await count_pages_read(database) - before
            assert read < PLAYERS, f"{read:,} pages for {PLAYERS:,} players"
    await assert_index_follows(redis, database)


async def count_pages_read(database: Database) -> int:
    row = await database.fetch_one(
        """
        SELECT heap_blks_read + heap_blks_hit
        FROM pg_statio_user_tables WHERE relname = 'standing'
        """
    )
    assert row is not None
    return int(row[0])


async def test_rebuild_drops_names_of_strangers(
    database: Database, settings: Settings, refresher: Refresher, redis: Redis
) -> None:
    first, *_ = await make_players_with_scores(database, [5, 7])
    await refresher.refresh()
    bucket = find_names_bucket(first)
    right = await redis.hgetall(bucket)
    await redis.hset(bucket, "63", "nobody")
    await rebuild(settings)
    assert await redis.hgetall(bucket) == right


async def test_index_found_right_is_made_again_where_somebody_wrote_since(
    database: Database, refresher: Refresher, redis: Redis
) -> None:
    first, _ = await make_players_with_scores(database, [5, 7])
    await refresher.refresh()
    season_id = await find_global_season(database)
    index = Index(redis, database)
    right = await index.find_matching(await database.fetch(LIST_OPEN_SEASONS))
    assert list(right) == [season_id]

    await record_scores(database, (first, 10))
    await refresher.refresh()
    # The database is taken back to where it was; Redis has gone on.
    await database.fetch("UPDATE database_state SET epoch = gen_random_uuid()")
    await database.fetch(
        "UPDATE standing SET score = 5, sort_score = -5 WHERE player_id = $1", first
    )

    assert await index.rebuild_outdated(right) == [season_id]
    assert (await read_index(redis, season_id))[first] == -5


async def test_index_found_right_is_made_again_where_the_ledger_says_otherwise(
    database: Database, refresher: Refresher, settings: Settings, redis: Redis
) -> None:
    first, _ = await make_players_with_scores(database, [5, 7])
    await refresher.refresh()
    await database.fetch("UPDATE game_session SET score = 15 WHERE player_id = $1", first)
    compared = await count_calls(redis, "zrange")

    async def has_compared() -> bool:
        return await count_calls(redis, "zrange") > compared

    async with database.transaction() as connection:
        # The standings are mended only when the index was found equal to them.
        await connection.execute("LOCK TABLE standing IN SHARE MODE")
        rebuilding = asyncio.create_task(rebuild(settings))
        await wait_until(has_compared)
    await rebuilding

    season_id = await find_global_season(database)
    assert (await read_index(redis, season_id))[first] == -15
    assert await audit(settings)


async def test_rebuild_notes_that_the_ranks_are_its_own(
    database: Database, settings: Settings, refresher: Refresher
) -> None:
    await make_players_with_scores(database, [5, 7])
    await refresher.refresh()
    for _ in range(2):
        await rebuild(settings)
        (row,) = await database.fetch("SELECT number, rerank_number FROM refresh_state")
        assert row["number"] == row["rerank_number"]
