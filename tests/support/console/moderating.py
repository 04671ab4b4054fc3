"""A service with something to moderate, and what it says of that."""

from typing import Any

from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.service_peer import ServicePeer

MANY = "/api/players/2/sessions/revoke"
STATE = "/api/players/2/state"
CHANGE = {
    "board": "global",
    "season": 1,
    "score_before": 8_700,
    "rank_before": 2,
    "score_after": 7_500,
    "rank_after": 4,
}


def explain(**changes: Any) -> dict[str, Any]:
    """Return what the service says of player 2 on `global`."""
    sum_of_both = {
        "score": 8_700,
        "sessions": 2,
        "session_id": 1_002,
        "reached_at": "2026-11-23T11:00:00Z",
    }
    rule = {
        "operator": "sum",
        "direction": "high",
        "ties": "shared",
        "game_mode": None,
        "min_score": None,
        "max_score": None,
        "format": {"kind": "integer"},
        "schedule": None,
    }
    ada = {"user_id": 1, "username": "ada", "score": 9_400, "score_text": "9400", "rank": 1}
    barbara = {"user_id": 4, "username": "[/x]", "score": 7_150, "score_text": "7150", "rank": 4}
    return {
        "board": "global",
        "season": {"number": 1, "state": "open", "revision": 1, "starts_at": None, "ends_at": None},
        "rule": rule,
        "user_id": 2,
        "username": "grace",
        "state": "hidden",
        "until": "2026-11-24T12:00:00Z",
        "score": 8_700,
        "score_text": "8700",
        "rank": 2,
        "players": 9,
        "above": ada,
        "below": barbara,
        "sessions": [
            {
                "session_id": number,
                "score": 4_350,
                "score_text": "4350",
                "submitted_at": "2026-11-23T11:00:00Z",
            }
            for number in (1_002, 990)
        ],
        "next_before": None,
        "ledger": sum_of_both,
        "standing": sum_of_both,
        "index": {"score": 8_700, "rank": 2},
        "stored_rank": 3,
        "pending": 0,
        "changing": False,
    } | changes


def make_peer(sessions: int = 3) -> ServicePeer:
    """A service in which player 2 has sessions, the oldest of them revoked."""
    peer = ServicePeer(FrozenClock())
    for number in range(sessions):
        peer.add_score(2, 100 * number)
    peer.sessions[2][-1]["revoked_at"] = peer.clock.now().isoformat()
    peer.sessions[2][-1]["game_mode"] = "[/x] duo"
    laps = {"board": "weekly-laps", "season": 7, "score_after": None, "rank_after": None}
    peer.answers[MANY] = {"user_id": 2, "sessions": 2, "more": False, "boards": [CHANGE]}
    peer.answers["/api/players/2/sessions/restore"] = {"user_id": 2, "sessions": 1, "more": False}
    peer.answers[STATE] = {
        "user_id": 2,
        "state": "banned",
        "until": None,
        "boards": [CHANGE, CHANGE | laps],
    }
    peer.answers["/api/boards/global/explain/2"] = explain()
    return peer


def log(number: int, action: str, **changes: Any) -> dict[str, Any]:
    entry = {
        "id": number,
        "at": "2026-11-23T11:00:00Z",
        "key": "support",
        "action": action,
        "user_id": 2,
        "session_id": None,
        "board": None,
        "season": None,
        "reason": "speedhack [/x]",
        "details": {},
    }
    return entry | changes


LOG = (
    log(17, "revoke", session_id=1_002),
    log(16, "restore_many", details={"sessions": 3, "session_ids": [1, 2, 3], "since": None}),
    log(
        15,
        "state",
        details={"before": "active", "after": "banned", "until": "2026-12-01T18:00:00Z"},
    ),
    log(14, "rename", details={"username_before": "[/x]", "username": "grace"}),
    log(13, "rename", reason="(erased with the name in it)"),
    log(12, "delete", details={"scores": "keep"}, key=None),
    log(
        11,
        "correct",
        user_id=None,
        board="weekly-laps",
        season=6,
        details={"revision": 2, "changes": [{}, {}]},
    ),
    log(10, "state_ended", key=None, reason=None, details={"before": "hidden", "after": "active"}),
    log(9, "unheard of"),
)
