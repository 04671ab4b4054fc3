"""A run as a process of its own: found by its trace, commanded, recognised when it is gone."""

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil
import pytest

from dashboard.runs.source import LocalRuns
from dashboard.simulation.errors import RunEnded
from dashboard.simulation.reports.report import RunState
from dashboard.simulation.reports.run_directory import (
    Command,
    FoundRun,
    RunDirectory,
    RunIdentity,
    RunSnapshot,
    list_runs,
    read_run,
    send_command,
)
from tests.support.simulation_peer import Peer, run_peer
from tests.support.waiting import wait_until


def locate(state: Path) -> Path:
    return state / "leaderboard" / "runs"


async def start(state: Path, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashboard.simulation", *arguments),
        stdout=PIPE,
        stderr=DEVNULL,
        env=os.environ | {"XDG_STATE_HOME": str(state)},
    )


@asynccontextmanager
async def run_long(peer: Peer, state: Path) -> AsyncIterator[Process]:
    """Start a run of ten minutes; kill it at the end of the block if it still goes on."""
    process = await start(
        *(state, "--url", peer.url, "--players", "10", "--rate", "50", "--duration", "600")
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def wait_for_report(runs: Path) -> FoundRun:
    def find() -> FoundRun | None:
        return next((run for run in list_runs(runs) if run.snapshot.report is not None), None)

    found = await wait_until(find, seconds=60)
    assert found is not None
    return found


async def wait_for(runs: Path, run_id: str, state: RunState, pace: float = 1.0) -> None:
    def has_arrived() -> bool:
        run = read_run(runs / run_id)
        report = run.snapshot.report if run else None
        return report is not None and (report.state, report.pace) == (state, pace)

    await wait_until(has_arrived, seconds=60)


async def test_a_run_is_found_and_commanded_and_leaves_its_figures(tmp_path: Path) -> None:
    runs = locate(tmp_path)
    async with run_peer() as peer, run_long(peer, tmp_path) as process:
        found = await wait_for_report(runs)
        run_id = found.identity.run_id
        assert found.alive
        assert (found.identity.pid, found.identity.url) == (process.pid, peer.url)

        listing = await start(tmp_path, "--list")
        stdout, _ = await listing.communicate()
        assert stdout.decode().startswith(f"{run_id}  pid {process.pid}  {peer.url}  ")
        listing = await start(tmp_path, "--list", "--json")
        stdout, _ = await listing.communicate()
        [listed] = json.loads(stdout)
        assert (listed["identity"]["run_id"], listed["alive"]) == (run_id, True)

        send_command(runs, run_id, Command.FASTER)
        send_command(runs, run_id, Command.FASTER)
        send_command(runs, run_id, Command.SLOWER)
        await wait_for(runs, run_id, RunState.RUNNING, 1.1)
        send_command(runs, run_id, Command.PAUSE)
        await wait_for(runs, run_id, RunState.PAUSED, 1.1)
        send_command(runs, run_id, Command.PAUSE)
        await wait_for(runs, run_id, RunState.RUNNING, 1.1)
        send_command(runs, run_id, Command.STOP)
        stdout, _ = await process.communicate()
        assert process.returncode == 1
        assert "0 lost, 0 counted twice" in stdout.decode()

        [ended] = list_runs(runs)
        assert not ended.alive
        assert ended.snapshot.ended
        assert ended.snapshot.report is not None
        assert ended.snapshot.report.state is RunState.STOPPED
        assert ended.snapshot.report.ledger is not None
        with pytest.raises(RunEnded):
            send_command(runs, run_id, Command.STOP)
        listing = await start(tmp_path, "--list")
        assert (await listing.communicate())[0] == b"no run goes on\n"
        listing = await start(tmp_path, "--list", "--json")
        assert json.loads((await listing.communicate())[0]) == []


async def test_nobody_else_may_read_a_run(tmp_path: Path) -> None:
    runs = locate(tmp_path)
    async with run_peer() as peer, run_long(peer, tmp_path):
        await wait_for_report(runs)
        [directory] = runs.iterdir()
        for path in (runs, directory, *directory.iterdir()):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_a_run_that_was_killed_is_not_alive(tmp_path: Path) -> None:
    runs = locate(tmp_path)
    async with run_peer() as peer, run_long(peer, tmp_path) as process:
        found = await wait_for_report(runs)
        process.kill()
        await process.communicate()
        gone = read_run(runs / found.identity.run_id)
        assert gone is not None
        assert not gone.alive
        assert not gone.snapshot.ended
        with pytest.raises(RunEnded):
            send_command(runs, found.identity.run_id, Command.STOP)


async def test_a_run_whose_process_stands_still_has_old_figures(tmp_path: Path) -> None:
    runs = locate(tmp_path)
    async with run_peer() as peer, run_long(peer, tmp_path) as process:
        found = await wait_for_report(runs)
        assert found.measure_silence(datetime.now(UTC)) is None
        process.send_signal(signal.SIGSTOP)
        await wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        held = read_run(runs / found.identity.run_id)
        assert held is not None
        assert held.alive
        assert held.measure_silence(held.written_at + timedelta(seconds=4)) is None
        assert held.measure_silence(held.written_at + timedelta(minutes=9)) == 540
        process.send_signal(signal.SIGCONT)

        def writes_again() -> bool:
            run = read_run(runs / found.identity.run_id)
            return run is not None and run.written_at > held.written_at

        await wait_until(writes_again, seconds=60)


async def test_a_run_that_cannot_begin_says_why(tmp_path: Path) -> None:
    process = await start(tmp_path, "--url", "http://127.0.0.1:1")
    await process.communicate()
    [run] = list_runs(locate(tmp_path))
    assert run.snapshot.ended
    assert run.snapshot.problem is not None
    assert "no leaderboard answers" in run.snapshot.problem


async def test_without_a_place_for_its_trace_a_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "leaderboard").write_text("in the way")
    async with run_peer() as peer:
        process = await start(
            *(tmp_path, "--url", peer.url, "--players", "5", "--rate", "50", "--duration", "0.2")
        )
        stdout, _ = await process.communicate()
    assert process.returncode == 0
    assert "0 lost, 0 counted twice" in stdout.decode()


