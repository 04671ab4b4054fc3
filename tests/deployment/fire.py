"""A deployment on a container engine under fire, for as long as one likes.

`uv run python -m tests.deployment.fire --duration 3600 --seed 7`. At random, one after the other,
containers are killed, paused, cut off the network or given a slow and lossy link, their disk is
filled and their clock put back, while `leaderboard simulate` sends traffic and sends each submit
that has no answer again. Meanwhile readiness and status are compared with the fault in force.
In the end everything has to be right by itself, and no acknowledged submit lost or counted twice.
The seed repeats the faults, though not what happens to be under way at each.

`--kind kill --kind pause --faults 500 --longest 60` has so many of these alone, of up to a minute.
It needs root and a C compiler beside what the tests of this folder need.
"""

import argparse
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.deployment.images.making import make_images
from tests.support.containers.engine import Engine, find_engine
from tests.support.containers.load import Load, send_traffic
from tests.support.containers.project import Project, run_project
from tests.support.containers.rig import WITH_CLOCK, WITH_DISK, Rig
from tests.support.programs import nap_until

_PARTS: Final = ("postgres", "cache", "broker", "api", "worker", "scheduler", "proxy")
_APIS, _WORKERS = 2, 3
# A fault that lasts this long has to be told by then: a process that is gone, after five seconds
# without a heartbeat, a server that is silent, after two or three.
_TOLD_SECONDS: Final = 10.0
# The sweep makes up for whatever was lost, each minute; the rest is for a busy machine.
_RIGHT_SECONDS: Final = 300.0
_WELL_SECONDS: Final = 120.0
# What has died is started again; only what is frozen stays so for as long as it likes.
_LONGEST_DEAD_SECONDS: Final = 15.0
_LONGEST_BACK_SECONDS: Final = 86_400

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

    def __init__(self, project: Project, rig: Rig, seed: int, longest: float) -> None:
        self.faults: Counter[str] = Counter()
        self.told: defaultdict[str, list[float | None]] = defaultdict(list)
        """Of each that has to be told, after how many seconds it was; None where it was not."""
        self.blamed: Counter[str] = Counter()
        """Faults while which another part was said to be away."""
        self.longest_until_right = 0.0
        self._project = project
        self._rig = rig
        self._longest = longest
        self._chance = random.Random(seed)
        self._last_part = ""
        self._kinds: dict[str, tuple[tuple[str, ...], Callable[[str, str, float], None]]] = {
            "kill": (_PARTS, self._kill),
            "pause": (_PARTS, self._pause),
            "disconnect": (_PARTS, self._disconnect),
            "slow and lossy link": (_PARTS, self._lose_packets),
            "disk full": (WITH_DISK, self._fill_disk),
            "clock put back": (WITH_CLOCK, self._put_clock_back),
        }

    @property
    def kinds(self) -> list[str]:
        """The kinds of faults that there are."""
        return list(self._kinds)

    def burn(self, kinds: list[str], duration: float, faults: float) -> None:
        """Set one fault after the other; wait until everything is right again after every fifth."""
        end = time.monotonic() + duration
        while time.monotonic() < end and self.faults.total() < faults:
            for _ in range(5):
                self._set_fault(self._chance.choice(kinds))
            self._wait_until_right()

    def _set_fault(self, kind: str) -> None:
        parts, fault = self._kinds[kind]
        part = self._chance.choice(parts)
        container = self._chance.choice(self._project.list_containers(part))["Id"]
        seconds = self._chance.uniform(0.5, self._longest)
        # The last fault may have ended its program, and the engine is about to start it again.
        nap_until(lambda: self._is_running(container))
        _say(f"{kind}: {part} for {seconds:.1f} s")
        self.faults[f"{kind}: {part}"] += 1
        fault(container, part, seconds)
        self._last_part = part
        time.sleep(self._chance.uniform(0.0, 3.0))

    def _is_running(self, container: str) -> bool:
        state = "{{.State.Running}} {{.State.Restarting}}"
        return self._engine.run("inspect", "--format", state, container).split() == [
            "true",
            "false",
        ]

    def _kill(self, container: str, part: str, seconds: float) -> None:
        # Docker starts no container again that a person has killed.
        self._engine.run("kill", container)
        self._watch("kill", part, seconds * min(1.0, _LONGEST_DEAD_SECONDS / self._longest))
        self._engine.run("start", container)

    def _pause(self, container: str, part: str, seconds: float) -> None:
        # The kernel freezes no group in which a process is just being made.
        nap_until(lambda: self._engine.ask("pause", container).returncode == 0)
        self._watch("pause", part, seconds)
        self._engine.run("unpause", container)

    def _disconnect(self, container: str, part: str, seconds: float) -> None:
        network = f"{self._project.name}_default"
        self._engine.run("network", "disconnect", network, container)
        self._watch("disconnect", part, seconds)
        self._engine.run("network", "connect", "--alias", part, network, container)

    def _lose_packets(self, container: str, part: str, seconds: float) -> None:
        with self._inside(container) as run:
            run(_LOSS)
            time.sleep(seconds)
            run(_NO_LOSS)

    def _fill_disk(self, _: str, part: str, seconds: float) -> None:
        with self._rig.full(part):
            self._watch("disk full", part, seconds)

    def _put_clock_back(self, _: str, part: str, seconds: float) -> None:
        # All containers of a part: they share the file.
        self._rig.put_back(part, self._chance.randrange(1, _LONGEST_BACK_SECONDS))
        self._watch("clock put back", part, seconds)
        self._rig.put_back(part, 0)

    @contextmanager
    def _inside(self, container: str) -> Iterator[Callable[[str], None]]:
        """Give what runs a script of this machine in the container's network."""
        process = self._engine.run("inspect", "--format", "{{.State.Pid}}", container).strip()

        def run(script: str) -> None:
            self._engine.run_program("nsenter", "-t", process, "-n", "sh", "-ec", script)

        yield run

    def _watch(self, kind: str, part: str, seconds: float) -> None:
        """Let a fault last; note when readiness and status tell of it, and whom else they blame."""
        began = time.monotonic()
        has_to_be_told = _has_to_be_told(kind, part)
        told: float | None = None
        away: set[str] = set()
        while time.monotonic() < began + seconds:
            answers = self._ask()
            if answers is not None:
                if has_to_be_told and told is None and _tells(kind, part, *answers):
                    told = time.monotonic() - began
                if time.monotonic() > began + _TOLD_SECONDS:
                    _, status = answers
                    away |= {
                        name for name, one in status["parts"].items() if one["state"] == "away"
                    }
            time.sleep(0.5)
        if has_to_be_told and (seconds >= _TOLD_SECONDS or told is not None):
            self.told[f"{kind}: {part}"].append(told)
        # What the last fault was about may not be back yet.
        if blamed := away - {_NAMES.get(part, part), _NAMES.get(self._last_part, self._last_part)}:
            self.blamed[f"{kind}: {part}: {', '.join(sorted(blamed))}"] += 1

    def _ask(self) -> tuple[Any, Any] | None:
        """Return what readiness and status say; None where they do not get through."""
        try:
            with httpx.Client(
                base_url=self._project.url, headers=self._project.headers, timeout=5
            ) as client:
                ready = client.get("/health/ready").json()
                status = client.get("/api/ops/status").json()
        except (httpx.TransportError, json.JSONDecodeError):
            return None
        # Somebody else's answer, or that to a key that cannot be looked up.
        return (ready, status) if "parts" in ready and "parts" in status else None

    def _wait_until_right(self) -> None:
        began = time.monotonic()
        nap_until(self._is_right, seconds=_RIGHT_SECONDS)
        self.longest_until_right = max(self.longest_until_right, time.monotonic() - began)
        _say(f"right after {time.monotonic() - began:.1f} s")

    def _is_right(self) -> bool:
        """Ready, all processes are there, nothing waits, and a score counts at once."""
        try:
            with httpx.Client(
                base_url=self._project.url, headers=self._project.headers, timeout=3
            ) as client:
                ready = client.get("/health/ready")
                status = client.get("/api/ops/status")
                if ready.status_code != 200 or ready.json()["status"] != "ready":
                    return False
                parts = status.json()["parts"]
                states = {part["state"] for part in parts.values()}
                processes = [len(parts[name]["processes"]) for name in ("api", "worker")]
                body = {"user_id": 1, "score": 0}
                session = client.post("/api/leaderboard/submit", json=body).json()["session_id"]
                rank = client.get(f"/api/leaderboard/rank/1?seen={session}").json()
        except (httpx.TransportError, json.JSONDecodeError, KeyError):
            return False
        if states != {"ok"} or processes != [_APIS, _WORKERS]:
            return False
        return "pending" not in rank and "stale" not in rank

    @property
    def _engine(self) -> Engine:
        return self._project.engine


