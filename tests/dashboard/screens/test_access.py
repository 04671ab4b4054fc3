"""Keys that are not an admin's: what they may see is said in words, and the rest works."""

import httpx
import pytest

from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, look_up, open_console, watch_live
from tests.support.console.service_peer import ServicePeer
from tests.support.console.snapshots import check_snapshots

WELL = {"postgresql": "ok", "redis": "ok", "worker": "ok"}
SCREENS = ("f1", "f2", "f3", "f4")
WORDS = {
    "moderator": "this key is a moderator's: Health and runs need an admin's key",
    "submit": "this key reads and submits: Health and runs need an admin's key, "
    "moderating a moderator's",
    "read": "this key only reads: Health and runs need an admin's key, "
    "moderating a moderator's, scores by hand one that submits",
    None: "there is no key: Health and runs need an admin's key, "
    "moderating a moderator's, scores by hand one that submits",
}


def make_peer(role: str | None) -> ServicePeer:
    """A service whose status is not for this key."""
    peer = ServicePeer(FrozenClock())
    peer.answers["/health/ready"] = {"status": "ready", "parts": WELL}
    problem = {"error": "No.", "code": "role_insufficient", "role": role}
    if role is None:
        problem = {"error": "No.", "code": "key_required"}

    def refuse(request: httpx.Request) -> httpx.Response | None:
        is_status = request.url.path == "/api/ops/status"
        return httpx.Response(403 if role else 401, json=problem) if is_status else None

    peer.fail = refuse
    return peer


def read_words(operator: Operator) -> str:
    return " ".join(operator.notice.split())


@pytest.mark.parametrize("role", WORDS)
async def test_what_a_key_may_see_is_said_and_the_rest_works(role: str | None) -> None:
    async with watch_live(make_peer(role)) as operator:
        await operator.pass_time(6.0)
        access = f"as {role}" if role else "without a key"
        for key in SCREENS:
            await operator.press(key)
            assert f"● connected {access}" in operator.screen_text
            assert "✕" not in operator.screen_text
        expected = WORDS[role]
        assert read_words(operator) == f"□ closed T{expected[1:]}."
        assert operator.read("#events").count(expected[:60]) == 1
        assert operator.screen_text.count("✓ ok") == 3
        assert operator.screen_text.count("? needs an admin's key") == 5
        await operator.press("f1")
        assert "● live" in operator.notice
        assert "grace" in operator.screen_text
        await look_up(operator, "2")
        assert "grace" in operator.read(".head")


async def test_health_without_an_admins_key_looks_as_designed() -> None:
    async with watch_live(make_peer("moderator")) as operator:
        await operator.press("4")
        await operator.pass_time(2.0)
        await check_snapshots(operator, "health_closed")


async def test_what_everybody_may_know_of_the_parts_is_on_every_screen() -> None:
    async with watch_live(make_peer("moderator")) as operator:
        away = "away: submits are refused, reads come from memory and Redis"
        operator.peer.answers["/health/ready"] = {"parts": WELL | {"postgresql": away}}
        await operator.pass_time(4.0)
        for key in SCREENS:
            await operator.press(key)
            assert f"✕ PostgreSQL {away}" in operator.screen_text
            assert "● connected" not in operator.screen_text
        await operator.press("f1")
        assert "● live" not in operator.screen_text
        operator.peer.answers["/health/ready"] = {"parts": WELL | {"worker": "away: ranks stand"}}
        await operator.pass_time(4.0)
        assert "✕ Worker away: ranks stand → start one" in operator.screen_text
        operator.peer.answers["/health/ready"] = {"parts": WELL}
        await operator.pass_time(4.0)
        assert "● connected as moderator" in operator.screen_text


async def test_another_key_in_the_same_place_is_noticed() -> None:
    async with watch_live(make_peer("read")) as operator:
        operator.peer.fail = lambda _: None
        await operator.pass_time(4.0)
        await operator.press("4")
        assert "● connected 127" in operator.screen_text
        assert operator.screen_text.count("✓ ok") == 6


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("key_refused", "the service does not know this API key: start the console with --api-key"),
        ("key_required", "the service wants an API key: start the console with --api-key"),
    ],
)
async def test_a_key_that_opens_nothing_is_one_clear_line(code: str, words: str) -> None:
    peer = ServicePeer(FrozenClock())
    peer.refuse(401, code, "Send `Authorization: Bearer`.")
    async with open_console(peer) as operator:
        await operator.pass_time(3.0)
        for key in SCREENS:
            await operator.press(key)
            assert f"{code}: {words}" in operator.screen_text
            assert "away" not in operator.screen_text
            assert "Bearer" not in operator.screen_text


async def test_a_wrong_key_where_reads_are_public_is_one_clear_line() -> None:
    peer = ServicePeer(FrozenClock())
    peer.refuse(401, "key_refused", "Send `Authorization: Bearer`.", "/ops/status")
    async with watch_live(peer) as operator:
        await operator.pass_time(3.0)
        assert "✕ Status refused: the service does not know this API key" in operator.screen_text
        assert "grace" in operator.screen_text
