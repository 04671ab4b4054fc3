"""Parts that a deployer may choose, as real servers: each can be killed and started again."""

import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.programs import Running

# A server that cannot choose a port itself takes one of these: below what a system gives to those
# that ask for any, and so is the one ten thousand above, where a node of a cluster has its bus.
_PORTS = range(12_100, 22_000)
_BUS = 10_000

_reserved: list[socket.socket] = []


def find_ports(number: int) -> list[int]:
    """Return free ports that nobody else is given while this process runs, whose bus is free too.

    Whoever has a port bound for datagrams has it reserved: no two processes can, and a server's
    port, which is for streams, is another.
    """
    found: list[int] = []
    for port in _PORTS:
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        if _is_free(port) and _is_free(port + _BUS):
            _reserved.append(reservation)
            found.append(port)
            if len(found) == number:
                return found
        else:
            reservation.close()
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Part:
    """A server that is started as often as it is wanted."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        ready: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._command = list(command)
        self._folder = folder
        self._ready = ready
        self._environment = dict(environment or {})
        self._starts = 0
        self.running: Running | None = None

    def start(self) -> None:
        self._starts += 1
        log = self._folder / f"{self._name}-{self._starts}.log"
        self.running = Running(self._command, self._environment, log)
        self.running.wait_for(self._ready)

    def kill(self) -> None:
        """End it and what it started, as a power cut does."""
        if self.running is None:
            return
        process = psutil.Process(self.running.process.pid)
        for one in [*process.children(recursive=True), process]:
            one.send_signal(signal.SIGKILL)
        self.running.process.wait(10)
        self.running = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Have it take connections and never answer for the time of the block."""
        assert self.running is not None
        process = psutil.Process(self.running.process.pid)
        process.suspend()
        try:
            yield
        finally:
            process.resume()


def create_database(url: str, name: str) -> str:
    """Make an empty database beside the one that the URL names; return its URL."""
    subprocess.run(["psql", "-X", "-q", url, "-c", f"CREATE DATABASE {name}"], check=True)
    return url.replace("/leaderboard?", f"/{name}?")
