"""Ranks, neighbours and pages while Redis is away: from milestones, and beside submits."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from service.api.app import create_app
from service.backends.database import Database
from service.settings.settings import SLICE_STANDINGS, Settings
from service.standings.reads.stored import FIND_PLACE, SELECT_PAGE
from service.standings.refresh.rerank import rerank
from tests.support.factories import count_players, make_player, make_season, record_scores
from tests.support.index_checks import NOBODY_LISTENS
from tests.support.lock_waits import count_lock_waits
from tests.support.reads import read
from tests.support.serving import connect_client, run_app
from tests.support.waiting import wait_until

PLAYERS = 4_200

# Half of them tie, over more than two milestones; all others have a score of their own.
SCORES = [max(0, PLAYERS // 2 - number) for number in range(PLAYERS)]

FILL = """
    WITH made AS (
        INSERT INTO player (username)
        SELECT 'filled ' || number FROM unnest($2::bigint[]) WITH ORDINALITY AS one (score, number)
        RETURNING id
    ),
    stood AS (
        INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
        SELECT $1, id, score, -score, 1, now()
        FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM made) AS numbered
        JOIN unnest($2::bigint[]) WITH ORDINALITY AS one (score, number) USING (number)
        RETURNING player_id
    )
    UPDATE season_refresh SET players = (SELECT count(*) FROM stood) WHERE season_id = $1
"""
COUNT_MILESTONES = "SELECT position FROM milestone WHERE season_id = $1 ORDER BY position"

LIST_MILESTONES = """
SELECT position, sort_score, tie_key, player_id FROM milestone WHERE season_id = $1
ORDER BY position
"""

COUNT_EVERY_250TH = """
SELECT one.*
FROM generate_series(250, 10000, 250) AS position
CROSS JOIN LATERAL (
    SELECT position, sort_score, tie_key, player_id FROM standing WHERE season_id = $1
    ORDER BY sort_score, tie_key, player_id OFFSET position LIMIT 1
) AS one
ORDER BY position
"""


@pytest.fixture
async def degraded(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service whose Redis is away."""
    async with serve_without_redis(settings) as client:
        yield client


