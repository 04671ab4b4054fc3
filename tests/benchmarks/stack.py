"""A `leaderboard up` for the benchmark: throw-away directory, free port, all as in production.

It may be that of another checkout, by its own console script.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from service.backends.locks import hold_rerank_lock, hold_writer_lock
from service.backends.redis import MUTEX_KEY
from service.local.embedded.processes import spawn
from service.local.supervisor.instance import find_running
from service.maintenance.connections import Connections, open_connections
from service.settings.settings import load_settings
from tests.benchmarks.processor_time import find_family, name_role
from tests.benchmarks.traffic import Target
from tests.support.waiting import wait_until

OUR_CHECKOUT = Path(__file__).parents[2]

_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_QUIET_SECONDS = 300.0
_NAMES_OF_SERVERS = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "LEADERBOARD_DATA_DIR")

_IS_QUIET = """
    SELECT NOT EXISTS (SELECT FROM pending_session)
        AND NOT EXISTS (
            SELECT FROM pg_stat_activity
            WHERE pid <> pg_backend_pid()
                AND (
                    backend_type = 'autovacuum worker'
                    OR (backend_type = 'client backend' AND state <> 'idle')
                )
        )
"""
_HAS_NO_AUTOVACUUM = """
    SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')
"""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack and the connections to its servers."""

    leaderboard: Path
    """The console script of its checkout."""
    data_dir: Path
    pid: int
    url: str
    database_url: str
    connections: Connections

    def find_processes(self, role: str | None = None) -> list[psutil.Process]:
        """Return its processes, or those of one role."""
        family = find_family(self.pid)
        return family if role is None else [part for part in family if name_role(part) == role]

    async def run_command(self, *arguments: str) -> str:
        """Run a `leaderboard` command on it; return what it printed, or fail with that."""
        process = await asyncio.create_subprocess_exec(
            self.leaderboard,
            *arguments,
            "--data-dir",
            str(self.data_dir),
            env=_clean_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        text = output.decode()
        if process.returncode != 0:
            raise RuntimeError(f"leaderboard {' '.join(arguments)} failed:\n{text}")
        return text

    async def audit(self) -> tuple[str, list[str]]:
        """Audit it once everything is folded; return what that printed, and what is wrong."""
        await self.wait_until_quiet()
        try:
            return await self.run_command("audit"), []
        except RuntimeError as error:
            return str(error), ["the audit found differences"]

    async def populate(self, players: int, sessions: int) -> float:
        """Fill the empty board; return how many seconds the command took."""
        started_at = time.perf_counter()
        await self.run_command(
            "populate", "--players", str(players), "--sessions", str(sessions), "--seed", "1"
        )
        return time.perf_counter() - started_at

    async def find_target(self) -> Target:
        """Return where load goes and whom it is about."""
        row = await self.connections.database.fetch_one("SELECT min(id), max(id) FROM player")
        assert row is not None
        return Target(self.url, row["min"], row["max"])

    async def read_settings(self, *names: str) -> dict[str, str]:
        """Return PostgreSQL's settings of these names, as our connection has them."""
        rows = await self.connections.database.fetch(
            "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name",
            list(names),
        )
        return {row["name"]: row["value"] for row in rows}

    async def wait_for_autovacuum(self) -> None:
        """Wait until no autovacuum runs."""

        async def has_finished() -> bool:
            row = await self.connections.database.fetch_one(_HAS_NO_AUTOVACUUM)
            assert row is not None
            return bool(row[0])

        finished: bool = await wait_until(has_finished, seconds=_QUIET_SECONDS)
        assert finished

    async def wait_until_quiet(self) -> None:
        """Wait until everything is folded and no statement or autovacuum runs."""

        async def is_quiet() -> bool:
            if await self.connections.redis.exists(MUTEX_KEY):
                return False
            row = await self.connections.database.fetch_one(_IS_QUIET)
            assert row is not None
            return bool(row[0])

        quiet: bool = await wait_until(is_quiet, seconds=_QUIET_SECONDS)
        assert quiet

    @asynccontextmanager
    async def paused(self, *roles: str) -> AsyncIterator[None]:
        """Keep worker or scheduler or both from doing anything inside the block.

        They are stopped while neither holds the writer lock.
        """
        processes = [process for role in roles for process in self.find_processes(role)]
        await self.wait_until_quiet()
        async with hold_writer_lock(self.connections.database, wait_seconds=_QUIET_SECONDS):
            for process in processes:
                process.suspend()
        try:
            # One that was just waiting for a lock has it now, and would keep it.
            async with (
                hold_rerank_lock(self.connections.database, wait_seconds=1),
                hold_writer_lock(self.connections.database, wait_seconds=1),
            ):
                pass
            yield
        finally:
            for process in processes:
                process.resume()


def stop_on_termination() -> None:
    """Have SIGTERM do what Ctrl-C does, which leaves nothing running and no data behind."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@asynccontextmanager
async def run_stack(processes: int, checkout: Path = OUR_CHECKOUT) -> AsyncIterator[Stack]:
    """Run a stack inside the block; stop it and delete its data at the end."""
    is_ours = checkout == OUR_CHECKOUT
    scripts = Path(sys.executable).parent if is_ours else checkout / ".venv" / "bin"
    leaderboard = scripts / "leaderboard"
    folder = Path(tempfile.mkdtemp(prefix="leaderboard-benchmark-"))
    data_dir = folder / "data"
    try:
        with (folder / "up.log").open("wb") as log:
            up = spawn(
                [
                    *(leaderboard, "up", "--port", "0", "--processes", str(processes)),
                    *("--data-dir", data_dir),
                ],
                environment=_clean_environment(),
                death_signal=signal.SIGTERM,
                output=log.fileno(),
            )
        try:
            async with _connect(leaderboard, data_dir, up.pid) as stack:
                yield stack
        except AssertionError as error:
            error.add_note((folder / "up.log").read_text())
            raise
        finally:
            up.send_signal(signal.SIGTERM)
            await asyncio.to_thread(up.wait, _STOP_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _connect(leaderboard: Path, data_dir: Path, pid: int) -> AsyncIterator[Stack]:
    instance = await wait_until(lambda: find_running(data_dir), seconds=_START_SECONDS)
    assert instance is not None
    async with httpx.AsyncClient(base_url=instance.url) as client:

        async def is_ready() -> bool:
            try:
                answer = await client.get("/health/ready")
            except httpx.TransportError:
                return False
            return answer.status_code == httpx.codes.OK

        ready: bool = await wait_until(is_ready, seconds=_START_SECONDS)
        assert ready
    settings = load_settings(
        database_url=instance.database_url,
        redis_url=instance.redis_url,
        broker_url=instance.broker_url,
        # Nobody measures how long a refresh waits for company.
        refresh_interval_ms=0,
    )
    async with open_connections(settings, application_name="leaderboard benchmark") as servers:
        yield Stack(leaderboard, data_dir, pid, instance.url, instance.database_url, servers)


def _clean_environment() -> dict[str, str]:
    """Return our environment without servers: the stack has its own."""
    return {name: value for name, value in os.environ.items() if name not in _NAMES_OF_SERVERS}
