"""A season is closed while a re-rank, which began before, stores the ranks of all."""

import asyncio

import httpx
import pytest

from service.backends.database import Database
from service.backends.locks import hold_rerank_lock, lock_ranks
from service.maintenance.audit import audit
from service.settings.settings import Settings
from service.standings.refresh import rerank as reranking
from service.standings.refresh.milestones import store_milestones
from service.standings.refresh.rerank import rerank
from tests.support.factories import (
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.lock_waits import count_lock_waits
from tests.support.season_work import SeasonWorker
from tests.support.waiting import wait_until

# Any number: held by a test, it keeps a re-rank from storing what it has ranked.
GATE = 4711
WAIT_AT_GATE = f"SELECT pg_advisory_xact_lock({GATE});"


@pytest.mark.parametrize("waits", ["before its turn", "for its turn"])
@pytest.mark.parametrize("scores", [[9], [9, 1]])
async def test_result_of_a_season_is_not_that_of_a_rerank_of_before(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    monkeypatch: pytest.MonkeyPatch,
    scores: list[int],
    waits: str,
) -> None:
    await client.put("/api/boards/cup", json={"operator": "latest"})
    ada, ben = await make_players(database, 2)
    await record_scores(database, (ada, 5), (ben, 1))
    await worker.work()
    await rerank(database)
    first, *later = scores
    await record_scores(database, (ben, first))
    await worker.work()
    if waits == "before its turn":
        monkeypatch.setattr(
            reranking, "_PLAN_FOR_STORING", reranking._PLAN_FOR_STORING + WAIT_AT_GATE
        )
    async with database.transaction() as held:
        await held.execute(WAIT_AT_GATE)
        if waits == "for its turn":
            await lock_ranks(held)
        under_way = asyncio.create_task(rerank(database))
        await wait_until(lambda: count_lock_waits(database))
        # He falls back again.
        await record_scores(database, *((ben, score) for score in later))
        await client.post("/api/boards/cup/seasons/current/close")
        closing = asyncio.create_task(worker.work())
        await wait_until(lambda: closing.done() or has_two_waits(database))
        assert closing.done() == (waits == "before its turn")
    assert await closing == 1
    assert (await under_way).ranks > 0
    result = [ben, ada] if scores[-1] > 5 else [ada, ben]
    assert await read_ranks(database, "cup", 1) == result
    assert await read_ranks(database, "global", 1) == [ben, ada]
    assert await audit(settings)


async def has_two_waits(database: Database) -> bool:
    return await count_lock_waits(database) == 2


async def read_ranks(database: Database, slug: str, number: int) -> list[int]:
    rows = await database.fetch(
        """
        SELECT player_id FROM ranked_standing
        JOIN season ON season.id = season_id JOIN board ON board.id = board_id
        WHERE slug = $1 AND number = $2 ORDER BY rank
        """,
        *(slug, number),
    )
    return [row["player_id"] for row in rows]


@pytest.mark.parametrize("slice_standings", [1_000, 100])
async def test_milestones_of_a_season_that_was_closed_stay(
    database: Database, worker: SeasonWorker, slice_standings: int
) -> None:
    cup = await make_season(database, "cup")
    await make_players_with_scores(database, list(range(251)))
    await worker.work()
    async with hold_rerank_lock(database, wait_seconds=1) as lease:
        async with database.transaction() as held:
            await lock_ranks(held)
            storing = asyncio.create_task(store_milestones(database, lease, slice_standings))
            await wait_until(lambda: count_lock_waits(database))
            await held.execute(
                "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1", cup
            )
        await storing
    rows = await database.fetch("SELECT DISTINCT season_id = $1 AS is_cup FROM milestone", cup)
    assert [row["is_cup"] for row in rows] == [False]
