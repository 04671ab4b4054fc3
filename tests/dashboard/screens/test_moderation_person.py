"""Renaming and deleting a player, and correcting a closed season: looked at, confirmed, done."""

import json
from typing import Any

import httpx
import pytest

from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.operating import Operator, look_up, watch_live
from tests.support.console.service_peer import ServicePeer

PLAYER = "/api/players/2"
STATE = "/api/players/2/state"
CORRECT = "/api/boards/weekly-laps/seasons/6/correct"
GONE = {
    "board": "global",
    "season": 1,
    "score_before": 8_700,
    "rank_before": 2,
    "score_after": None,
    "rank_after": None,
}


def rename_in(peer: ServicePeer, user_id: int, name: str) -> None:
    peer.scores = [(one, name if one == user_id else was, score) for one, was, score in peer.scores]


async def answer(operator: Operator, text: str) -> None:
    await operator.type(text)
    await operator.press("enter")


def lose_answers(peer: ServicePeer, *, done: bool) -> None:
    """Have no act answered in time, whether it was `done` or not."""

    def lose(request: httpx.Request) -> httpx.Response | None:
        body = json.loads(request.content) if request.content else {}
        if request.method == "GET" or body.get("dry_run"):
            return None
        if done and request.method == "DELETE":
            peer.refuse(404, "user_not_found", "User not found", PLAYER)
        elif done:
            peer.answers[CORRECT] = {"revision": 3, "changes": 0}
        raise httpx.ReadTimeout("late", request=request)

    peer.fail = lose


def list_writes(peer: ServicePeer) -> list[tuple[str, Any]]:
    return [(path, body) for path, body in peer.bodies if not body.get("dry_run")]


async def test_a_player_is_renamed_after_a_look_a_reason_and_the_words() -> None:
    async with watch_live(ServicePeer(FrozenClock())) as operator:
        await look_up(operator, "2")
        await operator.press("n")
        await answer(operator, "hopper")
        told = operator.read("#changes")
        assert "player 2 would be called “hopper”, in every season" in told
        assert operator.peer.bodies == []
        await answer(operator, "asked for it")
        await answer(operator, "rename 3")
        assert "not done: it takes the words rename 2" in operator.read("#said")
        assert operator.peer.bodies == []
        await operator.press("backspace")
        rename = {"user_id": 2, "username": "hopper", "joined_at": "2026-11-23T11:00:00Z"}
        operator.peer.answers[PLAYER] = rename
        rename_in(operator.peer, 2, "hopper")
        await answer(operator, "2")
        assert operator.peer.bodies == [(PLAYER, {"username": "hopper", "reason": "asked for it"})]
        assert operator.toasts[-1].startswith("player 2 is now called “hopper”")
        await operator.pass_time(2.0)
        assert "hopper" in operator.read(".head")


async def test_a_name_that_somebody_has_goes_no_further() -> None:
    async with watch_live(ServicePeer(FrozenClock())) as operator:
        await look_up(operator, "2")
        await operator.press("n")
        await answer(operator, "ada")
        assert "username_taken: player 1 is called that" in operator.read("#changes")
        await answer(operator, "a reason")
        await answer(operator, "rename 2")
        assert operator.peer.bodies == []
        await operator.press("escape", "n", "enter")
        assert "New name" not in operator.screen_text


async def test_a_player_is_deleted_with_or_without_the_scores() -> None:
    peer = ServicePeer(FrozenClock())
    peer.answers[STATE] = {"user_id": 2, "state": "banned", "until": None, "boards": [GONE]}
    async with watch_live(peer) as operator:
        await look_up(operator, "2")
        await operator.press("D")
        await answer(operator, "both")
        assert operator.toasts[-1] == "Nothing is deleted: it takes keep or revoke."
        await operator.press("D")
        await answer(operator, "revoke")
        told = " ".join(operator.read("#changes").split())
        assert "would be forgotten for good" in told
        assert "the scores leave the open boards" in told
        assert "8,700 #2 → none no rank" in told
        assert list_writes(peer) == []
        await answer(operator, "asked for it")
        await answer(operator, "delete 2")
        written = (PLAYER, {"scores": "revoke", "reason": "asked for it"})
        assert list_writes(peer) == [written]
        await operator.press("D")
        await answer(operator, "keep")
        assert "the scores stay without a name" in " ".join(operator.read("#changes").split())
        await answer(operator, "asked for it")
        await answer(operator, "delete 2")
        assert list_writes(peer)[1:] == [(PLAYER, {"scores": "keep", "reason": "asked for it"})]
        await operator.press("4")
        assert "Moderation player 2 is now forgotten for good" in operator.read("#events")


async def test_a_player_who_is_gone_when_it_is_tried_again_is_forgotten() -> None:
    peer = ServicePeer(FrozenClock())
    async with watch_live(peer) as operator:
        await look_up(operator, "2")
        await operator.press("D")
        await answer(operator, "keep")
        await answer(operator, "asked for it")
        peer.refuse(404, "user_not_found", "User not found", PLAYER)
        await answer(operator, "delete 2")
        assert operator.read("#said") == "✕ not done: user_not_found: User not found"
        lose_answers(peer, done=True)
        await operator.press("enter")
        assert "no answer within 60 s: it may be done or not" in operator.read("#said")
        await operator.press("enter")
        assert operator.toasts[-1].startswith("player 2 is forgotten for good")


@pytest.mark.parametrize("done", [True, False])
async def test_a_correction_without_an_answer_is_made_once(*, done: bool) -> None:
    peer = drive_laps()
    peer.answers[CORRECT] = {"revision": 2, "changes": 2}
    async with watch_live(peer) as operator:
        await choose_board(operator, "laps", "6")
        await operator.press("2", "escape", "C")
        await answer(operator, "the cheat of replay 4711")
        lose_answers(peer, done=done)
        await answer(operator, "correct weekly-laps 6")
        assert "no answer within 660 s: it may be done or not" in operator.read("#said")
        peer.come_back()
        await operator.press("enter")
        assert len(list_writes(peer)) == (0 if done else 1)
        assert operator.toasts[-1] == "season 6 of weekly-laps is corrected: revision 2"


async def test_a_closed_season_is_corrected_and_an_open_one_is_not_offered() -> None:
    peer = drive_laps()
    changed = {
        "user_id": 1,
        "score_before": 83_456,
        "rank_before": 2,
        "score_after": 84_000,
        "rank_after": 3,
    }
    gone = changed | {"user_id": 9, "rank_before": 4, "score_after": None, "rank_after": None}
    peer.answers[CORRECT] = {"revision": 2, "changes": 2, "entries": [changed, gone]}
    async with watch_live(peer) as operator:
        await operator.press("2", "escape", "C")
        assert "Correct season" not in operator.screen_text
        await choose_board(operator, "laps", "6")
        await operator.press("2", "escape", "C")
        told = " ".join(operator.read("#changes").split())
        assert "season 6 of weekly-laps would be ranked again" in told
        assert "revision 2 of its result" in told
        assert "change: 2, foremost player 1 #2 → #3, player 9 #4 → no rank" in told
        assert list_writes(peer) == []
        await answer(operator, "the cheat of replay 4711")
        await answer(operator, "correct weekly-laps 6")
        done = {"reason": "the cheat of replay 4711", "dry_run": False}
        assert list_writes(peer) == [(CORRECT, done)]
        assert operator.toasts[-1] == "season 6 of weekly-laps is corrected: revision 2"
