"""What is said of the parts: when it turns, what follows from what, and what the operator hears."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.support.console.frozen_clock import START, FrozenClock
from tests.support.console.operating import Operator, watch_live
from tests.support.console.service_peer import ServicePeer

TURN_SECONDS = 3.2
"""Until three statuses say another thing: after two seconds, and each half second then."""

SCREENS = ("f1", "f2", "f3", "f4")


class LaggingPeer(ServicePeer):
    """Tells how long ranks stand still, when the scheduler was heard of, and may count nothing."""

    lag_seconds: float | None = None
    counts: bool = True

    def describe_status(self) -> dict[str, Any]:
        status = super().describe_status()
        parts = status["parts"]
        parts["index"]["lag_seconds"] = self.lag_seconds
        parts["scheduler"]["last_seen_at"] = START.isoformat()
        if self.counts:
            return status
        parts["index"]["behind"] = None
        return status | {"pending_sessions": None, "oldest_pending_seconds": None}


@contextmanager
def counted_bells(operator: Operator) -> Iterator[list[str]]:
    """Count how often the terminal rings."""
    rung: list[str] = []
    operator.console.bell = lambda: rung.append("ring")  # type: ignore[method-assign]
    yield rung


def list_events(operator: Operator) -> list[str]:
    return [f"{event.severity} {event.part} {event.text}" for event in operator.console.state.log]


async def test_one_sample_turns_no_verdict_and_three_of_five_do() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.away = {"postgresql"}
        await operator.pass_time(2.0)
        operator.peer.away = set()
        await operator.pass_time(10.0)
        assert not any("PostgreSQL" in event for event in list_events(operator))
        operator.peer.away = {"postgresql"}
        await operator.pass_time(TURN_SECONDS)
        assert "✕ PostgreSQL away" in operator.read("#verdict")
        operator.peer.away = set()
        await operator.pass_time(TURN_SECONDS)
        assert operator.read("#verdict") == ""


async def test_a_part_that_flaps_is_told_of_once() -> None:
    async with watch_live() as operator:
        for _ in range(20):
            operator.peer.away = {"postgresql"} - operator.peer.away
            await operator.pass_time(0.5)
        turns = [event for event in list_events(operator) if "PostgreSQL" in event]
        assert len(turns) <= 2


@pytest.mark.parametrize("part", ["postgresql", "redis", "worker", "scheduler", "index"])
async def test_a_part_that_is_away_is_told_on_every_screen_within_five_seconds(part: str) -> None:
    async with watch_live(size=(80, 24)) as operator:
        operator.peer.away = {part}
        await operator.pass_time(5.0)
        for screen in SCREENS:
            await operator.press(screen)
            assert " away " in operator.read("#verdict")
            assert operator.read("#status").startswith(" ✕ ")
            assert "● connected" not in operator.screen_text
            await operator.press("escape")


async def test_a_service_that_is_silent_is_told_of_within_five_seconds() -> None:
    async with watch_live() as operator:
        operator.peer.status_hangs = True
        await operator.pass_time(4.8)
        assert "✕ API silent 5 s" in operator.read("#verdict")


async def test_the_verdict_counts_what_was_refused_and_says_what_to_do() -> None:
    async with watch_live() as operator:
        operator.peer.away = {"postgresql"}
        operator.peer.server_errors = 600
        await operator.pass_time(TURN_SECONDS)
        operator.peer.server_errors = 699
        await operator.pass_time(2.0)
        verdict = operator.read("#verdict")
        assert "699 submits refused, ranks still answered" in verdict
        assert "→ see its process, disk and log" in verdict

        # Of the next outage, only what that refuses.
        operator.peer.away = set()
        await operator.pass_time(2 * TURN_SECONDS)
        operator.peer.away = {"postgresql"}
        await operator.pass_time(TURN_SECONDS)
        operator.peer.server_errors = 703
        await operator.pass_time(4.0)
        assert "4 submits refused, ranks still answered" in operator.read("#verdict")


async def test_since_when_a_part_is_away_the_service_knows_better() -> None:
    async with watch_live() as operator:
        operator.peer.clock_ahead = timedelta(hours=1)
        operator.peer.away_for = timedelta(seconds=42)
        operator.peer.away = {"postgresql"}
        await operator.pass_time(TURN_SECONDS)
        assert "✕ PostgreSQL away 42 s:" in operator.read("#verdict")


@pytest.mark.parametrize("ahead", [timedelta(hours=1), -timedelta(hours=1)])
async def test_how_long_a_process_is_up_is_told_by_the_clock_that_it_started_by(
    ahead: timedelta,
) -> None:
    peer = ServicePeer(FrozenClock())
    peer.clock_ahead = ahead
    peer.started_at[4_100] = START + ahead - timedelta(days=3)
    peer.started_at[4_200] = START + ahead - timedelta(minutes=20)
    async with watch_live(peer) as operator:
        await operator.press("4")
        assert "1 process · up 3 d" in operator.screen_text
        assert "1 process · up 20 min" in operator.screen_text


async def test_a_redis_that_is_away_is_one_alarm_and_the_rest_is_unknown() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.away = {"redis"}
        await operator.pass_time(TURN_SECONDS)
        bad = [event for event in list_events(operator) if event.startswith("bad")]
        assert bad == ["bad Redis away: the API gets no answer from it"]
        for part in ("worker", "scheduler", "index"):
            assert operator.read(f"#tile-{part}").startswith("? unknown")
        assert operator.read("#tile-redis").startswith("✕ away")


async def test_what_is_away_with_redis_follows_from_that() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.away = {"redis", "worker", "scheduler", "index"}
        await operator.pass_time(TURN_SECONDS)
        bad = [event for event in list_events(operator) if event.startswith("bad")]
        assert bad == ["bad Redis away: the API gets no answer from it"]
        for part in ("worker", "scheduler", "index"):
            assert "unknown: not heard of while Redis is away" in " ".join(
                event for event in list_events(operator) if f" {part.capitalize()} " in event
            )


async def test_a_scheduler_of_which_no_worker_could_tell_is_unknown() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.away = {"worker"}
        await operator.pass_time(TURN_SECONDS)
        operator.peer.away = {"worker", "scheduler"}
        await operator.pass_time(TURN_SECONDS)
        assert operator.read("#tile-scheduler").startswith("? unknown")


async def test_it_rings_once_for_what_is_new_until_it_is_acknowledged() -> None:
    async with watch_live() as operator:
        with counted_bells(operator) as bells:
            operator.peer.away = {"postgresql"}
            await operator.pass_time(10.0)
            assert len(bells) == 1
            assert "a: seen" in operator.read("#verdict")
            await operator.press("a")
            assert "a: seen" not in operator.read("#verdict")
            assert "acknowledged: PostgreSQL away" in list_events(operator)[0]
            operator.peer.away = {"postgresql", "worker"}
            await operator.pass_time(10.0)
            assert len(bells) == 2
            operator.peer.away = set()
            await operator.pass_time(10.0)
            operator.peer.away = {"postgresql"}
            await operator.pass_time(10.0)
            assert len(bells) == 3
            operator.peer.go_away()
            await operator.pass_time(10.0)
            assert len(bells) == 4


async def test_tabs_carry_badges() -> None:
    async with watch_live() as operator:
        assert "4 Health  " in operator.read("#tabs") + "  "
        operator.peer.away = {"postgresql", "worker"}
        await operator.pass_time(TURN_SECONDS)
        assert "4 Health ✕2" in operator.read("#tabs")
        await operator.press("4")
        assert "1 Live ◐" in operator.read("#tabs")


async def test_pausing_holds_figures_and_no_verdict() -> None:
    async with watch_live() as operator:
        await operator.press("space")
        operator.peer.away = {"postgresql"}
        await operator.pass_time(TURN_SECONDS)
        assert "✕ PostgreSQL away" in operator.read("#verdict")


async def test_health_is_not_live_while_something_is_wrong() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        assert "● live" in operator.notice
        operator.peer.away = {"scheduler"}
        await operator.pass_time(TURN_SECONDS)
        assert "◆ alarm Scheduler away" in operator.notice
        operator.peer.away = set()
        operator.peer.oldest = 90.0
        await operator.pass_time(6.0)
        assert "▲ warning Worker over its limit" in operator.notice
        assert "4 Health" in operator.read("#tabs")


async def test_six_kills_in_25_seconds_are_a_crash_loop() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        peer = operator.peer
        peer.worker_pids = [1, 2, 3]
        await operator.pass_time(4.0)
        for kill in range(6):
            # The dead one is listed until it was not heard of for some seconds.
            peer.worker_pids = [*peer.worker_pids[-3:], peer.start_process(100 + kill)]
            await operator.pass_time(25 / 6)
        assert operator.read("#tile-worker").startswith("✕ restarts")
        assert "✕ Worker restarts" in operator.read("#verdict")
        told = re.compile(r"bad Worker restarted \d times in \d+ s")
        assert len(list(filter(told.fullmatch, list_events(operator)))) == 1
        await operator.pass_time(70.0, step=1.0)
        assert operator.read("#tile-worker").startswith("✓ ok")


async def test_a_rolling_update_is_no_crash_loop() -> None:
    async with watch_live() as operator:
        peer = operator.peer
        peer.worker_pids = [1, 2, 3]
        await operator.pass_time(4.0)
        for pid in (101, 102, 103):
            peer.worker_pids = [*peer.worker_pids[1:], peer.start_process(pid)]
            await operator.pass_time(6.0)
        assert sum("restarted: process" in event for event in list_events(operator)) == 3
        assert operator.read("#verdict") == ""


async def test_freshness_is_not_its_last_good_value_while_nothing_is_folded() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.shown_sessions = [60, 30, 10, 0]
        await operator.pass_time(2.2)
        assert "p50 83 ms" in operator.read("#flow")
        operator.peer.oldest = 41.0
        await operator.pass_time(2.2)
        assert "p50 83 ms" not in operator.read("#flow")
        assert "freshness none for 41 s" in operator.read("#flow")
        assert "oldest    41 s, limit 5 s" in operator.read("#flow")


async def test_a_re_rank_that_is_put_off_is_a_warning() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.put_off = timedelta(minutes=2)
        await operator.pass_time(TURN_SECONDS)
        assert "● live" in operator.notice
        operator.peer.put_off = timedelta(minutes=23)
        await operator.pass_time(TURN_SECONDS)
        assert "▲ warning Re-rank put off: stored ranks are 23 min old" in operator.notice
        assert "put off, 23 min old" in operator.read("#flow")


async def test_errors_of_an_outage_do_not_push_the_log_out_of_sight() -> None:
    async with watch_live() as operator:
        for _ in range(20):
            operator.peer.server_errors += 100
            await operator.pass_time(2.0)
        events = [event for event in list_events(operator) if "server errors at POST" in event]
        assert events == ["bad API 100 server errors at POST /api/leaderboard/submit"]
        await operator.pass_time(30.0)
        events = [event for event in list_events(operator) if "server errors at POST" in event]
        assert events[0] == "bad API 1,900 server errors at POST /api/leaderboard/submit"


async def test_health_shows_what_processes_and_host_need() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.dead = 2
        await operator.pass_time(2.2)
        flow = operator.read("#flow")
        assert "queued    1 message, 2 dead" in flow
        assert "waiting   0 submits" in flow
        assert "database  7 of 8 idle" in flow
        assert "loop lag  1.2 ms, worst of 10 s" in flow
        assert "host      12 % of 2, load 0.20" in flow
        header = operator.read("#routes").splitlines()[0]
        assert header.split() == ["p50", "p95", "p99", "max", "rate", "errors"]


async def test_a_scheduler_that_went_first_is_told_when_the_worker_has_gone_too() -> None:
    async with watch_live(LaggingPeer(FrozenClock())) as operator:
        await operator.press("4")
        await operator.pass_time(130.0, step=1.0)
        operator.peer.away = {"scheduler"}
        await operator.pass_time(TURN_SECONDS)
        # Since it was last heard of, and not since somebody noticed.
        assert "✕ Scheduler away 2 min" in operator.read("#verdict")
        assert "no message for 2 min" in operator.read("#tile-scheduler")
        operator.peer.away = {"scheduler", "worker"}
        await operator.pass_time(2 * TURN_SECONDS)
        assert operator.read("#tile-scheduler").startswith("✕ away")
        assert "Worker away" in operator.notice
        assert "Scheduler away" in operator.notice
        operator.peer.away = set()
        await operator.pass_time(2 * TURN_SECONDS)
        assert operator.read("#verdict") == ""


async def test_a_part_of_which_nothing_was_measured_is_not_ok() -> None:
    peer = LaggingPeer(FrozenClock())
    async with watch_live(peer) as operator:
        await operator.press("4")
        operator.peer.shown_sessions = [60, 30, 10, 0]
        await operator.pass_time(2.2)
        peer.counts = False
        await operator.pass_time(TURN_SECONDS)
        assert operator.read("#tile-worker").startswith("? unknown")
        assert "oldest pending not told" in operator.read("#tile-worker")
        assert operator.read("#tile-index").startswith("? unknown")
        assert "freshness unknown" in operator.read("#flow")
        assert "p50" not in operator.read("#flow")


async def test_a_tile_turns_with_the_age_of_what_stands_still() -> None:
    peer = LaggingPeer(FrozenClock())
    async with watch_live(peer) as operator:
        await operator.press("4")
        peer.oldest, peer.cause, peer.lag_seconds = 7.0, "refreshes fail: a lock", 17.0
        await operator.pass_time(2.2)
        assert operator.read("#tile-worker").startswith("▲ over 7 s oldest pending")
        assert operator.read("#tile-index").startswith("▲ stands still 17 s behind")
        assert "a lock → see the part that is named" in " ".join(operator.read("#verdict").split())
        # The first status of a service that follows again: no figure is said to be over its limit.
        peer.oldest, peer.cause, peer.lag_seconds = 0.0, None, None
        for _ in range(10):
            await operator.pass_time(0.2)
            if "nobody" in operator.read("#verdict"):
                break
        assert "nobody knows why → W tells what it waits for" in operator.read("#verdict")
        assert operator.read("#tile-worker").startswith("✓ ok 0.0 s oldest pending")


async def test_what_is_over_takes_its_key_out_of_the_footer() -> None:
    async with watch_live() as operator:
        operator.peer.away = {"postgresql"}
        await operator.pass_time(10.0)
        assert "a Seen" in operator.screen_text
        operator.peer.away = set()
        await operator.pass_time(10.0)
        assert "a Seen" not in operator.screen_text


async def test_one_error_is_not_errors() -> None:
    async with watch_live() as operator:
        operator.peer.server_errors = 1
        await operator.pass_time(2.2)
        assert "bad API 1 server error at POST /api/leaderboard/submit" in list_events(operator)