# What status calls a part.
_NAMES: Final = {"postgres": "postgresql", "cache": "redis"}


def _has_to_be_told(kind: str, part: str) -> bool:
    """Tell whether status can know: a link is slow, not away, and a clock makes no difference.

    The scheduler is missed after two of its minutes, and what asks through the proxy knows of it.
    """
    if kind in ("slow and lossy link", "clock put back"):
        return False
    return part not in ("scheduler", "proxy")


def _tells(kind: str, part: str, ready: Any, status: Any) -> bool:
    """Tell whether readiness, where it has a word for it, and status say what is at fault."""
    parts = status["parts"]
    if part in ("api", "worker"):
        expected = {"api": _APIS, "worker": _WORKERS}[part]
        return len(parts[part]["processes"]) < expected
    if part == "broker":
        # Nobody but the queues asks it. Where its disk is full it can be asked, and takes nothing.
        return not status["queues"] or (kind == "disk full" and parts["worker"]["state"] != "ok")
    name = _NAMES[part]
    return "ok" not in (parts[name]["state"], ready["parts"][name])


def burn(project: Project, rig: Rig, options: argparse.Namespace) -> bool:
    """Deploy, burn, compare; return whether every promise was kept."""
    project.deploy()
    with send_traffic(project, "--rate", str(options.rate), "--timeout", "30") as load:
        nap_until(lambda: is_under_way(project), seconds=60)
        fire = Fire(project, rig, options.seed, options.longest)
        fire.burn(options.kind or fire.kinds, options.duration, options.faults)
    audit = project.engine.ask(
        "compose", "run", "--rm", "--no-deps", "worker", "audit", folder=project.folder
    )
    report(fire, load, options.seed)
    _say(audit.stdout)
    nap_until(lambda: are_well(project), seconds=_WELL_SECONDS)
    _say("every container passes its check")
    return load.ledger == (0, 0, 0) and audit.returncode == 0


