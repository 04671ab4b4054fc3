"""What a client that never ends costs the server: connections and slow requests."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator

import pytest

from service.api.connection_limits import allow_descriptors
from tests.support.limited_server import (
    CHUNKED,
    HEAD,
    LARGE,
    LATE_SECONDS,
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
            server.clock.advance(LIMITS.arrival_seconds / 10)
            writer.write(bytes([byte]))
            # The server reads it.
            await asyncio.sleep(0)
        server.clock.advance(LIMITS.arrival_seconds / 5)
        assert await read_refusal(reader) == (408, "request_timeout")


@pytest.mark.parametrize("ends", [True, False])
async def test_body_that_is_read_while_it_comes_may_take_its_time(
    server: Server,
    ends: bool,  # noqa: FBT001
) -> None:
    async with server.connect() as (reader, writer):
        writer.write(CHUNKED.replace(b"POST /", b"POST /import"))
        await server.wait_until_read()
        connection = await server.wait_until_taken()
        for _ in range(5):
            writer.write(b"5\r\n12345\r\n")
            await wait_until(lambda: connection._has_body_moved_on)
            server.clock.advance(LATE_SECONDS)
            # The deadline has passed, and begins anew.
            await wait_until(lambda: not connection._has_body_moved_on)
        if ends:
            writer.write(b"0\r\n\r\n")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 OK")
        else:
            server.clock.advance(LATE_SECONDS)
            assert await read_refusal(reader) == (408, "request_timeout")


async def test_connection_that_says_nothing_is_closed(server: Server) -> None:
    async with server.connect() as (reader, _):
        await server.wait_until_taken()
        server.clock.advance(LATE_SECONDS)
        assert await reader.read() == b""


async def test_idle_connection_is_kept_from_its_last_request_on(server: Server) -> None:
    async with server.connect() as (reader, writer):
        connection = await server.wait_until_taken()
        for _ in range(4):
            writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n0")
            server.clock.advance(0.7 * connection.timeout_keep_alive)
        server.clock.advance(0.5 * connection.timeout_keep_alive)
        assert await reader.read() == b""


async def test_request_of_a_kept_connection_may_take_longer_than_one_is_kept(
    server: Server,
) -> None:
    async with server.connect() as (reader, writer):
        connection = await server.wait_until_taken()
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"GET /late HTTP/1.1\r\nHost: here\r\n\r\n")
        await server.wait_until_read()
        server.clock.advance(2 * connection.timeout_keep_alive)
        # The timer has run out, and nothing but the next answer starts one.
        await wait_until(lambda: connection.timeout_keep_alive_task is None)
        server.late.set()
        await reader.readuntil(b"\r\n\r\n0")
        server.clock.advance(1.1 * connection.timeout_keep_alive)
        assert await reader.read() == b""


async def test_complete_requests_stop_the_clock(server: Server) -> None:
    async with server.connect() as (reader, writer):
        for _ in range(3):
            writer.write(HEAD + b"Content-Length: 4\r\n\r\n12")
            await server.wait_until_read()
            server.clock.advance(LIMITS.arrival_seconds / 2)
            writer.write(b"34")
            assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")


async def test_each_request_has_its_own_time(server: Server) -> None:
    whole = HEAD + b"Content-Length: 1\r\n\r\n1"
    async with server.connect() as (reader, writer):
        writer.write(whole[:20])
        await server.wait_until_read()
        for part in (whole[20:] + whole[:20], whole[20:]):
            server.clock.advance(LIMITS.arrival_seconds * 0.7)
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
        server.clock.advance(LIMITS.arrival_seconds / 2)
        writer.write(b"\r\n")
        await asyncio.sleep(0)
        server.clock.advance(LIMITS.arrival_seconds / 2 + 1)
        assert await reader.read() == b""
    async with server.connect() as (reader, writer):
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"\r\n")
        await server.let_time_pass_until_closed()
        assert await reader.read() == b""


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

        sent = 0

        def is_left() -> bool:
            nonlocal sent
            if connection.server_state.total_requests < sent:
                # Too many answers at once would be held back.
                return False
            if connection.transport.get_write_buffer_size() > 0:
                return True
            writer.write((HEAD + b"Content-Length: 0\r\n\r\n") * 20)
            sent += 20
            return False

        await wait_until(is_left)
        await wait_until(connection.is_idle)
        assert not connection.flow.write_paused
        await server.let_time_pass_until_closed()


async def test_client_that_takes_its_answer_slowly(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        await server.wait_until_held_back()
        for _ in range(16):
            server.clock.advance(LIMITS.arrival_seconds / 6)
            await reader.readexactly(LARGE // 16)


async def test_one_connection_too_many(server: Server) -> None:
    async with server.connect(), server.connect(), server.connect() as (reader, writer):
        async with server.connect() as (refused, _):
            assert await read_refusal(refused) == (503, "too_busy")
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        assert b" 200 " in await reader.readline()


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
