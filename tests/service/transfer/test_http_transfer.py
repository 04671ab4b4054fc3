"""`/api/import` and `/api/export`: what becomes of each line, and what a reader can rely on."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.commands.transfer import import_
from service.keys.roles import Role
from service.keys.service import make_key
from service.local.embedded import PostgresServer, ValkeyServer
from service.maintenance.audit import audit
from service.sessions.schemas import SubmitScore
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from service.transfer.rows import PlayerLine, PlayerRow, SessionLine, SessionRow, StandingRow
from tests.support.databases import create_database
from tests.support.error_checks import check_error, list_fields
from tests.support.factories import make_player, record_scores
from tests.support.serving import connect_client, run_app, serve_app
from tests.support.shared_service import SharedService
from tests.support.waiting import wait_until

in_module = pytest.mark.asyncio(loop_scope="module")

CSV = {"Content-Type": "text/csv"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PAST = "2020-01-01T12:00:00Z"


async def send_lines(client: httpx.AsyncClient, kind: str, *lines: object) -> dict[str, Any]:
    content = "".join(json.dumps(line) + "\n" for line in lines)
    answer = await client.post(f"/api/import/{kind}", content=content, headers=NDJSON)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def count(answer: dict[str, Any]) -> tuple[int, int, int]:
    assert answer["lines"] == answer["imported"] + answer["present"] + answer["refused"]
    return answer["imported"], answer["present"], answer["refused"]


def list_errors(answer: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Return line, code and field of each error."""
    return [
        (error["line"], error["code"], error["fields"][0]["field"]) for error in answer["errors"]
    ]


def make_session(**fields: object) -> dict[str, object]:
    return {"score": 1, "idempotency_key": "k", "submitted_at": PAST, **fields}


async def fetch_sessions(database: Database) -> list[tuple[object, ...]]:
    rows = await database.fetch(
        "SELECT player_id, score, game_mode, submitted_at, idempotency_key"
        " FROM game_session ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def test_players_are_imported_once_and_with_what_they_have(
    client: httpx.AsyncClient,
) -> None:
    lines = [
        {"username": "ada", "external_id": "own:ada", "user_id": 500, "joined_at": PAST},
        {"username": "grace", "external_id": None},
        {"username": "deleted-7", "user_id": 7},
        {"username": "Rene\u0301"},
    ]
    assert count(await send_lines(client, "players", *lines)) == (4, 0, 0)
    assert count(await send_lines(client, "players", *lines)) == (0, 4, 0)
    ada = (await client.get("/api/players/500")).json()
    assert ada == {
        "user_id": 500, "username": "ada", "external_id": "own:ada", "joined_at": PAST,
    }  # fmt: skip
    assert (await client.get("/api/players", params={"username": "Ren\u00e9"})).status_code == 200
    # New players get ids above those that were imported.
    assert (await client.post("/api/players", json={"username": "new"})).json()["user_id"] == 501


async def test_player_who_is_another_one_here_is_refused(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database, "ada", "own:ada")
    grace = await make_player(database, "grace")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = await send_lines(
        client,
        "players",
        {"username": "ada", "user_id": grace},
        {"username": "eve", "user_id": ada},
        {"username": "eve", "external_id": "own:ada"},
        {"username": "grace", "external_id": "own:grace"},
        {"username": "ada", "external_id": "own:ada", "user_id": 77},
        {"username": "\u3164"},
        {"username": "deleted-7"},
        {"username": "deleted-7", "user_id": 8},
        {"username": "eve", "joined_at": tomorrow},
        {"username": "eve", "joined_at": "1969-12-31T23:59:59Z"},
        {"username": "eve", "external_id": " "},
        {"username": "ada"},
        {"username": "eve"},
        {"username": "eve"},
        {"username": "eve", "external_id": "own:eve"},
        {"username": "eve", "state": "gone"},
        {"username": "zoe", "state": "active", "state_until": tomorrow},
        {"username": "zoe", "state": "banned", "state_until": "1969-12-31T23:59:59Z"},
    )
    assert list_errors(answer) == [
        (1, "player_differs", "username"),
        (2, "player_differs", "username"),
        (3, "player_differs", "username"),
        (4, "player_differs", "external_id"),
        (5, "player_differs", "user_id"),
        (6, "invalid_request", "username"),
        (7, "username_reserved", "username"),
        (8, "username_reserved", "username"),
        (9, "invalid_request", "joined_at"),
        (10, "invalid_request", "joined_at"),
        (11, "invalid_request", "external_id"),
        (15, "player_differs", "external_id"),
        (16, "invalid_request", "state"),
        (17, "invalid_request", "state_until"),
        (18, "invalid_request", "state_until"),
    ]
    assert count(answer) == (1, 2, 15)
    rows = await database.fetch("SELECT username FROM player ORDER BY id")
    assert [row["username"] for row in rows] == ["ada", "grace", "eve"]


