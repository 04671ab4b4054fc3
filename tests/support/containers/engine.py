"""The container engine that answers on this machine, or one started from Debian's package."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from service.local.embedded.processes import spawn
from tests.support.programs import nap_until

_START_SECONDS = 60.0


class Engine:
    """An engine that answers, by its own command line."""

    def __init__(self, host: str | None = None) -> None:
        self.environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
        self.environment.pop("DOCKER_CONTEXT", None)

    def ask(
        self, *arguments: str | Path, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker`, whatever comes of it."""
        return subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *arguments: str | Path, folder: Path | None = None) -> str:
        """Run `docker`; return what it printed. Raises `AssertionError` with what it said."""
        done = self.ask(*arguments, folder=folder)
        assert done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def run_program(self, *command: str) -> None:
        """Run another program of the engine's machine, which has to be this one."""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def has_image(self, name: str) -> bool:
        return self.ask("image", "inspect", name).returncode == 0


@contextmanager
def find_engine() -> Iterator[Engine | str]:
    """Give an engine, for one test at a time; or the reason why there is none."""
    # The tests of several processes would take each other's processor time, and time out.
    with (Path(tempfile.gettempdir()) / "leaderboard-tests-engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (missing := _find_missing()) is not None:
            yield missing
            return
        engine = Engine()
        answer = engine.ask("ps")
        if answer.returncode == 0:
            yield engine
        elif (missing := _find_missing_to_start()) is not None:
            yield f"no container engine answers ({answer.stderr.strip()}), and {missing}"
        else:
            with _run_engine() as engine:
                yield engine


def _find_missing() -> str | None:
    if shutil.which("docker") is None:
        return "there is no `docker`: apt-get install docker.io"
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return None if found.returncode == 0 else "`docker` has no compose plug-in"


def _find_missing_to_start() -> str | None:
    if os.geteuid() != 0:
        return "only root can start one"
    wanted = ("dockerd", "debootstrap")
    missing = [name for name in wanted if shutil.which(name) is None]
    return f"there is no {', no '.join(missing)} to start one" if missing else None


@contextmanager
def _run_engine() -> Iterator[Engine]:
    """Run an engine whose images are kept for the next time, in the user's cache."""
    with tempfile.TemporaryDirectory(prefix="leaderboard-engine-") as folder:
        place = Path(folder)
        command: Sequence[str | Path] = [
            "dockerd",
            "--host", f"unix://{place}/docker.sock",
            "--pidfile", place / "docker.pid",
            "--exec-root", place / "exec",
            "--data-root", user_cache_path("leaderboard-tests") / "engine",
        ]  # fmt: skip
        with (place / "log").open("wb") as log:
            process = spawn(
                command,
                environment=_daemon_environment(),
                death_signal=signal.SIGTERM,
                output=log.fileno(),
            )
        engine = Engine(f"unix://{place}/docker.sock")
        try:
            nap_until(
                lambda: process.poll() is not None or engine.ask("ps").returncode == 0,
                seconds=_START_SECONDS,
            )
            assert process.poll() is None, (place / "log").read_text()
            yield engine
        finally:
            process.terminate()
            process.wait(_START_SECONDS)
            # The network of the machine itself, which it mounted and leaves so.
            netns = place / "exec/netns/default"
            subprocess.run(["umount", netns], capture_output=True, check=False)


def _daemon_environment() -> Mapping[str, str]:
    # Debian keeps what it starts in /usr/sbin.
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
