"""`page`: any run of the board by its place."""

import httpx
from redis.asyncio import Redis

from service.backends.database import Database
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players_with_scores
from tests.support.reads import is_recent, read

PAGE = "/api/leaderboard/page"


async def test_page_has_a_hundred_entries_from_the_first_unless_told_otherwise(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, range(1_100, 0, -1))
    await refresher.refresh()
    for parameters, first, last in (
        ({}, 0, 100),
        ({"offset": 1_050}, 1_050, 1_100),
        ({"offset": 90, "limit": 1_000}, 90, 1_090),
        ({"offset": 1_100, "limit": 1}, 1_100, 1_100),
    ):
        answer = await read(client, PAGE, **parameters)
        assert answer.keys() == {"leaderboard", "players", "as_of"}
        assert answer["players"] == 1_100
        assert is_recent(answer["as_of"])
        listed = answer["leaderboard"]
        assert [entry["user_id"] for entry in listed] == user_ids[first:last]
        assert [entry["rank"] for entry in listed] == list(range(first + 1, last + 1))


async def test_page_that_begins_in_a_tie_has_its_rank(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    _, _, c, d, e = await make_players_with_scores(database, [9, 7, 7, 7, 1])
    await refresher.refresh()
    answer = await read(client, PAGE, offset=2, limit=9)
    assert [(entry["user_id"], entry["rank"]) for entry in answer["leaderboard"]] == [
        (c, 2),
        (d, 2),
        (e, 5),
    ]


async def test_page_keeps_names_that_redis_lost(
    client: httpx.AsyncClient, database: Database, refresher: Refresher, redis: Redis
) -> None:
    user_ids = await make_players_with_scores(database, range(130, 0, -1))
    await refresher.refresh()
    before = await read(client, PAGE, limit=130)
    lost = [key async for key in redis.scan_iter("leaderboard:{names}:*")]
    assert lost
    await redis.delete(*lost)
    assert await read(client, PAGE, limit=130) == before
    assert [entry["user_id"] for entry in before["leaderboard"]] == user_ids
