"""`simulate` and the console against a service that wants a key."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest

from dashboard.client.gateway import Gateway, Refused
from dashboard.client.submitter import ServiceSubmitter, SingleSubmit
from dashboard.runs.source import LocalRuns
from dashboard.simulation.reports.report import RunReport
from service.backends.database import Database
from service.keys.roles import Role
from service.keys.service import make_key
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_player
from tests.support.serving import serve_app
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def _state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tests are no business of the consoles on this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
async def key(database: Database) -> str:
    return await make_key(database, name="operator", role=Role.ADMIN)


@pytest.fixture
async def url(settings: Settings, refresher: Refresher, key: str) -> AsyncIterator[str]:
    assert key
    await refresher.refresh()
    async with serve_app(settings) as (_, client):
        yield str(client.base_url)


def find_word(folder: Path, word: bytes) -> list[Path]:
    """Return the files that hold the word."""
    return [path for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


async def test_simulate_by_option_shows_the_key_to_nobody(
    url: str, key: str, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.commands.main", "simulate", "--url", url, "--json"),
        *("--api-key", key, "--rate", "50", "--duration", "2", "--players", "5"),
        stdout=PIPE,
        stderr=PIPE,
    )

    def list_commands() -> list[str]:
        command = psutil.Process(process.pid).cmdline()
        return command if "dashboard.simulation" in command else []

    command = await wait_until(list_commands)
    assert f"--url {url} --json --rate 50" in " ".join(command)
    assert key not in " ".join(command)
    await wait_until(lambda: list(tmp_path.rglob("run.json")))
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    report = msgspec.json.decode(stdout, type=RunReport)
    assert report.total.started == report.total.succeeded == 100
    assert not await asyncio.to_thread(find_word, tmp_path, key.encode())
    assert await asyncio.to_thread(find_word, tmp_path, report.run_id.encode())
    assert key.encode() not in stdout


async def simulate(url: str, key: str | None) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashboard.simulation", "--url", url),
        *("--rate", "50", "--duration", "1", "--players", "5"),
        env={**os.environ, **({"LEADERBOARD_API_KEY": key} if key else {})},
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(60):
        _, stderr = await process.communicate()
    return process.returncode, stderr.decode()


async def test_simulate_by_environment(url: str, key: str) -> None:
    status, complaint = await simulate(url, key)
    assert status == 0, complaint


async def test_simulate_without_a_key_says_what_it_needs(url: str) -> None:
    status, complaint = await simulate(url, None)
    assert status == 1
    assert "leaderboard keys create" in complaint
    assert "--api-key or LEADERBOARD_API_KEY" in complaint


async def test_simulate_with_what_is_no_key(url: str) -> None:
    status, complaint = await simulate(url, "a b")
    assert (status, complaint.count("\n")) == (1, 1)
    assert "not a key of `leaderboard keys create`" in complaint
    assert "a b" not in complaint


async def test_console_with_a_key_and_without(url: str, key: str, database: Database) -> None:
    user_id = await make_player(database)
    keyless, gateway = Gateway(url), Gateway(url, api_key=key)
    try:
        with pytest.raises(Refused, match=r"wants an API key: .*--api-key") as refused:
            await keyless.read_status()
        assert refused.value.code == "key_required"
        assert (await gateway.read_status()).parts.redis.state == "ok"
    finally:
        await keyless.close()
        await gateway.close()
    score = SingleSubmit(user_id, 1, "solo")
    refusal = await ServiceSubmitter(url).submit(score, "one")
    assert not refusal.accepted
    assert "401" in refusal.text
    assert (await ServiceSubmitter(url, key).submit(score, "one")).accepted


async def test_console_starts_runs_with_its_key(url: str, key: str) -> None:
    runs = LocalRuns(url, api_key=key)
    runs.start(["--rate=50", "--duration=1", "--players=5"])
    assert runs._child is not None
    assert runs._complaint is not None
    with runs._child, runs._complaint:
        assert key not in " ".join(psutil.Process(runs._child.pid).cmdline())

        def find_end() -> RunReport | None:
            found = runs.find_started()
            return found.snapshot.report if found and found.snapshot.ended else None

        report = await wait_until(find_end)
    assert report is not None
    assert report.total.succeeded == report.total.started == 50
