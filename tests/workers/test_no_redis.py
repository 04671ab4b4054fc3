"""A worker whose Redis is something else."""

import asyncio
import sys
from pathlib import Path

from tests.support.programs import run
from tests.support.up_process import clean_environment
from tests.support.waiting import wait_until


async def _answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    writer.close()
    await writer.wait_closed()


async def test_worker_pointed_at_another_program_says_so_without_a_traceback(
    database_url: str, tmp_path: Path
) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    environment = clean_environment() | {
        "DATABASE_URL": database_url,
        "REDIS_URL": f"redis://127.0.0.1:{port}",
    }
    log = tmp_path / "worker.log"
    async with server:
        with run("worker", [sys.executable, "-m", "workers"], environment, tmp_path):
            await wait_until(lambda: log.read_text().count("a connection error") >= 4)
    told = log.read_text()
    assert "Traceback" not in told, told
    assert "waiting for the broker" in told
