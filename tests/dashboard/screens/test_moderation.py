"""A moderator's dialogs on Player: what is offered, shown first, asked for and refused."""

from typing import Any

import httpx
import pytest

from dashboard.app import Console
from dashboard.client.gateway import Gateway
from dashboard.client.rights import Rights
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.moderating import LOG, MANY, explain, log, make_peer
from tests.support.console.operating import Operator, PatientConsole, look_up, watch_live
from tests.support.console.service_peer import URL
from tests.support.console.snapshots import SIZES, check_snapshots


def list_calls(operator: Operator) -> list[tuple[str, bool]]:
    """Return what was asked for, and whether only to look."""
    return [(path.rpartition("/")[2], body["dry_run"]) for path, body in operator.peer.bodies]


UNKNOWN = "it may be done or not, the log says which. Enter does it unless it is done."


def say(operator: Operator) -> str:
    """Return what is said below the words, on one line."""
    return " ".join(operator.read("#said").split())


async def confirm(operator: Operator, reason: str, phrase: str) -> None:
    await operator.type(reason)
    await operator.press("enter")
    await operator.type(phrase)
    await operator.press("enter")


async def test_sessions_are_marked_looked_at_and_revoked_for_a_reason() -> None:
    async with watch_live(make_peer()) as operator:
        await look_up(operator, "2")
        assert "revoked" in operator.screen_text
        await operator.press("v")
        await operator.press("space", "down", "space")
        await check_snapshots(operator, "moderate_sessions")
        await operator.resize(*SIZES["wide"])
        await operator.press("enter")
        await check_snapshots(operator, "moderate_preview")
        await operator.resize(*SIZES["wide"])
        assert list_calls(operator) == [("revoke", True)]
        # Nothing but the words that are asked for will do, and nothing goes without a reason.
        await operator.press("enter")
        assert "a reason has 1 to 1,000 characters" in operator.read("#said")
        await confirm(operator, "speedhack", "revoke 3")
        assert "not done: it takes the words revoke 2" in operator.read("#said")
        assert list_calls(operator) == [("revoke", True)]
        await operator.press("backspace", "2", "enter")
        path, body = operator.peer.bodies[-1]
        assert path == MANY
        assert body == {"reason": "speedhack", "session_ids": [1_003, 1_002], "dry_run": False}
        assert operator.toasts[-1] == "2 sessions of player 2 now revoked"
        assert "grace" in operator.screen_text
        await operator.press("4")
        assert "Moderation 2 sessions of player 2 now revoked" in operator.read("#events")


async def test_behind_two_dialogs_it_is_told_what_went_wrong_and_which_keys_work() -> None:
    async with watch_live(make_peer()) as operator:
        await look_up(operator, "2")
        await operator.press("v", "space")
        assert "space Mark" in operator.screen_text
        await operator.press("enter")
        operator.peer.away = {"worker"}
        await operator.pass_time(5.0)
        assert "✕ Worker away" in operator.screen_text
        assert "● live" not in operator.screen_text
        assert "space Mark" not in operator.screen_text
        assert "esc Back" in operator.screen_text


async def test_a_revoked_session_is_restored_and_kinds_are_not_mixed() -> None:
    async with watch_live(make_peer()) as operator:
        await look_up(operator, "2")
        await operator.press("v", "space", "end", "space", "enter")
        assert "mark only one kind" in operator.read("#said")
        # Without the first one, the revoked one is left.
        await operator.press("home", "space", "enter")
        assert "Restore 1 session of player 2, “grace”" in operator.screen_text
        await confirm(operator, "a mistake", "restore 2")
        assert [body["session_ids"] for _, body in operator.peer.bodies] == [[1_001], [1_001]]
        assert operator.toasts[-1] == "1 session of player 2 now restored"