async def test_the_console_starts_no_run_that_it_would_not_find_and_says_what_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaderboard").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with run_peer() as peer:
        runs = LocalRuns(peer.url)
        runs.start(["--players=5", "--rate=50", "--duration=0.2"])
        assert runs.read_failure() is None
        failure = await wait_until(runs.read_failure, seconds=60)
    assert runs.find_started() is None
    assert failure is not None
    assert f"{tmp_path}/leaderboard/runs: Not a directory" in failure
    assert "set XDG_STATE_HOME to a directory that can be written" in failure
    assert peer.received == []


async def test_a_run_goes_on_when_its_trace_is_lost(tmp_path: Path) -> None:
    async with run_peer() as peer, run_long(peer, tmp_path) as process:
        found = await wait_for_report(locate(tmp_path))
        shutil.rmtree(locate(tmp_path))
        sent = len(peer.traffic)
        await wait_until(lambda: len(peer.traffic) > sent + 50)
        assert process.returncode is None
        with pytest.raises(RunEnded):
            send_command(locate(tmp_path), found.identity.run_id, Command.STOP)


@contextmanager
def act_as_somebody_else() -> Iterator[None]:
    """Leave root, whom no permission stops, for as long as the block lasts."""
    own = os.geteuid()
    os.seteuid(own or 65_534)
    try:
        yield
    finally:
        os.seteuid(own)


def test_runs_of_another_user_are_none_of_ours(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    RunDirectory.make(runs, "theirs", "http://x", "2026-01-01T00:00:00+00:00")
    assert len(list_runs(runs)) == 1
    runs.chmod(0)
    with act_as_somebody_else():
        assert list_runs(runs) == []
        with pytest.raises(RunEnded):
            send_command(runs, "theirs", Command.STOP)
    runs.chmod(0o700)


def test_another_process_with_the_same_id_is_not_the_run(tmp_path: Path) -> None:
    RunDirectory.make(tmp_path, "mine", "http://x", "2026-01-01T00:00:00+00:00")
    mine = read_run(tmp_path / "mine")
    assert mine is not None
    assert mine.alive
    started = psutil.Process().create_time()
    other = RunIdentity("mine", "http://x", "2026", os.getpid(), started - 60)
    (tmp_path / "mine" / "run.json").write_bytes(msgspec.json.encode(other))
    stale = read_run(tmp_path / "mine")
    assert stale is not None
    assert not stale.alive


def test_only_the_last_runs_are_kept(tmp_path: Path) -> None:
    for number in range(9):
        started_at = f"2026-01-01T00:00:0{number}+00:00"
        directory = RunDirectory.make(tmp_path, f"run{number}", "http://x", started_at)
        directory.write(RunSnapshot(ended=True))
    kept = [run.identity.run_id for run in list_runs(tmp_path)]
    assert kept == ["run8", "run7", "run6", "run5", "run4"]


def test_what_is_no_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    (tmp_path / "file").write_text("")
    assert list_runs(tmp_path) == []
    assert list_runs(tmp_path / "missing") == []


def test_the_console_looks_at_the_runs_of_its_own_service(tmp_path: Path) -> None:
    RunDirectory.make(tmp_path, "other", "http://other:1", "2026-01-02T00:00:00+00:00")
    RunDirectory.make(tmp_path, "alive", "http://x/", "2026-01-01T00:00:00+00:00")
    late = RunDirectory.make(tmp_path, "ended", "http://x", "2026-01-03T00:00:00+00:00")
    late.write(RunSnapshot(ended=True))
    found = LocalRuns("http://x", tmp_path).find_last()
    assert found is not None
    assert found.identity.run_id == "alive"


@pytest.mark.parametrize(
    ("url", "typed"),
    [
        ("http://localhost:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://localhost:8000"),
        ("http://[::1]:8000", "http://localhost:8000"),
        ("HTTP://Example.ORG:8000", "http://example.org:8000/"),
        ("http://example.org:80/", "http://example.org"),
        ("https://example.org/board/", "HTTPS://EXAMPLE.ORG:443/board"),
    ],
)
def test_a_run_is_found_however_the_service_is_named(url: str, typed: str, tmp_path: Path) -> None:
    RunDirectory.make(tmp_path, "alive", url, "2026-01-01T00:00:00+00:00")
    found = LocalRuns(typed, tmp_path).find_last()
    assert found is not None
    assert found.identity.url == url


@pytest.mark.parametrize(
    ("url", "typed"),
    [
        ("http://localhost:8000", "http://localhost:8001"),
        ("http://127.0.0.1:8000", "http://127.0.0.2:8000"),
        ("http://example.org", "https://example.org"),
        ("http://example.org/one", "http://example.org/two"),
        ("http://example.org/one", "http://example.org/ONE"),
        ("http://example.org:80000", "http://example.org"),
    ],
)
def test_a_run_against_another_service_is_not_found(url: str, typed: str, tmp_path: Path) -> None:
    RunDirectory.make(tmp_path, "alive", url, "2026-01-01T00:00:00+00:00")
    assert LocalRuns(typed, tmp_path).find_last() is None
