"""`Dockerfile` and `compose.yml`, as they are, as a project of their own on an engine."""

import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.compose_file import ROOT
from tests.support.containers.documents import Shown, read_section
from tests.support.containers.engine import Engine
from tests.support.parts import find_ports

_FILES = ("Dockerfile", ".dockerignore", "compose.yml", ".env.example")
_RUNBOOK = ROOT / "service" / "README.md"

# Documents say `curl` with the usual ports and, where a service is open, without a key.
_SHELL = """
curl() {{
    command curl --silent --show-error --max-time 3 \\
        --connect-to 127.0.0.1:8000:127.0.0.1:{api} \\
        --connect-to 127.0.0.1:3000:127.0.0.1:{console} \\
        ${{KEY:+-H "Authorization: Bearer $KEY"}} "$@"
}}
"""


class Project:
    """A copy of the files in a folder, with an `.env` as an operator makes it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.name = f"leaderboard-tests-{secrets.token_hex(3)}"
        self.api_port, self.console_port = find_ports(2)
        self.key = ""
        # compose takes it instead of the file's own name.
        engine.environment["COMPOSE_PROJECT_NAME"] = self.name
        for name in _FILES:
            shutil.copy(ROOT / name, folder)
        for line in (ROOT / ".dockerignore").read_text().splitlines():
            if line.startswith("!"):
                _copy(ROOT / line[1:], folder / line[1:])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def env_file(self) -> Path:
        return self.folder / ".env"

    def read_env(self) -> dict[str, str]:
        lines = self.env_file.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def write_env(self, **values: object) -> None:
        """Put values into `.env`, as one does with an editor."""
        text = self.env_file.read_text()
        for name, value in values.items():
            text, number = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", text)
            assert number == 1, name
        self.env_file.write_text(text)

    def compose(self, *arguments: str) -> str:
        return self.engine.run("compose", *arguments, folder=self.folder)

    def type(self, *commands: str) -> list[str]:
        """Type commands into one shell, one after the other; return what each printed.

        Raises `AssertionError` where one of them fails.
        """
        mark = secrets.token_hex(8)
        # A stream is ended by the time limit, for which curl's status is 28.
        after = f"status=$?; [ $status = 0 ] || [ $status = 28 ] || exit $status; echo {mark}"
        shell = _SHELL.format(api=self.api_port, console=self.console_port)
        script = shell + "".join(f"{command}\n{after}\n" for command in commands)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**self.engine.environment, "KEY": self.key},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.split(f"{mark}\n")[:-1]

    def list_containers(self, service: str = "") -> list[dict[str, Any]]:
        """Return what `docker inspect` tells of the project's containers, all or a service's."""
        names = self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()
        if not names:
            return []
        found: list[dict[str, Any]] = json.loads(self.engine.run("inspect", *names))
        return found

    def describe(self) -> str:
        """Return how the containers are, what they logged, and which checks they did not pass."""
        asked = [("compose", "ps", "--all"), ("compose", "logs", "--tail=30")]
        parts = [self.engine.ask(*one, folder=self.folder).stdout for one in asked]
        for container in self.list_containers():
            checks = container["State"].get("Health", {}).get("Log", [])
            parts += [f"{container['Name']}: {one}" for one in checks if one["ExitCode"]]
        return "\n".join(parts)

    def make_key(self, command: str) -> str:
        """Type a command that makes a key, and return that: the last line."""
        return self.type(command)[0].split()[-1]

    def deploy(self, *scales: str) -> None:
        """Follow the runbook from nothing to a service that runs."""
        copy, build, make_key, start, ask = read_section(_RUNBOOK, "## Deploy")[:5]
        self.type(copy.command)
        self.write_env(
            POSTGRES_PASSWORD=secrets.token_hex(24),
            VALKEY_PASSWORD=secrets.token_hex(24),
            API_PORT=self.api_port,
            DASHBOARD_PORT=self.console_port,
        )
        self.type(build.command)
        self.key = self.make_key(make_key.command)
        self.write_env(LEADERBOARD_API_KEY=self.key)
        self.type(start.command)
        (answer,) = self.type(ask.command)
        assert json.loads(answer)["status"] == "ready", answer


@contextmanager
def run_project(engine: Engine, folder: Path) -> Iterator[Project]:
    """Give a project of which nothing is left in the end."""
    project = Project(engine, folder)
    try:
        yield project
    finally:
        # Also what only a profile starts.
        engine.ask("compose", "--profile", "*", "down", "--volumes", folder=folder)


def read_runbook(heading: str) -> list[Shown]:
    """Return the commands of a section of `service/README.md`."""
    return read_section(_RUNBOOK, heading)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
