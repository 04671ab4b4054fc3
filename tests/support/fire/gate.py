"""A way to Valkey that closes in front of a chosen command, to stop a program at that moment."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from service.backends.redis import read_script

_CHUNK_BYTES = 64 * 1024


class Gate:
    """Passes on what clients of `url` send to the real server, until it meets a chosen command."""

    def __init__(self, redis_url: str, path: Path) -> None:
        self.url = f"unix://{quote(str(path))}?db=0"
        self._path = path
        self._server_path = unquote(urlsplit(redis_url).path)
        self._marker: bytes | None = None
        self._calls_left = 0
        self._reached = asyncio.Event()
        self._opened = asyncio.Event()
        self._pumps: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take connections inside the block."""
        server = await asyncio.start_unix_server(self._connect, self._path)
        try:
            yield
        finally:
            server.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    def close_before_script(self, name: str, *functions: str, calls: int = 0) -> None:
        """Let `calls` calls of `standings/index/lua/<name>.lua` through, and nothing from then on.

        Each must have been answered before the next one is sent. `functions` as in `load_script`.
        """
        self._calls_left = calls
        script = read_script("standings/index", name, *functions).encode()
        self._marker = hashlib.sha1(script, usedforsecurity=False).hexdigest().encode()
        self._reached.clear()
        self._opened.clear()

    async def wait_until_reached(self, *, seconds: float = 60.0) -> None:
        """Wait until a client has sent the command that the gate is closed before."""
        await asyncio.wait_for(self._reached.wait(), seconds)

    def open(self) -> None:
        """Let through what waits, and everything after it."""
        self._marker = None
        self._opened.set()

    async def _connect(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server_path)
        for reader, writer in ((from_client, to_server), (from_server, to_client)):
            pump = asyncio.create_task(self._pump(reader, writer, watched=reader is from_client))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watched: bool
    ) -> None:
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                is_call = watched and self._marker is not None and self._marker in chunk
                if is_call and self._calls_left:
                    self._calls_left -= 1
                elif is_call:
                    self._reached.set()
                    await self._opened.wait()
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            # One end has gone; so does the other.
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
