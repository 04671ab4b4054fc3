"""A deployment on a container engine under fire, for as long as one likes.

`uv run python -m tests.deployment.fire --duration 3600 --seed 7`. At random, one after the other,
containers are killed, paused, cut off the network or given a slow and lossy link, while
`leaderboard simulate` sends traffic and sends each submit that has no answer again. In the end
everything has to be right by itself, and no acknowledged submit is lost or counted twice. The seed
repeats the faults, though not what happens to be under way at each.
"""

import argparse
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.deployment.images.making import make_images
from tests.support.containers.engine import Engine, find_engine
from tests.support.containers.load import Load, send_traffic
from tests.support.containers.project import Project, run_project
from tests.support.programs import nap_until

_PARTS: Final = ("postgres", "cache", "broker", "api", "worker", "scheduler", "proxy")
# What readiness, asked of an API, is expected to name while a fault of the part lasts.
_NAMED: Final = {"postgres": "postgresql", "cache": "redis"}
# The sweep, which makes up for whatever was lost, comes each minute.
_RIGHT_SECONDS: Final = 120.0

# A container that was cut off comes back with an interface of another name.
_FIND_DEVICE: Final = "device=$(ip -o -4 address show scope global | awk '{print $2; exit}');"
_LOSS: Final = f"""
{_FIND_DEVICE}
iptables -A INPUT -m statistic --mode random --probability 0.15 -j DROP
tc qdisc add dev "$device" root tbf rate 2mbit burst 16kb latency 200ms
"""
_NO_LOSS: Final = f'{_FIND_DEVICE} iptables -F INPUT; tc qdisc del dev "$device" root'


class Fire:
    """The faults, and what was seen of each."""

    def __init__(self, project: Project, seed: int) -> None:
        self.faults: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.longest_until_right = 0.0
        self._project = project
        self._chance = random.Random(seed)
        self._kinds = {
            "kill": self._kill,
            "pause": self._pause,
            "disconnect": self._disconnect,
            "slow and lossy link": self._lose_packets,
        }

    def burn(self, duration: float) -> None:
        """Set one fault after the other; wait until everything is right again after every fifth."""
        end = time.monotonic() + duration
        while time.monotonic() < end:
            for _ in range(5):
                self._set_fault()
            self._wait_until_right()

    def _set_fault(self) -> None:
        kind = self._chance.choice(list(self._kinds))
        part = self._chance.choice(_PARTS)
        ids = [one["Id"] for one in self._project.list_containers(part)]
        seconds = self._chance.uniform(0.5, 15.0)
        _say(f"{kind}: {part} for {seconds:.1f} s")
        self.faults[f"{kind}: {part}"] += 1
        self._kinds[kind](self._chance.choice(ids), part, seconds)
        time.sleep(self._chance.uniform(0.0, 3.0))

    def _kill(self, container: str, part: str, seconds: float) -> None:
        # Docker starts no container again that a person has killed.
        self._engine.run("kill", container)
        self._watch(part, seconds, whole=part != "api")
        self._engine.run("start", container)

    def _pause(self, container: str, part: str, seconds: float) -> None:
        # The kernel freezes no group in which a process is just being made.
        nap_until(lambda: self._engine.ask("pause", container).returncode == 0)
        self._watch(part, seconds, whole=part != "api")
        self._engine.run("unpause", container)

    def _disconnect(self, container: str, part: str, seconds: float) -> None:
        network = f"{self._project.name}_default"
        self._engine.run("network", "disconnect", network, container)
        self._watch(part, seconds, whole=part != "api")
        self._engine.run("network", "connect", "--alias", part, network, container)

    def _lose_packets(self, container: str, part: str, seconds: float) -> None:
        with self._inside(container) as run:
            run(_LOSS)
            time.sleep(seconds)
            run(_NO_LOSS)

    @contextmanager
    def _inside(self, container: str) -> Iterator[Callable[[str], None]]:
        """Give what runs a script of this machine in the container's network."""
        process = self._engine.run("inspect", "--format", "{{.State.Pid}}", container).strip()

        def run(script: str) -> None:
            self._engine.run_program("nsenter", "-t", process, "-n", "sh", "-ec", script)

        yield run

    def _watch(self, part: str, seconds: float, *, whole: bool) -> None:
        """Let a fault last, and note whether readiness names the part before its end."""
        end = time.monotonic() + seconds
        named = False
        while time.monotonic() < end:
            named = named or self._is_named(part)
            time.sleep(0.5)
        if part in _NAMED and whole and seconds >= 5.0:
            self.told[f"{part} {'named' if named else 'not named'}"] += 1

    def _is_named(self, part: str) -> bool:
        try:
            answer = httpx.get(f"{self._project.url}/health/ready", timeout=3)
            return bool(answer.json()["parts"].get(_NAMED.get(part, "")) not in (None, "ok"))
        except (httpx.TransportError, json.JSONDecodeError, KeyError):
            return False

    def _wait_until_right(self) -> None:
        began = time.monotonic()
        nap_until(self._is_right, seconds=_RIGHT_SECONDS)
        self.longest_until_right = max(self.longest_until_right, time.monotonic() - began)
        _say(f"right after {time.monotonic() - began:.1f} s")

    def _is_right(self) -> bool:
        """Ready, nothing waits, every container is well, and a score counts at once."""
        try:
            with httpx.Client(
                base_url=self._project.url, headers=self._project.headers, timeout=3
            ) as client:
                ready = client.get("/health/ready")
                status = client.get("/api/ops/status")
                if ready.status_code != 200 or ready.json()["status"] != "ready":
                    return False
                states = {part["state"] for part in status.json()["parts"].values()}
                body = {"user_id": 1, "score": 0}
                session = client.post("/api/leaderboard/submit", json=body).json()["session_id"]
                rank = client.get(f"/api/leaderboard/rank/1?seen={session}").json()
        except (httpx.TransportError, json.JSONDecodeError, KeyError):
            return False
        return states == {"ok"} and "pending" not in rank and "stale" not in rank

    @property
    def _engine(self) -> Engine:
        return self._project.engine


