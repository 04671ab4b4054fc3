"""What may come at the same time as the end of a season: changes, the archive, other workers."""

import asyncio
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.backends.database import Connection, Database
from service.backends.locks import hold_closing_lock, hold_writer_lock
from service.boards import service
from service.boards.errors import SeasonNotFound
from service.boards.finder import SeasonFinder
from service.maintenance.audit import audit
from service.maintenance.populate import populate
from service.maintenance.rebuild import rebuild
from service.seasons.closing import close_sealed_seasons
from service.settings.settings import Settings
from service.standings.refresh.refresh import FOLD_SESSIONS, Refresher
from service.standings.refresh.rerank import BEGIN_SLICES, LIST_SLICES, RANK_SLICE, STORE_PART
from service.transfer.importing import IMPORT_SESSIONS
from tests.support.factories import make_players, record_scores
from tests.support.lock_waits import count_lock_waits
from tests.support.moderating import call
from tests.support.season_work import SeasonWorker, make_hourly, read_season_scores
from tests.support.waiting import PATIENCE_SECONDS, wait_until

YEARLY = {"cron": "0 0 1 1 *", "timezone": "UTC"}


async def make_board(client: httpx.AsyncClient, slug: str = "cup", **rule: Any) -> None:
    made = await client.put(f"/api/boards/{slug}", json=rule)
    assert made.status_code == 201, made.text


