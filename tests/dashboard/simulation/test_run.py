import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from dashboard.simulation.client.requests import Target
from dashboard.simulation.reports.histogram import RELATIVE_ERROR
from dashboard.simulation.reports.report import RunReport, RunState
from dashboard.simulation.run import Run, RunLimits
from dashboard.simulation.workload.plan import Mix, RequestKind, RunOptions, plan_requests
from tests.support.simulation_peer import Peer, Received, run_peer
from tests.support.waiting import wait_until

PLAYERS = list(range(1, 21))


def make_options(**changes: Any) -> RunOptions:
    options: dict[str, Any] = {"rate": 200, "duration_seconds": 0.5, "players": 20, "seed": 3}
    return RunOptions(**options | changes)


def make_run(peer: Peer, options: RunOptions, **limits: Any) -> Run:
    return Run(options, Target(peer.url), PLAYERS, RunLimits(**limits))


def list_errors(report: RunReport) -> dict[tuple[str, str], int]:
    return {(error.request, error.code): error.count for error in report.errors}


async def test_a_run_sends_its_plan() -> None:
    options = make_options()
    async with run_peer() as peer:
        report = await make_run(peer, options).execute()
    assert report.state is RunState.FINISHED
    assert report.in_flight == 0
    assert report.total.started == report.total.succeeded == report.planned == 100
    assert report.total.failed == report.total.dropped == 0
    sent = Counter((call.method, call.path) for call in peer.received)
    planned: Counter[tuple[str, str]] = Counter()
    for request in plan_requests(options):
        planned[
            {
                RequestKind.SUBMIT: ("POST", "/api/leaderboard/submit"),
                RequestKind.TOP: ("GET", "/api/leaderboard/top?limit=10"),
                RequestKind.RANK: ("GET", f"/api/leaderboard/rank/{PLAYERS[request.player]}"),
            }[request.kind]
        ] += 1
    assert sent == planned
    submits = {
        f"{report.submits.key_prefix}{request.number}": {
            "user_id": PLAYERS[request.player],
            "score": request.score,
            "game_mode": request.game_mode,
        }
        for request in plan_requests(options)
        if request.kind is RequestKind.SUBMIT
    }
    assert {call.key: call.body for call in peer.received if call.method == "POST"} == submits
    assert report.submits.acknowledged == report.submits.sessions == len(submits)


async def test_a_run_keeps_its_rate_and_lasts_its_duration(
    read_seconds: Callable[[], float],
) -> None:
    async with run_peer() as peer:
        began_at = read_seconds()
        report = await make_run(peer, make_options(duration_seconds=1.0)).execute()
        assert 200 / (read_seconds() - began_at) == pytest.approx(200, rel=0.15)
    assert report.elapsed_seconds >= 1.0
    assert report.total.succeeded == 200
    assert sum(second.started for second in report.seconds) == 200


async def test_two_runs_of_one_plan_never_share_an_idempotency_key() -> None:
    options = make_options(mix=Mix(1, 0, 0))
    async with run_peer() as peer:
        for _ in range(2):
            await make_run(peer, options).execute()
    assert len({call.key for call in peer.received}) == 200
    first, second = peer.received[:100], peer.received[100:]
    assert [call.body for call in sorted(first, key=number_of)] == [
        call.body for call in sorted(second, key=number_of)
    ]


def number_of(call: Received) -> int:
    assert call.key is not None
    return int(call.key.rpartition("-")[2])


async def test_a_stalled_server_cannot_hide_behind_requests_that_were_not_sent() -> None:
    options = make_options(rate=100)
    async with run_peer() as peer:
        peer.gate.clear()
        run = make_run(peer, options, connections=2)
        execution = asyncio.create_task(run.execute())
        await wait_until(lambda: run.snapshot().in_flight == 50)
        stalled_seconds = run.snapshot().elapsed_seconds
        assert len(peer.received) == 2
        peer.gate.set()
        report = await execution
    # Nearly all of them waited in the generator, for a connection; each counts from its own time.
    expected_ms = sorted(
        (stalled_seconds - request.offset_seconds) * 1000 * (1 - RELATIVE_ERROR)
        for request in plan_requests(options)
    )
    assert report.total.failed == 0
    assert report.total.latency is not None
    assert report.total.latency.count == 50
    assert report.total.latency.p50_ms >= expected_ms[24]
    assert report.total.latency.p90_ms >= expected_ms[44]
    assert report.total.latency.max_ms >= expected_ms[49]
    # It was not the generator that was late.
    assert report.generator.lag_p50_ms < expected_ms[25]


async def test_what_is_due_beyond_the_bound_is_dropped_and_counted() -> None:
    async with run_peer() as peer:
        peer.gate.clear()
        run = make_run(peer, make_options(), in_flight=5)
        execution = asyncio.create_task(run.execute())
        await wait_until(lambda: run.snapshot().total.dropped == 95)
        assert run.snapshot().in_flight == 5
        peer.gate.set()
        report = await execution
    assert report.total.succeeded == 5
    assert sum(second.dropped for second in report.seconds) == 95
    assert len(peer.received) == 5


