import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from dashboard.simulation.client.requests import Target
from dashboard.simulation.players import find_players
from dashboard.simulation.reports.report import RunReport, RunState
from dashboard.simulation.run import Run
from dashboard.simulation.workload.plan import Mix, RequestKind, RunOptions, plan_requests
from service.backends.database import Database
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_season
from tests.support.serving import serve_app
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def _state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tests are no business of the consoles on this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
async def url(settings: Settings, refresher: Refresher) -> AsyncIterator[str]:
    """A service with an index and without any player."""
    await refresher.refresh()
    async with serve_app(settings) as (_, client):
        yield str(client.base_url)


async def simulate(url: str, *arguments: str) -> RunReport:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashboard.simulation", "--url", url, "--json"),
        *("--rate", "100", "--duration", "2", *arguments),
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    return msgspec.json.decode(stdout, type=RunReport)


async def count_sessions(database: Database, report: RunReport) -> tuple[int, int]:
    """Return how many sessions the ledger has of the run, and the sum of their scores."""
    row = await database.fetch_one(
        "SELECT count(*) AS sessions, coalesce(sum(score), 0)::bigint AS score FROM game_session"
        " WHERE starts_with(idempotency_key, $1)",
        report.submits.key_prefix,
    )
    assert row is not None
    return row["sessions"], row["score"]


async def test_a_run_is_in_the_ledger_as_it_was_acknowledged(
    url: str, database: Database, refresher: Refresher
) -> None:
    report = await simulate(url, "--players", "30", "--seed", "5")
    assert report.state is RunState.FINISHED
    assert report.total.started == report.total.succeeded == 200
    # A busy machine answers the last of them late.
    assert 0 < report.total.answered_per_second <= 110

    options = RunOptions(rate=100, duration_seconds=2, players=30, seed=5)
    planned = [
        request.score for request in plan_requests(options) if request.kind is RequestKind.SUBMIT
    ]
    submits, ledger = report.submits, report.ledger
    assert ledger is not None
    assert (ledger.sessions, ledger.distinct_keys) == (len(planned), len(planned))
    assert (ledger.lost, ledger.counted_twice, ledger.unexpected) == (0, 0, 0)
    assert submits.sent == submits.acknowledged == submits.sessions == len(planned)
    assert await count_sessions(database, report) == (len(planned), sum(planned))

    await refresher.refresh()
    standing = await database.fetch_one("SELECT sum(score)::bigint AS score FROM standing")
    assert standing is not None
    assert standing["score"] == sum(planned)


async def test_players_that_are_missing_are_created_and_found_again(
    url: str, database: Database
) -> None:
    target = Target(url)
    created = await find_players(target, 20, seed=5)
    again = await find_players(target, 20, seed=5)
    others = await find_players(target, 15, seed=6)
    assert sorted(created) == sorted(again)
    assert set(others) < set(created)
    # Most of the drawn ids have no player now, and most names are taken: both are passed over.
    await database.fetch("UPDATE player SET id = id + 1000000 WHERE username = 'sim_5_3'")
    more = await find_players(target, 25, seed=5)
    assert len(set(more)) == 25
    row = await database.fetch_one("SELECT count(*) AS players FROM player")
    assert row is not None
    assert row["players"] == 25


async def test_a_database_that_stalls_is_seen_in_the_latencies(
    url: str, database: Database
) -> None:
    target = Target(url)
    options = RunOptions(rate=100, duration_seconds=1, players=10, seed=5, mix=Mix(1, 0, 0))
    run = Run(options, target, await find_players(target, 10, seed=5))
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE game_session IN ACCESS EXCLUSIVE MODE")
        execution = asyncio.create_task(run.execute())
        await wait_until(lambda: run.snapshot().in_flight == 100)
        stalled = run.snapshot()
    report = await execution
    assert report.total.succeeded == report.submits.sessions == 100
    assert (await count_sessions(database, report))[0] == 100
    assert report.total.latency is not None
    # The arrivals are spread evenly over the stall, so half of them waited for half of it.
    assert report.total.latency.p50_ms >= stalled.elapsed_seconds * 1000 * 0.4
    assert report.total.latency.max_ms >= stalled.elapsed_seconds * 1000 * 0.9


async def test_tops_and_ranks_of_a_board(url: str, database: Database) -> None:
    await make_season(database, "laps", operator="best", direction="low")
    target = Target(url, board="laps")
    options = RunOptions(rate=100, duration_seconds=0.5, players=5, seed=5, mix=Mix(2, 1, 1))
    report = await Run(options, target, await find_players(target, 5, seed=5)).execute()
    assert report.total.succeeded == report.total.started == 50
    assert report.board == "laps"
    assert Run(options, Target(url), [1]).snapshot().board == "global"