async def make_board_to_fill(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> int:
    """Make a board that counts from ever, once a player has 5; return who."""
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    await worker.work()
    await make_board(client, count_from="ever")
    return ada


async def change(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    changed = await client.patch("/api/boards/cup", json=fields, headers={"If-Match": "*"})
    assert changed.status_code == 200, changed.text
    board: dict[str, Any] = changed.json()
    return board


async def post(client: httpx.AsyncClient, action: str) -> dict[str, Any]:
    answer = await client.post(f"/api/boards/cup/{action}")
    assert answer.status_code == 200, answer.text
    board: dict[str, Any] = answer.json()
    return board


async def close(client: httpx.AsyncClient) -> None:
    await post(client, "seasons/current/close")


async def judge(client: httpx.AsyncClient, *session_ids: int) -> list[str | None]:
    """Return what became of sessions on the board, None of those that are none of its."""
    verdicts = []
    for session_id in session_ids:
        told = (await client.get(f"/api/sessions/{session_id}")).json()
        verdicts.append({one["board"]: one["verdict"] for one in told["boards"]}.get("cup"))
    return verdicts


async def is_waiting(client: httpx.AsyncClient, user_id: int, session_id: int) -> bool:
    """Return whether the board says that it does not show a session yet."""
    answer = await client.get(f"/api/boards/cup/rank/{user_id}", params={"seen": session_id})
    assert answer.status_code in (200, 404), answer.text
    return bool(answer.json().get("pending", False))


async def find_pending(client: httpx.AsyncClient) -> dict[str, int]:
    """Return how many sessions wait to be counted on each board."""
    status = (await client.get("/api/ops/status")).json()
    return {one["board"]: one["sessions"] for one in status["boards"]["pending"]}


async def end_first_season(database: Database) -> None:
    """Have the first season end now, as if its time had come."""
    await database.fetch(
        """
        WITH over AS (
            UPDATE season SET ends_at = clock_timestamp() FROM board
            WHERE board.id = board_id AND slug = 'cup' AND number = 1 RETURNING season.*
        )
        UPDATE season SET starts_at = over.ends_at FROM over
        WHERE season.board_id = over.board_id AND season.number = 2
        """
    )


async def list_seasons(client: httpx.AsyncClient) -> list[tuple[int, str, int]]:
    """Return the seasons, oldest first, which follow each other without a gap."""
    seasons = (await client.get("/api/boards/cup/seasons")).json()["seasons"][::-1]
    for earlier, later in pairwise(seasons):
        assert earlier["ends_at"] == later["starts_at"]
    return [(one["number"], one["state"], one["players"]) for one in seasons]


async def test_season_that_ends_while_it_is_counted_anew_ends_once(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    ada, ben = await make_players(database, 2)
    await record_scores(database, (ada, 5), (ada, 2), (ben, 6))
    await worker.work()
    await change(client, operator="best", apply="recount")
    await close(client)
    await record_scores(database, (ada, 1))
    await worker.work()
    await worker.work()
    assert await list_seasons(client) == [(1, "closed", 2), (2, "open", 1)]
    assert await read_season_scores(database, 1) == {ada: 5, ben: 6}
    assert await read_season_scores(database, 2) == {ada: 1}
    assert await audit(settings)


async def test_recount_that_is_taken_back_gives_the_old_end_back(
    client: httpx.AsyncClient, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=YEARLY)
    before = (await client.get("/api/boards/cup")).json()["season"]["ends_at"]
    await change(client, operator="best", schedule=None, apply="recount")
    back = await change(client, operator="sum", schedule=YEARLY, apply="recount")
    assert back["season"]["ends_at"] == before
    await worker.work()
    assert (await client.get("/api/boards/cup")).json()["season"]["ends_at"] == before


async def test_two_recounts_make_the_second(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client, count_from="ever")
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5), (ada, 2))
    # While it is filled for the first time.
    await change(client, operator="best", apply="recount")
    await change(client, operator="latest", apply="recount")
    await worker.work()
    assert await read_season_scores(database, 1) == {ada: 2}
    assert await audit(settings)


async def test_archived_board_completes_the_season_that_was_ending(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    ada, ben = await make_players(database, 2)
    await record_scores(database, (ada, 5))
    await worker.work()
    await record_scores(database, (ben, 7))
    await close(client)
    await post(client, "archive")
    # The fold takes what was there by then, and the season is not closed.
    await worker.work()
    assert await list_seasons(client) == [(1, "ending", 2), (2, "open", 0)]
    await post(client, "unarchive")
    await worker.work()
    await worker.work()
    assert await list_seasons(client) == [(1, "closed", 2), (2, "open", 0)]
    assert await read_season_scores(database, 1) == {ada: 5, ben: 7}
    assert await audit(settings)


async def test_archived_board_has_all_scores_of_before(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.standings.reads.seen._LONGEST_WAIT_SECONDS", 0.1)
    await make_board(client, operator="best")
    ada, ben = await make_players(database, 2)
    await worker.work()
    seen = await record_scores(database, (ada, 5), (ben, 3))
    assert (await post(client, "archive"))["state"] == "archived"
    late = await record_scores(database, (ada, 9), (ben, 7))
    assert await find_pending(client) == {"cup": 2, "global": 4}
    assert await judge(client, *seen, *late) == ["pending", "pending", None, None]
    assert await is_waiting(client, ada, seen[0])
    assert not await is_waiting(client, ada, late[0])
    await worker.work()
    top = (await client.get("/api/boards/cup/top")).json()
    assert [(entry["user_id"], entry["score"]) for entry in top["entries"]] == [(ada, 5), (ben, 3)]
    assert await judge(client, *seen, *late) == ["improved", "improved", None, None]
    assert not await is_waiting(client, ada, seen[0])
    await post(client, "unarchive")
    await worker.work()
    assert await read_season_scores(database, 1) == {ada: 9, ben: 7}
    assert await audit(settings)


async def test_board_archived_before_the_first_score_of_all_has_none(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await post(client, "archive")
    await record_scores(database, (ada, 5))
    await worker.work()
    assert await read_season_scores(database, 1) == {}


async def test_archive_waits_for_what_moderators_did(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    ada, ben = await make_players(database, 2)
    await record_scores(database, (ada, 5), (ben, 7))
    await worker.work()
    await call(client, "PUT", f"/api/players/{ben}/state", state="banned")
    archiving = asyncio.create_task(post(client, "archive"))
    done, _ = await asyncio.wait({archiving}, timeout=0.3)
    assert not done
    await worker.work()
    assert (await archiving)["state"] == "archived"
    assert await read_season_scores(database, 1) == {ada: 5}


async def test_archive_waits_for_no_act_of_after_it_was_asked_for(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    ada, ben = await make_players(database, 2)
    await worker.work()
    await call(client, "PUT", f"/api/players/{ada}/state", state="banned")
    archiving = asyncio.create_task(post(client, "archive"))
    done, _ = await asyncio.wait({archiving}, timeout=0.3)
    assert not done
    await call(client, "PUT", f"/api/players/{ben}/state", state="banned")
    await database.fetch("DELETE FROM changed_player WHERE player_id = $1", ada)
    assert (await archiving)["state"] == "archived"


async def test_a_board_that_is_filled_is_not_archived_half(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board_to_fill(client, database, worker)
    refused = await client.post("/api/boards/cup/archive")
    assert (refused.status_code, refused.json()["code"]) == (503, "board_filling")
    assert "Retry-After" in refused.headers
    await worker.work()
    await post(client, "archive")
    assert (await client.get("/api/boards/cup/top")).json()["players"] == 1


@pytest.mark.parametrize("action", ["archive", "unarchive"])
async def test_a_board_that_was_changed_meanwhile_stays_where_it_is(
    client: httpx.AsyncClient, action: str
) -> None:
    await make_board(client)
    before = (await client.get("/api/boards/cup")).headers["etag"]
    if action == "unarchive":
        await post(client, "archive")
    await change(client, title="Cup")
    board = await client.get("/api/boards/cup")
    refused = await client.post(f"/api/boards/cup/{action}", headers={"If-Match": before})
    assert (refused.status_code, refused.json()["code"]) == (412, "board_changed")
    assert (await client.get("/api/boards/cup")).json() == board.json()
    tag = {"If-Match": board.headers["etag"]}
    done = await client.post(f"/api/boards/cup/{action}", headers=tag)
    assert (done.status_code, done.json()["state"]) == (
        200,
        "archived" if action == "archive" else "open",
    )


async def test_season_that_is_made_in_the_archive_counts_nothing(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly())
    (ada,) = await make_players(database, 1)
    # No worker has made the next one yet.
    await database.fetch("DELETE FROM season WHERE number = 2")
    await post(client, "archive")
    await change(client, operator="best")
    await end_first_season(database)
    await record_scores(database, (ada, 5))
    assert await find_pending(client) == {"global": 1}
    await worker.work()
    assert await read_season_scores(database, 2) == {}


async def test_archive_says_for_what_it_waited_in_vain(
    client: httpx.AsyncClient,
    database: Database,
    worker: SeasonWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    await worker.work()
    await call(client, "PUT", f"/api/players/{ada}/state", state="hidden")
    monkeypatch.setattr(service, "_ACTS_SECONDS", 0.1)
    refused = await client.post("/api/boards/cup/archive")
    assert (refused.status_code, refused.json()["code"]) == (503, "standings_behind")
    assert "for over 0.1 s; try again when" in refused.json()["error"]
    assert refused.headers["Retry-After"] == "5"
    assert (await client.get("/api/boards/cup")).json()["state"] == "open"


async def test_recount_outlives_the_archive(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5), (ada, 2))
    await worker.work()
    await change(client, operator="best", apply="recount")
    await post(client, "archive")
    await worker.work()
    assert await read_season_scores(database, 1) == {ada: 7}
    await post(client, "unarchive")
    await worker.work()
    assert await read_season_scores(database, 1) == {ada: 5}
    assert await audit(settings)


async def test_what_was_missed_in_the_archive_is_pending_until_it_counts(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    refresher: Refresher,
    worker: SeasonWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    (first,) = await record_scores(database, (ada, 5))
    await worker.work()
    missed = []
    # Out of the archive, and in it again before the season could be counted anew.
    for score in (2, 3):
        await post(client, "archive")
        missed += await record_scores(database, (ada, score))
        await worker.work()
        await post(client, "unarchive")
    # Folded into the season as it is, like all that come from now on.
    (last,) = await record_scores(database, (ada, 1))
    await refresher.refresh()
    assert await judge(client, first, *missed, last) == [
        "improved", "pending", "pending", "improved",
    ]  # fmt: skip
    assert [await is_waiting(client, ada, one) for one in (first, *missed, last)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert await audit(settings)
    monkeypatch.setattr("service.boards.finder._REMEMBERED_SECONDS", 60.0)
    rank = (await client.get(f"/api/boards/cup/rank/{ada}")).json()
    assert rank["score"] == 6
    await worker.work()
    # For whoever has not heard of the season that took its place, nothing has changed.
    assert await is_waiting(client, ada, missed[0])
    monkeypatch.undo()

    async def is_swapped() -> bool:
        return bool((await client.get(f"/api/boards/cup/rank/{ada}")).json()["score"] == 11)

    await wait_until(is_swapped)
    assert not await is_waiting(client, ada, missed[0])
    assert set(await judge(client, first, *missed, last)) == {"improved"}


async def test_recount_by_the_same_rule_keeps_what_the_archive_missed(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    await worker.work()
    await post(client, "archive")
    await record_scores(database, (ada, 2))
    await worker.work()
    await post(client, "unarchive")
    await change(client, format={"kind": "decimal", "scale": 1}, apply="recount")
    await worker.work()
    assert await read_season_scores(database, 1) == {ada: 7}
    rank = (await client.get(f"/api/boards/cup/rank/{ada}?season=1")).json()
    assert rank["score_text"] == "0.7"
    assert await audit(settings)


async def test_season_that_begins_while_the_archive_is_left_misses_nothing(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly())
    (ada,) = await make_players(database, 1)
    await worker.work()
    await post(client, "archive")
    async with hold_writer_lock(database, wait_seconds=5):
        leaving = asyncio.create_task(client.post("/api/boards/cup/unarchive"))
        await wait_until(partial(count_waiting, database))
        await end_first_season(database)
        await record_scores(database, (ada, 7))
        # By the one that holds the lock.
        await database.fetch(FOLD_SESSIONS, 100)
    assert (await leaving).status_code == 200
    await worker.work()
    await worker.work()
    assert await list_seasons(client) == [(1, "closed", 0), (2, "open", 1)]
    assert await read_season_scores(database, 2) == {ada: 7}


async def count_waiting(database: Database) -> int:
    """Return how many wait for a lock that somebody else holds."""
    row = await database.fetch_one(
        """
        SELECT count(*) AS waiting FROM pg_locks
        WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """
    )
    assert row is not None
    return int(row["waiting"])


async def import_session(connection: Connection, user_id: int, score: int, at: datetime) -> None:
    """Write a session as an import does, in a transaction that the caller ends."""
    key = f"key of {score}"
    await connection.fetch(
        IMPORT_SESSIONS, [user_id], [score], ["solo"], [at], [key], [None], [None]
    )


async def test_an_import_over_the_end_of_a_season_counts_or_is_late(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    """It dates its sessions itself, so one of a season that has ended may always be on its way."""
    await make_board(client, operator="sum")
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 1))
    await worker.work()
    inside = await database.fetch_one("SELECT max(submitted_at) AS at FROM game_session")
    assert inside is not None
    async with database.connect() as submit, database.connect() as first_import:
        await submit.execute("BEGIN; SELECT ledger_time()")
        await close(client)
        await worker.work()
        # The end waits for the submit. When it is done, some of an import are on their way.
        await first_import.execute("BEGIN")
        await import_session(first_import, ada, 10, inside["at"])
        await submit.execute("COMMIT")
        await worker.work()
        assert [state for _, state, _ in await list_seasons(client)] == ["ending", "open"]
        await import_session(submit, ada, 100, inside["at"])
        await worker.work()
        await first_import.execute("COMMIT")
    await worker.work()
    assert [state for _, state, _ in await list_seasons(client)] == ["closed", "open"]
    ids = await database.fetch("SELECT id FROM game_session ORDER BY score")
    assert await judge(client, *(row["id"] for row in ids)) == ["improved", "improved", "late"]
    explained = (await client.get(f"/api/boards/cup/explain/{ada}?season=1")).json()
    assert explained["standing"]["score"] == explained["ledger"]["score"] == 11
    assert await audit(settings)


async def test_two_who_close_at_once_end_a_season_each(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    await asyncio.gather(close(client), close(client))
    await worker.work()
    assert await list_seasons(client) == [(1, "closed", 1), (2, "closed", 0), (3, "open", 0)]
    assert await audit(settings)


async def test_two_closers_and_one_that_was_killed_close_once(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    await close(client)
    # Sealed, and whoever sealed it is gone.
    await worker.refresher.refresh()
    assert await list_seasons(client) == [(1, "ending", 1), (2, "open", 0)]
    closed = await asyncio.gather(*(close_sealed_seasons(database, worker.index) for _ in range(3)))
    assert sum(closed) == 1
    assert await list_seasons(client) == [(1, "closed", 1), (2, "open", 0)]
    assert await audit(settings)


@pytest.mark.usefixtures("usual_limits")
async def test_nobody_waits_for_whoever_closes_seasons(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    await close(client)
    await worker.refresher.refresh()
    async with hold_closing_lock(database, wait_seconds=PATIENCE_SECONDS):
        # A worker has a few threads for all that it does, and more messages than that may come.
        async with asyncio.timeout(PATIENCE_SECONDS):
            closed = [await close_sealed_seasons(database, worker.index) for _ in range(3)]
        assert closed == [0] * 3
        assert await list_seasons(client) == [(1, "ending", 0), (2, "open", 0)]
    assert await close_sealed_seasons(database, worker.index) == 1


@pytest.mark.usefixtures("usual_limits")
async def test_whoever_closes_seasons_looks_again_for_those_who_did_not_wait(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    await close(client)
    await worker.refresher.refresh()
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE rank_block IN EXCLUSIVE MODE")
        closing = asyncio.create_task(close_sealed_seasons(database, worker.index))
        await wait_until(partial(count_lock_waits, database))
        await close(client)
        await worker.refresher.refresh()
        assert await close_sealed_seasons(database, worker.index) == 0
    assert await closing == 2
    assert await list_seasons(client) == [(1, "closed", 1), (2, "closed", 0), (3, "open", 0)]


async def test_season_with_nobody_is_read_for_ever(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await make_board(client)
    (ada,) = await make_players(database, 1)
    await close(client)
    await record_scores(database, (ada, 5))
    await worker.work()
    for path in ("top", "page", f"around/{ada}", "page?offset=5"):
        answer = (await client.get(f"/api/boards/cup/{path}", params={"season": "1"})).json()
        assert (answer["entries"], answer["players"]) == ([], 0)
        assert (answer["next"], answer["prev"]) == (None, None)
    rank = (await client.get(f"/api/boards/cup/rank/{ada}?season=1")).json()
    assert (rank["score"], rank["rank"], rank["players"]) == (None, None, 0)
    place = (await client.get("/api/boards/cup/place?season=1&score=3")).json()
    assert (place["rank"], place["above"], place["below"]) == (1, None, None)
    cutoffs = (await client.get("/api/boards/cup/cutoffs?season=1&percent=1")).json()["cutoffs"]
    assert cutoffs == [{"percent": 1.0, "rank": None, "score": None, "score_text": None}]
    friends = await client.post("/api/boards/cup/ranks?season=1", json={"user_ids": [ada]})
    assert (friends.json()["entries"], friends.json()["missing"]) == ([], [ada])


async def test_player_is_read_on_all_boards_but_those_that_are_filled(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    ada = await make_board_to_fill(client, database, worker)
    answer = await client.get(f"/api/players/{ada}/ranks")
    assert answer.status_code == 200, answer.text
    assert [entry["board"] for entry in answer.json()["entries"]] == ["global"]
    named = await client.get(f"/api/players/{ada}/ranks?boards=global,cup")
    assert (named.status_code, named.json()["code"]) == (503, "board_filling")


async def test_process_that_was_idle_hears_of_the_end(
    client: httpx.AsyncClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_board(client)
    finder = SeasonFinder(database, redis, Breaker(redis))
    assert (await finder.find("cup")).number == 1
    await close(client)
    monkeypatch.setattr("service.boards.finder._REMEMBERED_SECONDS", 0.0)
    monkeypatch.setattr("service.boards.finder._PATIENCE_SECONDS", 60.0)
    assert (await finder.find("cup")).number == 2
    await finder.stop()


@pytest.mark.parametrize(("wanted", "number"), [("previous", 1), ("2", 2)])
async def test_process_that_has_not_heard_of_the_end_denies_no_season(
    client: httpx.AsyncClient, database: Database, redis: Redis, wanted: str, number: int
) -> None:
    await make_board(client)
    finder = SeasonFinder(database, redis, Breaker(redis))
    assert (await finder.find("cup")).number == 1
    await close(client)
    assert (await finder.find_season("cup", wanted)).number == number
    with pytest.raises(SeasonNotFound):
        await finder.find_season("cup", "3")
    await finder.stop()


async def test_rerank_that_is_under_way_leaves_the_result_alone(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client)
    ada, ben = await make_players(database, 2)
    await record_scores(database, (ada, 5), (ben, 4))
    await worker.work()
    (season,) = await database.fetch(
        "SELECT season.id FROM season JOIN board ON board.id = board_id WHERE slug = 'cup'"
    )
    await database.fetch(BEGIN_SLICES, [season["id"]], 0)
    (progress,) = await database.fetch(LIST_SLICES)
    names = ("season_id", "slice", "sort_score", "tie_key", "player_id", "rank", "ranked")
    await database.fetch(RANK_SLICE, *(progress[name] for name in names), 10, 0.0)
    await record_scores(database, (ben, 9))
    await close(client)
    assert await worker.work() == 1
    assert await database.fetch(STORE_PART, season["id"], -1, 0.0) == []
    assert await audit(settings)


async def test_audit_compares_closed_seasons_with_their_result(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await make_board(client)
    user_ids = [
        row["id"]
        for row in await database.fetch(
            """
            INSERT INTO player (username)
            SELECT 'one of many ' || number FROM generate_series(1, 1100) AS number RETURNING id
            """
        )
    ]
    await record_scores(database, *((user_id, user_id) for user_id in user_ids))
    await close(client)
    await worker.work()
    assert await audit(settings)
    spoils = {
        "UPDATE rank_block SET ranks[1] = ranks[1] + 1": ", must be ",
        "UPDATE milestone SET sort_score = sort_score - 1": "milestone 1000",
        "DELETE FROM standing WHERE player_id = (SELECT min(player_id) FROM standing)": "stand",
        "UPDATE season SET ends_at = ends_at + interval '1 s'": "ends at",
    }
    for spoil, said in spoils.items():
        of_season = "id" if "season SET" in spoil else "season_id"
        where = "AND" if "WHERE" in spoil else "WHERE"
        capsys.readouterr()
        async with database.connect() as connection:
            await connection.execute(
                f"{spoil} {where} {of_season} IN "
                "(SELECT id FROM season WHERE closed_at IS NOT NULL)"
            )
        assert not await audit(settings)
        assert said in capsys.readouterr().out, spoil


@pytest.mark.parametrize("operator", ["best", "latest"])
@pytest.mark.parametrize("ties", ["shared", "first"])
async def test_rebuild_mends_every_board(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    operator: str,
    ties: str,
) -> None:
    await make_board(client, operator=operator, ties=ties)
    ada, ben = await make_players(database, 2)
    await record_scores(database, (ada, 5), (ben, 5), (ada, 3))
    await close(client)
    await worker.work()
    result = await read_season_scores(database, 1)
    await record_scores(database, (ada, 1), (ben, 2), (ada, 2))
    await worker.work()
    right = await read_season_scores(database, 2)
    await make_board(client, "filling", count_from="ever")
    async with database.connect() as connection:
        await connection.execute(
            """
            UPDATE standing SET score = score + 1, sort_score = sort_score - 1, session_id = 1
            WHERE season_id IN (SELECT id FROM counting_season);
            DELETE FROM standing WHERE player_id = (SELECT max(id) FROM player)
            AND season_id IN (SELECT id FROM counting_season)
            """
        )
    assert not await audit(settings)
    await rebuild(settings)
    assert (await read_season_scores(database, 1), await read_season_scores(database, 2)) == (
        result,
        right,
    )
    assert await audit(settings)
    await worker.work()
    assert await audit(settings)


async def test_populate_with_reset_fills_every_board_from_the_beginning(
    client: httpx.AsyncClient, database: Database, settings: Settings, worker: SeasonWorker
) -> None:
    await make_board(client, schedule=make_hourly(), count_from="ever")
    await make_board(client, "laps", operator="best", direction="low", ties="first")
    user_ids = await make_players(database, 30)
    await record_scores(database, *((user_id, 1) for user_id in user_ids))
    # The first of them are counted already, and the next worker has not begun yet.
    await database.fetch(
        "UPDATE season SET fill_from_player = 20 WHERE fill_from_player IS NOT NULL"
    )
    before = await database.fetch("SELECT seasons_until FROM refresh_state")
    await populate(settings, players=50, sessions=300, seed=1, reset=True)
    assert await database.fetch("SELECT seasons_until FROM refresh_state") == before
    await worker.work()
    assert await audit(settings)


async def test_answer_is_not_of_before_the_season_began(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 5))
    # The last refresh there is.
    await worker.work()
    await make_board(client)
    reads = ("top", f"rank/{ada}", f"around/{ada}", "page", "place?score=1", "cutoffs")
    # From PostgreSQL, then from the index.
    for _ in range(2):
        answers = [await client.get(f"/api/boards/cup/{read}") for read in reads]
        answers.append(await client.post("/api/boards/cup/ranks", json={"user_ids": [ada]}))
        for answer in answers:
            told = answer.json()
            assert told["as_of"] == told["season"]["starts_at"], answer.url
        await worker.work()
    await record_scores(database, (ada, 5))
    await worker.work()
    told = (await client.get("/api/boards/cup/top")).json()
    assert (told["players"], told["as_of"] > told["season"]["starts_at"]) == (1, True)
