"""What a read puts together is of one moment: scores and sessions, places and neighbours."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from service.backends.database import Database
from service.settings.settings import Settings
from service.standings.index.reader import IndexReader
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players, record_scores
from tests.support.index_checks import refresh_without_redis
from tests.support.season_work import SeasonWorker


async def read(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(f"/api/boards/laps/{path}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def stand_100_and_98(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> list[int]:
    """Make a board of newest scores, on which two players have these; return who."""
    await client.put("/api/boards/laps", json={"operator": "latest"})
    ada, ben = await make_players(database, 2)
    await record_scores(database, (ada, 100), (ben, 98))
    await refresher.refresh()
    return [ada, ben]


async def test_details_are_never_of_another_score(
    client: httpx.AsyncClient, database: Database, refresher: Refresher, settings: Settings
) -> None:
    await client.put("/api/boards/laps", json={"operator": "best"})
    ada, ben = await make_players(database, 2)
    first, of_ben = await record_scores(database, (ada, 10), (ben, 5))
    await refresher.refresh()
    paths = (f"rank/{ada}", "top", f"around/{ada}", "page")

    async def list_sessions(path: str) -> list[tuple[int, int | None, bool]]:
        answer = await read(client, f"{path}?details=true")
        return [
            (entry["score"], entry.get("session_id"), answer.get("stale", False))
            for entry in answer.get("entries", [answer])
        ]

    for path in paths:
        assert (await list_sessions(path))[0] == (10, first, False)
    (better,) = await record_scores(database, (ada, 20))
    await refresh_without_redis(settings)
    # PostgreSQL is ahead of the index, and stays so.
    for path in paths:
        sessions = await list_sessions(path)
        assert sessions[0] == (10, None, True)
        assert sessions[1:] in ([], [(5, of_ben, True)])
    await refresher.refresh()
    for path in paths:
        assert (await list_sessions(path))[0] == (20, better, False)


async def test_details_wait_for_what_is_being_published(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await client.put("/api/boards/laps", json={"operator": "best"})
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 10))
    await refresher.refresh()
    await read(client, "page")
    (better,) = await record_scores(database, (ada, 20))
    await refresh_without_redis(settings)
    act_after(monkeypatch, "read_page", refresher.refresh)
    answer = await read(client, "page?details=true")
    (entry,) = answer["entries"]
    assert (entry["score"], entry["session_id"], answer.get("stale")) == (20, better, None)


async def test_cutoffs_are_of_one_moment(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada, ben = await stand_100_and_98(client, database, refresher)
    await record_scores(database, (ada, 1), (ben, 99))
    # After the number of players and the first cutoff.
    act_after(monkeypatch, "read_page", refresher.refresh, reads=2)
    cutoffs = await read(client, "cutoffs?percent=50,100")
    assert [cutoff["score"] for cutoff in cutoffs["cutoffs"]] == [99, 1]
    assert "stale" not in cutoffs


async def test_place_and_neighbours_are_of_one_moment(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada, ben = await stand_100_and_98(client, database, refresher)
    await record_scores(database, (ada, 1), (ben, 50))
    for name in ("find_place", "read_run"):
        act_after(monkeypatch, name, refresher.refresh)
    place = await read(client, "place?score=99")
    assert (place["rank"], place["above"]["score"], place["below"]["score"]) == (2, 100, 98)


def act_after(
    patch: pytest.MonkeyPatch, name: str, act: Callable[[], Awaitable[object]], *, reads: int = 1
) -> None:
    """Have something happen after so many reads of the index by this method."""
    original = getattr(IndexReader, name)
    reads_left = reads

    async def read_and_act(self: IndexReader, *args: Any, **more: Any) -> Any:
        nonlocal reads_left
        found = await original(self, *args, **more)
        reads_left -= 1
        if reads_left == 0:
            await act()
        return found

    patch.setattr(IndexReader, name, read_and_act)


@pytest.mark.parametrize("how", ["recount", "unarchive"])
async def test_who_does_not_stand_is_read_while_the_season_is_replaced(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, how: str
) -> None:
    await client.put("/api/boards/laps", json={})
    ada, nobody = await make_players(database, 2)
    await record_scores(database, (ada, 10))
    await worker.work()
    paths = (f"rank/{nobody}", f"around/{nobody}", f"rank/{ada}", "top")
    for path in paths:
        await read(client, path)
    if how == "recount":
        change = {"operator": "best", "apply": "recount"}
        await client.patch("/api/boards/laps", json=change, headers={"If-Match": "*"})
    else:
        await client.post("/api/boards/laps/archive")
        await client.post("/api/boards/laps/unarchive")
    for path in paths:
        await read(client, path)
    # This process still remembers the season that goes.
    await worker.work()
    for path in paths:
        await read(client, path)


async def test_a_page_that_is_empty_by_now_leads_back(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await client.put("/api/boards/laps", json={"operator": "best"})
    players = await make_players(database, 4)
    await record_scores(database, *zip(players, (40, 30, 20, 10), strict=True))
    await worker.work()
    last = (await read(client, "page?limit=3"))["next"]
    first = (await read(client, "page?offset=1&limit=1"))["prev"]
    for gone in (players[0], players[3]):
        body = {"state": "banned", "reason": "cheat"}
        await client.put(f"/api/players/{gone}/state", json=body)
    await worker.work()

    async def list_page(query: str) -> list[int]:
        answer = await read(client, f"page?{query}")
        return [entry["user_id"] for entry in answer["entries"]]

    behind = await read(client, f"page?limit=3&after={last}")
    assert (behind["entries"], behind["next"]) == ([], None)
    assert await list_page(f"before={behind['prev']}") == players[1:3]
    ahead = await read(client, f"page?limit=3&before={first}")
    assert (ahead["entries"], ahead["prev"]) == ([], None)
    assert await list_page(f"after={ahead['next']}") == players[1:3]
    beyond = await read(client, "page?offset=50")
    assert (beyond["entries"], beyond["next"]) == ([], None)
    assert await list_page(f"limit=1&before={beyond['prev']}") == [players[2]]
