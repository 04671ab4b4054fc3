"""A thousand boards: what is asked about all of them is asked at once."""

import httpx
from redis.asyncio import Redis

from service.backends.database import Database
from service.boards.service import LIST_COUNTING_RULES
from service.standings.refresh.refresh import Refresher
from tests.support.explaining import Case, explain, walk
from tests.support.factories import make_player, record_scores
from tests.support.index_checks import assert_index_follows

_BOARDS = 300

_MAKE_BOARDS = """
    WITH made AS (
        INSERT INTO rule (game_mode) SELECT 'mode-' || n FROM generate_series(1, $1::int) AS n
        RETURNING id
    ),
    boards AS (
        INSERT INTO board (slug, title, rule_id) SELECT 'b-' || id, 'b', id FROM made
        RETURNING id, rule_id
    ),
    seasons AS (
        INSERT INTO season (board_id, number, rule_id, starts_at)
        SELECT id, 1, rule_id, now() FROM boards
        RETURNING id
    )
    INSERT INTO season_refresh (season_id) SELECT id FROM seasons
"""


async def test_rules_that_count_are_found_without_comparing_each_with_each(
    database: Database,
) -> None:
    await database.fetch(_MAKE_BOARDS, _BOARDS)
    await database.fetch("ANALYZE")
    assert len(await database.fetch(LIST_COUNTING_RULES, None)) == _BOARDS + 1
    case = Case("boards", "list_counting_rules", (0,), set())
    plan = await explain(database, case, "force_custom_plan", "ANALYZE, FORMAT json")
    rows = sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in walk(plan)
    )
    assert rows < 20 * _BOARDS


async def test_indexes_that_are_all_behind_hold_the_writer_lock_for_a_turn_only(
    database: Database, redis: Redis, refresher: Refresher
) -> None:
    await database.fetch(_MAKE_BOARDS, 4)
    # A turn that is over by now, as after two seconds of them.
    for left in (4, 3, 2, 1):
        assert await refresher._catch_up_index(turn_ends_at=0.0)
        assert len((await refresher._index.find_outdated())[0]) == left
    assert not await refresher._catch_up_index(turn_ends_at=0.0)
    assert (await refresher.refresh()).more is False
    await assert_index_follows(redis, database)


async def test_player_is_read_on_all_boards_however_many_there_are(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    await database.fetch(_MAKE_BOARDS, _BOARDS)
    player_id = await make_player(database)
    await record_scores(database, (player_id, 5))
    await refresher.refresh()
    response = await client.get(f"/api/players/{player_id}/ranks")
    assert response.status_code == 200, response.text
    answer = response.json()
    slugs = [entry["board"] for entry in answer["entries"]]
    assert (len(set(slugs)), slugs, answer["next"]) == (_BOARDS + 1, sorted(slugs), None)
    ranks = {entry["board"]: entry["rank"] for entry in answer["entries"]}
    assert {slug for slug, rank in ranks.items() if rank is not None} == {"global"}


async def test_boards_of_a_player_are_listed_page_by_page(
    client: httpx.AsyncClient, database: Database
) -> None:
    await database.fetch(_MAKE_BOARDS, 4)
    address = f"/api/players/{await make_player(database)}/ranks"
    slugs = [entry["board"] for entry in (await client.get(address)).json()["entries"]]
    # Those that are named come as they are named.
    for wanted in (slugs, slugs[::-1]):
        named = {} if wanted is slugs else {"boards": ",".join(wanted)}
        listed: list[str] = []
        after: str | None = ""
        while after is not None:
            page = {"limit": "2", "after": after}
            answer = (await client.get(address, params=named | page)).json()
            some = [entry["board"] for entry in answer["entries"]]
            listed, after = listed + some, answer["next"]
            assert len(some) == (1 if after is None else 2)
        assert listed == wanted
    strange = await client.get(address, params={"boards": "global", "after": slugs[0]})
    assert strange.json() == {"entries": [], "next": None}
