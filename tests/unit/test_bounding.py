"""What a client that never ends costs the server: connections, heads and slow requests."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from service.bounding import Bounds, allow_descriptors
from service.draining import DrainingProtocol, DrainingServer
from tests.waiting import wait_until

HEAD = b"POST / HTTP/1.1\r\nHost: here\r\n"
# More than the system keeps for a connection.
LARGE = 64 * 1024 * 1024
BOUNDS = Bounds(connections=3, arrival_seconds=60)
LATE_SECONDS = BOUNDS.arrival_seconds + 1
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
    """Answer with the length of the body; at `/never` not at all, at `/large` with much."""
    length, more = 0, True
    while more or scope["path"] == "/never":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message["body"])
        more = message["more_body"]
    body = b"%d" % length if scope["path"] != "/large" else bytes(LARGE)
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    late = asyncio.Event()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/late":
            await late.wait()
        await count_body(scope, receive, send)

    config = uvicorn.Config(answer, http=DrainingProtocol, lifespan="off", log_config=None)
    server = DrainingServer(config, closing=asyncio.Event(), bounds=BOUNDS)
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
    return int(head.split()[1]), json.loads(body)["code"]


@pytest.mark.parametrize(
    "begun",
    [HEAD[:9], HEAD, HEAD + b"Content-Length: 10\r\n\r\n12345", CHUNKED + b"5\r\n12345\r\n"],
)
async def test_request_that_stays_incomplete(server: Server, begun: bytes) -> None:
    async with server.connect() as (reader, writer):
        writer.write(begun)
        await server.wait_until_read()
        server.clock.advance(LATE_SECONDS)
        assert await read_refusal(reader) == (408, "request_timeout")


async def test_request_that_comes_byte_by_byte(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(HEAD)
        await server.wait_until_read()
        for byte in b"X-Slow: 1":
            server.clock.advance(BOUNDS.arrival_seconds / 10)
            writer.write(bytes([byte]))
            # The server reads it.
            await asyncio.sleep(0)
        server.clock.advance(BOUNDS.arrival_seconds / 5)
        assert await read_refusal(reader) == (408, "request_timeout")


async def test_connection_that_says_nothing_is_closed(server: Server) -> None:
    async with server.connect() as (reader, _):
        await server.wait_until_taken()
        server.clock.advance(LATE_SECONDS)
        assert await reader.read() == b""


async def test_complete_requests_stop_the_clock(server: Server) -> None:
    async with server.connect() as (reader, writer):
        for _ in range(3):
            writer.write(HEAD + b"Content-Length: 4\r\n\r\n12")
            await server.wait_until_read()
            server.clock.advance(BOUNDS.arrival_seconds / 2)
            writer.write(b"34")
            assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")


async def test_each_request_has_its_own_time(server: Server) -> None:
    whole = HEAD + b"Content-Length: 1\r\n\r\n1"
    async with server.connect() as (reader, writer):
        writer.write(whole[:20])
        await server.wait_until_read()
        for part in (whole[20:] + whole[:20], whole[20:]):
            server.clock.advance(BOUNDS.arrival_seconds * 0.7)
            writer.write(part)
            assert (await reader.readuntil(b"\r\n\r\n1")).startswith(b"HTTP/1.1 200")


async def test_refusal_is_not_the_answer_of_the_request_before(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"GET /never HTTP/1.1\r\nHost: here\r\n\r\n" + HEAD)
        await server.wait_until_read()
        server.clock.advance(LATE_SECONDS)
        assert await reader.read() == b""


async def test_empty_lines_keep_no_connection_open(server: Server) -> None:
    async with server.connect() as (reader, writer):
        await server.wait_until_taken()
        server.clock.advance(BOUNDS.arrival_seconds / 2)
        writer.write(b"\r\n")
        await asyncio.sleep(0)
        server.clock.advance(BOUNDS.arrival_seconds / 2 + 1)
        assert await reader.read() == b""
    async with server.connect() as (reader, writer):
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"\r\n")
        await server.let_time_pass_until_closed()
        assert await reader.read() == b""


@pytest.mark.parametrize("size", [65_536, 100_000])
@pytest.mark.parametrize("place", ["line", "header"])
async def test_head_that_comes_at_once_has_no_more_bytes(
    server: Server, place: str, size: int
) -> None:
    pad = b"x" * size
    head = b"GET /" + (pad if place == "line" else b"") + b" HTTP/1.1\r\nHost: here\r\n"
    async with server.connect() as (reader, writer):
        writer.write(head + (b"X-Pad: " + pad + b"\r\n" if place == "header" else b"") + b"\r\n")
        assert await read_refusal(reader) == (431, "head_too_large")


@pytest.mark.parametrize(
    ("wrong", "status"),
    [(LARGE_HEAD, b"431"), (HEAD[:9] + b"\x00", b"400")],
    ids=["head too large", "malformed"],
)
async def test_refusal_comes_once(server: Server, wrong: bytes, status: bytes) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        await server.wait_until_held_back()
        connection = await server.wait_until_taken()
        # The refusal has to wait behind the answer.
        writer.write(wrong)
        await wait_until(connection.transport.is_closing)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(4):
            await reader.readexactly(LARGE // 4)
            server.clock.advance(BOUNDS.arrival_seconds / 3)
        answers = (await reader.read()).split(b"HTTP/1.1 ")
        assert [answer[:3] for answer in answers] == [b"", status]


async def test_request_before_a_head_too_large_gets_its_answer(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"GET /late HTTP/1.1\r\nHost: here\r\n\r\n")
        await server.wait_until_read()
        connection = await server.wait_until_taken()
        writer.write(LARGE_HEAD)
        await wait_until(lambda: connection.cycle and not connection.cycle.keep_alive)
        server.late.set()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\n0")


async def test_large_head_below_the_bound_is_taken(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(HEAD + b"X-Pad: " + b"x" * 65_000 + b"\r\nContent-Length: 70000\r\n\r\n")
        writer.write(b"x" * 70_000)
        assert (await reader.readuntil(b"\r\n\r\n70000")).startswith(b"HTTP/1.1 200")


async def test_many_requests_at_once_are_no_head(server: Server) -> None:
    request = HEAD + b"X-Pad: " + b"x" * 50 + b"\r\nContent-Length: 0\r\n\r\n"
    async with server.connect() as (reader, writer):
        # Cut in the middle of the last one.
        sent = request * 2_000
        writer.write(sent[:-20])
        for _ in range(1_999):
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        writer.write(sent[-20:])
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")


async def test_client_that_takes_nothing_of_its_answer(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        await server.wait_until_held_back()
        await server.let_time_pass_until_closed()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(LARGE)


async def test_client_that_leaves_the_end_of_its_answers(server: Server) -> None:
    async with server.connect() as (_, writer):
        connection = await server.wait_until_taken()
        for transport, buffer in (
            (connection.transport, socket.SO_SNDBUF),
            (writer.transport, socket.SO_RCVBUF),
        ):
            # The system keeps little for them.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, buffer, 4096)
        writer.transport.pause_reading()  # type: ignore[attr-defined]

        def is_left() -> bool:
            writer.write((HEAD + b"Content-Length: 0\r\n\r\n") * 20)
            return connection.transport.get_write_buffer_size() > 0

        await wait_until(is_left)
        await wait_until(connection.is_idle)
        assert not connection.flow.write_paused
        await server.let_time_pass_until_closed()


async def test_client_that_takes_its_answer_slowly(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        await server.wait_until_held_back()
        for _ in range(16):
            server.clock.advance(BOUNDS.arrival_seconds / 6)
            await reader.readexactly(LARGE // 16)


@pytest.mark.parametrize(
    ("begun", "endless"),
    [
        (b"GET /", b"x"),
        (HEAD, b"X-Long: " + b"x" * 100),
        (HEAD, b"X-Many: x\r\n"),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Trailer: x\r\n"),
    ],
    ids=["line", "header", "headers", "trailers"],
)
async def test_head_without_end(server: Server, begun: bytes, endless: bytes) -> None:
    async with server.connect() as (reader, writer):
        writer.write(begun)
        # By itself, so that the server reads it apart from what follows; and no more than it reads
        # before it refuses, or the reset of the connection could overtake the answer.
        await server.wait_until_read()
        writer.write(endless * (66_000 // len(endless)))
        assert await read_refusal(reader) == (431, "head_too_large")


async def test_large_bodies_are_no_heads(server: Server) -> None:
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    for request in (
        HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1_000_000,
        CHUNKED + chunk * 16 + b"0\r\n\r\n",
    ):
        async with server.connect() as (reader, writer):
            writer.write(request)
            assert b" 200 " in await reader.readline()


async def test_one_connection_too_many(server: Server) -> None:
    async with server.connect(), server.connect(), server.connect() as (reader, writer):
        async with server.connect() as (refused, _):
            assert await read_refusal(refused) == (503, "too_busy")
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        assert b" 200 " in await reader.readline()


async def test_what_is_no_http(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert await read_refusal(reader) == (400, "malformed_request")


def test_descriptors_for_connections() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        allow_descriptors(400)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (500, before[1])
        allow_descriptors(10)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (500, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
