"""A server with narrow limits, and a clock that can be put forward, for the tests of limits."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from service.api.connection_limits import ConnectionLimits
from service.api.server import DrainingProtocol, DrainingServer
from service.http.requests import READ_AS_IT_COMES
from tests.support.waiting import wait_until

HEAD = b"POST / HTTP/1.1\r\nHost: here\r\n"
# More than the system keeps for a connection.
LARGE = 64 * 1024 * 1024
LIMITS = ConnectionLimits(connections=3, arrival_seconds=60)
LATE_SECONDS = LIMITS.arrival_seconds + 1
LARGE_HEAD = HEAD + b"X-Pad: " + b"x" * 70_000 + b"\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Clock:
    """The event loop's own clock, which can be put forward."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        read = loop.time
        self._ahead_seconds = 0.0
        loop.time = lambda: read() + self._ahead_seconds  # type: ignore[method-assign]

    def advance(self, seconds: float) -> None:
        self._ahead_seconds += seconds


class Server:
    """The server under test, mostly with one connection."""

    def __init__(self, server: DrainingServer, port: int, late: asyncio.Event) -> None:
        self.clock = Clock()
        self.late = late
        self._connections = server.server_state.connections
        self._port = port

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Streams]:
        streams = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield streams
        finally:
            streams[1].close()

    async def wait_until_taken(self) -> DrainingProtocol:
        """Wait until the server has the connection; return its side of it."""
        await wait_until(lambda: self._connections)
        (connection,) = self._connections
        assert isinstance(connection, DrainingProtocol)
        return connection

    async def wait_until_read(self) -> None:
        """Wait until the server has the beginning of a request."""
        connection = await self.wait_until_taken()
        await wait_until(lambda: not connection.is_idle())

    async def wait_until_held_back(self) -> None:
        """Wait until the client has to take something before there is more."""
        connection = await self.wait_until_taken()
        await wait_until(lambda: connection.flow.write_paused)

    async def let_time_pass_until_closed(self) -> None:
        def is_closed() -> bool:
            self.clock.advance(LATE_SECONDS)
            return not self._connections

        await wait_until(is_closed)


async def count_body(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body, or as the path says.

    `/never` gets no answer, `/large` much of it, `/headers` the headers; `/unread` is answered
    ahead of its body, and the answer of `/unknown-length` does not tell its length beforehand. At
    `/import` the body is read while it comes.
    """
    length, more = 0, scope["path"] != "/unread"
    if scope["path"] == "/import":
        scope[READ_AS_IT_COMES] = True
    while more or scope["path"] == "/never":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message["body"])
        more = message["more_body"]
    body = b"%d" % length
    if scope["path"] == "/large":
        body = bytes(LARGE)
    elif scope["path"] == "/headers":
        pairs = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        body = json.dumps(pairs).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    if scope["path"] == "/unknown-length":
        headers = []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b" bytes"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serve() -> AsyncIterator[Server]:
    late = asyncio.Event()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/late":
            await late.wait()
        await count_body(scope, receive, send)

    config = uvicorn.Config(
        answer,
        http=DrainingProtocol,
        lifespan="off",
        log_config=None,
        server_header=False,
        # Tests put the clock forward, and a machine that stands still closes nothing.
        timeout_keep_alive=60,
    )
    server = DrainingServer(config, closing=asyncio.Event(), limits=LIMITS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await wait_until(lambda: server.started)
        yield Server(server, listener.getsockname()[1], late)
        server.should_exit = True
        await serving


async def read_refusal(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Return status and code; the connection is closed after it."""
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"content-type: application/json" in head
    assert head.count(b"\r\ndate: ") == head.count(b"\r\nx-request-id: ") == 1
    return int(head.split()[1]), json.loads(body)["code"]
