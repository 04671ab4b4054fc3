import asyncio
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE, Process
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from dashboard.simulation.cli import main
from dashboard.simulation.reports.presentation import (
    describe_progress,
    format_ms,
    list_alive,
    summarize_run,
)
from dashboard.simulation.reports.report import (
    ErrorReport,
    GeneratorReport,
    LatencySummary,
    RunReport,
    RunState,
    SubmitReport,
    TrafficReport,
)
from dashboard.simulation.reports.run_directory import FoundRun, RunIdentity, RunSnapshot
from tests.support.console.frozen_clock import START
from tests.support.simulation_peer import run_peer

SHORT = ("--rate", "100", "--duration", "0.3", "--players", "10", "--seed", "5")
LONG = ("--rate", "100", "--duration", "600", "--players", "10", "--seed", "5")


@pytest.fixture(autouse=True)
def _state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tests are no business of the consoles on this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def start(*arguments: str, stderr: int = PIPE) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dashboard.simulation", *arguments, stdout=PIPE, stderr=stderr
    )


async def simulate(*arguments: str) -> tuple[int, str, str]:
    process = await start(*arguments)
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


async def test_a_run_without_errors_prints_its_figures_and_succeeds() -> None:
    async with run_peer() as peer:
        status, stdout, stderr = await simulate(*SHORT, "--url", peer.url)
    assert (status, stderr) == (0, "")
    for words in ("submit", "top", "rank", "total", "p99 ms", "seed 5", "30"):
        assert words in stdout


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
async def test_a_file_has_ascii_where_it_is_asked_for_and_no_blanks_at_ends(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    async with run_peer() as peer:
        _, usual, _ = await simulate(*SHORT, "--url", peer.url)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        status, stdout, stderr = await simulate(*SHORT, "--url", peer.url)
    assert (status, stderr) == (0, "")
    assert "\u2500" in usual
    assert stdout.isascii()
    assert "-----" in stdout
    assert "\\u" not in stdout
    for line in (usual + stdout).splitlines():
        assert line == line.rstrip()
    assert "Stays      for ever: each submit, on every board whose rule it meets" in usual


@pytest.mark.parametrize(
    ("key", "words"),
    [((), "it needs an API key, and none was sent"), (("--api-key", "x"), "takes no such API key")],
)
async def test_a_key_that_is_missing_is_told_from_one_that_is_wrong(
    key: tuple[str, ...], words: str
) -> None:
    async with run_peer() as peer:
        peer.misbehave = lambda _: (401, {"error": "A key is needed.", "code": "key_required"})
        status, stdout, stderr = await simulate(*SHORT, "--url", peer.url, *key)
    assert (status, stdout) == (1, "")
    assert words in stderr


async def test_a_run_that_can_leave_no_trace_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "file"
    place.touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    async with run_peer() as peer:
        status, stdout, stderr = await simulate(*SHORT, "--url", peer.url)
    told = "".join((stdout + stderr).split())
    assert f"Theconsolewillnotlistthisrun:Notadirectory:{place}/leaderboard" in told
    assert "Errno" not in told
    assert status == 0


async def test_json_is_one_document_and_nothing_else() -> None:
    async with run_peer() as peer:
        status, stdout, stderr = await simulate(*SHORT, "--url", peer.url, "--json")
    assert (status, stderr) == (0, "")
    report = msgspec.json.decode(stdout, type=RunReport)
    assert report.state is RunState.FINISHED
    assert (report.rate, report.duration_seconds, report.players, report.seed) == (100, 0.3, 10, 5)
    assert report.mix == {"submit": 70, "top": 10, "rank": 20}
    assert report.total.succeeded == 30
    assert report.submits.sessions == len(peer.sessions)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (("--stages", "0-100x0.4,100x0.2"), "of 66.667 requests a second (0-100x0.4,100x0.2)"),
        (("--users", "3", "--think", "0.01", "--duration", "0.3"), "3 users who think for 0.01 s"),
    ],
)
async def test_stages_and_users_are_in_the_summary(load: tuple[str, ...], words: str) -> None:
    async with run_peer() as peer:
        status, stdout, stderr = await simulate(*load, "--players", "5", "--url", peer.url)
    assert (status, stderr) == (0, "")
    assert words in " ".join(stdout.split())
    assert "0 lost, 0 counted twice" in stdout


async def test_errors_are_shown_with_a_sample_and_fail_the_command() -> None:
    async with run_peer() as peer:
        peer.misbehave = lambda call: (
            (503, {"error": "[/x] Try again", "code": "overloaded"})
            if call.method == "POST"
            else None
        )
        status, stdout, stderr = await simulate(
            *SHORT, "--url", peer.url, "--mix", "submit=1", "--timeout", "0.3"
        )
    assert status == 1
    assert "overloaded" in stdout
    assert "503: [/x] Try again" in stdout
    assert stderr == "leaderboard simulate: 30 of 30 requests failed\n"


