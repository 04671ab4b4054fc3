"""Why is it slow: from which places it is asked, what it shows, and that it stays current."""

from dashboard.screens.slow import shorten_route
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, watch_live
from tests.support.console.service_peer import ServicePeer
from tests.support.console.snapshots import check_snapshots
from tests.support.console.waits import make_waits, stage

WAITS = "/api/ops/waits"
RANK = "GET /api/leaderboard/rank/{user_id}"


def make_peer() -> ServicePeer:
    peer = ServicePeer(FrozenClock())
    waits = make_waits()
    rank = waits["routes"][0] | {"route": RANK, "stages": []}
    rank["latency"] = {"p50_ms": 0.5, "p95_ms": 0.9, "p99_ms": 1.5}
    peer.answers[WAITS] = waits | {"routes": [rank, *waits["routes"]]}
    return peer


def read_title(operator: Operator) -> str:
    return str(operator.console.screen.query_one("#slow").border_title)


async def test_why_it_is_slow_looks_as_designed() -> None:
    async with watch_live(make_peer()) as operator:
        await operator.press("W")
        await operator.pass_time(3.0)
        assert "Submits wait for the commit: 38 of 42 ms (p99 of each)" in operator.read("#slow")
        await check_snapshots(operator, "slow")


async def test_of_a_route_that_nobody_asked_for_no_longest_is_told() -> None:
    peer = make_peer()
    waits = make_waits()
    latency = dict.fromkeys(("p50_ms", "p95_ms", "p99_ms"))
    idle = {"route": RANK, "requests": 0, "latency": latency, "max_ms": None, "stages": []}
    peer.answers[WAITS] = waits | {"routes": [idle]}
    async with watch_live(peer) as operator:
        await operator.press("W")
        await operator.press("n")
        assert "0 requests" in operator.read("#slow")
        assert "longest took" not in operator.read("#slow")


async def test_a_lock_that_is_held_looks_as_designed() -> None:
    peer = make_peer()
    holder = {"pid": 42, "process": "[/x] psql", "state": "idle in transaction", "seconds": 61.0}
    lock = {"pid": 7, "process": "leaderboard api ledger", "lock": "table game_session"}
    lock |= {"seconds": 3.0, "held_by": [holder]}
    peer.answers[WAITS] = make_waits(locks=[lock], under_way_ms=3_000.0)
    async with watch_live(peer) as operator:
        await operator.press("W")
        await check_snapshots(operator, "slow_lock")


def test_routes_of_a_board_are_told_apart_in_few_cells() -> None:
    names = [f"GET /api/boards/{{slug}}/{what}" for what in ("around/{user_id}", "page", "rank")]
    assert [shorten_route(name)[:15] for name in names] == [
        "GET boards/*/ar",
        "GET boards/*/pa",
        "GET boards/*/ra",
    ]


async def test_enter_on_a_tile_or_a_route_of_health_asks() -> None:
    async with watch_live(make_peer()) as operator:
        await operator.press("4")
        await operator.pass_time(2.0)
        operator.console.screen.query_one("#tile-postgresql").focus()
        await operator.press("enter")
        assert read_title(operator) == "Why is it slow: POST submit"
        await operator.press("escape")
        operator.console.screen.query_one("#routes").focus()
        await operator.press("down", "down", "enter")
        assert read_title(operator) == "Why is it slow: GET rank/{id}"
        assert "no stages are measured" in " ".join(operator.read("#slow").split())
        await operator.press("escape", "up")
        operator.console.screen.query_one("#routes").focus()
        await operator.press("enter")
        assert read_title(operator) == "Why is it slow: POST submit"


async def test_enter_on_the_submits_of_live_asks_and_on_the_board_opens_the_player() -> None:
    async with watch_live(make_peer()) as operator:
        operator.console.screen.query_one("#traffic").focus()
        await operator.press("enter")
        assert read_title(operator) == "Why is it slow: POST submit"
        await operator.press("escape")
        operator.console.screen.query_one("#movers").focus()
        await operator.press("enter")
        assert operator.console.current_mode == "player"


async def test_other_routes_are_a_key_away_and_it_is_asked_each_second() -> None:
    async with watch_live(make_peer()) as operator:
        await operator.press("W", "right")
        assert read_title(operator) == "Why is it slow: GET rank/{id}"
        await operator.press("left")
        assert "wait for the commit" in operator.read("#slow")
        operator.peer.answers[WAITS] = make_waits(p99_ms=300, stages=[stage("pool", 280)])
        asked = operator.peer.requests.count(WAITS)
        await operator.pass_time(2.0)
        assert operator.peer.requests.count(WAITS) == asked + 2
        assert "wait for a connection to PostgreSQL: 280 of 300 ms" in operator.read("#slow")
        await operator.press("escape")
        asked = operator.peer.requests.count(WAITS)
        await operator.pass_time(3.0)
        assert operator.peer.requests.count(WAITS) == asked


async def test_why_it_cannot_be_asked_is_told_above_what_was_known() -> None:
    async with watch_live(make_peer()) as operator:
        await operator.press("W")
        operator.peer.refuse(403, "role_insufficient", "Too low.", WAITS)
        await operator.pass_time(1.0)
        told = operator.read("#slow")
        assert told.startswith("! role_insufficient: Too low")
        assert "wait for the commit" in told


async def test_a_part_that_is_away_is_told_before_any_route() -> None:
    async with watch_live(make_peer()) as operator:
        operator.peer.away = {"worker"}
        await operator.pass_time(4.0)
        await operator.press("W")
        assert operator.read("#slow").startswith("✕ Worker away ")


async def test_a_postgresql_that_gives_no_answer_is_not_said_to_be_idle() -> None:
    peer = make_peer()
    peer.answers[WAITS] |= {"postgresql": None, "cause": "it has not said within 2 s."}
    async with watch_live(peer) as operator:
        await operator.press("W")
        told = operator.read("#slow")
        assert "nothing was at work" not in told
        assert "it gives no answer now" in told
        peer.answers[WAITS] = make_waits(events=[])
        await operator.pass_time(1.0)
        assert "nothing was at work" in operator.read("#slow")
