"""A correction counts what the ledger has by then, whatever is folded or on its way."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from service.backends.database import Database
from service.seasons import closing
from tests.support.factories import make_player, record_scores
from tests.support.moderating import WHY
from tests.support.season_work import SeasonWorker
from tests.support.waiting import wait_until

NDJSON = {"Content-Type": "application/x-ndjson"}
CORRECT = "/api/boards/best/seasons/1/correct"
# Whether somebody has looked who may still be writing sessions.
FIND_LOOK = """
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%FROM pg_locks%'
"""


class Closed:
    """A board of bests whose first season is closed, with a player who has 10 points there."""

    def __init__(self, client: httpx.AsyncClient, database: Database) -> None:
        self._client = client
        self._database = database

    async def open(self, worker: SeasonWorker) -> None:
        """Make all that."""
        board = await self._client.put("/api/boards/best", json={"operator": "best"})
        assert board.status_code == 201, board.text
        await worker.work()
        self.user_id = await make_player(self._database)
        await record_scores(self._database, (self.user_id, 10))
        await worker.work()
        closed = await self._client.post("/api/boards/best/seasons/current/close")
        assert closed.status_code == 200, closed.text
        await worker.work()

    async def write_line(self, score: int) -> dict[str, Any]:
        """Return a line of an import, of a session at the time of the first one."""
        sessions = await self._client.get(f"/api/players/{self.user_id}/sessions")
        return {
            "user_id": self.user_id,
            "score": score,
            "submitted_at": sessions.json()["sessions"][-1]["submitted_at"],
            "idempotency_key": f"old-{score}",
        }

    async def import_score(self, score: int) -> int:
        """Import a session of that season; return its id."""
        answer = await self._client.post(
            "/api/import/sessions", content=json.dumps(await self.write_line(score)), headers=NDJSON
        )
        assert answer.json()["imported"] == 1, answer.text
        sessions = (await self._client.get(f"/api/players/{self.user_id}/sessions")).json()
        session_id: int = max(session["session_id"] for session in sessions["sessions"])
        return session_id

    async def read_score(self) -> int:
        """Return the player's score in the result."""
        path = f"/api/boards/best/rank/{self.user_id}?season=1"
        score: int = (await self._client.get(path)).json()["score"]
        return score

    async def judge(self, session_id: int) -> str:
        """Return what became of a session there."""
        told = (await self._client.get(f"/api/sessions/{session_id}")).json()
        (verdict,) = [one["verdict"] for one in told["boards"] if one["board"] == "best"]
        assert isinstance(verdict, str)
        return verdict


@pytest.fixture
async def closed(client: httpx.AsyncClient, database: Database, worker: SeasonWorker) -> Closed:
    closed = Closed(client, database)
    await closed.open(worker)
    return closed


async def test_a_correction_counts_what_was_imported_a_moment_ago(
    client: httpx.AsyncClient, worker: SeasonWorker, closed: Closed
) -> None:
    imported = await closed.import_score(30)
    assert await closed.judge(imported) == "late"
    looked = await client.post(CORRECT, json=WHY | {"dry_run": True})
    assert looked.json()["changes"] == 1
    assert await closed.judge(imported) == "late"
    # No fold has seen it yet.
    corrected = await client.post(CORRECT, json=WHY)
    assert corrected.status_code == 200, corrected.text
    assert (await closed.read_score(), await closed.judge(imported)) == (30, "improved")
    later = await closed.import_score(50)
    for _ in range(2):
        assert (await closed.read_score(), await closed.judge(later)) == (30, "late")
        assert await closed.judge(imported) == "improved"
        await worker.work()


async def test_a_correction_waits_for_sessions_that_are_being_written(
    client: httpx.AsyncClient, database: Database, closed: Closed
) -> None:
    line = await closed.write_line(30)
    async with database.transaction() as connection:
        await connection.fetchval("SELECT ledger_time()")
        session_id = await connection.fetchval("SELECT nextval('game_session_id_seq')")
        correction = asyncio.create_task(client.post(CORRECT, json=WHY))
        await wait_until(lambda: database.fetch(FIND_LOOK))
        assert not correction.done()
        # It drew its id before.
        await connection.execute(
            """
            INSERT INTO game_session (id, player_id, score, submitted_at)
            VALUES ($1, $2, $3, $4::text::timestamptz)
            """,
            session_id,
            line["user_id"],
            line["score"],
            line["submitted_at"],
        )
    assert (await correction).status_code == 200
    assert (await closed.read_score(), await closed.judge(session_id)) == (30, "improved")


async def test_a_correction_does_not_wait_for_ever(
    client: httpx.AsyncClient,
    database: Database,
    closed: Closed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(closing, "_CORRECTION_WAIT_SECONDS", 0.1)
    await closed.import_score(30)
    async with database.transaction() as connection:
        await connection.fetchval("SELECT ledger_time()")
        refused = await client.post(CORRECT, json=WHY)
    assert (refused.status_code, refused.json()["code"]) == (503, "ledger_busy")
    assert await closed.read_score() == 10


async def test_a_session_that_comes_while_a_season_is_corrected_is_late(
    database: Database, closed: Closed
) -> None:
    first = await closed.import_score(30)
    last = await closing.find_last_session(database)
    second = await closed.import_score(50)
    row = await database.fetch_one(
        "SELECT season.id FROM season JOIN board ON board.id = board_id"
        " WHERE slug = 'best' AND number = 1"
    )
    assert row is not None
    async with closing.hold_closed_seasons(database) as connection:
        await closing.correct_season(connection, row["id"], last)
    assert await closed.read_score() == 30
    assert [await closed.judge(one) for one in (first, second)] == ["improved", "late"]