async def test_where_nothing_answers_one_line_says_what_to_do() -> None:
    assert await simulate(*SHORT, "--url", "http://127.0.0.1:1", "--json") == (
        1,
        "",
        (
            "leaderboard simulate: no leaderboard answers at http://127.0.0.1:1: start one with "
            "`leaderboard up` or name it with --url\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "0"], "a rate of 0"),
        (["--rate", "many"], "'many' is not a number"),
        (["--duration", "nan"], "a duration of nan s"),
        (["--players", "0"], "0 players"),
        (["--timeout", "0"], "'0' is not a number from 0.01 to 600"),
        (["--timeout", "nan"], "'nan' is not a number from 0.01 to 600"),
        (["--seed", "x"], "'x' is not a whole number"),
        (["--mix", "walk=3"], "'walk=3' is not a weight"),
        (["--mix", "submit"], "'submit' is not a weight"),
        (["--mix", "submit=0"], "one of them is above 0"),
        (["--url", "localhost:8000"], "is not like http://host:port"),
        (["--url", "http://a..b"], "has no possible host"),
        (["--url", "http://[::1"], "http://[::1"),
        (["--stages", "100"], "'100' is not a stage"),
        (["--stages", "0x5"], "a rate above 0 somewhere"),
        (["--stages", "100x0"], "a duration of 0 s"),
        (["--stages", "100-nanx5"], "a rate of nan"),
        (["--stages", "100x5", "--rate", "5"], "leave --rate and --duration out"),
        (["--users", "0"], "0 users"),
        (["--users", "5", "--rate", "5"], "leave --rate and --stages out"),
        (["--think", "1"], "--think is for users"),
        (["--users", "5", "--think", "-1"], "a think time of -1 s"),
        (["--scores", "cubic"], "'cubic' is not one of"),
        (["--wrong"], "No such option"),
        (["surplus"], "unexpected extra argument"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulate", *arguments])
    with pytest.raises(SystemExit) as exited:
        main()
    stdout, stderr = capsys.readouterr()
    assert (exited.value.code, stdout) == (1, "")
    assert stderr.startswith("leaderboard simulate: ")
    assert words in stderr
    assert stderr.count("\n") == 1


async def test_help_names_the_command_as_it_is_called() -> None:
    status, stdout, stderr = await simulate("--help")
    assert (status, stderr) == (0, "")
    assert stdout.startswith("Usage: leaderboard simulate [OPTIONS]\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_ends_the_run_and_prints_what_ran(number: signal.Signals) -> None:
    async with run_peer() as peer:
        process = await start(*LONG, "--url", peer.url, "--json")
        await peer.traffic_seen.wait()
        process.send_signal(number)
        stdout, stderr = await process.communicate()
    report = msgspec.json.decode(stdout, type=RunReport)
    assert process.returncode == 1
    assert report.state is RunState.STOPPED
    assert report.total.succeeded == report.total.started == len(peer.traffic) > 0
    assert stderr.decode().startswith("leaderboard simulate: stopped after ")
    assert stderr.count(b"\n") == 1


async def test_a_second_interrupt_gives_up_what_is_in_flight() -> None:
    async with run_peer() as peer:
        process = await start(*LONG, "--url", peer.url, "--json")
        await peer.traffic_seen.wait()
        peer.gate.clear()
        await peer.stalled.wait()
        output = asyncio.create_task(process.communicate())
        while not any("/ops/sessions/count" in call.path for call in peer.received):
            process.send_signal(signal.SIGINT)
            await asyncio.wait({output}, timeout=0.2)
        peer.gate.set()
        stdout, stderr = await output
    report = msgspec.json.decode(stdout, type=RunReport)
    assert process.returncode == 1
    assert {error.code for error in report.errors} == {"abandoned"}
    assert stderr.decode().startswith("leaderboard simulate: stopped after ")


async def test_an_interrupt_of_the_preparation_is_one_line() -> None:
    async with run_peer() as peer:
        peer.gate.clear()
        process = await start(*LONG, "--url", peer.url)
        await peer.stalled.wait()
        process.send_signal(signal.SIGINT)
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout) == (1, b"")
    assert stderr == b"leaderboard simulate: interrupted before the run began\n"


async def test_a_terminal_shows_progress() -> None:
    screen, stderr = pty.openpty()
    async with run_peer() as peer:
        process = await start(
            *("--rate", "100", "--duration", "1.2", "--players", "10"),
            *("--url", peer.url),
            stderr=stderr,
        )
        stdout, _ = await process.communicate()
    os.close(stderr)
    shown = os.read(screen, 100_000).decode()
    os.close(screen)
    assert process.returncode == 0
    assert "Finding players" in shown
    assert "in flight" in shown
    assert b"in flight" not in stdout


def make_report(**changes: Any) -> RunReport:
    latency = LatencySummary(5, 2.0, 1.234, 23.45, 24.0, 345.6, 400.0, 4567.8)
    traffic = TrafficReport(9, 5, 3, 7, 2.5, latency, latency)
    report = RunReport(
        run_id="cafe",
        url="http://127.0.0.1:8000",
        state=RunState.RUNNING,
        started_at="2026-01-01T00:00:00+00:00",
        model="open",
        rate=8.0,
        duration_seconds=60.0,
        players=10,
        mix={"submit": 70.0, "top": 10.0, "rank": 20.0},
        scores="lognormal",
        stages="",
        users=None,
        think_seconds=None,
        seed=5,
        planned=480,
        pace=1.0,
        target_rate=8.0,
        active_users=None,
        elapsed_seconds=2.0,
        paused_seconds=0.0,
        in_flight=1,
        total=traffic,
        kinds={"submit": traffic, "top": traffic, "rank": traffic},
        latency_buckets=(),
        errors=(),
        seconds=(),
        generator=GeneratorReport(1.0, 2.0, 3.0, limited=False, cpu_share=0.25),
        submits=SubmitReport("sim-cafe-", 9, 5, 1, 2, 0, 5, 1, 5),
    )
    return msgspec.structs.replace(report, **changes)


def render(report: RunReport, width: int = 80) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(summarize_run(report))
    return console.export_text()


def test_the_progress_line_has_rate_errors_drops_and_latency() -> None:
    line = describe_progress(make_report()).plain
    assert line == ("2 / 60 s · 2 of 8/s · 1 in flight · 3 errors, 7 dropped · p50 1.23 p99 346 ms")


def test_the_summary_of_a_long_run_fits_eighty_columns() -> None:
    latency = LatencySummary(3_600_000, 2.0, 1.234, 23.45, 24.0, 345.6, 400.0, 10_567.8)
    traffic = TrafficReport(3_600_000, 3_599_000, 1_000, 70_000, 1_000.4, latency, latency)
    text = render(make_report(total=traffic))
    assert "…" not in text
    assert [line.split() for line in text.splitlines() if "total" in line] == [
        ["total", "3,600,000", "1,000", "70,000", "1,000.4", "1.23", "23.4", "346", "10,568"]
    ]


def test_the_summary_names_the_board_of_the_run() -> None:
    assert "Board      weekly-laps\n" in "\n".join(
        line.rstrip() for line in render(make_report(board="weekly-laps")).splitlines()
    )
    # Of the trace of an older release nobody knows.
    assert "Board" not in render(make_report())


def test_runs_that_go_on_are_listed_with_their_boards() -> None:
    identity = RunIdentity("cafe", "http://127.0.0.1:8000", "2026-01-01T00:00:00+00:00", 4_300, 1.0)
    snapshot = RunSnapshot(report=make_report(board="weekly-laps"))
    run = FoundRun(identity, snapshot, alive=True, written_at=START)
    (line,) = list_alive([run], START)
    listed = "cafe  pid 4300  http://127.0.0.1:8000  board weekly-laps  "
    assert line.startswith(f"{listed}2 / 60 s")
    (line,) = list_alive([run], START + timedelta(minutes=9))
    assert line.startswith(f"{listed}no figures for 9 min, the last: 2 / 60 s")


def test_the_summary_says_when_the_generator_is_the_limit() -> None:
    generator = make_report().generator
    assert "The generator, not the server" not in render(make_report())
    late = msgspec.structs.replace(generator, limited=True, lag_p99_ms=50)
    assert "The generator, not the server, is the limit" in render(make_report(generator=late))


def test_what_a_server_says_is_never_markup() -> None:
    error = ErrorReport("rank", "[/code]", 3, 0.5, 1.5, "404: [bold]User[/bold] not found [/x]")
    text = render(make_report(errors=(error,)), width=120)
    assert "[/code]" in text
    assert "404: [bold]User[/bold] not found [/x]" in text


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0.0, "0.00"), (9.876, "9.88"), (98.76, "98.8"), (98_765, "98,765")]
)
def test_latencies_have_three_digits(milliseconds: float, text: str) -> None:
    assert format_ms(milliseconds) == text