async def test_a_mark_stays_where_it_is_and_a_look_back_keeps_all_marks() -> None:
    async with watch_live(make_peer()) as operator:
        await look_up(operator, "2")
        await operator.press("v", "space")
        assert operator.read("#said") == "1 marked of 3 listed"
        await operator.press("space")
        assert operator.read("#said") == "0 marked of 3 listed"
        await operator.press("space", "down", "space", "enter")
        assert "2 sessions of player 2 would be revoked" in operator.read("#changes")
        await operator.press("escape")
        assert operator.read("#said") == "2 marked of 3 listed"
        assert operator.screen_text.count("[x]") == 2
        await operator.press("space", "enter")
        assert [body["session_ids"] for _, body in operator.peer.bodies] == [
            [1_003, 1_002],
            [1_003],
        ]


async def test_nothing_is_said_below_the_words_before_something_is() -> None:
    async with watch_live(make_peer()) as operator:
        await look_up(operator, "2")
        await operator.press("v", "space", "enter")
        await operator.type("speedhack")
        await operator.press("enter")
        assert operator.read("#said") == ""


async def test_older_sessions_are_listed_when_they_are_asked_for() -> None:
    async with watch_live(make_peer(150)) as operator:
        await look_up(operator, "2")
        await operator.press("v")
        assert operator.read("#said") == "0 marked of 100 listed; o lists older ones"
        await operator.press("o")
        assert operator.read("#said") == "0 marked of 150 listed"
        await operator.press("o", "end", "enter")
        assert "Restore 1 session" in operator.screen_text


async def test_a_state_is_chosen_looked_at_and_given_until_a_time() -> None:
    peer = make_peer()
    async with watch_live(peer) as operator:
        await look_up(operator, "2")
        await operator.press("t")
        assert operator.read("#now") == "Now: hidden until 2026-11-24 12:00"
        await operator.type("7d")
        await operator.press("enter")
        assert "active does not end by itself" in operator.read("#said")
        await operator.press("down", "down")
        await check_snapshots(operator, "moderate_state")
        await operator.resize(*SIZES["wide"])
        await operator.press("backspace", "x", "enter")
        assert "a time is such as 30m, 12h, 7d" in operator.read("#said")
        await operator.press("backspace", "d", "enter")
        assert "Ban player 2, “grace”" in operator.screen_text
        await confirm(operator, "speedhack", "ban 2")
        looked, done = (body for _, body in peer.bodies)
        assert (looked["dry_run"], done["dry_run"]) == (True, False)
        assert done["state"] == "banned"
        assert done["until"].startswith("2026-11-30")
        assert operator.toasts[-1] == "player 2 is now banned"


async def test_a_step_back_does_nothing() -> None:
    async with watch_live(make_peer()) as operator:
        await look_up(operator, "2")
        for keys in (("v",), ("t",), ("v", "enter", "escape"), ("t", "enter")):
            await operator.press(*keys)
            await operator.press("escape")
            assert "Last sessions" in operator.screen_text, keys
            assert operator.console.screen.query("#search"), keys
        assert {dry_run for _, dry_run in list_calls(operator)} == {True}


async def test_what_is_refused_or_not_answered_is_said_and_can_be_tried_again() -> None:
    peer = make_peer()
    async with watch_live(peer) as operator:
        await look_up(operator, "2")
        peer.refuse(403, "role_insufficient", "Too low.", "/sessions/revoke")
        await operator.press("v", "enter")
        assert "! role_insufficient: Too low: start the console with --api-key" in operator.read(
            "#changes"
        )
        await operator.type("speedhack")
        await operator.press("enter")
        peer.come_back()
        await operator.press("enter")
        assert "2 sessions of player 2 would be revoked" in operator.read("#changes")
        assert list_calls(operator) == [("revoke", True)]
        peer.go_away()
        await operator.press("enter")
        await operator.type("revoke 2")
        await operator.press("enter")
        assert UNKNOWN in say(operator)
        peer.come_back()
        await operator.press("enter")
        assert list_calls(operator) == [("revoke", True), ("revoke", False)]


