"""What the real `docker compose` makes of `compose.yml`, against what our tests take it for.

Needs the compose plug-in of Docker, or its program `docker-compose`, in version 2.23.1 or newer.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.compose_file import ROOT, read_compose, read_example


def run_compose(*arguments: str, env_file: str | Path) -> subprocess.CompletedProcess[str]:
    program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    return subprocess.run(
        [*program, "--env-file", env_file, "--file", ROOT / "compose.yml", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compose_reads_what_our_tests_read() -> None:
    done = run_compose(
        "--profile", "standby", "config", "--format", "json", env_file=ROOT / ".env.example"
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
    file: dict[str, Any] = json.loads(done.stdout)
    ours = read_compose(read_example())
    assert file["services"].keys() == ours["services"].keys()
    for name, service in ours["services"].items():
        found = file["services"][name]
        # What it prints can be read again, so a `$` is still doubled.
        assert [word.replace("$$", "$") for word in found["command"]] == service["command"]
        assert found.get("environment", {}) == service.get("environment", {})
        assert (
            found["depends_on"].keys() == service["depends_on"].keys()
            if ("depends_on" in service)
            else "depends_on" not in found
        )
        ports = [
            f"{port['host_ip']}:{port['published']}:{port['target']}"
            for port in found.get("ports", [])
        ]
        assert ports == service.get("ports", [])


def test_compose_demands_a_password(tmp_path: Path) -> None:
    for missing in ("POSTGRES_PASSWORD", "VALKEY_PASSWORD"):
        lines = [line for line in read_example().items() if line[0] != missing]
        (tmp_path / "env").write_text("".join(f"{name}={value}\n" for name, value in lines))
        done = run_compose("config", env_file=tmp_path / "env")
        assert done.returncode != 0
        assert f"{missing} is missing a value: copy .env.example to .env" in done.stderr
