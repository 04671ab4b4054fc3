"""Boards over HTTP: made once, changed with care, read in one shape."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.locks import hold_writer_lock
from service.maintenance.audit import audit
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.event_stream import open_stream
from tests.support.factories import make_players, record_scores
from tests.support.lock_waits import count_lock_waits
from tests.support.season_work import SeasonWorker, make_hourly
from tests.support.serving import serve_app
from tests.support.shared_service import SharedService
from tests.support.waiting import wait_until

in_module = pytest.mark.asyncio(loop_scope="module")

LAPS: dict[str, Any] = {
    "title": "Weekly laps",
    "operator": "best",
    "direction": "low",
    "ties": "first",
    "game_mode": "race",
    "min_score": 10_000,
    "format": {"kind": "duration", "unit": "ms"},
    "schedule": {"cron": "0 0 * * 1", "timezone": "Europe/Berlin"},
}


async def test_board_is_made_once(client: httpx.AsyncClient) -> None:
    made = await client.put("/api/boards/weekly-laps", json=LAPS)
    assert made.status_code == 201
    board = made.json()
    assert {name: board[name] for name in LAPS} == LAPS
    assert (board["state"], board["players"]) == ("open", 0)
    assert (board["season"]["number"], board["season"]["state"]) == (1, "open")
    again = await client.put("/api/boards/weekly-laps", json=LAPS | {"count_from": "ever"})
    assert (again.status_code, again.json()) == (200, board)
    assert again.headers["etag"] == made.headers["etag"]
    read = await client.get("/api/boards/weekly-laps")
    assert (read.json(), read.headers["etag"]) == (board, made.headers["etag"])
    other = await client.put("/api/boards/weekly-laps", json=LAPS | {"direction": "high"})
    assert (other.status_code, other.json()["code"]) == (409, "board_exists")
    assert [field["field"] for field in other.json()["fields"]] == ["direction"]
    listed = (await client.get("/api/boards")).json()
    assert [one["slug"] for one in listed["boards"]] == ["global", "weekly-laps"]


@in_module
@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"operator": "average"}, "operator"),
        ({"min_score": 5, "max_score": 4}, "min_score"),
        ({"max_score": 2**53}, "max_score"),
        ({"format": {"kind": "decimal", "scale": 7}}, "format.scale"),
        ({"format": {"kind": "roman"}}, "format.kind"),
        ({"schedule": {"cron": "* * * *", "timezone": "UTC"}}, "schedule.cron"),
        ({"schedule": {"cron": "0 0 30 2 *", "timezone": "UTC"}}, "schedule.cron"),
        ({"schedule": {"cron": "0 0 * * 1", "timezone": "Mars/Base"}}, "schedule.timezone"),
        # On many systems a link to the zone of the machine.
        ({"schedule": {"cron": "0 0 * * 1", "timezone": "localtime"}}, "schedule.timezone"),
        ({"count_from": "yesterday"}, "count_from"),
        ({"count_from": "2020-01-01T00:00:00"}, "count_from"),
        ({"count_from": "2999-01-01T00:00:00Z"}, "count_from"),
        ({"title": ""}, "title"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_bad_rule_names_the_field(
    shared: SharedService, rule: dict[str, Any], field: str
) -> None:
    refused = await shared.client.put("/api/boards/some", json=rule)
    assert refused.status_code == 400, refused.text
    assert [one["field"] for one in refused.json()["fields"]] == [field]
    assert (await shared.client.get("/api/boards/some")).status_code == 404


async def test_change_needs_the_state_that_it_changes(client: httpx.AsyncClient) -> None:
    tag = (await client.put("/api/boards/laps", json=LAPS)).headers["etag"]
    blind = await client.patch("/api/boards/laps", json={"title": "Laps"})
    assert (blind.status_code, blind.json()["code"]) == (428, "if_match_required")
    changed = await client.patch(
        "/api/boards/laps", json={"title": "Laps"}, headers={"If-Match": tag}
    )
    assert (changed.status_code, changed.json()["title"]) == (200, "Laps")
    assert changed.headers["etag"] != tag
    late = await client.patch("/api/boards/laps", json={"title": "x"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "board_changed")


async def test_recount_alone_is_a_change_too(client: httpx.AsyncClient) -> None:
    tag = (await client.put("/api/boards/laps", json=LAPS)).headers["etag"]
    later = await client.patch(
        "/api/boards/laps", json={"direction": "high"}, headers={"If-Match": tag}
    )
    tag = later.headers["etag"]
    at_once = await client.patch(
        "/api/boards/laps", json={"apply": "recount"}, headers={"If-Match": tag}
    )
    assert (later.json()["applies_from_season"], at_once.json()["applies_from_season"]) == (2, 1)
    late = await client.patch("/api/boards/laps", json={"title": "x"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "board_changed")


async def test_board_that_somebody_else_makes_meanwhile_is_there_already(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with database.transaction() as connection:
        # By one that has lost the lock of the only writer, and is not done yet.
        await connection.execute(
            """
            WITH rule AS (INSERT INTO rule DEFAULT VALUES RETURNING id),
            board AS (
                INSERT INTO board (slug, title, rule_id) SELECT 'cup', 'cup', id FROM rule
                RETURNING id, rule_id
            ),
            season AS (
                INSERT INTO season (board_id, number, rule_id, starts_at)
                SELECT id, 1, rule_id, ledger_now() FROM board
                RETURNING id
            )
            INSERT INTO season_refresh (season_id) SELECT id FROM season
            """
        )
        same, other = (
            asyncio.create_task(client.put("/api/boards/cup", json=rule))
            for rule in ({}, {"operator": "best"})
        )
        await wait_until(partial(count_lock_waits, database))
    assert (await same).status_code == 200
    refused = await other
    assert (refused.status_code, refused.json()["code"]) == (409, "board_exists")


@asynccontextmanager
async def set_clock_ahead(database: Database, by: str) -> AsyncIterator[None]:
    """Put the ledger's clock ahead, and at the end of the block back."""
    rows = await database.fetch(
        """
        SELECT pg_get_functiondef(oid) AS function FROM pg_proc
        WHERE proname IN ('ledger_now', 'ledger_time')
        """
    )
    assert len(rows) == 2
    ahead = f"(clock_timestamp() + interval '{by}')"
    for row in rows:
        await database.fetch(row["function"].replace("clock_timestamp()", ahead))
    yield
    for row in rows:
        await database.fetch(row["function"])


