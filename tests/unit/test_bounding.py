"""What a client that never ends costs the server: connections, heads and slow requests."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Callable
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
BOUNDS = Bounds(connections=3, arrival_seconds=0.3)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
async def connect() -> AsyncIterator[Callable[[], Any]]:
    config = uvicorn.Config(count_body, http=DrainingProtocol, lifespan="off", log_config=None)
    server = DrainingServer(config, closing=asyncio.Event(), bounds=BOUNDS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await wait_until(lambda: server.started)

        @asynccontextmanager
        async def open_connection() -> AsyncIterator[Streams]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                yield reader, writer
            finally:
                writer.close()

        yield open_connection
        server.should_exit = True
        await serving


async def read_refusal(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Return status and code; the connection is closed after it."""
    async with asyncio.timeout(15):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"content-type: application/json" in head
    return int(head.split()[1]), json.loads(body)["code"]


@pytest.mark.parametrize(
    "begun",
    [HEAD[:9], HEAD, HEAD + b"Content-Length: 10\r\n\r\n12345", CHUNKED + b"5\r\n12345\r\n"],
)
async def test_request_that_stays_incomplete(connect: Any, begun: bytes) -> None:
    async with connect() as (reader, writer):
        writer.write(begun)
        assert await read_refusal(reader) == (408, "request_timeout")


async def test_request_that_comes_byte_by_byte(connect: Any) -> None:
    async with connect() as (reader, writer):

        async def drip() -> None:
            for byte in HEAD * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await read_refusal(reader) == (408, "request_timeout")
        dripping.cancel()


async def test_connection_that_says_nothing_is_closed(connect: Any) -> None:
    async with connect() as (reader, _), asyncio.timeout(15):
        assert await reader.read() == b""


async def test_complete_requests_stop_the_clock(connect: Any) -> None:
    async with connect() as (reader, writer):
        for _ in range(3):
            writer.write(HEAD + b"Content-Length: 4\r\n\r\n12")
            await writer.drain()
            await asyncio.sleep(0.15)
            writer.write(b"34")
            async with asyncio.timeout(15):
                assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")


async def test_each_request_has_its_own_time(connect: Any) -> None:
    whole = HEAD + b"Content-Length: 1\r\n\r\n1"
    async with connect() as (reader, writer):
        for part in (whole[:20], whole[20:] + whole[:20], whole[20:]):
            writer.write(part)
            await asyncio.sleep(0.2)
        async with asyncio.timeout(15):
            for _ in range(2):
                assert (await reader.readuntil(b"\r\n\r\n1")).startswith(b"HTTP/1.1 200")


async def test_refusal_is_not_the_answer_of_the_request_before(connect: Any) -> None:
    async with connect() as (reader, writer), asyncio.timeout(15):
        writer.write(b"GET /never HTTP/1.1\r\nHost: here\r\n\r\n" + HEAD)
        assert await reader.read() == b""


async def test_empty_lines_keep_no_connection_open(connect: Any) -> None:
    async with connect() as (reader, writer), asyncio.timeout(15):
        writer.write(b"\r\n")
        assert await reader.read() == b""
    async with connect() as (reader, writer), asyncio.timeout(15):
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"\r\n")
        assert await reader.read() == b""


@pytest.mark.parametrize("size", [65_536, 100_000])
@pytest.mark.parametrize("place", ["line", "header"])
async def test_head_that_comes_at_once_has_no_more_bytes(
    connect: Any, place: str, size: int
) -> None:
    pad = b"x" * size
    head = b"GET /" + (pad if place == "line" else b"") + b" HTTP/1.1\r\nHost: here\r\n"
    async with connect() as (reader, writer):
        writer.write(head + (b"X-Pad: " + pad + b"\r\n" if place == "header" else b"") + b"\r\n")
        assert await read_refusal(reader) == (431, "head_too_large")


async def test_large_head_below_the_bound_is_taken(connect: Any) -> None:
    async with connect() as (reader, writer), asyncio.timeout(15):
        writer.write(HEAD + b"X-Pad: " + b"x" * 65_000 + b"\r\nContent-Length: 70000\r\n\r\n")
        writer.write(b"x" * 70_000)
        assert (await reader.readuntil(b"\r\n\r\n70000")).startswith(b"HTTP/1.1 200")


async def test_many_requests_at_once_are_no_head(connect: Any) -> None:
    request = HEAD + b"X-Pad: " + b"x" * 50 + b"\r\nContent-Length: 0\r\n\r\n"
    async with connect() as (reader, writer), asyncio.timeout(15):
        # Cut in the middle of the last one.
        sent = request * 2_000
        writer.write(sent[:-20])
        for _ in range(1_999):
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        writer.write(sent[-20:])
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")


async def test_client_that_takes_nothing_of_its_answer(connect: Any) -> None:
    async with connect() as (reader, writer), asyncio.timeout(15):
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.sleep(5 * BOUNDS.arrival_seconds)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(LARGE)


async def test_client_that_takes_its_answer_slowly(connect: Any) -> None:
    async with connect() as (reader, writer), asyncio.timeout(15):
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        for _ in range(16):
            await asyncio.sleep(BOUNDS.arrival_seconds / 6)
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
async def test_head_without_end(connect: Any, begun: bytes, endless: bytes) -> None:
    async with connect() as (reader, writer):
        writer.write(begun)
        # By itself, so that the server reads it apart from what follows; and no more than it reads
        # before it refuses, or the reset of the connection could overtake the answer.
        await asyncio.sleep(0.05)
        writer.write(endless * (66_000 // len(endless)))
        assert await read_refusal(reader) == (431, "head_too_large")


async def test_large_bodies_are_no_heads(connect: Any) -> None:
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    for request in (
        HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1_000_000,
        CHUNKED + chunk * 16 + b"0\r\n\r\n",
    ):
        async with connect() as (reader, writer), asyncio.timeout(15):
            writer.write(request)
            assert b" 200 " in await reader.readline()


async def test_one_connection_too_many(connect: Any) -> None:
    async with connect(), connect(), connect() as (reader, writer):
        async with connect() as (refused, _):
            assert await read_refusal(refused) == (503, "too_busy")
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        async with asyncio.timeout(15):
            assert b" 200 " in await reader.readline()


async def test_what_is_no_http(connect: Any) -> None:
    async with connect() as (reader, writer):
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
