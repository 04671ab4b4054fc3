"""Where totals end: at ±(2^53 - 1), as the exact sum says, whatever the order of folding."""

import itertools
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.maintenance.audit import audit
from service.maintenance.rebuild import rebuild
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.event_stream import open_stream
from tests.support.factories import (
    make_player,
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.index_checks import assert_index_follows, read_index, read_standings
from tests.support.serving import serve_app

MOST = 2**53 - 1

# The sums leave the range and come back, or leave that of 64 bits on the way.
LEAVING = [MOST, 10, 0, -30]
FAR = [*[MOST] * 1_100, *[-MOST] * 1_099, -1]


async def read(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.get(f"/api/leaderboard/{path}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("direction", ["high", "low"])
async def test_order_of_folding_never_shows(
    refresher: Refresher,
    database: Database,
    redis: Redis,
    settings: Settings,
    direction: str,
    sign: int,
) -> None:
    season_id = await make_season(database, "extreme", direction=direction)
    turn = -1 if direction == "high" else 1
    orders = list(itertools.permutations(LEAVING))
    user_ids = await make_players(database, len(orders))
    for scores in zip(*orders, strict=True):
        pairs = zip(user_ids, scores, strict=True)
        await record_scores(database, *((user_id, sign * score) for user_id, score in pairs))
        await refresher.refresh()
        assert await audit(settings)
    expected = {user_id: turn * sign * sum(LEAVING) for user_id in user_ids}
    assert await read_standings(database, season_id) == expected
    assert await read_index(redis, season_id) == expected
    await assert_index_follows(redis, database)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sessions_a_fold", [100, 1_000_000])
async def test_sum_may_leave_64_bits_and_come_back(
    database: Database, redis: Redis, settings: Settings, sign: int, sessions_a_fold: int
) -> None:
    settings = settings.model_copy(update={"refresh_batch_limit": sessions_a_fold})
    refresher = Refresher(database, redis, settings)
    season_id = await make_season(database, "low", direction="low")
    user_id = await make_player(database)
    for most in (2**63, -(2**63)):
        total = sum(FAR) if most < 0 else sum(FAR[:1_100])
        part = FAR[:1_100] if most > 0 else FAR[1_100:]
        await record_scores(database, *((user_id, sign * score) for score in part))
        while (await refresher.refresh()).more:
            pass
        assert await read_standings(database, season_id) == {user_id: sign * min(total, MOST)}
        assert await audit(settings)
        await rebuild(settings)
        assert await audit(settings)


async def test_audit_and_rebuild_know_the_sum_beyond_the_limit(
    refresher: Refresher, database: Database, settings: Settings
) -> None:
    (user_id,) = await make_players_with_scores(database, [MOST])
    await record_scores(database, (user_id, 5))
    await refresher.refresh()
    await database.fetch("UPDATE standing SET exact_total = exact_total + 1")
    assert not await audit(settings)
    await rebuild(settings)
    assert await audit(settings)
    await record_scores(database, (user_id, -6))
    await refresher.refresh()
    rows = await database.fetch("SELECT score, exact_total FROM standing")
    assert [tuple(row) for row in rows] == [(MOST - 1, None)]


@pytest.mark.parametrize("sign", [1, -1])
async def test_every_read_says_saturated_where_the_sum_is_beyond_and_only_there(
    client: httpx.AsyncClient, refresher: Refresher, database: Database, redis: Redis, sign: int
) -> None:
    beyond, exact, within = await make_players(database, 3)
    pending = await make_player(database)
    await record_scores(
        database,
        *[(beyond, sign * MOST), (beyond, sign), (exact, sign * MOST), (within, sign * (MOST - 1))],
    )
    await refresher.refresh()
    await record_scores(database, (pending, sign * MOST), (pending, sign * MOST))
    best = 1 if sign > 0 else 2
    entries = {
        user_id: {"total_score": sign * score, "rank": rank} | saturated
        for user_id, score, rank, saturated in [
            (beyond, MOST, best, {"saturated": True}),
            (exact, MOST, best, {}),
            (within, MOST - 1, 3 if sign > 0 else 1, {}),
        ]
    }

    async def check(stale: dict[str, Any]) -> None:
        for path in ("top", f"around/{exact}", "page"):
            listed = (await read(client, path))["leaderboard"]
            assert {entry.pop("user_id"): entry for entry in listed} == {
                user_id: entry | {"username": names[user_id]} for user_id, entry in entries.items()
            }
        for user_id, entry in entries.items():
            rank = await read(client, f"rank/{user_id}")
            assert entry.items() <= rank.items()
            assert rank.keys() - set(entry) == {
                *("user_id", "username", "players", "percentile", "as_of"),
                *stale,
            }
            explained = await client.get(f"/api/boards/global/explain/{user_id}")
            assert explained.json().get("saturated") == entry.get("saturated")
        listed = (await read(client, f"around/{pending}"))["leaderboard"]
        (own,) = (entry for entry in listed if entry["user_id"] == pending)
        for answer in (await read(client, f"rank/{pending}"), own):
            assert answer["total_score"] == sign * MOST
            assert answer["saturated"] is True

    rows = await database.fetch("SELECT id, username FROM player")
    names = {row["id"]: row["username"] for row in rows}
    await check({})
    await redis.flushall()
    await check({"stale": True})

    await refresher.refresh()
    await record_scores(database, (beyond, -sign))
    await refresher.refresh()
    assert "saturated" not in await read(client, f"rank/{beyond}")


@pytest.mark.parametrize(
    ("path", "entries"),
    [("/api/leaderboard/stream", "leaderboard"), ("/api/boards/global/stream", "entries")],
)
async def test_stream_tells_when_a_sum_goes_beyond_the_limit_and_comes_back(
    settings: Settings, refresher: Refresher, database: Database, path: str, entries: str
) -> None:
    (user_id,) = await make_players_with_scores(database, [MOST])
    await refresher.refresh()
    async with serve_app(settings) as (_, client), open_stream(client, path) as stream:
        assert "saturated" not in (await stream.read_top())[entries][0]
        for score, is_beyond in ((1, True), (-1, False)):
            await record_scores(database, (user_id, score))
            await refresher.refresh()
            assert (await stream.read_top())[entries][0].get("saturated", False) is is_beyond
