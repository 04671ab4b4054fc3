"""Commands do their work, and say truthfully how it ended, whatever their output is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.output import OUTPUT_LOST
from tests.support.up_process import clean_environment
from tests.support.whole_stack import WholeStack

LOST = "error: standard output cannot be written: No space left on device\n"
NARROW = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}

AUDIT = ("service.commands.main", "audit")
SIMULATE = ("dashboard.simulation", "--rate", "20", "--duration", "0.2", "--players", "2")


@pytest.fixture
def command(live_stack: WholeStack, live: str, request: pytest.FixtureRequest) -> list[str]:
    module, *arguments = request.param
    settings = live_stack.settings
    servers = [f"DATABASE_URL={settings.database_url}", f"REDIS_URL={settings.redis_url}"]
    of_traffic = ["--url", live] if module == "dashboard.simulation" else []
    return ["env", *servers, sys.executable, "-m", module, *arguments, *of_traffic]


def run(command: list[str], stdout: int, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=clean_environment() | variables,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variables", [NARROW, {"LC_ALL": "C"}, {"LC_ALL": "", "LANG": "C"}])
@pytest.mark.parametrize("command", [AUDIT], indirect=True)
def test_few_characters(command: list[str], variables: dict[str, str]) -> None:
    done = run(command, subprocess.PIPE, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "ok Outbox" in done.stdout


@pytest.mark.parametrize("command", [AUDIT, SIMULATE], indirect=True)
def test_nobody_reads(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(command, writing)
    finally:
        os.close(writing)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [AUDIT, SIMULATE, ("service.commands.main", "--help"), ("dashboard", "--help")],
    indirect=True,
)
def test_full_disk(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(command, full.fileno())
    assert done.returncode == OUTPUT_LOST
    assert done.stderr.endswith(LOST)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [AUDIT, SIMULATE], indirect=True)
def test_closed_output(command: list[str]) -> None:
    done = run(["sh", "-c", '"$@" >&-', "sh", *command], subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
