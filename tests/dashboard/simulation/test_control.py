"""What the operator may do to a run, and what becomes of submits without an answer."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from dashboard.simulation.client.requests import Target
from dashboard.simulation.ledger_check import compare_counts, compare_with_ledger
from dashboard.simulation.reports.report import RunState, SubmitReport
from dashboard.simulation.run import Run, RunLimits
from dashboard.simulation.workload.plan import Mix, RunOptions
from tests.support.simulation_peer import Peer, Received, run_peer
from tests.support.waiting import wait_until

PLAYERS = list(range(1, 21))


def make_run(peer: Peer, limits: RunLimits | None = None, **changes: Any) -> Run:
    options: dict[str, Any] = {"rate": 200, "duration_seconds": 0.5, "players": 20, "seed": 3}
    return Run(RunOptions(**options | changes), Target(peer.url), PLAYERS, limits or RunLimits())


async def test_a_paused_run_sends_nothing_and_then_its_whole_plan() -> None:
    async with run_peer() as peer:
        run = make_run(peer)
        execution = asyncio.create_task(run.execute())
        await peer.traffic_seen.wait()
        run.toggle_pause()
        await wait_until(lambda: run.snapshot().in_flight == 0)
        paused = run.snapshot()
        # As if it had been paused for a minute already.
        assert run._clock._paused_at is not None
        run._clock._zero -= 60
        run._clock._paused_at -= 60
        await wait_until(lambda: run.snapshot().paused_seconds > 60.5)
        assert run.snapshot().total.started == paused.total.started
        assert paused.state is RunState.PAUSED
        run.toggle_pause()
        report = await execution
    assert report.state is RunState.FINISHED
    assert report.total.succeeded == 100
    assert report.paused_seconds >= 60.5
    [(start, end)] = report.pauses
    assert 0 <= start < end <= report.elapsed_seconds
    assert end - start == pytest.approx(report.paused_seconds, abs=0.01)
    # The last moment may come half a millisecond early, and both figures are rounded to one.
    assert report.elapsed_seconds >= report.paused_seconds + 0.5 - 0.002
    # Waiting out a pause is no latency.
    assert report.total.latency is not None
    assert report.total.latency.p50_ms < 30_000


async def test_a_paused_run_can_be_stopped() -> None:
    async with run_peer() as peer:
        run = make_run(peer, duration_seconds=60)
        execution = asyncio.create_task(run.execute())
        await peer.traffic_seen.wait()
        run.toggle_pause()
        run.stop()
        report = await execution
    assert report.state is RunState.STOPPED


async def test_a_tenth_faster_sends_a_tenth_more_in_the_same_time() -> None:
    async with run_peer() as peer:
        run = make_run(peer)
        run.change_pace(+1)
        report = await run.execute()
        slower = make_run(peer)
        slower.change_pace(-2)
        slow_report = await slower.execute()
    assert (report.pace, report.target_rate) == (1.1, 220)
    assert (report.total.succeeded, slow_report.total.succeeded) == (110, 80)
    assert slow_report.pace == 0.8
    assert (report.seconds[0].pace, slow_report.seconds[0].pace) == (1.1, 0.8)


async def test_the_pace_has_bounds() -> None:
    async with run_peer() as peer:
        run = make_run(peer)
        run.change_pace(-100)
        assert run.snapshot().pace == 0.1
        run.change_pace(+1_000)
        assert run.snapshot().pace == 5


async def test_users_wait_for_their_answers() -> None:
    async with run_peer() as peer:
        peer.gate.clear()
        run = make_run(peer, users=7, think_seconds=0, duration_seconds=600)
        execution = asyncio.create_task(run.execute())
        await wait_until(lambda: run.snapshot().in_flight == 7)
        assert run.snapshot().active_users == 7
        peer.gate.set()
        await wait_until(lambda: run.snapshot().total.succeeded > 7)
        run.stop()
        report = await execution
    assert report.state is RunState.STOPPED
    assert (report.model, report.rate, report.planned) == ("closed", None, None)
    assert report.total.succeeded == report.total.started > 7
    assert report.total.failed == report.total.dropped == 0
    keys = Counter(call.key for call in peer.traffic if call.key)
    assert set(keys.values()) == {1}


async def test_users_come_and_go_with_the_pace() -> None:
    async with run_peer() as peer:
        run = make_run(peer, users=10, think_seconds=0.01, duration_seconds=60)
        execution = asyncio.create_task(run.execute())
        await wait_until(lambda: run.snapshot().active_users == 10)
        run.change_pace(+3)
        await wait_until(lambda: run.snapshot().active_users == 13)
        run.change_pace(-8)
        await wait_until(lambda: run.snapshot().active_users == 5)
        run.stop()
        report = await execution
    assert report.state is RunState.STOPPED
    assert report.total.succeeded == report.total.started


async def test_submits_without_an_answer_are_sent_again_until_they_are_known() -> None:
    tries: Counter[str] = Counter()

    def misbehave(call: Received) -> tuple[int, object] | bytes | None:
        if call.key is None:
            return None
        tries[call.key] += 1
        # Written the first time or not: both look the same to who sent it.
        if tries[call.key] == 1 and int(call.key.rpartition("-")[2]) % 2:
            peer.answer(call)
        return b"" if tries[call.key] < 3 else None

    async with run_peer() as peer:
        peer.misbehave = misbehave
        run = make_run(peer, rate=40, mix=Mix(1, 0, 0))
        report = await compare_with_ledger(Target(peer.url), await run.execute(), 0)
    submits = report.submits
    assert (submits.sent, submits.acknowledged, submits.unknown) == (20, 20, 0)
    assert submits.sent_again == submits.sessions == len(peer.sessions) == 20
    assert report.total.failed == 20
    assert report.ledger is not None
    assert (report.ledger.lost, report.ledger.counted_twice) == (0, 0)
    bodies = {call.key: call.body for call in peer.traffic}
    assert all(call.body == bodies[call.key] for call in peer.traffic)


async def test_a_submit_that_is_refused_the_second_time_was_never_written() -> None:
    refused = 404, {"error": "User not found", "code": "user_not_found"}
    seen: set[str] = set()

    def misbehave(call: Received) -> tuple[int, object] | bytes | None:
        assert call.key is not None
        first = call.key not in seen
        seen.add(call.key)
        return b"" if first else refused

    async with run_peer() as peer:
        peer.misbehave = misbehave
        report = await make_run(peer, rate=20, mix=Mix(1, 0, 0)).execute()
    submits = report.submits
    assert (submits.acknowledged, submits.refused, submits.unknown) == (0, 10, 0)


async def test_what_stays_unknown_is_not_called_lost() -> None:
    async with run_peer() as peer:
        peer.misbehave = lambda call: b"" if call.key else None
        limits = RunLimits(resubmission_seconds=1.0)
        run = make_run(peer, limits, rate=20, mix=Mix(1, 0, 0))
        started_at = time.monotonic()
        report = await run.execute()
        whole_seconds = time.monotonic() - started_at
        report = await compare_with_ledger(Target(peer.url), report, 0)
    assert report.submits.unknown == 10
    assert report.ledger is not None
    assert report.ledger.lost == 0
    # To ask for them again until the end is no part of the run. What is told is rounded.
    assert whole_seconds - report.elapsed_seconds > limits.resubmission_seconds - 0.01


async def test_a_ledger_that_lacks_sessions_is_seen() -> None:
    async with run_peer() as peer:
        report = await make_run(peer, mix=Mix(1, 0, 0)).execute()
        peer.lost_sessions = 3
        report = await compare_with_ledger(Target(peer.url), report, 0)
    assert report.ledger is not None
    assert (report.ledger.sessions, report.ledger.lost) == (97, 3)


async def test_a_service_that_cannot_count_is_a_reason_and_no_difference() -> None:
    async with run_peer() as peer:
        report = await make_run(peer).execute()
        peer.misbehave = lambda _: (404, {"error": "No such page", "code": "not_found"})
        report = await compare_with_ledger(Target(peer.url), report, 0, patience_seconds=2.0)
    assert report.ledger is None
    assert report.ledger_problem is not None
    assert "404: No such page" in report.ledger_problem


@pytest.mark.parametrize(
    ("acknowledged", "unknown", "sessions", "keys", "verdict"),
    [
        (10, 0, 10, 10, (0, 0, 0)),
        (10, 0, 9, 9, (1, 0, 0)),
        (10, 0, 11, 10, (0, 1, 0)),
        (10, 0, 12, 12, (0, 0, 2)),
        (10, 2, 12, 12, (0, 0, 0)),
        (10, 2, 13, 13, (0, 0, 1)),
        (10, 0, 10, 9, (1, 1, 0)),
        (10, 2, 9, 9, (1, 0, 0)),
        (10, 2, 13, 12, (0, 1, 0)),
    ],
)
def test_differences_are_told_apart(
    acknowledged: int, unknown: int, sessions: int, keys: int, verdict: tuple[int, int, int]
) -> None:
    submits = SubmitReport("sim-", 20, acknowledged, 0, unknown, 0, acknowledged, 1, 20)
    ledger = compare_counts(submits, 5, sessions, keys)
    assert (ledger.lost, ledger.counted_twice, ledger.unexpected) == verdict
