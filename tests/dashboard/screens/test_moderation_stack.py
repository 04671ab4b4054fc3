"""Moderating from the console, against the real service: done, undone, and audited after each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from redis.asyncio import Redis

from dashboard.app import Console
from service.backends.database import Database
from service.maintenance.audit import audit
from service.settings.settings import Settings
from tests.support.api_keys import bear, make_keys
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, PatientConsole, PatientGateway
from tests.support.console.service_peer import ServicePeer
from tests.support.factories import make_player, record_scores
from tests.support.season_work import SeasonWorker
from tests.support.serving import serve_app
from tests.support.waiting import wait_until


@dataclass
class Stack:
    """A console before a service of its own, whose worker is called by hand."""

    operator: Operator
    client: httpx.AsyncClient
    worker: SeasonWorker
    settings: Settings

    async def see(self, *words: str) -> None:
        """Let time pass until the screen says this."""

        async def find() -> bool:
            await self.operator.pass_time(0.2)
            missing = [word for word in words if word not in self.operator.screen_text]
            assert not missing, f"{missing} is not in:\n{self.operator.screen_text}"
            return True

        await wait_until(find)

    async def say(self, text: str) -> None:
        await self.operator.type(text)
        await self.operator.press("enter")

    async def list_sessions_of_cheat(self, number: int) -> None:
        """Look up the player `cheat`, and open the list of so many sessions."""
        await self.operator.press("2")
        await self.say("cheat")
        await self.see("Last sessions", "900 solo")
        await self.operator.press("v")
        await self.see(f"0 marked of {number} listed")

    async def read_board(self) -> list[tuple[int, int]]:
        """Return who stands with which score, once the worker has folded and audit is clean."""
        await self.worker.work()
        assert await audit(self.settings)
        page = (await self.client.get("/api/boards/global/page")).json()
        return [(entry["user_id"], entry["score"]) for entry in page["entries"]]


@asynccontextmanager
async def open_stack(
    settings: Settings, database: Database, redis: Redis, key: str | None = None
) -> AsyncIterator[Stack]:
    worker = SeasonWorker(database, redis, settings)
    await worker.work()
    async with serve_app(settings) as (_, client):
        if key is not None:
            client.headers.update(bear(key))
        clock = FrozenClock()
        console: Console = PatientConsole(PatientGateway(str(client.base_url), api_key=key), clock)
        async with console.run_test(size=(120, 36), notifications=True):
            stack = Stack(Operator(console, ServicePeer(clock)), client, worker, settings)
            yield stack


@pytest.fixture
async def stack(settings: Settings, database: Database, redis: Redis) -> AsyncIterator[Stack]:
    async with open_stack(settings, database, redis) as stack:
        yield stack


async def test_a_cheater_is_revoked_and_banned_and_it_is_undone(
    stack: Stack, database: Database
) -> None:
    cheat, other = await make_player(database, "cheat"), await make_player(database, "grace")
    await record_scores(database, (cheat, 10), (other, 50), (cheat, 900))
    before = await stack.read_board()
    assert before == [(cheat, 910), (other, 50)]
    operator = stack.operator

    await stack.list_sessions_of_cheat(2)
    await operator.press("space", "enter")
    await stack.see("1 session of player 1 would be revoked", "#1", "#2")
    assert await stack.read_board() == before
    await stack.say("speedhack")
    await stack.say(f"revoke {cheat}")
    await stack.see("1 session of player 1 now revoked")
    assert await stack.read_board() == [(other, 50), (cheat, 10)]
    await stack.see("900 solo revoked")

    await operator.press("t")
    await stack.see("Now: active")
    await operator.press("up")
    await stack.say("30d")
    await stack.see("player 1 would be banned until", "no rank")
    await stack.say("speedhack again")
    await stack.say(f"ban {cheat}")
    await stack.see("player 1 is now banned until")
    assert await stack.read_board() == [(other, 50)]
    await stack.see("○ Banned")

    await operator.press("t")
    await stack.see("Now: banned until")
    await operator.press("enter")
    await stack.see("player 1 would be active")
    await stack.say("appealed")
    await stack.say(f"activate {cheat}")
    await stack.see("player 1 is now active")
    await operator.press("v")
    await stack.see("revoked", "0 marked of 2 listed")
    await operator.press("enter")
    await stack.see("1 session of player 1 would be restored")
    await stack.say("appealed")
    await stack.say(f"restore {cheat}")
    await stack.see("1 session of player 1 now restored")
    assert await stack.read_board() == before
    log = (await stack.client.get("/api/moderation", params={"order": "newest"})).json()
    assert [(entry["action"], entry["reason"]) for entry in log["entries"]] == [
        ("restore_many", "appealed"),
        ("state", "appealed"),
        ("state", "speedhack again"),
        ("revoke_many", "speedhack"),
    ]

    await operator.press("L")
    await stack.see("player 1: restored 1 session", "appealed", "banned → active", "nothing older")
    await operator.press("escape", "w")
    await stack.see("is #1", "#2 grace", "910", "✓ ledger, standing and index agree")


async def test_a_player_is_renamed_and_then_forgotten(stack: Stack, database: Database) -> None:
    one, other = await make_player(database, "grace"), await make_player(database, "ada")
    await record_scores(database, (one, 50), (other, 10))
    assert await stack.read_board() == [(one, 50), (other, 10)]
    operator = stack.operator
    await operator.press("2")
    await stack.say("grace")
    await stack.see("Last sessions", "50 solo")
    await operator.press("n")
    await stack.say("hopper")
    await stack.see("player 1 would be called “hopper”")
    await stack.say("asked for it")
    await stack.say(f"rename {one}")
    await stack.see("player 1 is now called “hopper”", "hopper  id 1")
    await operator.press("D")
    await stack.say("revoke")
    await stack.see("would be forgotten for good", "no rank")
    assert await stack.read_board() == [(one, 50), (other, 10)]
    await stack.say("asked for it")
    await stack.say(f"delete {one}")
    await stack.see("player 1 is now forgotten for good")
    assert await stack.read_board() == [(other, 10)]
    log = (await stack.client.get("/api/moderation", params={"order": "newest"})).json()
    assert [entry["action"] for entry in log["entries"]] == ["delete", "rename"]


async def test_a_closed_season_is_corrected(stack: Stack, database: Database) -> None:
    cheat, other = await make_player(database, "cheat"), await make_player(database, "grace")
    board = {"title": "Weekly", "operator": "sum"}
    assert (await stack.client.put("/api/boards/weekly", json=board)).status_code == 201
    (false,) = await record_scores(database, (cheat, 900))
    await record_scores(database, (other, 50))
    await stack.read_board()
    closing = await stack.client.post("/api/boards/weekly/seasons/current/close")
    assert closing.status_code == 200
    await stack.read_board()
    revoked = await stack.client.post(f"/api/sessions/{false}/revoke", json={"reason": "speedhack"})
    assert revoked.status_code == 200
    await stack.read_board()

    async def read_result() -> list[tuple[int, int]]:
        page = await stack.client.get("/api/boards/weekly/page", params={"season": "1"})
        return [(entry["user_id"], entry["score"]) for entry in page.json()["entries"]]

    result = await read_result()
    assert result == [(cheat, 900), (other, 50)]
    operator = stack.operator
    await operator.press("b")
    await stack.see("Weekly")
    await stack.say("weekly")
    await stack.see("Seasons of Weekly", "1, previous")
    await stack.say("1")
    await stack.see("FINAL")
    await operator.press("2")
    await stack.say("cheat")
    await stack.see("season 1 FINAL", "900 points")
    await operator.press("w")
    await stack.see("what was revoked, restored, imported or banned since")
    await operator.press("escape", "C")
    await stack.see("season 1 of weekly would be ranked again", "revision 2")
    assert await read_result() == result
    await stack.say("speedhack")
    await stack.say("correct weekly 1")
    await stack.see("season 1 of weekly is corrected: revision 2")
    assert await read_result() == [(other, 50)]
    assert await audit(stack.settings)
    await operator.press("L")
    await stack.see("corrected weekly season 1, entries changed: 1", "speedhack")


async def test_a_score_by_hand_is_written_once_and_undone(stack: Stack, database: Database) -> None:
    one = await make_player(database, "ada")
    await record_scores(database, (one, 10))
    before = await stack.read_board()
    operator = stack.operator
    await operator.press("3", "h")
    await operator.type(str(one))
    await operator.press("tab")
    await stack.say("500")
    await stack.see("player 1 is ada: Enter writes +500, solo")
    assert await stack.read_board() == before
    await operator.press("enter")
    await stack.see("✓ player 1, +500, solo: session")
    await operator.press("enter", "enter")
    await stack.see("written already, once")
    assert await stack.read_board() == [(one, 510)]
    await operator.press("escape", "u")
    await stack.see("undone: it is revoked")
    await operator.press("u")
    await stack.see("nothing written by hand here is left to undo")
    assert await stack.read_board() == before
    (entry,) = (await stack.client.get("/api/moderation")).json()["entries"]
    assert (entry["action"], entry["user_id"]) == ("revoke", one)
    assert entry["reason"] == "undone: it was written by hand in the console"


async def test_a_key_of_a_role_too_low_changes_nothing(
    settings: Settings, database: Database, redis: Redis
) -> None:
    keys = await make_keys(database)
    cheat = await make_player(database, "cheat")
    await record_scores(database, (cheat, 900))
    async with open_stack(settings, database, redis, keys["submit"]) as stack:
        await stack.list_sessions_of_cheat(1)
        await stack.operator.press("enter")
        await stack.see("! role_insufficient")
        await stack.say("speedhack")
        await stack.see("! role_insufficient")
        await stack.operator.press("escape", "escape", "L")
        await stack.see("The role of this key is 'submit'", "--api-key")
        await stack.operator.press("escape", "f4")
        await stack.see("This key reads and submits", "moderating a moderator's")
        assert await stack.read_board() == [(cheat, 900)]


async def test_a_moderators_key_sees_the_board_and_moderates(
    settings: Settings, database: Database, redis: Redis
) -> None:
    keys = await make_keys(database)
    cheat = await make_player(database, "cheat")
    await record_scores(database, (cheat, 900))
    async with open_stack(settings, database, redis, keys["moderator"]) as stack:
        # What everybody may know of the parts is known: here no worker has a heartbeat.
        await stack.see("cheat", "✕ Worker away: ranks stand still")
        await stack.operator.press("4")
        await stack.see("This key is a moderator's: Health and runs need an admin's key", "✓ ok")
        await stack.list_sessions_of_cheat(1)
        await stack.operator.press("enter")
        await stack.see("1 session of player 1 would be revoked")
        await stack.say("speedhack")
        await stack.say(f"revoke {cheat}")
        await stack.see("1 session of player 1 now revoked")
        assert await stack.read_board() == []
        await stack.operator.press("L")
        await stack.see("by key moderator: speedhack")
