"""A new release under load, by the lines of `service/README.md`: no request fails."""

import re

import httpx
import pytest

from tests.support.compose_file import ROOT
from tests.support.containers.load import send_traffic
from tests.support.containers.project import Project, read_runbook
from tests.support.programs import nap_until

_RELEASE = "0.2.0"
_MIGRATION = "schema_0002"


@pytest.mark.timeout(1800)
def test_upgrade_fails_no_request(project: Project) -> None:
    project.deploy()
    old = {one["Image"] for one in project.list_containers("api")}
    make_release(project)
    with send_traffic(project, "--rate", "100") as load:
        nap_until(lambda: count(project, "game_session") > 500)
        project.type(*(shown.command for shown in read_runbook("### Upgrade")))
        after = count(project, "game_session")
        nap_until(lambda: count(project, "game_session") > after + 500)
        # "A plain `docker compose up` would make them once more, unless it has `--no-recreate`."
        project.type(f"{read_runbook('## Deploy')[3].command} --no-recreate")
    print(load.describe())  # noqa: T201
    assert (load.report["total"]["failed"], load.report["total"]["dropped"]) == (0, 0)
    assert load.ledger == (0, 0, 0)
    for service, number in (("api", 2), ("worker", 3), ("scheduler", 1), ("dashboard", 1)):
        containers = project.list_containers(service)
        assert len(containers) == number
        assert not old & {one["Image"] for one in containers}
    found = httpx.get(f"{project.url}/api/ops/status", headers=project.headers, timeout=10).json()
    assert found["version"] == _RELEASE
    assert count(project, "added") == 0
    project.compose("run", "--rm", "--no-deps", "worker", "audit")


def make_release(project: Project) -> None:
    """Make what is built next a later release, with a migration that adds."""
    file = project.folder / "pyproject.toml"
    text, number = re.subn(r'(?m)^version = ".*"$', f'version = "{_RELEASE}"', file.read_text())
    assert number == 1
    file.write_text(text)
    folder = project.folder / "migrations"
    (folder / f"{_MIGRATION}.sql").write_text("CREATE TABLE added (id bigint PRIMARY KEY);\n")
    first = (ROOT / "migrations" / "schema_0001.py").read_text()
    (folder / f"{_MIGRATION}.py").write_text(first)


def count(project: Project, table: str) -> int:
    psql = ("psql", "-U", "leaderboard", "--tuples-only", "-c", f"SELECT count(*) FROM {table}")
    return int(project.compose("exec", "-T", "postgres", *psql))
