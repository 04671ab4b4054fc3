"""Why it is slow, in words: the cause first, and only what was seen."""

from typing import Any

import msgspec
import pytest

from dashboard.client.answers import Process
from dashboard.client.waits import PostgresWaits, Waits
from dashboard.state.slowness import SUBMIT, Looks, choose_route, judge
from tests.support.console.frozen_clock import START
from tests.support.console.waits import make_waits, stage

QUIET = Process("box", 1, START, loop_lag_ms=1.2, host_processor_percent=12.5)
BUSY = Process("box", 1, START, loop_lag_ms=80.0, host_processor_percent=98.0)
RANK = "GET /api/leaderboard/rank/{user_id}"


def tell(
    waits: dict[str, Any], name: str = SUBMIT, looks: int = 1, process: Process = QUIET
) -> str:
    told = msgspec.convert(waits, Waits)
    seen = Looks()
    for _ in range(looks):
        seen.add(told.postgresql)
    return judge(told, seen, name, [process]).text


def test_a_commit_is_named_with_what_postgresql_waits_on() -> None:
    assert tell(make_waits(), looks=10) == (
        "submits wait for the commit: 38 of 42 ms (p99 of each); "
        "PostgreSQL waits on IO:WalSync (seen in 10 of 10 looks)"
    )


@pytest.mark.parametrize(
    ("spent", "words"),
    [
        (
            {"queue": 60, "commit": 25},
            "their turn in a commit: 60 of 90 ms (p99 of each), and then for the commit: 25",
        ),
        (
            {"pool": 80, "statement": 5},
            "a connection to PostgreSQL: 80 of 90 ms (p99 of each); all that it may",
        ),
        (
            {"statement": 70, "commit": 5},
            "the statement: 70 of 90 ms (p99 of each); PostgreSQL waits on IO:WalSync",
        ),
        (
            {"commit": 5},
            "submits spend about 85 of 90 ms outside of PostgreSQL; the API is not late",
        ),
        (
            {"queue": 25, "pool": 20, "statement": 20, "commit": 20},
            "submits wait a little everywhere (p99 of each): queue 25 ms, pool 20 ms, statement 20",
        ),
    ],
)
def test_most_of_the_time_is_named(spent: dict[str, float], words: str) -> None:
    stages = [stage(name, ms) for name, ms in spent.items()]
    assert words in tell(make_waits(p99_ms=90, stages=stages))


def test_percentiles_are_not_added() -> None:
    stages = [stage("queue", 1_000), stage("statement", 1_000), stage("commit", 30)]
    told = tell(make_waits(p99_ms=1_010, stages=stages))
    assert told == (
        "submits wait for their turn in a commit: 1.00 of 1.01 s (p99 of each), "
        "and then for the statement: 1.00 s"
    )


def test_an_api_that_is_late_itself_is_named() -> None:
    told = tell(make_waits(p99_ms=90, stages=[stage("commit", 5)]), process=BUSY)
    assert "an API process is late by up to 80 ms, processors 98 % in use" in told


def test_nothing_slow_is_said_first() -> None:
    told = tell(make_waits(p99_ms=9, stages=[stage("commit", 8)]))
    assert told.startswith("nothing is slow, 99 % within 9.0 ms; submits wait for the commit: 8.0")


def test_what_was_not_seen_is_not_said() -> None:
    assert "what PostgreSQL waits on was not seen in 3 looks" in tell(
        make_waits(events=[]), looks=3
    )
    assert tell(make_waits(), name="GET /api/nothing") == (
        "nobody has asked for it in the last minute"
    )
    told = tell(make_waits(p99_ms=90, stages=[]))
    assert "ask PostgreSQL for nothing, and no stages are measured; the API is not late" in told


def test_a_lock_comes_first_with_who_holds_it() -> None:
    holder = {"pid": 42, "process": "psql", "state": "idle in transaction", "seconds": 61.0}
    lock = {
        "pid": 7,
        "process": "leaderboard api ledger",
        "lock": "table game_session",
        "seconds": 3.0,
        "held_by": [holder],
    }
    assert tell(make_waits(locks=[lock], under_way_ms=3_000.0)) == (
        "submits wait for a lock, table game_session, for 3 s; "
        "process 42 (psql, idle in transaction for 1 min) holds it"
    )
    # One of a moment is everyday life.
    assert "commit" in tell(make_waits(locks=[lock | {"seconds": 0.1}]))
    untold = lock | {"held_by": [], "process": "psql"}
    assert tell(make_waits(locks=[untold])) == (
        "psql waits for a lock, table game_session, for 3 s; who holds it is not told"
    )


def test_a_commit_that_stands_still_is_told_before_any_figures() -> None:
    told = tell(make_waits(under_way_ms=12_000.0))
    assert told.startswith("a commit has been under way for 12 s, 3 submits behind it; ")
    assert "PostgreSQL waits on IO:WalSync (process 7)" in told
    told = tell(make_waits(under_way_ms=12_000.0, events=[]))
    assert "PostgreSQL is at work on nothing of it: the process that serves it is frozen" in told


def test_a_postgresql_that_says_nothing_is_the_cause() -> None:
    silent = make_waits() | {"postgresql": None, "cause": "it has not said within 2 s."}
    assert tell(silent) == ("PostgreSQL does not say what it waits for: it has not said within 2 s")


def test_the_slowest_route_that_somebody_waits_for_is_looked_at_first() -> None:
    waits = make_waits()
    (route,) = waits["routes"]
    slower = route | {"latency": {"p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 900.0}}
    long = [slower | {"route": name} for name in ("GET /api/ops/waits", "GET /api/boards/x/stream")]
    told = msgspec.convert(waits | {"routes": [*long, route]}, Waits)
    assert choose_route(told) == SUBMIT
    told = msgspec.convert(waits | {"routes": [*long, route, slower | {"route": RANK}]}, Waits)
    assert choose_route(told) == RANK
    assert choose_route(msgspec.convert(waits | {"routes": []}, Waits)) == SUBMIT


def test_looks_are_bounded() -> None:
    looks = Looks()
    for _ in range(100):
        looks.add(PostgresWaits((), None, (), 0))
    looks.add(None)
    assert len(looks) == 10