@pytest.mark.parametrize("rule", [{}, {"count_from": "ever", "schedule": make_hourly()}])
async def test_clock_that_is_set_back_takes_no_board_away(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    worker: SeasonWorker,
    rule: dict[str, Any],
) -> None:
    async with set_clock_ahead(database, "1 hour"):
        made = await client.put("/api/boards/cup", json=rule)
        assert made.status_code == 201, made.text
    read = await client.get("/api/boards/cup")
    assert (read.status_code, read.json()) == (200, made.json())
    assert (await client.put("/api/boards/cup", json=rule)).status_code == 200
    (ada,) = await make_players(database, 1)
    await record_scores(database, (ada, 3))
    await worker.work()
    top = (await client.get("/api/boards/cup/top")).json()
    assert [(one["user_id"], one["score"]) for one in top["entries"]] == [(ada, 3)]
    assert await audit(settings)


@in_module
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/api/boards/global", {}),
        ("PATCH", "/api/boards/global", {"title": "x"}),
        ("POST", "/api/boards/global/archive", None),
        ("POST", "/api/boards/global/unarchive", None),
        ("POST", "/api/boards/global/seasons/current/close", None),
        ("POST", "/api/boards/global/seasons/1/close", None),
    ],
)
async def test_global_stays_as_it_is(
    shared: SharedService, method: str, path: str, body: Any
) -> None:
    refused = await shared.client.request(method, path, json=body, headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "board_fixed")


async def test_number_without_a_fraction_is_an_integer(client: httpx.AsyncClient) -> None:
    rule = '{"min_score": 1e1, "max_score": 20.0, "format": {"kind": "decimal", "scale": 2.0}}'
    made = await client.put("/api/boards/some", content=rule)
    assert made.status_code == 201, made.text
    board = made.json()
    assert (board["min_score"], board["max_score"], board["format"]["scale"]) == (10, 20, 2)
    changed = await client.patch(
        "/api/boards/some", content='{"min_score": 5.0}', headers={"If-Match": made.headers["etag"]}
    )
    assert (changed.status_code, changed.json()["min_score"]) == (200, 5)
    friends = await client.post("/api/boards/some/ranks", content='{"user_ids": [7.0, 8]}')
    assert (friends.status_code, friends.json()["missing"]) == (200, [7, 8])
    wrong = await client.post("/api/boards/some/ranks", content='{"user_ids": [7.5]}')
    assert [one["field"] for one in wrong.json()["fields"]] == ["user_ids[0]"]


@in_module
@pytest.mark.parametrize(
    "slug", ["Laps", "la_ps", "laps%0A", "%0Alaps", "x" * 65, "l%C3%A4ps", "laps%20"]
)
async def test_slug_has_small_letters_digits_and_hyphens(shared: SharedService, slug: str) -> None:
    refused = await shared.client.put(f"/api/boards/{slug}", json={})
    assert refused.status_code == 400, refused.text
    assert refused.json()["fields"] == [
        {"field": "slug", "message": "Expected 1 to 64 of a-z, 0-9 and -"}
    ]


