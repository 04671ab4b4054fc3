"""`compose.yml` is read and what it says is run: each command, with the environment it gets there.

Addresses alone are exchanged, for those of servers out of the wheels.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from service.local.embedded.valkey import _find_binary
from service.settings.settings import environment_name, load_settings
from tests.support.compose_file import ROOT, read_compose, read_example
from tests.support.parts import find_ports
from tests.support.programs import PATIENCE_SECONDS, nap_until, run


@pytest.fixture
def services() -> dict[str, Any]:
    services = read_compose(read_example())["services"]
    assert isinstance(services, dict)
    return services


def list_programs(services: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in services.items() if one["image"] == "leaderboard"}


@contextmanager
def run_valkey(name: str, service: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Run a Valkey as compose does; gives its URL."""
    (port,) = find_ports(1)
    data = folder / name
    data.mkdir()
    shell, option, line = service["command"]
    environment = dict(service["environment"])
    environment["PATH"] = f"{Path(_find_binary()).parent}:{os.environ['PATH']}"
    command = [shell, option, f"{line} --bind 127.0.0.1 --port {port} --dir {data}"]
    with run(name, command, environment, folder) as running:
        running.wait_for("Ready to accept connections")
        yield f"redis://:{service['environment']['VALKEY_PASSWORD']}@127.0.0.1:{port}/0"