def burn(project: Project, *, duration: float, seed: int, rate: float) -> bool:
    """Deploy, burn, compare; return whether every promise was kept."""
    project.deploy()
    with send_traffic(project, "--rate", str(rate), "--timeout", "30") as load:
        nap_until(lambda: is_under_way(project), seconds=60)
        fire = Fire(project, seed)
        fire.burn(duration)
    audit = project.engine.ask(
        "compose", "run", "--rm", "--no-deps", "worker", "audit", folder=project.folder
    )
    report(fire, load, seed)
    _say(audit.stdout)
    return load.ledger == (0, 0, 0) and audit.returncode == 0


def is_under_way(project: Project) -> bool:
    answer = httpx.get(f"{project.url}/api/leaderboard/top", headers=project.headers, timeout=10)
    return bool(answer.json()["leaderboard"])


def report(fire: Fire, load: Load, seed: int) -> None:
    for name, number in sorted(fire.faults.items()):
        _say(f"{number:4} {name}")
    _say(f"{fire.faults.total()} faults, seed {seed}; readiness: {dict(fire.told)}")
    _say(load.describe())
    _say(f"longest time until right: {fire.longest_until_right:.1f} s")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=600.0, help="seconds")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    options = parser.parse_args()
    with (
        find_engine() as engine,
        tempfile.TemporaryDirectory(prefix="leaderboard-fire-") as folder,
    ):
        assert not isinstance(engine, str), engine
        make_images(engine)
        _say(f"seed {options.seed}")
        with run_project(engine, Path(folder)) as project:
            kept = burn(project, duration=options.duration, seed=options.seed, rate=options.rate)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
