"""P4: every read of every kind agrees with a naive model, whatever was submitted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.local.embedded import PostgresServer, ValkeyServer
from service.settings.settings import load_settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.support.board_model import BoardModel
from tests.support.databases import create_database, flush
from tests.support.factories import make_player, record_scores
from tests.support.fresh_reads import read_fresh_top
from tests.support.index_checks import NOBODY_LISTENS
from tests.support.serving import connect_client, run_app

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = (1, 2, 3, 10, 100)
RADII = (1, 2, 5, 50)
PAGES = ((0, 1), (0, 1_000), (1, 3), (4, 2), (11, 5), (12, 5), (2**53 - 1, 7))

# Not by TRUNCATE: it waits for whatever reads, and what the service reads by the way may in turn
# wait for it, which is a deadlock.
EMPTY = """
    DELETE FROM outbox;
    DELETE FROM standing;
    DELETE FROM game_session;
    DELETE FROM player;
    UPDATE season_refresh SET players = 0, number = 0;
    UPDATE latest_refresh SET number = 0, refreshed_at = NULL;
    UPDATE database_state SET epoch = gen_random_uuid(), rerank_number = 0;
"""

# Few players and few scores, so that ties are the rule; the extremes, zero and negative ones too.
players = st.integers(0, 11)
scores = st.sampled_from([-(2**31), -2, -1, 0, 0, 1, 1, 2, 3, 2**31 - 1]) | st.integers(-4, 4)
rounds = st.lists(st.lists(st.tuples(players, scores), max_size=20), min_size=1, max_size=4)


@dataclass
class Stack:
    """The service with its servers, and the service without Redis."""

    database: Database
    redis: Redis
    refresher: Refresher
    client: httpx.AsyncClient
    degraded: httpx.AsyncClient

    async def empty(self) -> None:
        async with self.database.connect() as connection:
            await connection.execute(EMPTY)
        await self.redis.flushall()
        await self.refresher.refresh()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    postgres: PostgresServer, valkey: ValkeyServer, template_database: str
) -> AsyncIterator[Stack]:
    async with create_database(postgres, template_database) as url:
        # Nobody refreshes but the test.
        settings = load_settings(
            database_url=url, redis_url=flush(valkey), stale_after_seconds=600.0
        )
        without_redis = settings.model_copy(update={"redis_url": NOBODY_LISTENS})
        database = Database(settings, application_name="leaderboard tests")
        await database.open()
        redis = connect_redis(settings)
        refresher = Refresher(database, redis, settings)
        async with (
            run_app(create_app(settings)) as app,
            run_app(create_app(without_redis)) as degraded_app,
            connect_client(app) as client,
            connect_client(degraded_app) as degraded,
        ):
            yield Stack(database, redis, refresher, client, degraded)
        await redis.aclose()
        await database.close()


@hypothesis_settings(max_examples=20, derandomize=True)
@given(folded=rounds, pending=st.lists(st.tuples(players, scores), max_size=10))
@example(folded=[[(0, 5), (1, 5), (2, 5), (3, 1)]], pending=[])
@example(folded=[[(0, 0), (1, -1), (2, 0)], [(1, 1)]], pending=[(5, 0)])
@example(folded=[[(player, 7) for player in range(12)]], pending=[])
@example(folded=[[(player, -player) for player in range(12)], [(11, 100)]], pending=[(11, 1)])
async def test_every_read_agrees_with_the_model(
    stack: Stack, folded: list[list[tuple[int, int]]], pending: list[tuple[int, int]]
) -> None:
    await stack.empty()
    user_ids = [await make_player(stack.database) for _ in range(12)]
    names = await stack.database.fetch("SELECT id, username FROM player")
    model = BoardModel({row["id"]: row["username"] for row in names})
    for submitted in folded:
        for player, score in submitted:
            model.add(user_ids[player], score)
        await record(stack, user_ids, submitted)
        await stack.refresher.refresh()
    await rerank(stack.database)
    await record(stack, user_ids, pending)

    await check_top(stack, model)
    await check_stored_ranks(stack, model)
    for client, stale in (stack.client, False), (stack.degraded, True):
        await check_ranks(client, model, stale=stale)
        await check_neighbours(client, model, stale=stale)
        await check_pages(client, model, stale=stale)
        await check_unfolded(client, model, user_ids, pending)


async def record(stack: Stack, user_ids: list[int], submitted: list[tuple[int, int]]) -> None:
    if submitted:
        await record_scores(
            stack.database, *((user_ids[player], score) for player, score in submitted)
        )


async def read(client: httpx.AsyncClient, path: str, **parameters: int) -> dict[str, Any]:
    response = await client.get(f"/api/leaderboard/{path}", params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    del answer["as_of"]
    return answer


async def check_top(stack: Stack, model: BoardModel) -> None:
    everybody = model.list_everybody()
    await read_fresh_top(stack.client, stack.database)
    for limit in LIMITS:
        expected = {"leaderboard": everybody[:limit], "players": len(everybody)}
        assert await read(stack.client, "top", limit=limit) == expected
        assert await read(stack.degraded, "top", limit=limit) == expected | {"stale": True}


async def check_stored_ranks(stack: Stack, model: BoardModel) -> None:
    rows = await stack.database.fetch("SELECT player_id, score, rank FROM ranked_standing")
    assert {row["player_id"]: (row["score"], row["rank"]) for row in rows} == {
        entry["user_id"]: (entry["total_score"], entry["rank"]) for entry in model.list_everybody()
    }


async def check_ranks(client: httpx.AsyncClient, model: BoardModel, *, stale: bool) -> None:
    # All at once, so that they are read in batches.
    answers = await asyncio.gather(*(read(client, f"rank/{player}") for player in model.totals))
    expected = [model.read_rank(player) for player in model.totals]
    assert answers == [rank | {"stale": True} if stale else rank for rank in expected]


async def check_neighbours(client: httpx.AsyncClient, model: BoardModel, *, stale: bool) -> None:
    for player in model.totals:
        for radius in RADII:
            answer = await read(client, f"around/{player}", radius=radius)
            assert answer.pop("stale", False) is stale
            assert answer == {
                "leaderboard": model.list_around(player, radius),
                "players": len(model.totals),
            }


async def check_pages(client: httpx.AsyncClient, model: BoardModel, *, stale: bool) -> None:
    everybody = model.list_everybody()
    for offset, limit in PAGES:
        answer = await read(client, "page", offset=offset, limit=limit)
        assert answer.pop("stale", False) is stale
        expected = {"leaderboard": everybody[offset : offset + limit], "players": len(everybody)}
        assert answer == expected


async def check_unfolded(
    client: httpx.AsyncClient,
    model: BoardModel,
    user_ids: list[int],
    pending: list[tuple[int, int]],
) -> None:
    """Players without a standing: from the ledger, or not ranked at all."""
    for number, user_id in enumerate(user_ids):
        if user_id in model.totals:
            continue
        answer = await read(client, f"rank/{user_id}")
        theirs = [score for player, score in pending if player == number]
        around = await read(client, f"around/{user_id}", radius=2)
        for told in (answer, around):
            told.pop("stale", None)
        if theirs:
            # As if they had one.
            own = BoardModel(model.names, model.totals | {user_id: sum(theirs)})
            assert answer == own.read_rank(user_id)
            players = len(own.totals)
            assert around == {"leaderboard": own.list_around(user_id, 2), "players": players}
        else:
            assert (answer["total_score"], answer["rank"]) == (0, None)
            assert around == {"leaderboard": [], "players": len(model.totals)}