def make_environment(service: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that compose gives, with the address of each server exchanged."""
    environment = dict(service["environment"])
    for name, value in environment.items():
        host = urlsplit(value).hostname
        if host is not None and host in addresses:
            environment[name] = addresses[host]
    return environment


def make_command(words: Sequence[str], folder: Path) -> list[str]:
    """Return what compose runs, with an address, ports and a folder of this machine."""
    exchanged = {"0.0.0.0": "127.0.0.1", "8000": "0", "3000": "0"}  # noqa: S104
    arguments = [exchanged.get(word, word).replace("/tmp/", f"{folder}/") for word in words]  # noqa: S108
    return [sys.executable, "-m", "service.commands.main", *arguments]


def test_compose_runs_the_service(
    services: dict[str, Any], database_url: str, tmp_path: Path
) -> None:
    with (
        run_valkey("cache", services["cache"], tmp_path) as cache,
        run_valkey("broker", services["broker"], tmp_path) as broker,
    ):
        addresses = {"postgres": database_url, "cache": cache, "broker": broker}

        def start(name: str) -> Any:
            service = services[name]
            command = make_command(service["command"], tmp_path)
            return run(name, command, make_environment(service, addresses), tmp_path)

        def is_healthy(name: str) -> bool:
            service = services[name]
            kind, program, *check = service["healthcheck"]["test"]
            assert (kind, program) == ("CMD", "leaderboard")
            command = make_command(check, tmp_path)
            with run("check", command, make_environment(service, addresses), tmp_path) as asking:
                return asking.process.wait(PATIENCE_SECONDS) == 0

        with start("migrate") as migrate:
            assert migrate.process.wait(PATIENCE_SECONDS) == 0, migrate.log.read_text()
        command = [
            *make_command(["keys", "create"], tmp_path),
            "--role",
            "submit",
            "--name",
            "game",
        ]
        environment = make_environment(services["worker"], addresses)
        made = subprocess.run(
            command, env={"PATH": os.environ["PATH"], **environment},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        with start("api") as api, start("worker") as worker, start("scheduler") as scheduler:
            url = api.wait_for("Ready:").split()[1]
            nap_until(lambda: is_healthy("worker"))
            nap_until(lambda: is_healthy("scheduler"))
            with httpx.Client(base_url=url, headers=headers, timeout=10) as client:
                player = client.post("/api/players", json={"username": "ada"}).json()["user_id"]
                score = {"user_id": player, "score": 42}
                client.post("/api/leaderboard/submit", json=score).raise_for_status()
                deadline = time.monotonic() + PATIENCE_SECONDS
                while not (top := client.get("/api/leaderboard/top").json()["leaderboard"]):
                    assert time.monotonic() < deadline, worker.log.read_text()
                    worker.nap()
                assert [(entry["user_id"], entry["total_score"]) for entry in top] == [(player, 42)]
                ready = client.get("/health/ready")
                assert ready.status_code == 200, ready.text
            assert scheduler.process.poll() is None, scheduler.log.read_text()
            assert api.stop() == 0
            assert worker.stop() == 0


def test_every_program_names_servers_that_compose_runs(services: dict[str, Any]) -> None:
    ports = {"postgres": 5432, "cache": 6379, "broker": 6379}
    known = {environment_name(name) for name in type(load_settings()).model_fields}
    programs = list_programs(services)
    assert programs.keys() == {"migrate", "api", "worker", "scheduler", "dashboard"}
    for service in programs.values():
        environment = dict(service["environment"])
        if service is programs["dashboard"]:
            assert environment.pop("LEADERBOARD_API_KEY") == ""
        assert environment.keys() <= known
        if service["command"][0] in ("api", "worker", "scheduler"):
            assert environment.pop("NEW_RELIC_LICENSE_KEY") == ""
        assert environment.pop("LEADERBOARD_LOG_FORMAT") == "json"
        for value in environment.values():
            parts = urlsplit(value)
            assert parts.hostname in services
            assert parts.port == ports[parts.hostname]


def test_programs_are_told_of_other_servers_that_the_environment_names(
    services: dict[str, Any],
) -> None:
    others = {
        "DATABASE_URL": "postgresql://me:secret@db.example:6432/scores?sslmode=verify-full",
        "REDIS_URL": "rediss+cluster://one.example,two.example:6380",
        "BROKER_URL": "amqps://me:secret@broker.example/scores",
    }
    changed = read_compose({**read_example(), **others})["services"]
    for name, service in services.items():
        before, after = service.get("environment", {}), changed[name].get("environment", {})
        assert after == before | {key: others[key] for key in before.keys() & others.keys()}


def test_start_order_is_by_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                inherited = services[other]["image"] == "leaderboard"
                check = services[other].get("healthcheck", {"inherited": inherited})
                assert check.get("test") or check.get("inherited"), f"{name} waits for {other}"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert services[other]["restart"] == "no"


def test_ports_are_bound_to_this_machine_unless_asked(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:3000:3000", "127.0.0.1:8000:8000"]
    opened = read_compose({**read_example(), "BIND_ADDRESS": "10.0.0.1"})["services"]
    assert opened["proxy"]["ports"] == ["10.0.0.1:8000:8000"]
    # It asks nobody to log in.
    assert opened["dashboard"]["ports"] == ["127.0.0.1:3000:3000"]
    shown = read_compose({**read_example(), "DASHBOARD_BIND_ADDRESS": "10.0.0.2"})["services"]
    assert shown["dashboard"]["ports"] == ["10.0.0.2:3000:3000"]
    assert shown["proxy"]["ports"] == ["127.0.0.1:8000:8000"]


def test_compose_serves_the_console(services: dict[str, Any], tmp_path: Path) -> None:
    service = services["dashboard"]
    command = make_command(service["command"], tmp_path)
    with run("dashboard", command, service["environment"], tmp_path) as dashboard:
        url = dashboard.wait_for("Ready:").split()[1]
        assert httpx.get(url, timeout=10).status_code == 200
        foreign = {"Origin": "http://evil.example"}
        assert httpx.get(f"{url}/ws", headers=foreign, timeout=10).status_code == 403
        assert dashboard.stop() == 0


@pytest.mark.parametrize("missing", ["POSTGRES_PASSWORD", "VALKEY_PASSWORD"])
def test_compose_demands_a_password(missing: str) -> None:
    with pytest.raises(AssertionError, match=rf"{missing} is not set: copy .env.example to .env"):
        read_compose({**read_example(), missing: ""})


def test_console_is_told_the_name_that_a_proxy_gives_it() -> None:
    services = read_compose({**read_example(), "DASHBOARD_HOST_NAME": "board.example"})["services"]
    assert "--allow-host=board.example" in services["dashboard"]["command"]


async def test_postgres_takes_its_options(services: dict[str, Any], database_url: str) -> None:
    program, *options = services["postgres"]["command"]
    assert program == "postgres"
    assert set(options[::2]) == {"-c"}
    connection = await asyncpg.connect(database_url)
    try:
        for option in options[1::2]:
            name, _, value = option.partition("=")
            # Checks name and value as a start does, without one; nothing is reloaded.
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            await connection.execute(f"ALTER SYSTEM RESET {name}")
    finally:
        await connection.close()


def test_image_has_what_the_commands_need() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {line.split()[1] for line in lines if re.match(r"COPY \w+ \w+$", line)}
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert {"service", "workers", "dashboard", "migrations"} == copied
    assert copied < kept
    # Runs of the console leave their traces where compose lets something be written.
    assert "    XDG_STATE_HOME=/tmp/state" in lines
    assert read_compose(read_example())["services"]["dashboard"]["tmpfs"] == ["/tmp"]  # noqa: S108
    user = next(line for line in lines if line.startswith("USER "))
    assert user != "USER root"
    assert 'ENTRYPOINT ["leaderboard"]' in lines