async def test_what_failed_half_way_is_not_called_undone_until_it_is_known_to_be_done() -> None:
    peer = make_peer()
    async with watch_live(peer) as operator:
        await look_up(operator, "2")
        await operator.press("v", "space", "down", "space", "enter")
        peer.refuse(503, "too_busy", "Too many requests.", MANY)
        await confirm(operator, "speedhack", "revoke 2")
        assert say(operator) == "✕ not done: too_busy: Too many requests."
        for status, code in ((503, "database_unavailable"), (504, "http_504")):
            peer.refuse(status, code, "It is away; send it again.", MANY)
            await operator.press("enter")
            assert UNKNOWN in say(operator), code
        # What is refused now may have been done before.
        peer.refuse(403, "role_insufficient", "Too low.", MANY)
        await operator.press("enter")
        assert UNKNOWN in say(operator)
        peer.come_back()
        peer.answers[MANY] = {"user_id": 2, "sessions": 0, "more": False, "boards": []}
        await operator.press("enter")
        assert operator.toasts[-1] == "2 sessions of player 2 now revoked"


async def test_an_answer_that_is_none_of_a_leaderboard_leaves_an_act_unknown() -> None:
    peer = make_peer()
    async with watch_live(peer) as operator:
        await look_up(operator, "2")
        await operator.press("v", "enter")
        peer.fail = lambda request: httpx.Response(200) if request.url.path == MANY else None
        await confirm(operator, "speedhack", "revoke 2")
        assert UNKNOWN in say(operator)


async def test_why_something_is_refused_is_shown_to_its_last_word() -> None:
    peer = make_peer()
    why = "This key is one that reads; what is asked for is a moderator's, and who has an admin's"
    async with watch_live(peer, SIZES["narrow"]) as operator:
        await look_up(operator, "2")
        for path, keys in (
            ("/sessions", ("v",)),
            ("/explain/", ("t",)),
            ("/api/boards", ("b",)),
            ("/seasons", ("b", *"laps", "enter")),
        ):
            peer.boards = drive_laps().boards
            peer.refuse(403, "role_insufficient", f"{why} may make one.", path)
            await operator.press(*keys)
            assert "and such a key" in operator.screen_text, path
            peer.come_back()
            await operator.press("escape", "escape")
        await operator.press("v", "enter")
        peer.refuse(403, "role_insufficient", f"{why} may make one.", "/sessions/revoke")
        await confirm(operator, "speedhack", "revoke 2")
        assert "and such a key" in operator.screen_text


async def test_a_defect_of_a_dialog_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    async with watch_live(make_peer()) as operator:
        await look_up(operator, "2")
        await operator.press("v", "enter")
        monkeypatch.setattr(Gateway, "mark_sessions", fail)
        await confirm(operator, "speedhack", "revoke 2")
        assert operator.read("#said") == "▲ what became of it is unknown"
        assert operator.toasts == ["do failed: ZeroDivisionError: a defect"]
        texts = [event.text for event in operator.console.state.log]
        assert texts.count("do failed: ZeroDivisionError: a defect") == 1


async def test_a_console_that_only_looks_does_not_moderate() -> None:
    peer = make_peer()
    rights = Rights({"moderation": "it only looks"})
    console: Console = PatientConsole(Gateway(URL, peer.transport, rights=rights), peer.clock)
    async with console.run_test(size=SIZES["wide"], notifications=True):
        operator = Operator(console, peer)
        await operator.pass_time()
        await look_up(operator, "2")
        for key in ("v", "t"):
            console.clear_notifications()
            await operator.press(key)
            assert operator.toasts[-1] == "Refused: it only looks."
            assert operator.console.screen.query("#search")
        titles = {
            "Revoke or restore sessions (refused: read-only)",
            "Ban or hide the player, or end that (refused: read-only)",
        }
        commands: list[Any] = [
            command
            for command in console.get_system_commands(console.screen)
            if command.title in titles
        ]
        assert len(commands) == 2
        for command in commands:
            await command.callback()
            await operator.pass_time()
            assert operator.console.screen.query("#search")
        assert peer.bodies == []


