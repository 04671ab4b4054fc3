"""`leaderboard keys`, and who may start the API on what address."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import httpx
import pytest

from service.backends.database import Database
from service.keys.roles import Role
from service.keys.service import make_key
from tests.support.databases import Clusters
from tests.support.up_process import UpProcess, clean_environment, run_leaderboard
from tests.support.waiting import wait_until

EVERYWHERE = "0.0.0.0"  # noqa: S104
SUBMIT = "/api/leaderboard/submit"


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


@contextmanager
def run_api(environment: Mapping[str, str], *options: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*(sys.executable, "-m", "service.commands.main"), *("api", "--port", "0", *options)],
        env=clean_environment() | dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def read_until_ready(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Return the URL and everything that was printed."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("Ready:"):
            return line.split()[1], printed
    raise AssertionError(printed)


def test_create_list_revoke(environment: dict[str, str]) -> None:
    assert run_leaderboard("keys", "list", environment=environment).stdout == (
        "no key was ever made\n"
    )
    made = run_leaderboard(
        "keys", "create", "--role", "submit", "--name", "my-game", environment=environment
    )
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert re.fullmatch(r"lb_[\w-]{43}", key)
    assert "shown this once" in made.stderr
    listed = run_leaderboard("keys", "list", environment=environment).stdout
    assert key not in listed
    head, line = listed.splitlines()
    assert head.split() == ["name", "role", "ends", "in", "made", "revoked"]
    assert line.split()[:3] == ["my-game", "submit", key[-4:]]
    assert line.endswith("-")
    for _ in range(2):
        revoked = run_leaderboard("keys", "revoke", "my-game", environment=environment)
        assert revoked.returncode == 0
        assert revoked.stdout.startswith("my-game is revoked since ")
    assert not run_leaderboard("keys", "list", environment=environment).stdout.endswith("-\n")


async def test_mistakes_are_one_line(database: Database, environment: dict[str, str]) -> None:
    await make_key(database, name="taken", role=Role.READ)
    for arguments, complaint in {
        ("create", "--role", "submit", "--name", "taken"): "a key named taken was made before",
        ("create", "--role", "owner", "--name", "new"): "'owner' is not one of 'read'",
        ("create", "--role", "read", "--name", "a b"): "'a b' is not 1 to 64 letters",
        ("create", "--role", "read"): "Missing option '--name'",
        ("revoke", "nobody"): "no key is named nobody",
        ("revoke",): "Missing argument 'NAME'",
    }.items():
        done = run_leaderboard("keys", *arguments, environment=environment)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert done.stderr.count("\n") == 1
        assert complaint in done.stderr


async def test_api_on_the_network_needs_a_key_made(
    database: Database, environment: dict[str, str]
) -> None:
    refused = run_leaderboard("api", "--host", EVERYWHERE, "--port", "0", environment=environment)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "leaderboard keys create" in refused.stderr
    assert "--insecure" in refused.stderr
    key = await make_key(database, name="game", role=Role.SUBMIT)
    with run_api(environment, "--host", EVERYWHERE) as process:
        url, printed = read_until_ready(process)
        assert "INSECURE" not in printed
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.post(SUBMIT, json={})).status_code == 401
            headers = {"Authorization": f"Bearer {key}"}
            assert (await client.post(SUBMIT, json={}, headers=headers)).status_code == 400


def test_a_single_api_process_refuses_the_network_too(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*(sys.executable, "-m", "service.api"), *("--host", EVERYWHERE, "--port", "0")],
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "leaderboard keys create" in done.stderr


async def test_insecure_is_loud_and_ends_with_the_first_key(
    database: Database, environment: dict[str, str]
) -> None:
    with run_api(environment, "--host", EVERYWHERE, "--insecure") as process:
        url, printed = read_until_ready(process)
        assert "!! INSECURE: whoever can reach 0.0.0.0 port" in printed
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.post(SUBMIT, json={})).status_code == 400
            await make_key(database, name="operator", role=Role.ADMIN)

            async def is_closed() -> bool:
                return (await client.post(SUBMIT, json={})).status_code == 401

            await wait_until(is_closed)


def test_up_on_the_network_needs_a_key_made_by_its_data_directory(clusters: Clusters) -> None:
    directory = clusters.make("keys")
    with closing(UpProcess(directory, None, "--host", EVERYWHERE)) as up:
        assert up.wait_for_end() == 1
        assert up.lines[-1].startswith("error: no API key was ever made")
    with closing(UpProcess(directory)) as up:
        url = up.wait_until_ready()
        assert httpx.post(url + SUBMIT, json={}).status_code == 400
        made = run_leaderboard(
            *("keys", "create", "--role", "admin", "--name", "operator", "--data-dir", directory)
        )
        assert made.returncode == 0, made.stderr
    with closing(UpProcess(directory, None, "--host", EVERYWHERE)) as up:
        url = up.wait_until_ready()
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        assert httpx.get(f"{url}/api/ops/status").status_code == 401
        assert httpx.get(f"{url}/api/ops/status", headers=headers).status_code == 200
