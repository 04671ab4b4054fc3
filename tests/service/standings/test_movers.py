"""Who moved furthest on a whole board, of those who scored since its last re-rank."""

from random import Random
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.standings.reads.movers import NEWEST_SESSIONS
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.support.error_checks import check_error
from tests.support.factories import make_player, make_players_with_scores, record_scores

MORE_SCORES = """
    INSERT INTO game_session (player_id, score) SELECT $1, 0 FROM generate_series(1, $2::int)
"""

AN_HOUR_AGO = "UPDATE game_session SET submitted_at = submitted_at - interval '1 hour'"


async def rank_as_of_an_hour_ago(database: Database, refresher: Refresher) -> None:
    """Count and rank what was submitted up to now, as if it had not been just before."""
    await refresher.refresh()
    await database.fetch(AN_HOUR_AGO)
    await rerank(database)


async def read_movers(
    client: httpx.AsyncClient, board: str = "global", limit: int = 100
) -> dict[str, Any]:
    response = await client.get(f"/api/boards/{board}/movers?limit={limit}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def list_moves(answer: dict[str, Any], direction: str) -> list[tuple[int, int, int]]:
    return [(one["user_id"], one["climbed"], one["rank"]) for one in answer[direction]]


async def test_who_scored_has_moved_since_the_last_rerank(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    # In several blocks of ids.
    user_ids = await make_players_with_scores(database, [1_000 - n for n in range(300)])
    await refresher.refresh()
    before = await read_movers(client)
    assert (before["since"], before["climbed"], before["fell"]) == (None, [], [])
    await rank_as_of_an_hour_ago(database, refresher)
    assert (await read_movers(client))["climbed"] == []
    far, near, fallen = user_ids[250], user_ids[20], user_ids[5]
    newcomer = await make_player(database)
    await record_scores(database, (far, 2_000), (near, 15), (fallen, -2_000), (newcomer, 5_000))
    await refresher.refresh()
    answer = await read_movers(client)
    assert answer["complete"]
    assert answer["since"] is not None
    # Who had no rank before is not told of, nor who did not score and was passed.
    assert list_moves(answer, "climbed") == [(far, 249, 2), (near, 13, 8)]
    assert list_moves(answer, "fell") == [(fallen, -295, 301)]
    assert [one["score_text"] for one in answer["climbed"]] == ["2750", "995"]
    assert list_moves(await read_movers(client, limit=1), "climbed") == [(far, 249, 2)]
    await rerank(database)
    again = await read_movers(client)
    assert again["since"] > answer["since"]
    assert (again["climbed"], again["fell"]) == ([], [])


@pytest.mark.parametrize("seed", range(3))
async def test_moves_are_those_between_the_stored_ranks_and_the_next(
    client: httpx.AsyncClient, database: Database, refresher: Refresher, seed: int
) -> None:
    random = Random(seed)
    await client.put("/api/boards/golf", json={"direction": "low", "operator": "best"})
    await client.put("/api/boards/first", json={"ties": "first", "operator": "latest"})
    user_ids = await make_players_with_scores(database, [random.randrange(50) for _ in range(400)])
    await rank_as_of_an_hour_ago(database, refresher)

    async def read_ranks(board: str) -> dict[int, int]:
        rows = await database.fetch(
            "SELECT player_id, rank FROM ranked_standing JOIN season ON season.id = season_id"
            " JOIN board ON board.id = board_id WHERE slug = $1",
            board,
        )
        return {row["player_id"]: row["rank"] for row in rows}

    boards = ("global", "golf", "first")
    before = {board: await read_ranks(board) for board in boards}
    scored = random.sample(user_ids, 40)
    await record_scores(database, *((one, random.randrange(-50, 90)) for one in scored))
    await refresher.refresh()
    answers = {board: await read_movers(client, board) for board in boards}
    await rerank(database)
    for board in boards:
        after = await read_ranks(board)
        moved = {one: before[board][one] - after[one] for one in scored}
        told = {
            one["user_id"]: one["climbed"]
            for direction in ("climbed", "fell")
            for one in answers[board][direction]
        }
        assert told == {one: climbed for one, climbed in moved.items() if climbed}
        furthest = [one["climbed"] for one in answers[board]["climbed"]]
        assert furthest == sorted(furthest, reverse=True)
        deepest = [one["climbed"] for one in answers[board]["fell"]]
        assert deepest == sorted(deepest)


async def test_of_more_scores_than_are_looked_at_only_the_newest_count(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, [50, 40, 30])
    await rank_as_of_an_hour_ago(database, refresher)
    await record_scores(database, (user_ids[2], 100))
    await database.fetch(MORE_SCORES, user_ids[0], NEWEST_SESSIONS - 3)
    await record_scores(database, (user_ids[1], 200))
    await refresher.refresh()
    answer = await read_movers(client)
    assert (len(answer["climbed"]), answer["complete"], answer["scores"]) == (2, True, 10_000)
    await database.fetch(MORE_SCORES, user_ids[0], 2)
    answer = await read_movers(client)
    assert list_moves(answer, "climbed") == [(user_ids[1], 1, 1)]
    assert not answer["complete"]


async def test_ids_that_no_score_has_are_no_scores_that_were_looked_at(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    """Retries and refusals use ids up, and an answer about so many of them covers nothing."""
    await make_players_with_scores(database, [2, 1])
    await rank_as_of_an_hour_ago(database, refresher)
    await database.fetch("SELECT setval('game_session_id_seq', $1::int)", 2 * NEWEST_SESSIONS)
    assert (await read_movers(client))["complete"] is False


async def test_who_is_hidden_moves_in_nobodys_answer(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, [30, 20, 10])
    await rank_as_of_an_hour_ago(database, refresher)
    await record_scores(database, (user_ids[1], 15), (user_ids[2], 25))
    await refresher.refresh()
    state = {"state": "hidden", "reason": "cheats"}
    await client.put(f"/api/players/{user_ids[2]}/state", json=state)
    await refresher.refresh()
    assert list_moves(await read_movers(client), "climbed") == [(user_ids[1], 1, 1)]


async def test_without_an_index_there_is_no_answer(
    client: httpx.AsyncClient, database: Database, refresher: Refresher, redis: Redis
) -> None:
    user_ids = await make_players_with_scores(database, [30, 20])
    await refresher.refresh()
    await rerank(database)
    await record_scores(database, (user_ids[1], 25))
    await refresher.refresh()
    await redis.flushdb()
    check_error(await client.get("/api/boards/global/movers"), 503, "standings_unavailable")


@pytest.mark.parametrize("limit", ["0", "101", "x"])
async def test_a_limit_that_is_not_one_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    answer = check_error(
        await client.get(f"/api/boards/global/movers?limit={limit}"), 400, "invalid_request"
    )
    assert [field["field"] for field in answer["fields"]] == ["limit"]
