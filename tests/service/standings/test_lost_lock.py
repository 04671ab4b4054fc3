"""Who lost the lock of the only writer commits nothing any more."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.locks import Lease, LeaseLost, hold_rerank_lock, hold_writer_lock
from service.boards import service as boards
from service.boards.seasons import put_next_season
from service.maintenance.audit import audit
from service.seasons.closing import hold_closed_seasons
from service.seasons.keeper import SeasonKeeper
from service.settings.settings import Settings
from service.standings.index.names import NameStore
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import store_ranks
from tests.support.factories import make_player, make_players_with_scores, record_scores
from tests.support.fire.board import terminate_lock_holder
from tests.support.lock_waits import count_lock_waits
from tests.support.season_work import SeasonWorker, make_hourly, read_season_scores
from tests.support.waiting import wait_until


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Database]:
    """The connections of another process."""
    database = Database(settings, application_name="leaderboard tests")
    await database.open()
    yield database
    await database.close()


async def test_writer_that_stood_still_takes_no_score_away(
    database: Database, other: Database, redis: Redis, settings: Settings
) -> None:
    ada = await make_player(database)
    await record_scores(database, (ada, 5))
    await Refresher(database, redis, settings).refresh()
    stands_still, goes_on = asyncio.Event(), asyncio.Event()

    async def stand_still(_: Lease) -> bool:
        stands_still.set()
        await goes_on.wait()
        return False

    frozen = asyncio.create_task(
        Refresher(database, redis, settings, between_folds=stand_still).refresh()
    )
    await stands_still.wait()
    await terminate_lock_holder(database)
    await redis.flushall()
    await record_scores(database, (ada, 10))
    async with database.transaction() as held:
        await held.fetch("SELECT FROM latest_refresh FOR UPDATE")
        relief = asyncio.create_task(Refresher(other, redis, settings).refresh())
        # It has folded the 10, and commits next.
        await wait_until(lambda: count_lock_waits(database))
        # What any act of a moderator does.
        await database.fetch("INSERT INTO changed_player (player_id) VALUES ($1)", ada)
        goes_on.set()
        await wait_until(lambda: frozen.done() or has_two_waits(database))
    with pytest.raises(LeaseLost):
        await frozen
    assert (await relief).sessions == 1
    (standing,) = await database.fetch("SELECT score, sessions FROM standing")
    assert tuple(standing) == (15, 2)
    assert await audit(settings)


async def has_two_waits(database: Database) -> bool:
    return await count_lock_waits(database) == 2


async def test_name_of_before_does_not_come_back(
    database: Database, other: Database, redis: Redis, settings: Settings, refresher: Refresher
) -> None:
    ada = await make_player(database)
    await record_scores(database, (ada, 5))

    async def lose_lock() -> None:
        frozen = Refresher(other, redis, settings)
        async with hold_writer_lock(other, wait_seconds=5) as lease:
            fold = await frozen._fold(lease)
            await terminate_lock_holder(database)
            await database.fetch("UPDATE player SET username = 'renamed' WHERE id = $1", ada)
            await database.fetch("INSERT INTO changed_player (player_id) VALUES ($1)", ada)
            await refresher.refresh()
            await frozen._publish(fold, 0.0)

    with pytest.raises(LeaseLost):
        await lose_lock()
    assert await NameStore(redis).read([ada]) == {ada: b"renamed"}


async def test_board_that_is_made_without_the_lock_is_not_there(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await make_player(database)

    async def lose_lock(*args: object) -> None:
        await put_next_season(*args)  # type: ignore[arg-type]
        await terminate_lock_holder(database)
        # The board would miss it.
        await record_scores(database, (ada, 7))
        await worker.refresher.refresh()

    with monkeypatch.context() as patch:
        patch.setattr(boards, "put_next_season", lose_lock)
        assert (await client.put("/api/boards/cup", json={})).status_code == 503
    assert (await client.get("/api/boards/cup")).status_code == 404
    assert (await client.put("/api/boards/cup", json={})).status_code == 201
    await worker.work()
    assert await audit(settings)


@pytest.mark.parametrize("kind", ["follow", "fill", "swap", "bound", "seal"])
async def test_seasons_are_kept_by_nobody_without_the_lock(
    client: httpx.AsyncClient,
    database: Database,
    other: Database,
    redis: Redis,
    settings: Settings,
    worker: SeasonWorker,
    kind: str,
) -> None:
    ada = await make_player(database)
    await client.put("/api/boards/cup", json={"schedule": make_hourly()})
    await record_scores(database, (ada, 5))
    await worker.work()
    keeper = SeasonKeeper(other, worker.index)
    if kind == "follow":
        await database.fetch("DELETE FROM season WHERE number = 2")
    elif kind in {"fill", "swap"}:
        rule = {"operator": "best", "apply": "recount"}
        await client.patch("/api/boards/cup", json=rule, headers={"If-Match": "*"})
        if kind == "swap":
            assert await worker.keep()
    else:
        # Until this one is folded, the season has its last session and is not sealed.
        await record_scores(database, (ada, 0))
        await client.post("/api/boards/cup/seasons/current/close")
        if kind == "seal":
            async with hold_writer_lock(other, wait_seconds=5) as lease:
                await keeper.keep(lease)
            await Refresher(database, redis, settings).refresh()
    before = await read_seasons(database)

    async def lose_lock() -> None:
        async with hold_writer_lock(other, wait_seconds=5) as lease:
            await terminate_lock_holder(database)
            await keeper.keep(lease)

    with pytest.raises(LeaseLost):
        await lose_lock()
    assert await read_seasons(database) == before
    await worker.work()
    await worker.work()
    assert await read_season_scores(database, 1) == {ada: 5}
    assert await audit(settings)


async def read_seasons(database: Database) -> list[tuple[object, ...]]:
    """Return all that the keeper changes."""
    return [
        tuple(row)
        for table in ("season", "season_refresh", "dropped_season", "standing", "database_state")
        for row in await database.fetch(f"TABLE {table}")
    ]


async def test_nothing_closed_is_corrected_without_the_lock(
    database: Database, other: Database
) -> None:
    async def lose_lock() -> None:
        async with hold_closed_seasons(other) as connection:
            await terminate_lock_holder(database)
            await connection.execute("UPDATE season SET revision = 2")

    with pytest.raises(LeaseLost):
        await lose_lock()
    assert await database.fetch("SELECT FROM season WHERE revision = 1")


async def test_no_ranks_are_stored_without_the_lock(
    database: Database, other: Database, refresher: Refresher
) -> None:
    await make_players_with_scores(database, [5])
    await refresher.refresh()

    async def lose_lock() -> None:
        async with hold_rerank_lock(other, wait_seconds=5) as lease:
            await terminate_lock_holder(database)
            await store_ranks(other, lease, 1_000)

    with pytest.raises(LeaseLost):
        await lose_lock()
    assert not await database.fetch("TABLE rank_block")