@in_module
@pytest.mark.parametrize("season", ["current%0A", "0", "-1", "next", "1" * 10, ""])
async def test_season_is_named_by_number_or_by_word(shared: SharedService, season: str) -> None:
    refused = await shared.client.get(f"/api/boards/global/top?season={season}")
    assert refused.status_code == 400, refused.text
    assert [one["field"] for one in refused.json()["fields"]] == ["season"]


@in_module
async def test_list_goes_on_after_any_text_that_can_be_a_text(shared: SharedService) -> None:
    assert (await shared.client.get("/api/boards?after=g")).json()["boards"][0]["slug"] == "global"
    refused = await shared.client.get("/api/boards?after=%00")
    assert refused.status_code == 400
    assert [one["field"] for one in refused.json()["fields"]] == ["after"]


@in_module
async def test_methods_of_a_board_are_named(shared: SharedService) -> None:
    answer = await shared.client.options("/api/boards/global")
    assert answer.status_code == 204
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "PATCH", "PUT"}


async def test_session_counts_on_twenty_boards_at_most(client: httpx.AsyncClient) -> None:
    for number in range(19):
        made = await client.put(f"/api/boards/b{number}", json={"game_mode": "race"})
        assert made.status_code == 201
    refused = await client.put("/api/boards/one-more", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_boards")
    assert (await client.put("/api/boards/other", json={"game_mode": "duo"})).status_code == 201


async def test_who_changes_boards_while_others_do_keeps_nobody_else_waiting(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with hold_writer_lock(database, wait_seconds=5):
        making = [
            asyncio.create_task(client.put(f"/api/boards/b{number}", json={"game_mode": "race"}))
            for number in range(12)
        ]
        await wait_until(partial(count_lock_waits, database))
        registered = await client.post("/api/players", json={"username": "ada"})
        assert registered.status_code == 201, registered.text
        assert not any(task.done() for task in making)
    assert {answer.status_code for answer in await asyncio.gather(*making)} == {201}


@pytest.mark.parametrize("change", [{"game_mode": "duo"}, {"game_mode": None, "max_score": 9}])
async def test_board_whose_open_season_would_be_one_too_many_stays_in_the_archive(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    made = await client.put("/api/boards/laps", json={"game_mode": "race", "min_score": 10})
    assert made.status_code == 201
    # From its next season on.
    changed = await client.patch(
        "/api/boards/laps", json={"min_score": None} | change, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200, changed.text
    assert (await client.post("/api/boards/laps/archive")).status_code == 200
    for number in range(19):
        made = await client.put(
            f"/api/boards/b{number}", json={"game_mode": "race", "min_score": 10}
        )
        assert made.status_code == 201
    refused = await client.post("/api/boards/laps/unarchive")
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_boards")
    assert (await client.get("/api/boards/laps")).json()["state"] == "archived"
    assert (await client.post("/api/boards/b0/archive")).status_code == 200
    assert (await client.post("/api/boards/laps/unarchive")).status_code == 200


async def test_best_lap_is_read_everywhere(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    await client.put("/api/boards/laps", json=LAPS)
    ada, ben, cleo, dan = await make_players(database, 4)
    await record_scores(
        database,
        (ada, 90_000),
        (ben, 83_456),
        (ada, 83_456),
        (cleo, 100_000),
        (cleo, 9_999),
        game_mode="race",
    )
    await record_scores(database, (dan, 20_000))
    await refresher.refresh()
    top = (await client.get("/api/boards/laps/top")).json()
    assert [(e["user_id"], e["score_text"], e["rank"]) for e in top["entries"]] == [
        (ben, "1:23.456", 1),
        (ada, "1:23.456", 2),
        (cleo, "1:40.000", 3),
    ]
    assert (top["board"], top["season"]["number"], top["players"]) == ("laps", 1, 3)
    assert (top["next"], top["prev"]) == (None, None)
    rank = (await client.get(f"/api/boards/laps/rank/{ada}")).json()
    assert (rank["score"], rank["rank"], rank["percentile"]) == (83_456, 2, 66.67)
    nobody = (await client.get(f"/api/boards/laps/rank/{dan}")).json()
    assert (nobody["score"], nobody["score_text"], nobody["rank"]) == (None, None, None)
    around = (await client.get(f"/api/boards/laps/around/{ada}?radius=1")).json()
    assert [e["rank"] for e in around["entries"]] == [1, 2, 3]
    friends = await client.post("/api/boards/laps/ranks", json={"user_ids": [cleo, dan, ada]})
    assert [(e["user_id"], e["rank"], e["position"]) for e in friends.json()["entries"]] == [
        (ada, 2, 1),
        (cleo, 3, 2),
    ]
    assert friends.json()["missing"] == [dan]
    place = (await client.get("/api/boards/laps/place?score=83456")).json()
    assert (place["rank"], place["above"]["user_id"], place["below"]["user_id"]) == (3, ada, cleo)
    cutoffs = (await client.get("/api/boards/laps/cutoffs?percent=34,100")).json()
    assert [(c["percent"], c["score"]) for c in cutoffs["cutoffs"]] == [
        (34, 83_456),
        (100, 100_000),
    ]
    ranks = (await client.get(f"/api/players/{ada}/ranks")).json()
    assert [(e["board"], e["rank"]) for e in ranks["entries"]] == [("global", 1), ("laps", 2)]
    details = (await client.get("/api/boards/laps/top?details=true")).json()
    assert all(e["session_id"] and e["reached_at"] for e in details["entries"])


async def test_cursors_go_on_in_both_directions(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    await client.put("/api/boards/all", json={"operator": "best"})
    user_ids = await make_players(database, 10)
    await record_scores(database, *((user_id, user_id % 3) for user_id in user_ids))
    await refresher.refresh()
    whole = (await client.get("/api/boards/all/page")).json()
    assert len(whole["entries"]) == 10
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"after": cursor} if cursor else {})
        page = (await client.get("/api/boards/all/page", params=query)).json()
        seen += page["entries"]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == whole["entries"]
    back = await client.get("/api/boards/all/page", params={"limit": 4, "before": page["prev"]})
    assert back.json()["entries"] == whole["entries"][5:9]
    broken = await client.get("/api/boards/all/page", params={"after": "nonsense"})
    assert (broken.status_code, broken.json()["fields"][0]["field"]) == (400, "after")
    await client.put("/api/boards/other", json={})
    foreign = await client.get("/api/boards/other/page", params={"after": page["prev"]})
    assert (foreign.status_code, foreign.json()["code"]) == (400, "cursor_expired")


async def test_board_says_from_which_season_on_its_rule_counts(
    client: httpx.AsyncClient, redis: Redis, settings: Settings, database: Database
) -> None:
    anything = {"If-Match": "*"}
    first = (await client.put("/api/boards/rule", json={})).json()
    assert "applies_from_season" not in first
    for change, season in (
        ({"title": "Rule"}, None),
        ({"operator": "best"}, 2),
        ({"title": "The rule"}, 2),
        # As it was.
        ({"operator": "sum"}, None),
        ({"operator": "best"}, 2),
        # Until the open season is counted anew.
        ({"apply": "recount"}, 1),
    ):
        changed = await client.patch("/api/boards/rule", json=change, headers=anything)
        assert changed.status_code == 200, changed.text
        assert changed.json().get("applies_from_season") == season, change
        assert (await client.get("/api/boards/rule")).json() == changed.json()
    await SeasonWorker(database, redis, settings).work()
    assert "applies_from_season" not in (await client.get("/api/boards/rule")).json()
    await client.patch("/api/boards/rule", json={"ties": "first"}, headers=anything)
    same = {"title": "The rule", "operator": "best", "ties": "first"}
    again = await client.put("/api/boards/rule", json=same)
    assert (again.status_code, again.json()["applies_from_season"]) == (200, 2)
    await client.post("/api/boards/rule/seasons/1/close")
    assert "applies_from_season" not in (await client.get("/api/boards/rule")).json()


async def test_recount_of_format_and_schedule_shows_at_once_in_every_process(
    settings: Settings, database: Database, redis: Redis
) -> None:
    async with serve_app(settings) as (_, client), serve_app(settings) as (_, other):
        await client.put("/api/boards/laps", json={})
        ada, ben = await make_players(database, 2)
        await record_scores(database, (ada, 83_456), (ben, 1))
        await SeasonWorker(database, redis, settings).work()

        async def read_top(reader: httpx.AsyncClient) -> Any:
            return (await reader.get("/api/boards/laps/top?limit=1")).json()

        async with open_stream(other, "/api/boards/laps/stream", limit=1) as stream:
            before = await stream.read_top()
            assert await read_top(client) == await read_top(client) == before
            assert await read_top(other) == before
            for change in (
                {"format": {"kind": "duration", "unit": "ms"}},
                {"schedule": make_hourly()},
            ):
                changed = await client.patch(
                    "/api/boards/laps",
                    json=change | {"apply": "recount"},
                    headers={"If-Match": "*"},
                )
                assert changed.status_code == 200, changed.text
                top = await read_top(client)
                assert top["entries"][0]["score_text"] == "1:23.456"
                assert top["season"]["ends_at"] == changed.json()["season"]["ends_at"]
                page = await client.get("/api/boards/laps/page", params={"after": top["next"]})
                assert [entry["user_id"] for entry in page.json()["entries"]] == [ben]

                async def is_shown(shown: Any = top) -> bool:
                    return bool(await read_top(other) == shown)

                await wait_until(is_shown)
                assert await stream.read_top() == top
