"""`top`, `rank` and `around`: bodies, order, ties, limits, players without a standing."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.standings.index.reader import IndexReader
from service.standings.reads.expected import ExpectedReader
from service.standings.refresh.refresh import Refresher
from tests.support.factories import (
    make_player,
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.fresh_reads import read_fresh_top
from tests.support.reads import is_recent, read

TOP = "/api/leaderboard/top"
RANK = "/api/leaderboard/rank"
AROUND = "/api/leaderboard/around"


async def test_top_of_an_empty_board(client: httpx.AsyncClient, database: Database) -> None:
    answer = await read_fresh_top(client, database)
    assert answer.keys() == {"leaderboard", "players", "as_of"}
    assert (answer["leaderboard"], answer["players"]) == ([], 0)
    assert is_recent(answer["as_of"])


async def test_top_lists_best_first_and_ties_by_player(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    a, b, c, d, e, f = await make_players_with_scores(database, [5, 9, -3, 9, 5, 0])
    await refresher.refresh()
    answer = await read_fresh_top(client, database)
    assert answer.keys() == {"leaderboard", "players", "as_of"}
    assert answer["players"] == 6
    assert is_recent(answer["as_of"])
    assert all(
        entry.keys() == {"user_id", "username", "total_score", "rank"}
        for entry in answer["leaderboard"]
    )
    assert [
        (entry["user_id"], entry["total_score"], entry["rank"]) for entry in answer["leaderboard"]
    ] == [(b, 9, 1), (d, 9, 1), (a, 5, 3), (e, 5, 3), (f, 0, 5), (c, -3, 6)]


async def test_top_adds_a_players_sessions_up(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_id = await make_player(database, "ada")
    await record_scores(database, (user_id, 40), (user_id, -5))
    await refresher.refresh()
    await record_scores(database, (user_id, 7))
    await refresher.refresh()
    answer = await read_fresh_top(client, database)
    assert answer["leaderboard"] == [
        {"user_id": user_id, "username": "ada", "total_score": 42, "rank": 1}
    ]
    assert answer["players"] == 1


async def test_top_has_ten_entries_unless_told_otherwise(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, range(120, 0, -1))
    await refresher.refresh()
    everybody = [
        entry["user_id"]
        for entry in (await read_fresh_top(client, database, limit=100))["leaderboard"]
    ]
    assert everybody == user_ids[:100]
    for parameters, number in ({}, 10), ({"limit": 1}, 1), ({"limit": 37}, 37):
        answer = await read(client, TOP, **parameters)
        assert [entry["user_id"] for entry in answer["leaderboard"]] == user_ids[:number]
        assert answer["players"] == 120


async def test_rank_of_a_player(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    await make_players_with_scores(database, [50, 50, 10])
    user_id = await make_player(database, "ada")
    await record_scores(database, (user_id, 42))
    await refresher.refresh()
    answer = await read(client, f"{RANK}/{user_id}")
    as_of = answer.pop("as_of")
    assert is_recent(as_of)
    assert answer == {
        "user_id": user_id,
        "username": "ada",
        "total_score": 42,
        "rank": 3,
        "players": 4,
        "percentile": 50.0,
    }


async def test_rank_before_any_session(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    await make_players_with_scores(database, [1, 2])
    await refresher.refresh()
    user_id = await make_player(database, "ada")
    answer = await read(client, f"{RANK}/{user_id}")
    assert is_recent(answer.pop("as_of"))
    assert answer == {
        "user_id": user_id,
        "username": "ada",
        "total_score": 0,
        "rank": None,
        "players": 2,
        "percentile": None,
    }


async def test_ranks_of_many_who_do_not_stand_at_once(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    """They are asked for together, and each has an answer of its own."""
    await make_players_with_scores(database, [1, 2])
    await refresher.refresh()
    names = [f"newcomer {number}" for number in range(20)]
    newcomers = [await make_player(database, name) for name in names]
    await record_scores(database, (newcomers[5], 7))
    answers = await asyncio.gather(
        *(client.get(f"{RANK}/{user_id}") for user_id in [*newcomers, newcomers[-1] + 1])
    )
    assert answers.pop().status_code == 404
    ranks = [answer.json() for answer in answers]
    assert [(rank["user_id"], rank["username"]) for rank in ranks] == list(
        zip(newcomers, names, strict=True)
    )
    assert ranks.pop(5)["rank"] == 1
    assert {rank["rank"] for rank in ranks} == {None}


@pytest.mark.parametrize(
    ("scores", "rank"), [([10], 5), ([20], 3), ([25, 5], 2), ([100], 1), ([-100], 5), ([0], 5)]
)
async def test_rank_before_the_first_fold_comes_from_the_ledger(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    scores: list[int],
    rank: int,
) -> None:
    await make_players_with_scores(database, [40, 30, 20, 15])
    await refresher.refresh()
    user_id = await make_player(database)
    await record_scores(database, *((user_id, score) for score in scores))
    answer = await read(client, f"{RANK}/{user_id}")
    assert answer["total_score"] == sum(scores)
    assert answer["rank"] == rank
    assert answer["players"] == 5
    assert answer["percentile"] == 100 * (6 - rank) / 5


@pytest.mark.parametrize("ties", ["shared", "first"])
async def test_player_stands_between_the_neighbours_before_the_first_fold_as_after_it(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    redis: Redis,
    ties: str,
) -> None:
    await make_season(database, "laps", operator="best", direction="low", ties=ties)
    players = await make_players(database, 5)
    first, second, own, level, last = players
    # Of the two who are level the one with the higher id was there first.
    await record_scores(database, (first, 10), (level, 30), (last, 40), (second, 20))
    await refresher.refresh()
    await record_scores(database, (own, 30))

    async def read_own() -> list[dict[str, Any]]:
        answers = [
            await read(client, f"/api/boards/laps/rank/{own}"),
            *[await read(client, f"/api/boards/laps/around/{own}", radius=n) for n in (1, 2, 50)],
            await read(client, f"{RANK}/{own}"),
            await read(client, f"{AROUND}/{own}"),
        ]
        for answer in answers:
            del answer["as_of"]
        return answers

    told = await read_own()
    ranks = [3, 3] if ties == "shared" else [3, 4]
    assert (told[0]["rank"], told[0]["players"]) == (ranks[-1], 5)
    listed = [(entry["user_id"], entry["rank"]) for entry in told[3]["entries"]]
    middle = [own, level] if ties == "shared" else [level, own]
    assert listed == [(first, 1), (second, 2), *zip(middle, ranks, strict=True), (last, 5)]
    assert (told[1]["next"] is None) is (ties == "first")
    await redis.flushall()
    assert await read_own() == [answer | {"stale": True} for answer in told]
    while (await refresher.refresh()).more:
        pass
    assert await read_own() == told


@pytest.mark.parametrize(
    ("reader", "name"), [(IndexReader, "find_place"), (ExpectedReader, "list_around")]
)
async def test_player_who_is_folded_during_the_read_is_listed_once(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
    reader: type,
    name: str,
) -> None:
    players = await make_players_with_scores(database, [30, 10])
    await refresher.refresh()
    own = await make_player(database)
    await record_scores(database, (own, 20))
    ask = getattr(reader, name)

    async def ask_after_the_fold(*question: Any) -> Any:
        await refresher.refresh()
        return await ask(*question)

    monkeypatch.setattr(reader, name, ask_after_the_fold)
    answer = await read(client, f"{AROUND}/{own}")
    listed = [(entry["user_id"], entry["rank"]) for entry in answer["leaderboard"]]
    assert listed == [(players[0], 1), (own, 2), (players[1], 3)]
    assert answer["players"] == 3


async def test_rank_of_nobody(client: httpx.AsyncClient) -> None:
    for path in f"{RANK}/123", f"{AROUND}/123":
        response = await client.get(path)
        assert response.status_code == 404
        assert response.json() == {"error": "User not found", "code": "user_not_found"}


async def test_rank_follows_every_refresh(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    first, second = await make_players_with_scores(database, [10, 5])
    await refresher.refresh()
    assert (await read(client, f"{RANK}/{second}"))["rank"] == 2
    await record_scores(database, (second, 5))
    await refresher.refresh()
    assert (await read(client, f"{RANK}/{second}"))["rank"] == 1
    assert (await read(client, f"{RANK}/{first}"))["rank"] == 1
    await record_scores(database, (second, 1))
    await refresher.refresh()
    assert (await read(client, f"{RANK}/{first}"))["rank"] == 2


async def test_around_has_five_neighbours_a_side_unless_told_otherwise(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, range(120, 0, -1))
    await refresher.refresh()
    for parameters, radius in ({}, 5), ({"radius": 1}, 1), ({"radius": 50}, 50):
        answer = await read(client, f"{AROUND}/{user_ids[60]}", **parameters)
        assert answer.keys() == {"leaderboard", "players", "as_of"}
        assert answer["players"] == 120
        assert is_recent(answer["as_of"])
        listed = answer["leaderboard"]
        assert [entry["user_id"] for entry in listed] == user_ids[60 - radius : 61 + radius]
        assert [entry["rank"] for entry in listed] == list(range(61 - radius, 62 + radius))
        assert all(
            entry.keys() == {"user_id", "username", "total_score", "rank"} for entry in listed
        )


async def test_around_at_both_ends(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_ids = await make_players_with_scores(database, range(9, 0, -1))
    await refresher.refresh()
    for user_id, expected in (user_ids[0], user_ids[:3]), (user_ids[-1], user_ids[-3:]):
        answer = await read(client, f"{AROUND}/{user_id}", radius=2)
        assert [entry["user_id"] for entry in answer["leaderboard"]] == expected


async def test_around_in_a_tie_lists_by_player(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    a, b, c, d, e = await make_players_with_scores(database, [9, 7, 7, 7, 1])
    await refresher.refresh()
    answer = await read(client, f"{AROUND}/{c}", radius=1)
    assert [(entry["user_id"], entry["rank"]) for entry in answer["leaderboard"]] == [
        (b, 2),
        (c, 2),
        (d, 2),
    ]
    answer = await read(client, f"{AROUND}/{d}", radius=2)
    assert [(entry["user_id"], entry["rank"]) for entry in answer["leaderboard"]] == [
        (b, 2),
        (c, 2),
        (d, 2),
        (e, 5),
    ]
    assert (await read(client, f"{AROUND}/{a}", radius=1))["leaderboard"][0]["rank"] == 1


async def test_around_a_player_without_a_standing(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    above, below = await make_players_with_scores(database, [9, 7])
    await refresher.refresh()
    user_id = await make_player(database, "ada")
    answer = await read(client, f"{AROUND}/{user_id}")
    assert (answer["leaderboard"], answer["players"]) == ([], 2)
    await record_scores(database, (user_id, 8))
    answer = await read(client, f"{AROUND}/{user_id}")
    listed = [(entry["user_id"], entry["rank"]) for entry in answer["leaderboard"]]
    assert listed == [(above, 1), (user_id, 2), (below, 3)]
    own = {"user_id": user_id, "username": "ada", "total_score": 8, "rank": 2}
    assert (answer["leaderboard"][1], answer["players"]) == (own, 3)


async def test_totals_beyond_32_bits(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    user_id = await make_player(database)
    await record_scores(database, *[(user_id, 2**31 - 1)] * 1000)
    await refresher.refresh()
    total = (2**31 - 1) * 1000
    assert (await read(client, f"{RANK}/{user_id}"))["total_score"] == total
    top = await read_fresh_top(client, database)
    assert top["leaderboard"][0]["total_score"] == total


@pytest.mark.parametrize(("plain", "by_route"), [(TOP, f"{TOP}/"), (f"{RANK}/1", f"{RANK}/1/")])
async def test_fast_path_and_route_answer_alike(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    plain: str,
    by_route: str,
) -> None:
    await make_players_with_scores(database, [9, 7, 7])
    await refresher.refresh()
    await read_fresh_top(client, database)
    first, second = await client.get(plain), await client.get(by_route)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers.pop("x-request-id") != second.headers.pop("x-request-id")
    assert first.headers == second.headers