async def test_who_was_deleted_there_is_deleted_here(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = {"username": "deleted-7", "user_id": 7}
    answer = await send_lines(client, "players", ada | {"external_id": "own:ada"}, ada)
    assert list_errors(answer) == [(1, "invalid_request", "external_id")]
    assert count(answer) == (1, 0, 1)
    submitted = await client.post("/api/leaderboard/submit", json={"user_id": 7, "score": 1})
    assert (submitted.status_code, submitted.json()["code"]) == (404, "user_not_found")
    renamed = await client.patch("/api/players/7", json={"username": "eve", "reason": "back"})
    assert renamed.status_code == 404
    assert (await client.get("/api/players?name=deleted")).json()["players"] == []
    # The scores that were kept are, as they are exported then.
    kept = ada | {"idempotency_key": "leaderboard:session:3"}
    answer = await send_lines(
        client,
        "sessions",
        make_session(**kept),
        make_session(**kept),
        make_session(user_id=7, idempotency_key="leaderboard:session:4"),
        make_session(**kept | {"idempotency_key": "match-1"}),
        make_session(username="deleted-7", idempotency_key="match-2", metadata={"car": 1}),
        make_session(**kept, metadata={"car": 1}),
    )
    assert list_errors(answer) == [
        (3, "user_not_found", "user_id"),
        (4, "user_not_found", "user_id"),
        (5, "user_not_found", "username"),
        (6, "user_not_found", "user_id"),
    ]
    assert count(answer) == (1, 1, 4)
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert await fetch_sessions(database) == [(7, 1, "solo", noon, "leaderboard:session:3")]


async def test_nothing_of_who_was_deleted_here_is_imported(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    ada = await make_player(database, "ada")
    line = make_session(user_id=ada, metadata={"car": 1})
    assert count(await send_lines(client, "sessions", line)) == (1, 0, 0)
    deleted = await client.delete(f"/api/players/{ada}?reason=asked")
    assert deleted.status_code == 204, deleted.text
    answer = await send_lines(client, "sessions", line)
    assert list_errors(answer) == [(1, "user_not_found", "user_id")]
    exported = (await client.get("/api/export/sessions?format=ndjson")).json()
    assert count(await send_lines(client, "sessions", exported)) == (0, 1, 0)
    # As exported where the line came from, after a deletion there.
    other = {"session_id": 999, "idempotency_key": "leaderboard:session:999"}
    answer = await send_lines(client, "sessions", exported | other)
    assert list_errors(answer) == [(1, "user_not_found", "user_id")]
    rows = await database.fetch("SELECT score, metadata, idempotency_key FROM game_session")
    assert [tuple(row) for row in rows] == [(1, None, None)]
    await refresher.refresh()
    assert (await client.get(f"/api/leaderboard/rank/{ada}")).json()["total_score"] == 1


async def test_the_longest_ban_is_exported_and_imported(
    client: httpx.AsyncClient, database: Database
) -> None:
    user_id = await make_player(database, "ada")
    banned = {"state": "banned", "until": "9999-12-31T23:59:59Z", "reason": "speedhack"}
    changed = await client.put(f"/api/players/{user_id}/state", json=banned)
    assert changed.status_code == 200, changed.text
    exported = (await client.get("/api/export/players?format=ndjson")).json()
    await database.fetch("DELETE FROM player")
    assert count(await send_lines(client, "players", exported)) == (1, 0, 0)
    (row,) = await database.fetch("SELECT state_until FROM player")
    assert row["state_until"] == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


async def test_sessions_are_imported_once_with_their_own_times(
    client: httpx.AsyncClient, database: Database, refresher: Refresher, settings: Settings
) -> None:
    ada = await make_player(database, "ada", "own:ada")
    lines = [
        make_session(user_id=ada, idempotency_key="a"),
        make_session(external_id="own:ada", idempotency_key="b", score=-2, game_mode="duo"),
        make_session(username="ada", idempotency_key="c", submitted_at="2021-05-06T07:08:09+02:00"),
        make_session(user_id=ada, external_id="own:ada", username="ada", idempotency_key="d"),
    ]
    assert count(await send_lines(client, "sessions", *lines, lines[0])) == (4, 1, 0)
    assert count(await send_lines(client, "sessions", *lines)) == (0, 4, 0)
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert await fetch_sessions(database) == [
        (ada, 1, "solo", noon, "a"),
        (ada, -2, "duo", noon, "b"),
        (ada, 1, "solo", datetime(2021, 5, 6, 5, 8, 9, tzinfo=UTC), "c"),
        (ada, 1, "solo", noon, "d"),
    ]
    await refresher.refresh()
    assert (await client.get(f"/api/leaderboard/rank/{ada}")).json()["total_score"] == 1
    assert await audit(settings)
    # Its key is that of a submit, too.
    body = {"external_id": "own:ada", "score": 1}
    again = await client.post(
        "/api/leaderboard/submit", json=body, headers={"Idempotency-Key": "a"}
    )
    assert again.json() == {"status": "success", "session_id": 1}


async def test_wrong_session_is_told_by_line_and_field(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database, "ada", "own:ada")
    grace = await make_player(database, "grace")
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    answer = await send_lines(
        client,
        "sessions",
        make_session(user_id=ada, idempotency_key="a"),
        make_session(user_id=ada, idempotency_key="a", score=2),
        make_session(user_id=ada, idempotency_key="a", submitted_at="2020-01-01T12:00:01Z"),
        make_session(user_id=grace, username="ada"),
        make_session(external_id="own:ada", username="nobody"),
        make_session(username="nobody"),
        make_session(),
        make_session(user_id=ada, submitted_at=soon),
        make_session(user_id=ada, submitted_at="9999-12-31T23:59:59-14:00"),
        make_session(user_id=ada, submitted_at="0001-01-01T00:00:00+14:00"),
        make_session(user_id=ada, submitted_at="2020-01-01T12:00:00"),
        make_session(user_id=ada, score=1.5),
        make_session(user_id=ada, idempotency_key=""),
        make_session(user_id=ada, colour="red"),
        {"user_id": ada, "score": 1, "submitted_at": PAST},
        "no object",
        make_session(user_id=ada, revoked_at="yesterday"),
        make_session(user_id=ada, revoked_at="1969-12-31T23:59:59Z"),
    )
    assert list_errors(answer) == [
        (2, "idempotency_key_reused", "idempotency_key"),
        (3, "idempotency_key_reused", "idempotency_key"),
        (4, "player_differs", "username"),
        (5, "player_differs", "username"),
        (6, "user_not_found", "username"),
        (7, "invalid_request", "user_id"),
        (8, "invalid_request", "submitted_at"),
        (9, "invalid_request", "submitted_at"),
        (10, "invalid_request", "submitted_at"),
        (11, "invalid_request", "submitted_at"),
        (12, "invalid_request", "score"),
        (13, "invalid_request", "idempotency_key"),
        (14, "invalid_request", "colour"),
        (15, "invalid_request", "idempotency_key"),
        (16, "invalid_request", "body"),
        (17, "invalid_request", "revoked_at"),
        (18, "invalid_request", "revoked_at"),
    ]
    assert len(await fetch_sessions(database)) == 1


async def test_import_at_once_with_itself_and_with_submits_counts_once(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database)
    lines = [make_session(user_id=ada, idempotency_key=f"k{n}") for n in range(1_000)]
    first, other, *_ = await asyncio.gather(
        send_lines(client, "sessions", *lines),
        send_lines(client, "sessions", *reversed(lines)),
        *(
            client.post(
                "/api/leaderboard/submit/bulk",
                json=[{"user_id": ada, "score": 1, "idempotency_key": f"new-{n}"}],
            )
            for n in range(10)
        ),
    )
    assert first["imported"] + other["imported"] == 1_000
    assert first["present"] + other["present"] == 1_000
    assert len(await fetch_sessions(database)) == 1_010


@in_module
async def test_errors_are_counted_and_the_first_thousand_shown(shared: SharedService) -> None:
    lines = [*[{"username": ""}] * 3_000, {"username": "ada"}]
    answer = await send_lines(shared.client, "players", *lines)
    assert count(answer) == (1, 0, 3_000)
    assert [error["line"] for error in answer["errors"]] == [*range(1, 1_001)]


async def test_what_comes_before_a_line_that_cannot_be_read_is_imported(
    client: httpx.AsyncClient, database: Database
) -> None:
    content = b'username\nada\n"grace\nlinus\n'
    answer = await client.post("/api/import/players", content=content, headers=CSV)
    assert answer.status_code == 200
    assert count(answer.json()) == (1, 0, 1)
    assert list_errors(answer.json()) == [(3, "file_unreadable", "line")]
    nothing = await client.post("/api/import/players", content=b"name\nada\n", headers=CSV)
    assert list_fields(check_error(nothing, 400, "file_unreadable")) == ["header"]
    rows = await database.fetch("SELECT username FROM player")
    assert [row["username"] for row in rows] == ["ada"]


@in_module
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
async def test_import_of_another_format_is_refused(
    shared: SharedService, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    answer = await shared.client.post(
        "/api/import/players", content=b"username\nada", headers=headers
    )
    check_error(answer, 415, "unsupported_media_type")


@in_module
async def test_coded_file_is_refused(shared: SharedService) -> None:
    headers = CSV | {"Content-Encoding": "gzip"}
    answer = await shared.client.post("/api/import/players", content=b"\x1f\x8b", headers=headers)
    check_error(answer, 415, "unsupported_encoding")
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("content_type", [CSV, NDJSON], ids=["csv", "ndjson"])
async def test_sessions_have_numbers_and_keys_as_a_submit_has_them(
    client: httpx.AsyncClient, database: Database, content_type: dict[str, str]
) -> None:
    ada = await make_player(database, "ada")
    names = ("user_id", "score", "idempotency_key", "submitted_at")
    lines = [
        (f"{ada}.0", "12e2", " a ", PAST),
        (str(ada), "1200", "a", PAST),
        (str(ada), "1.5", "b", PAST),
        (str(ada), "1", "b c", PAST),
        (str(ada), "1", "\u00e9", PAST),
        (str(ada), "1", "x" * 256, PAST),
    ]
    if content_type is CSV:
        content = "\n".join(",".join(cells) for cells in (names, *lines))
    else:
        content = "\n".join(
            f'{{"user_id": {user_id}, "score": {score}, "idempotency_key": "{key}", '
            f'"submitted_at": "{time}"}}'
            for user_id, score, key, time in lines
        )
    answer = await client.post("/api/import/sessions", content=content, headers=content_type)
    assert count(answer.json()) == (1, 1, 4), answer.text
    fields = [field for _, _, field in list_errors(answer.json())]
    assert fields == ["score", *["idempotency_key"] * 3]
    assert [row[1:2] + row[4:] for row in await fetch_sessions(database)] == [(1200, "a")]


@pytest.mark.parametrize("content_type", [CSV, NDJSON], ids=["csv", "ndjson"])
async def test_metadata_of_any_depth_is_no_fault_of_ours(
    client: httpx.AsyncClient, content_type: dict[str, str]
) -> None:
    nested = ['{"a":' * depth + "1" + "}" * depth for depth in range(600, 1_001)]
    if content_type is CSV:
        rows = [[1, PAST, 1, "k", metadata] for metadata in nested]
        text = io.StringIO()
        names = ["user_id", "submitted_at", "score", "idempotency_key", "metadata"]
        csv.writer(text).writerows([names, *rows])
        content = text.getvalue()
    else:
        line = f'{{"user_id":1,"submitted_at":"{PAST}","score":1,"idempotency_key":"k"'
        content = "".join(f'{line},"metadata":{metadata}}}\n' for metadata in nested)
    answer = await client.post("/api/import/sessions", content=content, headers=content_type)
    assert count(answer.json()) == (0, 0, len(nested)), answer.text


async def test_imported_metadata_is_what_was_sent_in_whatever_form_the_score_is(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database, "ada")
    metadata = '{"seed":2e30,"far":[1e40],"half":2.50}'
    line = (
        f'{{"user_id":{ada},"submitted_at":"{PAST}","score":%s,'
        f'"idempotency_key":"%s","metadata":%s}}\n'
    )
    content = "".join(
        line % parts
        for parts in (
            ("5.0", "a", metadata),
            ("5", "a", metadata),
            ("5.0", "a", metadata.replace("2e30", "3e30")),
            ("5.0", "b", '{"x":1e400}'),
            ("5.0", "c", '{"x":1e99999999999999999999}'),
        )
    )
    answer = await client.post("/api/import/sessions", content=content, headers=NDJSON)
    assert count(answer.json()) == (1, 1, 3), answer.text
    fields = [field.partition("[")[0] for _, _, field in list_errors(answer.json())]
    assert fields == ["idempotency_key", "metadata", "metadata"]
    row = await database.fetch_one(
        "SELECT score, metadata = $1::jsonb AS is_same FROM game_session", metadata
    )
    assert row is not None
    assert tuple(row) == (5, True)


@in_module
async def test_documentation_names_every_field_of_a_line(shared: SharedService) -> None:
    paths = (await shared.client.get("/schema")).json()["paths"]
    help_ = CliRunner().invoke(import_, ["--help"]).stdout
    for path, method, row_type in (
        ("/api/export/players", "get", PlayerRow),
        ("/api/import/players", "post", PlayerLine),
        ("/api/import/sessions", "post", SessionLine),
    ):
        description = paths[path][method]["description"]
        # The help says of a session that it is a submit with more.
        said = SubmitScore.__struct_fields__ if issubclass(row_type, SubmitScore) else ()
        for field in row_type.__struct_fields__:
            assert f"`{field}`" in description, (path, field)
            assert field in help_ or field in said
    rows = {
        "players": PlayerRow.example(),
        "sessions": SessionRow.example(),
        "standings": StandingRow.example(),
    }
    for kind, row in rows.items():
        contents = paths[f"/api/export/{kind}"]["get"]["responses"]["200"]["content"]
        shown = {name: body["examples"]["lines"]["value"] for name, body in contents.items()}
        (line,) = csv.DictReader(io.StringIO(shown["text/csv"]))
        assert tuple(line) == row.__struct_fields__
        assert msgspec.json.decode(shown["application/x-ndjson"], type=type(row)) == row


async def test_only_an_admin_imports_and_exports(settings: Settings, database: Database) -> None:
    keys = {role: await make_key(database, name=role.word, role=role) for role in Role}
    async with serve_app(settings) as (_, fresh):
        for role, key in keys.items():
            headers = {"Authorization": f"Bearer {key}"}
            expected = 200 if role is Role.ADMIN else 403
            for kind in ("players", "sessions", "standings"):
                answer = await fresh.get(f"/api/export/{kind}", headers=headers)
                assert answer.status_code == expected
            for kind in ("players", "sessions"):
                path = f"/api/import/{kind}"
                answer = await fresh.post(path, content=b"", headers=headers | NDJSON)
                assert answer.status_code == expected


async def test_everything_exported_can_be_imported_into_an_empty_service(
    client: httpx.AsyncClient,
    database: Database,
    refresher: Refresher,
    postgres: PostgresServer,
    template_database: str,
    server_directory: Path,
) -> None:
    names = [
        "=cmd|' /C calc'!A0",
        "'=1",
        "'Abdul",
        "-5",
        "a,b",
        'a"b',
        "@x",
        "+1",
        "null",
        "Ren\u00e9",
    ]
    ids = [
        await make_player(database, name, f"={name}" if n % 2 else None)
        for n, name in enumerate(names)
    ]
    await make_player(database, "never played")
    for turn in range(300):
        body = [
            {
                "user_id": ids[turn % 9],
                "score": turn % 50 - 20,
                "game_mode": ["=x", "duo"][turn % 2],
            }
        ]
        await client.post("/api/leaderboard/submit/bulk", json=body)
    keyed = {"user_id": ids[9], "score": 10, "idempotency_key": "=key", "metadata": {"a": [1]}}
    await client.post("/api/leaderboard/submit/bulk", json=[keyed])
    # What was taken away stays away: the best score of one, all of another, and of a third for now.
    why = {"reason": "aimbot"}
    hidden = {"state": "hidden", "until": "2999-01-01T00:00:00Z"}
    for method, path, change in (
        ("POST", "sessions/49/revoke", why),
        ("PUT", f"players/{ids[1]}/state", {"state": "banned", **why}),
        ("PUT", f"players/{ids[2]}/state", {**hidden, **why}),
    ):
        answer = await client.request(method, f"/api/{path}", json=change)
        assert answer.status_code == 200, answer.text
    # Who was deleted is known by nothing, and the scores stay.
    assert (await client.delete(f"/api/players/{ids[3]}?reason=asked")).status_code == 204
    await refresher.refresh()
    exported = {
        (kind, row_format): (await client.get(f"/api/export/{kind}?format={row_format}")).content
        for kind in ("players", "sessions", "standings")
        for row_format in ("csv", "ndjson")
    }
    # Into the same service it changes nothing, also where sessions have no keys.
    for kind, lines in (("players", 11), ("sessions", 301)):
        again = await client.post(f"/api/import/{kind}", content=exported[kind, "csv"], headers=CSV)
        assert count(again.json()) == (0, lines, 0)

    for row_format, headers in (("csv", CSV), ("ndjson", NDJSON)):
        with ValkeyServer(server_directory / f"import-{row_format}") as valkey:
            async with create_database(postgres, template_database) as url:
                await check_import(
                    load_settings(database_url=url, redis_url=valkey.url),
                    exported,
                    row_format,
                    headers,
                )


@asynccontextmanager
async def run_with_refresher(
    settings: Settings,
) -> AsyncIterator[tuple[httpx.AsyncClient, Refresher]]:
    """Run the application with a worker that is called by hand."""
    database = Database(settings, application_name="leaderboard tests")
    await database.open()
    redis = connect_redis(settings)
    async with run_app(create_app(settings)) as app, connect_client(app) as client:
        yield client, Refresher(database, redis, settings)
    await redis.aclose()
    await database.close()


async def check_import(
    settings: Settings,
    exported: dict[tuple[str, str], bytes],
    row_format: str,
    headers: dict[str, str],
) -> None:
    """Import into an empty service, twice, and compare what it exports."""
    async with run_with_refresher(settings) as (client, refresher):
        for expected in ((11, 301), (0, 0)):
            for kind, lines in zip(("players", "sessions"), expected, strict=True):
                answer = await client.post(
                    f"/api/import/{kind}", content=exported[kind, row_format], headers=headers
                )
                assert count(answer.json())[::2] == (lines, 0), answer.text
        await refresher.refresh()
        assert await audit(settings)
        for kind in ("players", "sessions", "standings"):
            path = f"/api/export/{kind}?format={row_format}"
            assert (await client.get(path)).content == exported[kind, row_format]


async def test_key_that_an_export_invents_is_of_no_other_session(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await make_player(database, "ada")
    # Exported by another service, of which it is the second session, as an earlier player's was.
    for number, time in ((2, PAST), (3, PAST.replace("2020", "2021"))):
        there = {"session_id": number, "idempotency_key": f"leaderboard:session:{number}"}
        line = make_session(user_id=ada, score=5, **there | {"submitted_at": time})
        assert count(await send_lines(client, "sessions", line)) == (1, 0, 0)
    # Nor do its own sessions meet what was imported, whatever ids they have.
    await record_scores(database, (ada, 1), (ada, 2))
    for _ in range(2):
        exported = (await client.get("/api/export/sessions?format=ndjson")).text
        keys = [json.loads(line)["idempotency_key"] for line in exported.splitlines()]
        assert len(set(keys)) == 4
        answer = await client.post("/api/import/sessions", content=exported, headers=NDJSON)
        assert count(answer.json()) == (0, 4, 0), answer.text


async def test_export_is_one_long_stream_in_order(
    client: httpx.AsyncClient, database: Database, refresher: Refresher
) -> None:
    await database.fetch(
        "INSERT INTO player (username) SELECT 'p' || n FROM generate_series(1, 5000) n"
    )
    ids = [*range(1, 5_001)]
    for _ in range(3):
        await record_scores(database, *((user_id, user_id % 7) for user_id in ids))
    await refresher.refresh()
    answer = await client.get("/api/export/sessions")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sessions.csv"'
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    assert [int(row["session_id"]) for row in rows] == [*range(1, 15_001)]
    keys = [row["idempotency_key"] for row in rows]
    assert len(set(keys)) == 15_000
    assert [key.rpartition(":")[0] for key in keys] == [
        f"leaderboard:session:{number}" for number in range(1, 15_001)
    ]
    players = (await client.get("/api/export/players?format=ndjson")).text.splitlines()
    assert [json.loads(line)["user_id"] for line in players] == ids
    standings = [
        json.loads(line)
        for line in (await client.get("/api/export/standings?format=ndjson")).text.splitlines()
    ]
    page = (await client.get("/api/leaderboard/page?limit=1000")).json()["leaderboard"]
    shown = [(row["user_id"], row["username"], row["score"], row["rank"]) for row in standings]
    assert len(shown) == 5_000
    assert shown[:1_000] == [tuple(row.values()) for row in page]


async def test_empty_export_has_a_header_only(client: httpx.AsyncClient) -> None:
    for kind in ("players", "sessions", "standings"):
        answer = await client.get(f"/api/export/{kind}")
        assert answer.text.count("\r\n") == 1
        assert answer.text.startswith(("user_id,", "session_id,", "rank,"))
        assert (await client.get(f"/api/export/{kind}?format=ndjson")).text == ""


async def test_export_that_breaks_off_is_noticed(settings: Settings, database: Database) -> None:
    await database.fetch(
        "INSERT INTO player (username) SELECT 'p' || n FROM generate_series(1, 200000) n"
    )
    async with (
        serve_app(settings) as (app, client),
        client.stream("GET", "/api/export/players") as answer,
    ):
        assert answer.status_code == 200
        # As a process is told that it is about to end, in the middle of the stream.
        app.state.closing.set()
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()


async def test_transfers_have_few_places(client: httpx.AsyncClient) -> None:
    asked: list[int] = []
    arriving = asyncio.Event()

    async def send_slowly(number: int) -> AsyncIterator[bytes]:
        yield b"username\nada\n"
        asked.append(number)
        await arriving.wait()
        yield b"grace\n"

    slow = [
        asyncio.create_task(
            client.post("/api/import/players", content=send_slowly(number), headers=CSV)
        )
        for number in range(2)
    ]
    await wait_until(lambda: len(asked) == 2)
    refused = await client.get("/api/export/players")
    check_error(refused, 503, "too_busy")
    assert refused.headers["retry-after"] == "10"
    arriving.set()
    assert [(await task).status_code for task in slow] == [200, 200]
    assert (await client.get("/api/export/players")).status_code == 200
