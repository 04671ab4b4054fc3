"""Requests that are none, or whose line and headers are too large: refused once, in our shape."""

from collections.abc import AsyncIterator

import pytest

from tests.support.limited_server import (
    CHUNKED,
    HEAD,
    LARGE,
    LARGE_HEAD,
    LIMITS,
    Server,
    read_refusal,
    serve,
)
from tests.support.waiting import wait_until


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve() as server:
        yield server


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
            server.clock.advance(LIMITS.arrival_seconds / 3)
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


async def test_what_is_no_http(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert await read_refusal(reader) == (400, "malformed_request")