def are_well(project: Project) -> bool:
    states = [one["State"] for one in project.list_containers()]
    return all(one["Health"]["Status"] == "healthy" for one in states if one["Running"])


def is_under_way(project: Project) -> bool:
    answer = httpx.get(f"{project.url}/api/leaderboard/top", headers=project.headers, timeout=10)
    return bool(answer.json()["leaderboard"])


def report(fire: Fire, load: Load, seed: int) -> None:
    for name, number in sorted(fire.faults.items()):
        _say(f"{number:4} {name}")
    _say(f"{fire.faults.total()} faults, seed {seed}")
    for name, seconds in sorted(fire.told.items()):
        told = [one for one in seconds if one is not None]
        latest = f", the last after {max(told):.1f} s" if told else ""
        _say(f"told by readiness and status: {name}: {len(told)} of {len(seconds)}{latest}")
    for name, number in sorted(fire.blamed.items()):
        _say(f"said to be away meanwhile: {name}: {number} times")
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
    parser.add_argument("--faults", type=float, default=float("inf"), help="at most")
    parser.add_argument("--longest", type=float, default=15.0, help="seconds of one fault")
    parser.add_argument("--kind", action="append", help="of these alone; again for several")
    options = parser.parse_args()
    with (
        find_engine() as engine,
        tempfile.TemporaryDirectory(prefix="leaderboard-fire-") as folder,
    ):
        assert not isinstance(engine, str), engine
        make_images(engine)
        _say(f"seed {options.seed}")
        with ExitStack() as stack:
            # Before the project, and so taken away after its containers.
            disks = stack.enter_context(ExitStack())
            project = stack.enter_context(run_project(engine, Path(folder)))
            rig = Rig(project)
            rig.install(disks)
            kept = burn(project, rig, options)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