async def test_errors_are_counted_by_what_happened() -> None:
    def misbehave(call: Received) -> tuple[int, object] | bytes | None:
        if call.method == "POST":
            return 503, {"error": "The database is away.", "code": "database_unavailable"}
        if "rank" in call.path:
            return b""
        return 200, {"leader": "board"}

    async with run_peer() as peer:
        peer.misbehave = misbehave
        report = await make_run(peer, make_options(), resubmission_seconds=0.3).execute()
    assert report.state is RunState.FINISHED
    assert list_errors(report) == {
        ("submit", "database_unavailable"): report.kinds["submit"].started,
        ("rank", "connection_lost"): report.kinds["rank"].started,
        ("top", "unexpected_answer"): report.kinds["top"].started,
    }
    samples = {error.request: error.sample for error in report.errors}
    assert samples["submit"] == "503: The database is away."
    assert samples["rank"] == "the connection broke (the server hung up)"
    assert '{"leader": "board"}' in samples["top"]
    assert report.submits.unknown == report.submits.sent


async def test_a_refused_submit_is_not_in_the_ledger_and_its_sample_is_harmless() -> None:
    async with run_peer() as peer:
        peer.misbehave = lambda _: (404, b"\x1b[31mno\r\n such \x00 thing")
        report = await make_run(peer, make_options(mix=Mix(1, 0, 0))).execute()
    assert list_errors(report) == {("submit", "http_404"): 100}
    assert report.errors[0].sample == "404: [31mno such thing"
    assert report.submits.refused == 100
    assert report.submits.unknown == 0


async def test_no_answer_in_time_counts_with_the_time_waited() -> None:
    async with run_peer() as peer:
        peer.gate.clear()
        run = make_run(peer, make_options(rate=40), timeout_seconds=0.1, resubmission_seconds=0.3)
        report = await run.execute()
    assert {error.code for error in report.errors} == {"timeout"}
    assert report.total.failed == 20
    assert report.total.latency is not None
    assert report.total.latency.p50_ms >= 99


async def test_a_generator_that_was_held_up_catches_up() -> None:
    async with run_peer() as peer:
        run = make_run(peer, make_options(rate=40), timeout_seconds=30.0)
        execution = asyncio.create_task(run.execute())
        await wait_until(lambda: run.snapshot().total.succeeded > 0)
        # As if nothing of it had run for a minute.
        run._clock._zero -= 60
        report = await execution
    assert report.total.succeeded == report.planned
    assert report.generator.lag_p99_ms > 30_000
    assert report.total.latency is not None
    assert report.total.latency.max_ms > 30_000


async def test_a_server_that_went_away_is_an_error_and_not_a_latency() -> None:
    async with run_peer() as peer:
        run = make_run(peer, make_options(rate=40))
        peer.close()
        report = await run.execute()
    assert {error.code for error in report.errors} == {"connection_refused"}
    assert report.total.failed == 20
    assert report.total.latency is None
    assert report.submits.unknown == 0


async def test_a_server_whose_certificate_is_not_accepted_has_taken_nothing() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    async with server:
        target = Target(f"https://localhost:{server.sockets[0].getsockname()[1]}")
        options = make_options(rate=20, mix=Mix(1, 0, 0))
        limits = RunLimits(resubmission_seconds=0.3)
        report = await Run(options, target, PLAYERS, limits).execute()
    assert list_errors(report) == {("submit", "tls_failed"): 10}
    assert report.errors[0].sample.startswith("the certificate is not accepted (")
    # What never had a connection is not to be sent again.
    assert report.submits.refused == 10
    assert report.submits.unknown == 0


async def test_a_run_that_is_stopped_awaits_its_answers() -> None:
    async with run_peer() as peer:
        peer.gate.clear()
        run = make_run(peer, make_options(duration_seconds=60))
        execution = asyncio.create_task(run.execute())
        await peer.stalled.wait()
        run.stop()
        await wait_until(lambda: run.snapshot().state is RunState.DRAINING)
        peer.gate.set()
        report = await execution
    assert report.state is RunState.STOPPED
    assert 0 < report.total.succeeded == report.total.started < 100
    assert report.total.failed == 0


async def test_a_run_that_is_given_up_counts_what_it_left_behind() -> None:
    async with run_peer() as peer:
        peer.gate.clear()
        run = make_run(peer, make_options(duration_seconds=60))
        execution = asyncio.create_task(run.execute())
        await peer.stalled.wait()
        execution.cancel()
        with pytest.raises(asyncio.CancelledError):
            await execution
    report = run.snapshot()
    assert report.state is RunState.STOPPED
    assert report.in_flight == 0
    assert {error.code for error in report.errors} == {"abandoned"}
    assert 0 < report.total.failed == report.total.started


async def test_a_url_with_a_path_is_kept() -> None:
    async with run_peer() as peer:
        target = Target(f"{peer.url}/board/")
        await Run(make_options(mix=Mix(0, 1, 0)), target, PLAYERS).execute()
    assert {call.path for call in peer.received} == {"/board/api/leaderboard/top?limit=10"}
