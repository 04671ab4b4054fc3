"""PostgreSQL's machine is lost under load, and its standby takes over by the runbook."""

from collections.abc import Sequence

import httpx
import pytest

from tests.support.containers.load import send_traffic
from tests.support.containers.project import Project, read_runbook
from tests.support.programs import nap_until

_LEDGER = "SELECT count(*), coalesce(max(id), 0) FROM game_session"


@pytest.mark.timeout(1800)
def test_synchronous_standby_loses_nothing_and_no_read_fails(project: Project) -> None:
    follow, synchronous, take_over = read_commands()
    project.deploy()
    project.type(*follow, *synchronous)
    players = 50
    options = ("--rate", "100", "--timeout", "60", "--players", str(players))
    with send_traffic(project, *options) as load:
        # Of who does not stand yet, PostgreSQL alone knows that he exists.
        nap_until(lambda: count_standing(project) == players)
        project.type(*take_over)
        after = count_sessions(project, "standby")
        nap_until(lambda: count_sessions(project, "standby") > after + 500)
    print(load.describe())  # noqa: T201
    kinds = load.report["kinds"].items()
    failed_reads = {name: one["failed"] for name, one in kinds if name != "submit"}
    assert failed_reads == dict.fromkeys(failed_reads, 0)
    assert len(failed_reads) > 1
    assert load.ledger == (0, 0, 0)
    assert load.report["submits"]["acknowledged"] > 1000
    check_everything_agrees(project)


@pytest.mark.timeout(1800)
def test_standby_that_was_behind_is_what_is_left(project: Project) -> None:
    follow, _, take_over = read_commands()
    project.deploy()
    project.type(*follow)
    with httpx.Client(base_url=project.url, headers=project.headers, timeout=10) as client:
        ada, ben = (
            client.post("/api/players", json={"username": name}).json()["user_id"]
            for name in ("ada", "ben")
        )

        def submit(user_id: int, score: int) -> None:
            body = {"user_id": user_id, "score": score}
            answer = client.post("/api/leaderboard/submit", json=body).raise_for_status().json()
            path = f"/api/leaderboard/rank/{user_id}?seen={answer['session_id']}"
            assert "pending" not in client.get(path).raise_for_status().json()

        submit(ada, 10)
        submit(ben, 7)
        nap_until(lambda: count_sessions(project, "standby") == 2)
        (standby,) = project.list_containers("standby")
        network = f"{project.name}_default"
        project.engine.run("network", "disconnect", network, standby["Id"])
        # Folded and published, and known to nobody but the server that is lost.
        for _ in range(5):
            submit(ben, 1)
        assert read_top(client) == [(ben, 12), (ada, 10)]
        project.compose("kill", "postgres")
        project.engine.run("network", "connect", "--alias", "standby", network, standby["Id"])
        project.type(*take_over)
        nap_until(lambda: read_top(client) == [(ada, 10), (ben, 7)])
        # As many again: the same number of refreshes must not make the old index pass.
        for _ in range(5):
            submit(ada, 1)
        assert read_top(client) == [(ada, 15), (ben, 7)]
    check_everything_agrees(project)


def read_commands() -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Return how the standby is made, made synchronous, and promoted."""
    commands = [shown.command for shown in read_runbook("### A standby, and failover")]
    place = next(number for number, one in enumerate(commands) if "synchronous" in one)
    return commands[:place], commands[place : place + 1], commands[place + 1 :]


def check_everything_agrees(project: Project) -> None:
    project.compose("run", "--rm", "--no-deps", "worker", "audit")
    status = httpx.get(f"{project.url}/api/ops/status", headers=project.headers, timeout=10).json()
    parts = {name: part["state"] for name, part in status["parts"].items()}
    assert set(parts.values()) == {"ok"}, parts


def read_top(client: httpx.Client) -> list[tuple[int, int]]:
    lines = client.get("/api/leaderboard/top").raise_for_status().json()["leaderboard"]
    return [(line["user_id"], line["total_score"]) for line in lines]


def count_standing(project: Project) -> int:
    top = httpx.get(f"{project.url}/api/leaderboard/top", headers=project.headers, timeout=10)
    return int(top.raise_for_status().json()["players"])


def count_sessions(project: Project, service: str) -> int:
    psql = ("psql", "-U", "leaderboard", "--tuples-only", "-c", _LEDGER)
    return int(project.compose("exec", "-T", service, *psql).split("|")[0])