@asynccontextmanager
async def serve_without_redis(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    without_redis = settings.model_copy(update={"redis_url": NOBODY_LISTENS})
    async with run_app(create_app(without_redis)) as app, connect_client(app) as client:
        yield client


async def fill(database: Database, scores: Sequence[int], season_id: int = 1) -> None:
    """Have players, whose ids begin with 1, stand with these scores."""
    await database.fetch(FILL, season_id, list(scores))


def rank_of(number: int) -> int:
    """Return the rank of a player of SCORES, by its place from 0."""
    return bisect_left(SCORES, -SCORES[number], key=lambda score: -score) + 1


async def test_ranks_from_milestones_are_those_of_the_standings(
    degraded: httpx.AsyncClient, database: Database
) -> None:
    await fill(database, SCORES)
    await rerank(database)
    positions = [row["position"] for row in await database.fetch(COUNT_MILESTONES, 1)]
    assert positions == list(range(250, PLAYERS, 250))
    for number in (0, 1, 248, 249, 250, 251, 1_999, 2_000, 2_099, 2_100, 3_000, 3_500, 4_199):
        rank = await read(degraded, f"/api/leaderboard/rank/{number + 1}")
        assert (rank["rank"], rank["players"], rank["stale"]) == (rank_of(number), PLAYERS, True)
        near = await read(degraded, f"/api/leaderboard/around/{number + 1}", radius=3)
        listed = range(max(0, number - 3), min(PLAYERS, number + 4))
        assert [(entry["user_id"], entry["rank"]) for entry in near["leaderboard"]] == [
            (other + 1, rank_of(other)) for other in listed
        ]
        assert near["stale"]
        page = await read(degraded, "/api/leaderboard/page", offset=number, limit=1_000)
        listed = range(number, min(PLAYERS, number + 1_000))
        assert [(entry["user_id"], entry["rank"]) for entry in page["leaderboard"]] == [
            (other + 1, rank_of(other)) for other in listed
        ]
        assert page["stale"]
    beyond = await read(degraded, "/api/leaderboard/page", offset=PLAYERS)
    assert (beyond["leaderboard"], beyond["players"], beyond["stale"]) == ([], PLAYERS, True)


async def test_ranks_before_the_first_rerank_are_counted(
    degraded: httpx.AsyncClient, database: Database
) -> None:
    await fill(database, SCORES)
    assert await database.fetch(COUNT_MILESTONES, 1) == []
    for number in (0, 1_500, 3_000):
        rank = await read(degraded, f"/api/leaderboard/rank/{number + 1}")
        assert rank["rank"] == rank_of(number)


async def test_standings_that_moved_since_the_rerank_make_no_answer_absurd(
    degraded: httpx.AsyncClient, database: Database
) -> None:
    await fill(database, SCORES)
    await rerank(database)
    # The last 1,500 overtake everybody, and nothing is known of that but the standings.
    await database.fetch(
        "UPDATE standing SET score = 9999, sort_score = -9999 WHERE player_id > $1", PLAYERS - 1_500
    )
    first = await read(degraded, f"/api/leaderboard/rank/{PLAYERS}")
    assert (first["rank"], first["total_score"]) == (1, 9_999)
    # Places are still those before, but nobody is behind the last one and no rank falls in a list.
    for offset in (0, 900, 1_400, 2_600, 3_900, 4_150):
        page = await read(degraded, "/api/leaderboard/page", offset=offset, limit=300)
        ranks = [entry["rank"] for entry in page["leaderboard"]]
        assert ranks == sorted(ranks)
        assert all(1 <= rank <= PLAYERS for rank in ranks)
    for user_id in (1, 1_000, 2_000, PLAYERS - 1_500):
        near = await read(degraded, f"/api/leaderboard/around/{user_id}", radius=50)
        ranks = [entry["rank"] for entry in near["leaderboard"]]
        assert ranks == sorted(ranks)
        assert user_id in {entry["user_id"] for entry in near["leaderboard"]}
        rank = await read(degraded, f"/api/leaderboard/rank/{user_id}")
        assert 1 <= rank["rank"] <= PLAYERS
        assert 0 < rank["percentile"] <= 100
    await rerank(database)
    moved = await read(degraded, "/api/leaderboard/rank/1")
    assert moved["rank"] == 1_501

    # They fall behind everybody, where the milestones count them before as well.
    await database.fetch(
        "UPDATE standing SET score = -1, sort_score = 1 WHERE player_id > $1", PLAYERS - 1_500
    )
    last = await read(degraded, f"/api/leaderboard/rank/{PLAYERS}")
    assert (last["rank"], last["total_score"]) == (PLAYERS, -1)
    assert last["percentile"] > 0


@pytest.mark.parametrize(
    ("moved", "score", "last"), [("player_id <= 300", -1, 300), ("player_id > 700", 9_999, 700)]
)
async def test_cursors_meet_everybody_though_many_moved_since_the_rerank(
    degraded: httpx.AsyncClient, database: Database, moved: str, score: int, last: int
) -> None:
    await fill(database, range(1_000, 0, -1))
    await rerank(database)
    await database.fetch(
        f"UPDATE standing SET score = $1, sort_score = -$1::bigint WHERE {moved}",
        score,
    )

    async def read_board(path: str, **query: str) -> tuple[list[int], str | None, str | None]:
        answer = await degraded.get(f"/api/boards/global/{path}", params=query)
        assert answer.status_code == 200, answer.text
        user_ids = [entry["user_id"] for entry in answer.json()["entries"]]
        return user_ids, answer.json()["next"], answer.json()["prev"]

    pages = [await read_board("page", limit="100")]
    while pages[-1][1] is not None:
        pages.append(await read_board("page", limit="100", after=pages[-1][1]))
    down = [user_id for user_ids, *_ in pages for user_id in user_ids]
    assert sorted(down) == list(range(1, 1_001))
    assert down[-1] == last
    pages = pages[-1:]
    while pages[-1][2] is not None:
        pages.append(await read_board("page", limit="100", before=pages[-1][2]))
        assert pages[-1][1] is not None or not pages[-1][0]
    up = [user_id for user_ids, *_ in reversed(pages) for user_id in user_ids]
    assert up == down
    for line in (0, 500, 990, 997, 998, 999):
        near, following, _ = await read_board(f"around/{down[line]}", radius="2")
        assert near == down[max(0, line - 2) : line + 3]
        assert (following is None) is (line >= 997)


async def test_place_of_a_page_is_that_of_its_first_player(database: Database) -> None:
    await fill(database, SCORES)
    for change in (
        "SELECT",
        "UPDATE standing SET score = 9999, sort_score = -9999 WHERE player_id % 5 = 0",
        "UPDATE standing SET score = -1, sort_score = 1 WHERE player_id BETWEEN 700 AND 1300",
        # So many that a page begins beyond the next milestone.
        "DELETE FROM standing WHERE player_id BETWEEN 1500 AND 1900",
    ):
        await database.fetch(change)
        for offset in (0, 1, 249, 250, 251, 700, 999, 1_400, 1_499, 1_600, 2_500, 3_000, 3_598):
            page = await database.fetch_one(SELECT_PAGE, 1, offset, 10)
            assert page is not None
            firsts = (page["sort_scores"][0], page["tie_keys"][0], page["user_ids"][0])
            place = await database.fetch_one(FIND_PLACE, 1, *firsts)
            assert place is not None
            assert dict(place).items() <= dict(page).items(), (change, offset)
        if change == "SELECT":
            await rerank(database)


async def test_reads_notice_that_the_database_is_another_one(
    degraded: httpx.AsyncClient, database: Database
) -> None:
    golf = await make_season(database, "golf", direction="low")
    await fill(database, [30, 20, 10])
    newcomer = await make_player(database)
    of_newcomer = (f"rank/{newcomer}", f"around/{newcomer}")
    paths = ("rank/1", "rank/3", "around/3", "page", "top", *of_newcomer)
    before = [await read(degraded, f"/api/leaderboard/{path}") for path in paths]
    # There the board's season has another id, and this one is of another board.
    await database.fetch("UPDATE database_state SET epoch = gen_random_uuid()")
    await database.fetch("UPDATE season SET id = 99 WHERE id = 1")
    await database.fetch("UPDATE season SET id = 1 WHERE id = $1", golf)
    await database.fetch("UPDATE standing SET season_id = 99")
    await database.fetch(
        """
        INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
        VALUES (1, 3, 7, 7, 1, now()), (1, $1, 8, 8, 1, now())
        """,
        newcomer,
    )
    after = [await read(degraded, f"/api/leaderboard/{path}") for path in paths]
    for answer in (*before, *after):
        del answer["as_of"]
    assert after == before


async def test_player_who_came_after_the_rerank_has_a_rank(
    degraded: httpx.AsyncClient, database: Database
) -> None:
    await fill(database, SCORES)
    await rerank(database)
    user_id = await make_player(database)
    # As good as the player at place 1,600, and not folded yet.
    await record_scores(database, (user_id, SCORES[1_600]))
    rank = await read(degraded, f"/api/leaderboard/rank/{user_id}")
    assert (rank["rank"], rank["stale"]) == (rank_of(1_600), True)
    near = await read(degraded, f"/api/leaderboard/around/{user_id}", radius=1)
    assert [(entry["user_id"], entry["rank"]) for entry in near["leaderboard"]] == [
        (1_601, rank_of(1_600)),
        (user_id, rank_of(1_600)),
        (1_602, rank_of(1_600) + 2),
    ]
    assert rank["players"] == near["players"] == PLAYERS + 1


@pytest.mark.parametrize("slice_standings", [1_000, SLICE_STANDINGS])
async def test_milestones_go_with_the_standings_and_each_season_has_its_own(
    database: Database, slice_standings: int
) -> None:
    golf = await make_season(database, "golf", direction="low")
    await fill(database, SCORES)
    await database.fetch(
        """
        INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
        SELECT $1, player_id, player_id, player_id, 1, now()
        FROM standing WHERE season_id = 1 AND player_id <= 2500
        """,
        golf,
    )
    await count_players(database)
    await rerank(database, slice_standings)
    for season_id in (1, golf):
        assert await database.fetch(LIST_MILESTONES, season_id) == await database.fetch(
            COUNT_EVERY_250TH, season_id
        )
    positions = [row["position"] for row in await database.fetch(COUNT_MILESTONES, golf)]
    assert positions == list(range(250, 2_500, 250))
    place = await database.fetch_one(FIND_PLACE, golf, 2_400, 0, 2_400)
    assert place is not None
    assert (place["better"], place["position"]) == (2_399, 2_399)
    await database.fetch("DELETE FROM standing WHERE season_id = $1 AND player_id > 1200", golf)
    await count_players(database)
    await rerank(database, slice_standings)
    positions = [row["position"] for row in await database.fetch(COUNT_MILESTONES, golf)]
    assert positions == list(range(250, 1_200, 250))
    assert len(await database.fetch(COUNT_MILESTONES, 1)) == len(range(250, PLAYERS, 250))


async def test_submits_do_not_wait_for_reads(settings: Settings, database: Database) -> None:
    """However many reads are under way, and however long each takes."""
    user_id = await make_player(database)
    smallest = settings.model_copy(update={"database_pool_size": 4})
    async with serve_without_redis(smallest) as client:
        path = f"/api/leaderboard/around/{user_id}"
        assert (await client.get(path)).status_code == 200
        async with database.transaction() as connection:
            await connection.execute("LOCK TABLE standing")
            reads = [asyncio.create_task(client.get(path)) for _ in range(300)]
            await wait_until(lambda: count_lock_waits(database))
            # Five are at work and 200 may wait; the last of the 300 may still be on their way.
            await wait_until(lambda: sum(task.done() for task in reads) == 95)
            body = {"user_id": user_id, "score": 1}
            answer = await client.post("/api/leaderboard/submit", json=body)
            assert answer.status_code == 200, answer.text
            bulk = await client.post("/api/leaderboard/submit/bulk", json=[body] * 3)
            assert [line["status"] for line in bulk.json()] == ["success"] * 3
            refused = [task.result() for task in reads if task.done()]
        answers = await asyncio.gather(*reads)
    assert {answer.status_code for answer in answers} == {200, 503}
    assert len(refused) == sum(answer.status_code == 503 for answer in answers)
    assert {answer.json()["code"] for answer in refused} == {"overloaded"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


async def test_top_and_registrations_do_not_wait_for_reads_either(
    degraded: httpx.AsyncClient, database: Database
) -> None:
    user_id = await make_player(database)
    await fill(database, [3, 2, 1])
    path = f"/api/leaderboard/rank/{user_id + 1}"
    async with database.transaction() as connection:
        # Where a place is counted from, which a top is not.
        await connection.execute("LOCK TABLE milestone")
        reads = [asyncio.create_task(degraded.get(path)) for _ in range(50)]

        async def are_waiting() -> bool:
            return await count_lock_waits(database) == 5

        await wait_until(are_waiting)
        top = await read(degraded, "/api/leaderboard/top")
        assert (len(top["leaderboard"]), top["stale"]) == (3, True)
        made = await degraded.post("/api/players", json={"username": "newcomer"})
        assert made.status_code == 201, made.text
        assert not any(task.done() for task in reads)
    answers = await asyncio.gather(*reads)
    assert {answer.status_code for answer in answers} == {200}