async def test_the_log_is_listed_newest_first_in_words_and_older_entries_when_asked_for() -> None:
    peer = make_peer()
    peer.answers["/api/moderation"] = {"entries": LOG, "next": 9}
    async with watch_live(peer) as operator:
        await operator.press("L")
        await check_snapshots(operator, "moderation_log")
        assert peer.requests[-1] == "/api/moderation?order=newest&after=0"
        peer.answers["/api/moderation"] = {
            "entries": [log(8, "revoke", session_id=7)],
            "next": None,
        }
        await operator.press("o")
        assert peer.requests[-1] == "/api/moderation?order=newest&after=9"
        listed = operator.read("#log").splitlines()
        assert listed[-1] == "nothing older; escape closes"
        assert listed[-3].endswith("player 2: revoked session 7")
        await operator.press("o")
        assert operator.read("#log").splitlines() == listed
        await operator.press("escape")
        peer.refuse(403, "role_insufficient", "Too low.", "/api/moderation")
        await operator.press("4", "L")
        assert operator.read("#log").startswith("! role_insufficient: Too low")


async def test_a_rank_is_explained_for_the_row_under_the_cursor_and_for_who_is_looked_up() -> None:
    peer = make_peer()
    peer.answers["/api/boards/global/explain/2"] = explain(state="active", until=None)
    async with watch_live(peer) as operator:
        await operator.press("down", "w")
        await check_snapshots(operator, "explanation")
        await operator.press("w")
        await look_up(operator, "2")
        await operator.press("w")
        assert "✓ ledger, standing and index agree" in operator.read("#why")
        await operator.press("escape")
        peer.refuse(404, "board_not_found", "No such board.", "/explain/")
        await operator.press("w")
        assert operator.read("#why") == "! board_not_found: No such board."


async def test_an_explanation_says_what_differs_what_is_limited_and_what_is_not_there() -> None:
    peer = make_peer()
    path = "/api/boards/global/explain/2"
    rule = explain()["rule"] | {
        "operator": "best",
        "direction": "low",
        "ties": "first",
        "game_mode": "race",
        "min_score": 0,
    }
    differs = explain()["standing"] | {"score": 8_000, "sessions": None}
    closed = explain()["season"] | {"state": "closed"}
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["hidden until", "▲ who is hidden does not stand"]),
        (
            {"state": "active", "standing": differs, "pending": 4},
            ["… they differ until the next fold: 4 pending", "8,000", "session 1002"],
        ),
        ({"state": "active", "standing": differs, "changing": True}, ["being made again"]),
        ({"state": "active", "index": None}, ["✕ they differ: leaderboard audit says where"]),
        ({"season": closed}, ["✓ ledger, standing and index agree"]),
        (
            {"season": closed, "ledger": None},
            ["▲ what was revoked, restored", "C on Player corrects it"],
        ),
        ({"season": closed, "standing": differs, "pending": 4}, ["✕ they differ: leaderboard"]),
        (
            {"state": "active", "rule": rule, "next_before": 990, "above": None, "below": None},
            [
                "best of the sessions; less is better; of equals who was first",
                "only mode “race”, from 0",
                "nobody: first of all",
                "nobody: last of all",
                "2 sessions and older count here; the first session makes it:",
            ],
        ),
        (
            {"state": "active", "sessions": [], "rank": None, "score": None}
            | dict.fromkeys(("ledger", "standing", "index", "stored_rank", "above", "below")),
            ["without a rank of 9 players", "No session counts in this season."],
        ),
    ]
    async with watch_live(peer) as operator:
        await look_up(operator, "2")
        for changes, words in cases:
            peer.answers[path] = explain(**changes)
            await operator.press("w")
            shown = operator.read("#why")
            assert [word for word in words if word not in shown] == [], shown
            await operator.press("escape")


async def test_an_archived_board_is_explained_as_it_was() -> None:
    peer = drive_laps()
    peer.answers["/api/boards/old-cup/explain/2"] = explain(state="banned", ledger=None)
    async with watch_live(peer) as operator:
        await choose_board(operator, "old")
        await look_up(operator, "2")
        await operator.press("w")
        shown = " ".join(operator.read("#why").split())
        assert "▲ what was submitted, revoked, restored or banned since changes an arch" in shown
