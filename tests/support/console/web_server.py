"""The console's web server, as a process of its own."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

PATIENCE_SECONDS = 60
NOWHERE = "http://127.0.0.1:9"


@dataclass
class WebServer:
    process: Process
    url: str
    client: aiohttp.ClientSession

    async def read_text(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.client.get(self.url + path, headers=headers) as response:
            return response.status, await response.text()

    def look(self, origin: str | None, at: str = "/") -> Any:
        return self.client.ws_connect(
            f"{self.url}/ws?width=120&height=36&at={quote(at)}", origin=origin, heartbeat=None
        )


async def wait_for_text(socket: aiohttp.ClientWebSocketResponse[Any], wanted: str) -> None:
    """Read until the console has drawn the words, escape sequences left aside."""
    drawn = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for message in socket:
            drawn += message.data if isinstance(message.data, bytes) else b""
            if wanted in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode(errors="replace")):
                return
    raise AssertionError(f"the console ended without {wanted!r}")


async def wait_for_address(socket: aiohttp.ClientWebSocketResponse[Any]) -> str:
    """Read until the console says where it is."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for message in socket:
            if isinstance(message.data, str):
                kind, told = json.loads(message.data)
                assert kind == "open_url"
                assert told["new_tab"] is False
                return str(told["url"])
    raise AssertionError("the console ended without an address")


@asynccontextmanager
async def serve_console(*options: str, stderr: int | None = None) -> AsyncIterator[WebServer]:
    command = ("-m", "dashboard", "--web", "--port", "0", "--url", NOWHERE, *options)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, stderr=stderr
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)
        url = line.decode().split()[1]
        async with aiohttp.ClientSession() as client:
            yield WebServer(process, url, client)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
