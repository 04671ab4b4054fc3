"""What never becomes a request is refused in the one shape of errors too; raw, by a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.waiting import wait_until

JSON = b"Content-Type: application/json"
SUBMIT = b"/api/leaderboard/submit"
TOP = b"GET /api/leaderboard/top HTTP/1.1\r\nHost: leaderboard\r\n\r\n"


class Connection:
    """A connection to the service that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def read_answer(self) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Return the status, headers and body of the next answer."""
        async with asyncio.timeout(15):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self._reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(body)

    async def is_over(self) -> bool:
        """Tell whether the other side ends the connection, without another byte."""
        async with asyncio.timeout(15):
            return await self._reader.read() == b""

    async def close(self) -> None:
        self._writer.close()
        # The other side may have had enough before all of it was read.
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@pytest.fixture
async def connection(live: str) -> AsyncIterator[Connection]:
    url = urlsplit(live)
    connection = Connection(*await asyncio.open_connection(url.hostname, url.port))
    yield connection
    await connection.close()


def write_request(method: bytes, path: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join(
        [b"%s %s HTTP/1.1" % (method, path), b"Host: leaderboard", *headers, b"", body]
    )


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nB ad: 1\r\n\r\n",
        write_request(b"GET", b"/api/players/\xc3\xa9"),
        write_request(b"GET", b"/health/live", b"A: a\0b"),
        write_request(b"POST", SUBMIT, JSON, b"Content-Length: -1", body=b"x"),
        write_request(b"POST", SUBMIT, JSON, b"Content-Length: " + b"9" * 30, body=b"x"),
        write_request(b"POST", SUBMIT, JSON, b"Transfer-Encoding: chunked", body=b"zz\r\n\r\n"),
        write_request(
            b"POST", SUBMIT, JSON, b"Content-Length: 1", b"Transfer-Encoding: chunked", body=b"x"
        ),
    ],
    ids=lambda request: repr(request[:40]),
)
async def test_what_is_no_http_is_refused(connection: Connection, request_bytes: bytes) -> None:
    await connection.send(request_bytes)
    status, headers, answer = await connection.read_answer()
    assert (status, answer["code"]) == (400, "malformed_request")
    assert answer.keys() == {"error", "code"}
    assert (headers["content-type"], headers["connection"]) == ("application/json", "close")
    assert await connection.is_over()


@pytest.mark.parametrize(
    "coding", [b"gzip, chunked", b"gzip,chunked", b"GZIP\r\nTransfer-Encoding: chunked"]
)
async def test_coding_of_the_transfer_that_is_not_known_is_told(
    connection: Connection, coding: bytes
) -> None:
    header = b"Transfer-Encoding: " + coding
    await connection.send(
        write_request(b"POST", SUBMIT, JSON, header, body=b"2\r\n{}\r\n0\r\n\r\n")
    )
    status, headers, answer = await connection.read_answer()
    assert (status, answer["code"]) == (501, "unknown_transfer_coding")
    assert headers["connection"] == "close"
    assert await connection.is_over()


@pytest.mark.parametrize("path", [SUBMIT, b"/api/players"])
async def test_length_of_thousands_of_digits_is_refused(
    connection: Connection, path: bytes
) -> None:
    length = b"Content-Length: " + b"0" * 5_000 + b"2"
    await connection.send(write_request(b"POST", path, JSON, length, body=b"{}"))
    status, _, answer = await connection.read_answer()
    assert (status, answer["code"]) == (400, "invalid_request")


async def test_headers_without_an_end_are_refused(connection: Connection) -> None:
    # Not a byte more than makes it too large: what is left unread would reset the connection.
    await connection.send(b"GET /health/live HTTP/1.1\r\nX-A: ".ljust(64 * 1024 + 1, b"a"))
    status, headers, answer = await connection.read_answer()
    assert (status, answer["code"]) == (431, "head_too_large")
    assert headers["content-type"] == "application/json"


async def test_headers_of_many_requests_do_not_add_up(connection: Connection) -> None:
    for _ in range(6):
        head = write_request(b"GET", b"/health/live", b"X-A: " + b"a" * 60_000)
        await connection.send(head[:40_000], head[40_000:])
        assert (await connection.read_answer())[0] == 200


async def test_answer_to_a_request_is_not_lost_to_garbage_behind_it(
    connection: Connection,
) -> None:
    await connection.send(TOP + b"garbage\r\n\r\n")
    status, _, answer = await connection.read_answer()
    assert (status, "leaderboard" in answer) == (200, True)
    assert await connection.is_over()


async def test_pipelined_requests_are_answered_in_their_order(connection: Connection) -> None:
    unknown, wrong = write_request(b"GET", b"/nothing"), write_request(b"POST", SUBMIT, JSON)
    await connection.send((TOP + unknown + wrong) * 20)
    statuses = [(await connection.read_answer())[0] for _ in range(60)]
    assert statuses == [200, 404, 400] * 20


async def test_idempotency_key_that_is_sent_twice_is_refused(connection: Connection) -> None:
    body = b'{"user_id": 1, "score": 1}'
    length = b"Content-Length: %d" % len(body)
    keys = (b"Idempotency-Key: a", b"Idempotency-Key: b")
    await connection.send(write_request(b"POST", SUBMIT, JSON, length, *keys, body=body))
    status, _, answer = await connection.read_answer()
    assert (status, answer["code"]) == (400, "invalid_request")
    assert [field["field"] for field in answer["fields"]] == ["Idempotency-Key"]


async def test_client_that_leaves_in_the_middle_is_no_error_of_the_server(live: str) -> None:
    url = urlsplit(live)
    async with httpx.AsyncClient(base_url=live) as client:

        async def read_figures() -> dict[str, Any]:
            routes = (await client.get("/api/ops/status")).json()["routes"]
            return next((one for one in routes if one["route"] == "POST /api/players"), {})

        before = await read_figures()
        request = write_request(b"POST", b"/api/players", JSON, b"Content-Length: 99", body=b"{")
        connection = Connection(*await asyncio.open_connection(url.hostname, url.port))
        await connection.send(request)
        await connection.close()

        async def read_more() -> dict[str, Any] | None:
            figures = await read_figures()
            return figures if figures.get("count", 0) > before.get("count", 0) else None

        after = await wait_until(read_more)
    assert after is not None
    assert after["server_errors"] == before.get("server_errors", 0)


async def test_address_below_the_schema_is_unknown_as_any_other(connection: Connection) -> None:
    await connection.send(write_request(b"GET", b"/schema/nothing"))
    status, headers, answer = await connection.read_answer()
    assert (status, answer["code"]) == (404, "not_found")
    assert headers["content-type"] == "application/json"
