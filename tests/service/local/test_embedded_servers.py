"""PostgreSQL and Valkey from wheels: any path, any earlier end, nothing left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis
import redis.asyncio
from dramatiq.brokers.redis import RedisBroker

from service.local.embedded import PostgresServer, StartFailed, ValkeyServer
from service.local.embedded.processes import find_processes
from tests.support.waiting import wait_until

THROW_AWAY = {"fsync": "off"}
STOP_SECONDS = 30.0
# A parent that starts both servers, tells their pids and is then killed.
SHORT_LIVED_PARENT = """
import os, signal, sys
from pathlib import Path
from service.local.embedded import PostgresServer, ValkeyServer

servers = [PostgresServer(Path(sys.argv[1])), ValkeyServer(Path(sys.argv[1]))]
for server in servers:
    server.start()
print(*(server.process.pid for server in servers), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def parent(server_directory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=server_directory))


@pytest.fixture
def directory(parent: Path) -> Path:
    return parent / "a 'data' \"directory\""


@pytest.fixture
def own_valkey(directory: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(directory) as server:
        yield server


async def fetch_value(server: PostgresServer, query: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_postgres_keeps_its_data_over_a_restart(directory: Path) -> None:
    server = PostgresServer(directory, settings=THROW_AWAY)
    with server:
        await fetch_value(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with server:
        assert await fetch_value(server, "SELECT answer FROM kept") == 42
        assert await fetch_value(server, "SHOW timezone") == "UTC"
        assert await fetch_value(server, "SHOW server_encoding") == "UTF8"
        assert await fetch_value(server, "SHOW listen_addresses") == ""
        assert await fetch_value(server, "SHOW fsync") == "off"
    assert find_processes(server.program, server.folder) == []


async def test_postgres_is_durable_unless_told_otherwise(directory: Path) -> None:
    with PostgresServer(directory) as server:
        assert await fetch_value(server, "SHOW fsync") == "on"
        assert await fetch_value(server, "SHOW synchronous_commit") == "on"
        assert await fetch_value(server, "SHOW full_page_writes") == "on"


async def test_postgres_moves_its_sockets_where_the_path_is_too_long(parent: Path) -> None:
    with PostgresServer(parent / ("long" * 30), settings=THROW_AWAY) as server:
        assert not server.directory.sockets.is_relative_to(parent)
        assert await fetch_value(server, "SELECT 1") == 1
    assert not server.directory.sockets.exists()


async def test_postgres_ignores_a_pid_file_that_names_another_process(directory: Path) -> None:
    server = PostgresServer(directory, settings=THROW_AWAY)
    server.prepare()
    (server.folder / "postmaster.pid").write_text(f"{os.getppid()}\n{server.folder}\n")
    with server:
        assert await fetch_value(server, "SELECT 1") == 1


async def test_postgres_that_recovers_from_a_crash_is_stopped_at_once(directory: Path) -> None:
    """Its fast shutdown would mostly never end."""
    server = PostgresServer(directory)
    for number in range(3):
        with server:
            await fetch_value(server, f"CREATE TABLE kept_{number} ()")
            await crash_backend(server)
            began_at = time.monotonic()
            server.stop()
            assert time.monotonic() - began_at < STOP_SECONDS
    with server:
        count = "SELECT count(*) FROM pg_tables WHERE tablename ~ '^kept_'"
        assert await fetch_value(server, count) == 3


async def crash_backend(server: PostgresServer) -> None:
    """End a process that serves a connection, and wait until the server begins to recover."""

    def count_recoveries() -> int:
        return server.log.path.read_text().count("reinitializing")

    before = count_recoveries()
    connection = await asyncpg.connect(server.url)
    os.kill(await connection.fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)
    connection.terminate()
    await wait_until(lambda: count_recoveries() > before)


def test_postgres_says_why_it_did_not_start(directory: Path) -> None:
    server = PostgresServer(directory, settings={**THROW_AWAY, "shared_buffers": "much"})
    with pytest.raises(StartFailed, match=r"shared_buffers.*postgres\.log"):
        server.start()


async def test_valkey_url_suits_every_client(own_valkey: ValkeyServer) -> None:
    client = redis.Redis.from_url(own_valkey.url)
    client.set("score", 7)
    client.close()
    asynchronous = redis.asyncio.Redis.from_url(own_valkey.url)
    assert await asynchronous.get("score") == b"7"
    await asynchronous.aclose()
    broker = RedisBroker(url=own_valkey.url)  # type: ignore[no-untyped-call] # dramatiq has no types
    assert broker.client.ping()
    broker.close()
    broker.client.close()


def test_valkey_is_warm_after_a_clean_stop(directory: Path) -> None:
    server = ValkeyServer(directory)
    for expected in (1, 2):
        with server, redis.Redis.from_url(server.url) as client:
            assert client.incr("starts") == expected


def test_valkey_drops_a_snapshot_that_it_cannot_load(directory: Path) -> None:
    said: list[str] = []
    server = ValkeyServer(directory, report=said.append)
    server.prepare()
    (server.folder / "dump.rdb").write_bytes(b"nothing that Valkey ever wrote")
    with server, redis.Redis.from_url(server.url) as client:
        assert client.dbsize() == 0
    assert [line for line in said if "snapshot" in line]


def test_servers_end_with_a_killed_parent(directory: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SHORT_LIVED_PARENT, directory], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert parent.wait(STOP_SECONDS) == -signal.SIGKILL
    assert len(pids) == 2
    orphans = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(orphans, timeout=STOP_SECONDS)
    assert alive == []


def test_leftover_server_is_found_stopped_and_said_so(directory: Path) -> None:
    said: list[str] = []
    leftover = ValkeyServer(directory)
    leftover.start()
    assert leftover.process is not None
    with ValkeyServer(directory, report=said.append) as server:
        assert server.process is not None
        running = find_processes(server.program, server.folder)
        assert [process.pid for process in running] == [server.process.pid]
    pid = leftover.process.pid
    assert said == [f"Stopped the Valkey that an earlier run had left (pid {pid})"]
    leftover.stop()
