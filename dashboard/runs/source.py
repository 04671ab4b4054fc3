"""The runs on this machine, as the console finds, starts and commands them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from dashboard.simulation.client.requests import DEFAULT_PORTS
from dashboard.simulation.reports.run_directory import (
    Command,
    FoundRun,
    list_runs,
    locate_runs,
    read_run,
    send_command,
)

_THIS_MACHINE: Final = {"localhost", "127.0.0.1", "::1"}


class LocalRuns:
    """The runs of this user, each a process of its own that outlives the console."""

    def __init__(self, url: str, runs: Path | None = None, *, api_key: str | None = None) -> None:
        # Not an option of the child, because everybody on this machine can read those.
        self._environment = {"LEADERBOARD_API_KEY": api_key} if api_key else {}
        self._url = url.rstrip("/")
        self._runs = runs or locate_runs()
        self._child: subprocess.Popen[bytes] | None = None
        self._complaint: IO[bytes] | None = None

    def find_last(self) -> FoundRun | None:
        """Return the run that goes on, else the last one that did; None without any."""
        ours = self.list_runs()
        alive = [run for run in ours if run.alive]
        return next(iter(alive or ours), None)

    def list_runs(self) -> list[FoundRun]:
        """Return the runs against this service that have left a trace, the latest first."""
        service = _identify_service(self._url)
        runs = list_runs(self._runs)
        return [run for run in runs if _identify_service(run.identity.url) == service]

    def read(self, run_id: str) -> FoundRun | None:
        """Return a run as it is now, None where it has left no trace."""
        return read_run(self._runs / run_id)

    def start(self, arguments: Sequence[str]) -> None:
        """Start a run in a session of its own, so that closing the terminal does not end it."""
        # Not a pipe: nobody would read it any more once the console is closed.
        self._complaint = tempfile.TemporaryFile()  # noqa: SIM115  read when it has ended
        command = [sys.executable, "-P", "-m", "dashboard.simulation", "--must-be-found"]
        self._child = subprocess.Popen(
            [*command, f"--url={self._url}", *arguments],
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaint,
            start_new_session=True,
        )

    def find_started(self) -> FoundRun | None:
        """Return the run that was started last, as soon as there is a trace of it."""
        if self._child is None:
            return None
        runs = list_runs(self._runs)
        return next((run for run in runs if run.identity.pid == self._child.pid), None)

    def read_failure(self) -> str | None:
        """Return why the run that was started last ended without a trace, if it did; once."""
        if self._child is None or self._complaint is None or self._child.poll() is None:
            return None
        with self._complaint as complaint:
            complaint.seek(0)
            lines = complaint.read().decode(errors="replace").strip().splitlines()
        self._complaint = None
        ended = f"it ended with status {self._child.returncode} and left no trace"
        return lines[-1] if lines else ended

    def tell(self, run_id: str, command: Command) -> None:
        """Tell a run what to do; raises `RunEnded` where it does not go on."""
        send_command(self._runs, run_id, command)


def _identify_service(url: str) -> tuple[str | int | None, ...]:
    """Return what is the same for all URLs of one service, however an operator types them."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        # Whatever stands in a trace: it is that of another service.
        return (url,)
    # `hostname` is in lower case.
    host = "localhost" if parts.hostname in _THIS_MACHINE else parts.hostname
    return parts.scheme, host, port, parts.path.rstrip("/")
