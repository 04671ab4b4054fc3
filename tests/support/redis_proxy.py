"""A proxy in front of Valkey that can keep questions to itself: those get no answer, ever."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CHUNK_BYTES = 1 << 16


def is_question(data: bytes) -> bool:
    """Tell whether a client wants to know something; it greets on each new connection."""
    return b"HELLO" not in data and b"CLIENT" not in data


def keep_none(_: bytes) -> bool:
    """Pass everything on."""
    return False


@dataclass
class RedisProxy:
    """Passes on what clients ask, but for what it `keeps`: that is listed in `kept`."""

    socket_path: str
    url: str = ""
    keeps: Callable[[bytes], bool] = keep_none
    kept: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self.socket_path)
        answering = asyncio.create_task(_copy(upstream_reader, writer))
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK_BYTES):
                if self.keeps(data):
                    self.kept.append(data)
                else:
                    upstream_writer.write(data)
        upstream_writer.close()
        await answering
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)


@asynccontextmanager
async def run_redis_proxy(redis_url: str) -> AsyncIterator[RedisProxy]:
    """Serve a proxy in front of a Valkey with a socket until the end of the block."""
    proxy = RedisProxy(urlsplit(redis_url).path)
    connections: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(proxy.serve(reader, writer))
        connections.add(connection)
        connection.add_done_callback(connections.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        # Clients are gone by now.
        await asyncio.gather(*connections)
