"""What a made-up service says of why it is slow."""

from typing import Any

from tests.support.console.frozen_clock import START

_WAL_SYNC = {
    "process": "leaderboard api ledger",
    "type": "IO",
    "event": "WalSync",
    "processes": 1,
}


def stage(name: str, p99_ms: float) -> dict[str, Any]:
    latency = {"p50_ms": p99_ms / 2, "p95_ms": 0.9 * p99_ms, "p99_ms": p99_ms}
    return {"stage": name, "measured": 240, "latency": latency}


def make_waits(
    *,
    p99_ms: float = 41.6,
    stages: list[dict[str, Any]] | None = None,
    events: list[dict[str, Any]] | None = None,
    locks: list[dict[str, Any]] | None = None,
    under_way_ms: float | None = 17.5,
) -> dict[str, Any]:
    """By default submits wait for the commit."""
    usual = [("queue", 1.2), ("pool", 0.1), ("statement", 1.4), ("commit", 38.0)]
    route = {
        "route": "POST /api/leaderboard/submit",
        "requests": 9_000,
        "latency": {"p50_ms": p99_ms / 2, "p95_ms": 0.9 * p99_ms, "p99_ms": p99_ms},
        "max_ms": 2 * p99_ms,
        "stages": [stage(*one) for one in usual] if stages is None else stages,
    }
    slow = {
        "at": START.isoformat(),
        "route": "POST /api/leaderboard/submit",
        "status": 200,
        "ms": 103.2,
        "request_id": "7f3a1c09be-2a",
    }
    return {
        "at": START.isoformat(),
        "processes": 1,
        "submits_waiting": 3,
        "commit_under_way_ms": under_way_ms,
        "routes": [route],
        "postgresql": {
            "events": [_WAL_SYNC] if events is None else events,
            "longest": _WAL_SYNC | {"pid": 7, "seconds": 0.1},
            "locks": locks or [],
            "hidden": 0,
        },
        "cause": None,
        "slow_from_ms": 100.0,
        "slow": [slow, slow | {"status": 503, "ms": 10_002.0, "request_id": None}],
    }
