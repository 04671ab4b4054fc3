"""What moderators take away is gone from every board, comes back as it was, and is written down."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import connect_redis
from service.local.embedded import ValkeyServer
from service.maintenance.audit import audit
from service.maintenance.rebuild import rebuild
from service.settings.settings import Settings
from tests.support.event_stream import open_stream
from tests.support.factories import make_player, make_players, record_scores
from tests.support.moderating import WHY, call
from tests.support.season_work import SeasonWorker, read_season_scores
from tests.support.serving import serve_app
from tests.support.shared_service import SharedService
from tests.support.waiting import wait_until

in_module = pytest.mark.asyncio(loop_scope="module")

BOARDS: dict[str, dict[str, Any]] = {
    "sum": {},
    "best": {"operator": "best", "ties": "first"},
    "low": {"operator": "best", "direction": "low"},
    "latest": {"operator": "latest", "ties": "first"},
}


@pytest.fixture
async def boards(client: httpx.AsyncClient, worker: SeasonWorker) -> None:
    for slug, rule in BOARDS.items():
        assert (await client.put(f"/api/boards/{slug}", json=rule)).status_code == 201
    await worker.work()


async def read_board(client: httpx.AsyncClient, slug: str) -> list[tuple[int, int, int]]:
    """Return (player, score, rank) of a board by `page`; `top` and `rank` must say the same."""
    page = (await client.get(f"/api/boards/{slug}/page")).json()
    top = (await client.get(f"/api/boards/{slug}/top")).json()
    assert page["entries"] == top["entries"]
    assert page["players"] == top["players"] == len(page["entries"])
    for entry in page["entries"]:
        rank = (await client.get(f"/api/boards/{slug}/rank/{entry['user_id']}")).json()
        assert (rank["score"], rank["rank"]) == (entry["score"], entry["rank"])
    return [(entry["user_id"], entry["score"], entry["rank"]) for entry in page["entries"]]


async def list_actions(client: httpx.AsyncClient) -> list[str]:
    log = (await client.get("/api/moderation")).json()["entries"]
    return [entry["action"] for entry in log]


def describe_change(
    user_id: int, before: tuple[int | None, int | None], after: tuple[int | None, int | None]
) -> dict[str, int | None]:
    return {
        "user_id": user_id,
        "score_before": before[0],
        "rank_before": before[1],
        "score_after": after[0],
        "rank_after": after[1],
    }


async def read_boards(client: httpx.AsyncClient) -> dict[str, list[tuple[int, int, int]]]:
    return {slug: await read_board(client, slug) for slug in BOARDS}


@pytest.mark.usefixtures("boards")
async def test_a_revoked_session_gives_way_to_the_one_before_and_comes_back(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one, other = await make_players(database, 2)
    await record_scores(database, (one, 10), (other, 20), (one, 500))
    await worker.work()
    before = await read_boards(client)
    assert before["best"] == [(one, 500, 1), (other, 20, 2)]
    sessions = (await client.get(f"/api/players/{one}/sessions")).json()["sessions"]
    cheat = sessions[0]["session_id"]

    revoked = await call(client, "POST", f"/api/sessions/{cheat}/revoke")
    assert (revoked["user_id"], revoked["score"]) == (one, 500)
    assert revoked["revoked_at"]
    await worker.work()
    assert await read_boards(client) == {
        "sum": [(other, 20, 1), (one, 10, 2)],
        "best": [(other, 20, 1), (one, 10, 2)],
        "low": [(one, 10, 1), (other, 20, 2)],
        "latest": [(other, 20, 1), (one, 10, 2)],
    }
    assert await audit(settings)
    await rebuild(settings)
    await worker.work()
    assert (await read_board(client, "best"))[0] == (other, 20, 1)

    await call(client, "POST", f"/api/sessions/{cheat}/restore")
    await worker.work()
    assert await read_boards(client) == before
    assert await audit(settings)


@pytest.mark.usefixtures("boards")
async def test_a_player_without_a_session_left_leaves_the_board(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one, other = await make_players(database, 2)
    (session_id, _) = await record_scores(database, (one, 10), (other, 20))
    await worker.work()
    await call(client, "POST", f"/api/sessions/{session_id}/revoke")
    await worker.work()
    assert await read_boards(client) == {slug: [(other, 20, 1)] for slug in BOARDS}
    rank = (await client.get(f"/api/boards/best/rank/{one}")).json()
    assert (rank["score"], rank["rank"], rank["players"]) == (None, None, 1)
    assert await audit(settings)


@pytest.mark.usefixtures("boards")
async def test_a_session_revoked_before_it_is_folded_counts_nowhere(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one = await make_player(database)
    _, cheat = await record_scores(database, (one, 10), (one, 500))
    await call(client, "POST", f"/api/sessions/{cheat}/revoke")
    await worker.work()
    assert await read_boards(client) == {slug: [(one, 10, 1)] for slug in BOARDS}
    assert await audit(settings)


@pytest.mark.usefixtures("boards")
async def test_many_sessions_are_looked_at_first_and_revoked_at_once(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one, other = await make_players(database, 2)
    await record_scores(database, (one, 10), (other, 20))
    await worker.work()
    since = datetime.now(UTC).isoformat()
    await record_scores(database, (one, 100), (one, 200))
    await worker.work()
    before = await read_boards(client)
    path = f"/api/players/{one}/sessions"

    seen = await call(client, "POST", f"{path}/revoke", since=since, dry_run=True)
    assert (seen["sessions"], seen["more"]) == (2, False)
    changes = {entry["board"]: entry for entry in seen["boards"]}
    # The lowest score is not one of those.
    assert set(changes) == {"global", "sum", "best", "latest"}
    assert changes["best"] | {"season": 1, "board": "best"} == {
        "board": "best", "season": 1,
        "score_before": 200, "rank_before": 1, "score_after": 10, "rank_after": 2,
    }  # fmt: skip
    await worker.work()
    assert await read_boards(client) == before

    done = await call(client, "POST", f"{path}/revoke", since=since)
    assert (done["sessions"], done["more"]) == (2, False)
    await worker.work()
    assert await read_board(client, "sum") == [(other, 20, 1), (one, 10, 2)]
    assert await audit(settings)
    assert (await call(client, "POST", f"{path}/restore", since=since))["sessions"] == 2
    await worker.work()
    assert await read_boards(client) == before


@pytest.mark.usefixtures("boards")
async def test_named_sessions_are_looked_at_first_and_revoked_in_one_call(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one, other = await make_players(database, 2)
    ids = await record_scores(database, (one, 10), (one, 100), (one, 200), (other, 50))
    await worker.work()
    path = f"/api/players/{one}/sessions"
    named = {"session_ids": [ids[2], ids[1], ids[2]]}
    seen = await call(client, "POST", f"{path}/revoke", dry_run=True, **named)
    assert (seen["sessions"], seen["more"]) == (2, False)
    best = next(entry for entry in seen["boards"] if entry["board"] == "best")
    assert (best["rank_before"], best["score_after"], best["rank_after"]) == (1, 10, 2)

    await call(client, "POST", f"/api/sessions/{ids[1]}/revoke")
    done = await call(client, "POST", f"{path}/revoke", **named)
    # One of them was as wanted.
    assert (done["sessions"], "boards" in done) == (1, False)
    listed = (await client.get(path)).json()["sessions"]
    assert [session.get("revoked_at") is None for session in listed] == [False, False, True]
    assert "revoked_at" not in listed[2]
    await worker.work()
    assert await read_board(client, "best") == [(other, 50, 1), (one, 10, 2)]
    log = (await client.get("/api/moderation")).json()["entries"]
    assert (log[-1]["action"], log[-1]["details"]["session_ids"]) == ("revoke_many", [ids[2]])

    stranger = await client.post(f"{path}/revoke", json=WHY | {"session_ids": [ids[0], ids[3]]})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "session_not_found")
    assert f"session {ids[3]};" in stranger.json()["error"]
    for since, sessions in (("2999-01-01T00:00:00Z", 0), ("2000-01-01T00:00:00Z", 2)):
        seen = await call(client, "POST", f"{path}/restore", since=since, dry_run=True, **named)
        assert seen["sessions"] == sessions
    assert (await call(client, "POST", f"{path}/restore", **named))["sessions"] == 2
    await worker.work()
    assert await read_board(client, "best") == [(one, 200, 1), (other, 50, 2)]
    assert await audit(settings)


@pytest.mark.usefixtures("boards")
async def test_a_state_is_looked_at_first(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    one, other = await make_players(database, 2)
    (_, cheat, _) = await record_scores(database, (one, 10), (one, 100), (other, 50))
    await worker.work()
    before = await read_boards(client)
    path = f"/api/players/{one}/state"
    for state in ("hidden", "banned"):
        seen = await call(client, "PUT", path, state=state, dry_run=True)
        assert (seen["state"], len(seen["boards"])) == (state, 1 + len(BOARDS))
        low = next(entry for entry in seen["boards"] if entry["board"] == "low")
        assert (low["score_before"], low["rank_before"]) == (10, 1)
        assert (low["score_after"], low["rank_after"]) == (None, None)
    assert (await call(client, "PUT", path, state="active", dry_run=True))["boards"] == []
    await worker.work()
    assert await read_boards(client) == before
    assert (await client.get("/api/moderation")).json()["entries"] == []

    banned = await call(client, "PUT", path, state="banned")
    assert "boards" not in banned
    await worker.work()
    # Who does not stand gets no place by what counts of the sessions.
    many = f"/api/players/{one}/sessions/revoke"
    seen = await call(client, "POST", many, session_ids=[cheat], dry_run=True)
    assert (seen["sessions"], seen["boards"]) == (1, [])
    seen = await call(client, "PUT", path, state="active", dry_run=True)
    assert {entry["rank_after"] for entry in seen["boards"]} == {1}


async def test_the_log_is_read_from_either_end(
    client: httpx.AsyncClient, database: Database
) -> None:
    one = await make_player(database)
    for number in range(5):
        await call(client, "PATCH", f"/api/players/{one}", username=f"name {number}")

    async def read(**query: Any) -> tuple[list[str], int | None]:
        told = (await client.get("/api/moderation", params=query)).json()
        return [entry["details"]["username"][-1] for entry in told["entries"]], told["next"]

    assert await read() == (["0", "1", "2", "3", "4"], None)
    for order, names in (("oldest", ["01", "23", "4"]), ("newest", ["43", "21", "0"])):
        seen: list[str] = []
        after: int | None = 0
        while after is not None:
            part, after = await read(order=order, limit=2, after=after)
            seen += ["".join(part)]
        assert seen == names
    refused = await client.get("/api/moderation", params={"order": "best"})
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (400, "order")


@pytest.mark.usefixtures("boards")
async def test_a_banned_player_is_off_the_boards_and_submits_nothing_until_that_ends(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one, other = await make_players(database, 2)
    score = {"user_id": one, "score": 500}
    keyed = {"Idempotency-Key": "match-1"}
    first = await client.post("/api/leaderboard/submit", json=score, headers=keyed)
    await record_scores(database, (other, 20))
    await worker.work()
    before = await read_boards(client)
    # Pending when the player is banned.
    await record_scores(database, (one, 700))
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    path = f"/api/players/{one}/state"
    banned = await call(client, "PUT", path, state="banned", until=until)
    assert banned["state"] == "banned"
    await worker.work()
    assert await read_boards(client) == {slug: [(other, 20, 1)] for slug in BOARDS}
    rank = (await client.get(f"/api/leaderboard/rank/{one}")).json()
    assert (rank["total_score"], rank["rank"]) == (0, None)
    assert await audit(settings)

    for headers in ({}, {"Idempotency-Key": "match-2"}):
        refused = await client.post("/api/leaderboard/submit", json=score, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "player_banned")
    again = await client.post("/api/leaderboard/submit", json=score, headers=keyed)
    assert again.json() == first.json()
    other_body = await client.post(
        "/api/leaderboard/submit", json=score | {"score": 1}, headers=keyed
    )
    assert other_body.status_code == 422

    await database.fetch("UPDATE player SET state_until = now() WHERE id = $1", one)
    await worker.work()
    after = await read_boards(client)
    assert after["best"] == [(one, 700, 1), (other, 20, 2)]
    assert {player for player, _, _ in after["sum"]} == {player for player, _, _ in before["sum"]}
    assert await audit(settings)
    log = (await client.get("/api/moderation")).json()["entries"]
    assert [entry["action"] for entry in log] == ["state", "state_ended"]
    assert log[0]["reason"] == "speedhack"
    assert log[0]["details"]["after"] == "banned"


@pytest.mark.usefixtures("boards")
async def test_what_was_taken_away_while_redis_was_emptied_stays_away(
    client: httpx.AsyncClient,
    database: Database,
    redis: Redis,
    worker: SeasonWorker,
    settings: Settings,
) -> None:
    one, other = await make_players(database, 2)
    await record_scores(database, (one, 500), (other, 20))
    await worker.work()
    await redis.flushall()
    await call(client, "PUT", f"/api/players/{one}/state", state="banned")
    await worker.work()
    assert await read_boards(client) == {slug: [(other, 20, 1)] for slug in BOARDS}
    assert await audit(settings)


@in_module
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/sessions/999/revoke", WHY, 404, "session_not_found"),
        ("POST", "/api/sessions/1/revoke", {}, 400, "invalid_request"),
        ("POST", "/api/sessions/1/revoke", {"reason": ""}, 400, "invalid_request"),
        ("POST", "/api/sessions/x/revoke", WHY, 400, "invalid_request"),
        ("PUT", "/api/players/999/state", WHY | {"state": "banned"}, 404, "user_not_found"),
        ("PUT", "/api/players/1/state", WHY | {"state": "gone"}, 400, "invalid_request"),
        (
            "PUT",
            "/api/players/1/state",
            WHY | {"state": "banned", "until": "2020-01-01T00:00:00Z"},
            400,
            "invalid_request",
        ),
        (
            "PUT",
            "/api/players/1/state",
            WHY | {"state": "banned", "until": "2999-01-01T00:00:00"},
            400,
            "invalid_request",
        ),
        # In UTC these are of no year that there is.
        *(
            (method, f"/api/players/1/{path}", WHY | body, 400, "invalid_request")
            for method, path, body in (
                ("PUT", "state", {"state": "banned", "until": "9999-12-31T23:59:59-01:00"}),
                ("POST", "sessions/revoke", {"since": "9999-12-31T23:59:59-01:00"}),
                ("POST", "sessions/restore", {"since": "0001-01-01T00:00:00+14:00"}),
            )
        ),
        ("PATCH", "/api/players/999", WHY | {"username": "ada"}, 404, "user_not_found"),
        ("PATCH", "/api/players/1", WHY | {"username": "deleted-7"}, 409, "username_reserved"),
        ("DELETE", "/api/players/999?reason=x", None, 404, "user_not_found"),
        ("DELETE", "/api/players/1", None, 400, "invalid_request"),
        ("DELETE", "/api/players/1?reason=x&scores=some", None, 400, "invalid_request"),
        ("POST", "/api/players/999/sessions/revoke", WHY, 404, "user_not_found"),
    ],
)
async def test_a_mistake_is_named(
    shared: SharedService,
    method: str,
    path: str,
    body: dict[str, object] | None,
    status: int,
    code: str,
) -> None:
    answer = await shared.client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def read_own(client: httpx.AsyncClient, slug: str, user_id: int) -> list[Any]:
    """Return all that a player asks about himself, but for when that was."""
    board = f"/api/boards/{slug}"
    answers = [
        await client.get(f"{board}/rank/{user_id}"),
        await client.get(f"{board}/rank/{user_id}", params={"details": "true"}),
        await client.get(f"{board}/around/{user_id}", params={"details": "true"}),
        await client.post(f"{board}/ranks", json={"user_ids": [user_id]}),
        await client.get(f"/api/players/{user_id}/ranks", params={"boards": slug}),
        await client.get(f"/api/leaderboard/rank/{user_id}"),
        await client.get(f"/api/leaderboard/around/{user_id}"),
        await client.get(f"/api/players/{user_id}"),
    ]
    assert {answer.status_code for answer in answers} == {200}
    told = [answer.json() for answer in answers]
    for answer in (*told, *told[4]["entries"]):
        answer.pop("as_of", None)
    return told


@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize("slug", BOARDS)
async def test_a_hidden_player_is_seen_by_nobody_else_and_cannot_tell(
    client: httpx.AsyncClient,
    database: Database,
    worker: SeasonWorker,
    settings: Settings,
    slug: str,
) -> None:
    above, one, level, below = await make_players(database, 4)
    await record_scores(
        database, (above, 30), (level, 20), (one, 20), (below, 10), (one, 0), (level, 0)
    )
    await worker.work()
    before = await read_own(client, slug, one)
    await call(client, "PUT", f"/api/players/{one}/state", state="hidden")
    await worker.work()
    assert await read_own(client, slug, one) == before

    seen = await read_board(client, slug)
    assert {player for player, _, _ in seen} == {above, level, below}
    around = (await client.get(f"/api/boards/{slug}/around/{level}")).json()
    assert {entry["user_id"] for entry in around["entries"]} == {above, level, below}
    friends = await client.post(f"/api/boards/{slug}/ranks", json={"user_ids": [one, level]})
    assert friends.json()["missing"] == [one]
    place = (await client.get(f"/api/boards/{slug}/place", params={"score": 20})).json()
    assert place["players"] == 3
    submitted = await client.post("/api/leaderboard/submit", json={"user_id": one, "score": 1})
    assert submitted.status_code == 200
    await worker.work()
    assert await audit(settings)

    await call(client, "PUT", f"/api/players/{one}/state", state="active")
    await worker.work()
    assert one in {player for player, _, _ in await read_board(client, slug)}
    assert await audit(settings)


@pytest.mark.usefixtures("boards")
async def test_a_player_is_renamed_everywhere(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one = await make_player(database, "ada")
    await make_player(database, "grace")
    await record_scores(database, (one, 10))
    await worker.work()
    assert (await client.post("/api/boards/best/seasons/current/close")).status_code == 200
    await worker.work()
    await record_scores(database, (one, 20))
    await worker.work()
    paths = ["/api/boards/best/top", "/api/boards/best/page", f"/api/boards/best/around/{one}"]
    seasons = ("current", "1")

    async def read_names() -> set[str]:
        names = {
            (await client.get(path, params={"season": season})).json()["entries"][0]["username"]
            for path in paths
            for season in seasons
        }
        top = (await client.get("/api/leaderboard/top")).json()["leaderboard"]
        rank = (await client.get(f"/api/leaderboard/rank/{one}")).json()
        return names | {top[0]["username"], rank["username"]}

    assert await read_names() == {"ada"}
    taken = await client.patch(f"/api/players/{one}", json=WHY | {"username": "grace"})
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
    renamed = await call(client, "PATCH", f"/api/players/{one}", username="lovelace")
    assert renamed["username"] == "lovelace"
    await worker.work()
    assert await read_names() == {"lovelace"}
    assert await audit(settings)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("state", ["active", "banned"])
async def test_a_name_changes_on_archived_boards_too(
    database: Database,
    redis: Redis,
    worker: SeasonWorker,
    settings: Settings,
    state: str,
    *,
    deleted: bool,
) -> None:
    one, other = await make_player(database, "quark"), await make_player(database)
    path = f"/api/players/{one}"
    async with serve_app(settings) as (_, client), serve_app(settings) as (_, second):
        assert (await client.put("/api/boards/old", json={"ties": "first"})).status_code == 201
        await record_scores(database, (one, 10), (other, 20))
        await worker.work()

        async def read_entries() -> list[Any]:
            entries = []
            for reader in (client, second):
                for name in ("top", "page", f"around/{one}"):
                    answer = (await reader.get(f"/api/boards/old/{name}")).json()
                    assert (answer["players"], "stale" in answer) == (2, False)
                    entries.append(answer["entries"][1])
                rank = (await reader.get(f"/api/boards/old/rank/{one}")).json()
                entries.append({name: rank[name] for name in entries[0]})
            return entries

        assert (await client.post("/api/boards/old/archive")).status_code == 200
        if state == "banned":
            await call(client, "PUT", f"{path}/state", state=state)
            await worker.work()
        async with open_stream(second, "/api/boards/old/stream") as stream:
            # Whoever is banned by now still stands here.
            assert (await stream.read_top())["entries"][1]["username"] == "quark"
            before = await read_entries()
            assert {entry["username"] for entry in before} == {"quark"}
            if deleted:
                assert (await client.delete(path, params=WHY)).status_code == 204
            else:
                await call(client, "PATCH", path, username="lovelace")
            await worker.work()
            name = f"deleted-{one}" if deleted else "lovelace"
            assert (await stream.read_top())["entries"][1]["username"] == name

        async def are_renamed() -> bool:
            return await read_entries() == [entry | {"username": name} for entry in before]

        await wait_until(are_renamed)
    for key in await redis.keys():
        kind = await redis.type(key)
        if kind in {b"string", b"hash"}:
            kept = await (redis.get(key) if kind == b"string" else redis.hvals(key))
            assert "quark" not in str(kept), key
    assert await audit(settings)


async def test_a_player_is_given_an_external_id(
    client: httpx.AsyncClient, database: Database
) -> None:
    one, other = await make_player(database, "ada"), await make_player(database, "grace")
    path = f"/api/players/{one}"
    looked = await call(client, "PATCH", path, external_id="steam:1", dry_run=True)
    assert looked["external_id"] == "steam:1"
    assert "external_id" not in (await client.get(path)).json()
    for _ in range(2):
        assert await call(client, "PATCH", path, external_id="steam:1") == looked
    found = await client.get("/api/players", params={"external_id": "steam:1"})
    assert found.json() == looked
    score = {"external_id": "steam:1", "score": 5}
    assert (await client.post("/api/leaderboard/submit", json=score)).status_code == 200
    taken = await client.patch(f"/api/players/{other}", json=WHY | {"external_id": "steam:1"})
    assert (taken.status_code, taken.json()["code"]) == (409, "external_id_taken")
    assert taken.json()["user_id"] == one
    # A name that is taken leaves the id as it was, too.
    body = WHY | {"external_id": "steam:2", "username": "grace"}
    assert (await client.patch(path, json=body)).status_code == 409
    both = await call(client, "PATCH", path, external_id=None, username="lovelace")
    assert (both["username"], both.get("external_id")) == ("lovelace", None)
    assert (await client.get(path)).json() == both
    for wrong, field in (({}, "username"), ({"external_id": ""}, "external_id")):
        refused = await client.patch(path, json=WHY | wrong)
        assert (refused.status_code, refused.json()["fields"][0]["field"]) == (400, field)
    log = (await client.get("/api/moderation")).json()["entries"]
    assert [entry["action"] for entry in log] == ["external_id", "rename", "external_id"]
    ids = {"external_id_before": None, "external_id": "steam:1"}
    assert (log[0]["details"], log[0]["reason"]) == (ids, WHY["reason"])


@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize("scores", ["keep", "revoke"])
async def test_who_is_deleted_leaves_no_trace(
    client: httpx.AsyncClient,
    database: Database,
    redis: Redis,
    worker: SeasonWorker,
    settings: Settings,
    scores: str,
) -> None:
    one = await make_player(database, "quark", "steam:1")
    score = {"external_id": "steam:1", "score": 5}
    sent = await client.post(
        "/api/leaderboard/submit", json=score, headers={"Idempotency-Key": "match-9"}
    )
    # One with metadata and a key, and one with metadata alone.
    assert (await client.post("/api/leaderboard/submit", json=score | {"score": 1})).is_success
    await database.fetch("""UPDATE game_session SET metadata = '{"name": "quark"}'""")
    await worker.work()
    await call(client, "PATCH", f"/api/players/{one}", username="lovelace", reason="Quark asked")
    await call(client, "PATCH", f"/api/players/{one}", external_id="psn:9", reason="not steam:1")
    await call(client, "PATCH", f"/api/players/{one}", external_id="psn:8", reason="not PSN:9")
    deleted = await client.delete(
        f"/api/players/{one}", params={"reason": "Lovelace asked", "scores": scores}
    )
    assert deleted.status_code == 204
    await worker.work()

    entries = (await client.get("/api/boards/best/page")).json()["entries"]
    names = [(entry["username"], entry["score"]) for entry in entries]
    assert names == ([(f"deleted-{one}", 5)] if scores == "keep" else [])
    for body in ({"user_id": one, "score": 5}, score):
        for headers in ({}, {"Idempotency-Key": "match-9"}):
            again = await client.post("/api/leaderboard/submit", json=body, headers=headers)
            assert (again.status_code, again.json()["code"]) == (404, "user_not_found")
    assert sent.status_code == 200
    for method, path in (("PATCH", ""), ("PUT", "/state"), ("DELETE", "?reason=x")):
        change = WHY | ({"username": "x"} if method == "PATCH" else {"state": "banned"})
        gone = await client.request(
            method, f"/api/players/{one}{path}", json=None if method == "DELETE" else change
        )
        assert gone.status_code == 404
    assert await audit(settings)
    dump = str(
        [
            await database.fetch(f"SELECT * FROM {table}")
            for table in ("player", "game_session", "moderation_log", "outbox")
        ]
    )
    async for key in redis.scan_iter("leaderboard:*"):
        kind = await redis.type(key)
        dump += str(await redis.hgetall(key) if kind == b"hash" else b"")
        dump += str(await redis.get(key) if kind == b"string" else b"")
    assert "quark" not in dump.lower()
    assert "lovelace" not in dump.lower()
    assert "steam:1" not in dump
    assert "psn:" not in dump.lower()


@pytest.mark.parametrize("highest_id", [9_000, 2**52 - 1])
@pytest.mark.parametrize("scores", ["keep", "revoke"])
async def test_a_name_is_forgotten_by_a_redis_that_was_away_at_the_time(
    settings: Settings, database: Database, server_directory: Path, scores: str, highest_id: int
) -> None:
    with ValkeyServer(server_directory / f"forgetful-{scores}-{highest_id}") as valkey:
        own = settings.model_copy(update={"redis_url": valkey.url})
        redis = connect_redis(own)
        worker = SeasonWorker(database, redis, own)
        # Far from each other: no other name is kept beside the one that goes.
        await database.fetch(
            "INSERT INTO player (id, username) VALUES (1, 'ada'), (1000, 'quark'), ($1, 'eve')",
            highest_id,
        )
        await record_scores(database, (1, 3), (1_000, 5))
        await worker.work()
        assert "quark" in await dump_names(redis)
        async with serve_app(own) as (_, client):
            valkey.stop()
            gone = await client.delete(
                "/api/players/1000", params={"reason": "asked", "scores": scores}
            )
            assert gone.status_code == 204, gone.text
            await worker.work()
            valkey.start()
            await worker.work()
            assert "quark" not in await dump_names(redis)
            assert "ada" in await dump_names(redis)
        await redis.aclose()


async def dump_names(redis: Redis) -> str:
    """Return all that is in the hashes of a Redis, as one text."""
    return str([await redis.hgetall(key) async for key in redis.scan_iter("leaderboard:{names}:*")])


async def judge(client: httpx.AsyncClient, session_id: int) -> dict[str, str]:
    session = (await client.get(f"/api/sessions/{session_id}")).json()
    return {
        board["board"]: board["verdict"] for board in session["boards"] if board["board"] in BOARDS
    }


@pytest.mark.usefixtures("boards")
async def test_a_session_says_what_became_of_it(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    await client.put("/api/boards/duels", json={"game_mode": "duel"})
    await client.put("/api/boards/few", json={"max_score": 5})
    one = await make_player(database)
    first, second = await record_scores(database, (one, 10), (one, 7))
    assert set((await judge(client, first)).values()) == {"pending"}
    await worker.work()
    assert await judge(client, first) == {
        "sum": "improved", "best": "improved", "low": "kept", "latest": "kept",
    }  # fmt: skip
    assert await judge(client, second) == {
        "sum": "improved", "best": "kept", "low": "improved", "latest": "improved",
    }  # fmt: skip
    session = (await client.get(f"/api/sessions/{first}")).json()
    boards = {board["board"]: board["verdict"] for board in session["boards"]}
    assert (boards["duels"], boards["few"]) == ("other_mode", "out_of_bounds")
    assert (session["user_id"], session["score"], session["game_mode"]) == (one, 10, "solo")

    await call(client, "PUT", f"/api/players/{one}/state", state="hidden")
    await worker.work()
    assert (await judge(client, first))["best"] == "improved"
    await call(client, "POST", f"/api/sessions/{first}/revoke")
    await worker.work()
    assert set((await judge(client, first)).values()) == {"revoked"}
    assert (await judge(client, second))["best"] == "improved"
    await call(client, "PUT", f"/api/players/{one}/state", state="banned")
    assert set((await judge(client, second)).values()) == {"banned"}
    unknown = await client.get("/api/sessions/999999")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "session_not_found")


@pytest.mark.usefixtures("boards")
async def test_a_rank_is_explained(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    above, one, below = await make_players(database, 3)
    _, best, other, _ = await record_scores(database, (above, 30), (one, 20), (one, 5), (below, 10))
    await worker.work()
    told = (await client.get(f"/api/boards/best/explain/{one}")).json()
    assert (told["rank"], told["players"], told["score"]) == (2, 3, 20)
    assert (told["above"]["user_id"], told["below"]["user_id"]) == (above, below)
    assert [session["session_id"] for session in told["sessions"]] == [best, other]
    assert told["ledger"] == told["standing"]
    assert told["ledger"]["session_id"] == best
    assert told["index"] == {"score": 20, "rank": 2}
    assert told["rule"]["operator"] == "best"
    assert (told["state"], told["pending"], told["changing"]) == ("active", 0, False)

    await call(client, "PUT", f"/api/players/{one}/state", state="banned")
    await worker.work()
    told = (await client.get(f"/api/boards/best/explain/{one}")).json()
    assert (told["rank"], told["ledger"], told["standing"], told["index"]) == (None,) * 4
    assert told["state"] == "banned"
    unknown = await client.get("/api/boards/best/explain/999999")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")


@pytest.mark.usefixtures("boards")
async def test_a_hidden_player_cannot_tell_by_a_closed_season(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    one, two, hidden, other = await make_players(database, 4)
    await record_scores(database, (one, 90), (two, 40), (hidden, 60), (other, 20))
    await worker.work()
    assert (await client.post("/api/boards/best/seasons/current/close")).status_code == 200
    await worker.work()

    async def look() -> list[object]:
        own = [f"rank/{hidden}", f"around/{hidden}?radius=1", f"around/{hidden}?radius=5"]
        answers = [
            await client.get(f"/api/boards/best/{path}", params={"season": "1"}) for path in own
        ]
        answers.append(
            await client.post(
                "/api/boards/best/ranks", params={"season": "1"}, json={"user_ids": [hidden]}
            )
        )
        answers.append(
            await client.get(
                f"/api/boards/best/around/{hidden}", params={"season": "1", "details": "true"}
            )
        )
        told = [answer.json() for answer in answers]
        for answer in told:
            answer["season"].pop("revision", None)
        return told

    before = await look()
    await call(client, "PUT", f"/api/players/{hidden}/state", state="hidden")
    await worker.work()
    assert await look() == before
    await call(client, "POST", "/api/boards/best/seasons/1/correct")
    assert await look() == before
    page = (await client.get("/api/boards/best/page", params={"season": "1"})).json()
    assert [entry["user_id"] for entry in page["entries"]] == [one, two, other]
    assert page["players"] == 3


@pytest.mark.usefixtures("boards")
async def test_a_hidden_player_cannot_tell_by_a_season_that_is_sealed_and_not_closed(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    one, hidden, other = await make_players(database, 3)
    await record_scores(database, (one, 90), (hidden, 60), (other, 20))
    await call(client, "PUT", f"/api/players/{hidden}/state", state="hidden")
    await worker.work()

    async def look() -> object:
        answer = await client.get(f"/api/boards/best/rank/{hidden}", params={"season": "1"})
        return {name: answer.json()[name] for name in ("score", "rank", "players")}

    counted = {"score": 60, "rank": 2, "players": 3}
    assert await look() == counted
    assert (await client.post("/api/boards/best/seasons/current/close")).status_code == 200
    assert await look() == counted
    while (await worker.refresher.refresh()).more:
        pass
    sealed = await database.fetch(
        "SELECT FROM season WHERE sealed_at IS NOT NULL AND closed_at IS NULL"
    )
    assert len(sealed) == 1
    assert await look() == counted
    await import_session(client, "best", hidden, 99)
    assert await look() == counted
    await worker.work()
    assert await look() == counted


async def import_session(client: httpx.AsyncClient, slug: str, user_id: int, score: int) -> None:
    """Import a session of the first moment of a board's first season."""
    at = (await client.get(f"/api/boards/{slug}/seasons/1")).json()["starts_at"]
    line = {"user_id": user_id, "score": score, "idempotency_key": "old", "submitted_at": at}
    imported = await client.post(
        "/api/import/sessions",
        content=json.dumps(line),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert imported.json()["imported"] == 1, imported.text


@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize("slug", BOARDS)
async def test_a_hidden_player_cannot_tell_by_an_archived_board(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, slug: str
) -> None:
    above, hidden, below = await make_players(database, 3)
    await record_scores(database, (above, 30), (hidden, 20), (below, 10))
    await worker.work()

    async def look() -> list[Any]:
        # What there is to know of other boards goes on.
        return (await read_own(client, slug, hidden))[:4]

    before = await look()
    await call(client, "PUT", f"/api/players/{hidden}/state", state="hidden")
    await worker.work()
    assert (await client.post(f"/api/boards/{slug}/archive")).status_code == 200
    assert await look() == before
    assert {player for player, _, _ in await read_board(client, slug)} == {above, below}
    # What comes from now on counts for nobody, whatever its time.
    await record_scores(database, *((player, 5) for player in (above, hidden, below)))
    for player in (above, hidden, below):
        await import_session(client, slug, player, 40)
    await worker.work()
    assert await look() == before
    # As it was: who comes back is there once the board counts again, with all that it missed.
    await call(client, "PUT", f"/api/players/{hidden}/state", state="active")
    await worker.work()
    assert {player for player, _, _ in await read_board(client, slug)} == {above, below}
    assert (await client.post(f"/api/boards/{slug}/unarchive")).status_code == 200
    await worker.work()
    await worker.work()
    scores = await read_season_scores(database, 1, slug)
    assert scores[hidden] == {"sum": 65, "best": 40, "low": 5, "latest": 5}[slug]


@pytest.mark.usefixtures("boards")
async def test_a_session_of_before_that_came_to_an_archived_board_is_late(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    one = await make_player(database)
    (first,) = await record_scores(database, (one, 5))
    await worker.work()
    assert (await client.post("/api/boards/best/archive")).status_code == 200
    await import_session(client, "best", one, 9)
    await worker.work()
    row = await database.fetch_one("SELECT max(id) AS id FROM game_session")
    assert row is not None
    assert (await judge(client, row["id"]))["best"] == "late"
    assert (await judge(client, first))["best"] == "improved"
    assert (await client.post("/api/boards/best/unarchive")).status_code == 200
    await worker.work()
    await worker.work()
    assert (await judge(client, row["id"]))["best"] == "improved"
    assert (await judge(client, first))["best"] == "kept"


@pytest.mark.usefixtures("boards")
async def test_a_closed_season_stays_as_it_was_until_it_is_corrected(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker, settings: Settings
) -> None:
    one, banned, other = await make_players(database, 3)
    cheat, *_ = await record_scores(database, (one, 500), (one, 5), (banned, 400), (other, 20))
    await worker.work()
    correct = "/api/boards/best/seasons/1/correct"
    early = await client.post(correct, json=WHY)
    assert (early.status_code, early.json()["code"]) == (409, "season_not_closed")
    assert (await client.post("/api/boards/best/seasons/current/close")).status_code == 200
    await worker.work()

    async def read_result() -> list[tuple[int, int, int]]:
        page = (await client.get("/api/boards/best/page", params={"season": "1"})).json()
        assert page["players"] == len(page["entries"])
        return [(entry["user_id"], entry["score"], entry["rank"]) for entry in page["entries"]]

    result = await read_result()
    assert result == [(one, 500, 1), (banned, 400, 2), (other, 20, 3)]
    await call(client, "POST", f"/api/sessions/{cheat}/revoke")
    await call(client, "PUT", f"/api/players/{banned}/state", state="banned")
    await worker.work()
    # An import that came too late for the result.
    (late,) = await record_scores(database, (other, 30))
    await database.fetch(
        """
        UPDATE game_session SET submitted_at = season.ends_at - interval '1 microsecond'
        FROM season JOIN board ON board.id = board_id
        WHERE game_session.id = $1 AND slug = 'best' AND number = 1
        """,
        late,
    )
    await worker.work()
    assert await read_result() == result
    assert (await judge(client, late))["best"] == "late"
    looked = await call(client, "POST", correct, dry_run=True)
    assert (looked["revision"], looked["players"], looked["changes"]) == (2, 2, 3)
    assert looked["entries"] == [
        describe_change(one, (500, 1), (5, 2)),
        describe_change(other, (20, 3), (30, 1)),
        describe_change(banned, (400, 2), (None, None)),
    ]
    assert await read_result() == result
    assert (await client.get("/api/boards/best/seasons/1")).json()["revision"] == 1
    assert "correct" not in await list_actions(client)
    pages = {"season": "1", "limit": "1"}
    cursor = (await client.get("/api/boards/best/page", params=pages)).json()["next"]
    corrected = await call(client, "POST", correct)
    assert (corrected["revision"], "entries" in corrected) == (2, False)
    assert await read_result() == [(other, 30, 1), (one, 5, 2)]
    assert (await judge(client, late))["best"] == "improved"
    expired = await client.get("/api/boards/best/page", params=pages | {"after": cursor})
    assert (expired.status_code, expired.json()["code"]) == (400, "cursor_expired")
    assert await audit(settings)
    entry = (await client.get("/api/moderation")).json()["entries"][-1]
    assert (entry["action"], entry["board"], entry["season"]) == ("correct", "best", 1)
    assert {change["user_id"]: change["score_after"] for change in entry["details"]["changes"]} == {
        one: 5,
        banned: None,
        other: 30,
    }
    unknown = await client.post("/api/boards/best/seasons/9/correct", json=WHY)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "season_not_found")


@in_module
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/players/1", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}),
        ("/api/sessions/1", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_options_name_the_methods_of_a_path(
    shared: SharedService, path: str, methods: set[str]
) -> None:
    allowed = (await shared.client.options(path)).headers["Allow"]
    assert {method.strip() for method in allowed.split(",")} == methods
