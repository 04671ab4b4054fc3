"""HTTP/1.1 by the letter, and the habits of clients on the wire; raw, by a socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support.limited_server import CHUNKED, HEAD, Server, Streams, serve

OWN_PROTOCOL = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAA\r\n"
)
GET = b"GET / HTTP/1.1\r\nHost: here\r\n"
INNER = GET + b"\r\n"
LAST = GET + b"Connection: close\r\n\r\n"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve() as server:
        yield server


@pytest.fixture
async def streams(server: Server) -> AsyncIterator[Streams]:
    async with server.connect() as streams:
        yield streams


async def read_answers(streams: Streams) -> list[bytes]:
    """Return the bodies of all answers; the last request said that it is the last."""
    async with asyncio.timeout(15):
        answers = (await streams[0].read()).split(b"HTTP/1.1 200 OK\r\n")
    assert answers[0] == b""
    return [answer.partition(b"\r\n\r\n")[2] for answer in answers[1:]]


async def read_refusal(streams: Streams) -> tuple[int, dict[str, str], str]:
    """Return the status, the headers and the code of the only answer."""
    async with asyncio.timeout(15):
        head, _, body = (await streams[0].read()).partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    answer = json.loads(body)
    assert answer.keys() == {"error", "code"}
    headers = dict(one.lower().split(": ", 1) for one in lines)
    assert len(headers) == len(lines)
    return int(line.split()[1]), headers, answer["code"]


@pytest.mark.parametrize("asked", [OWN_PROTOCOL, b"Connection: upgrade\r\nUPGRADE: websocket\r\n"])
@pytest.mark.parametrize("packets", ["at once", "apart"])
async def test_other_protocol_is_ignored_and_the_body_read(
    streams: Streams, asked: bytes, packets: str
) -> None:
    length = b"Content-Length: %d\r\n\r\n" % len(INNER)
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)
    for part in (HEAD + asked + length, INNER, HEAD + asked + chunks, GET + asked + b"\r\n", LAST):
        streams[1].write(part)
        if packets == "apart":
            # A packet of its own: the server has read it before there is more.
            await streams[1].drain()
            await asyncio.sleep(0)
    assert await read_answers(streams) == [b"%d" % len(INNER)] * 2 + [b"0", b"0"]


async def test_other_protocol_comes_byte_by_byte(streams: Streams) -> None:
    request = HEAD + OWN_PROTOCOL + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER
    for byte in request * 2 + LAST:
        streams[1].write(bytes([byte]))
        await asyncio.sleep(0)
    assert await read_answers(streams) == [b"%d" % len(INNER)] * 2 + [b"0"]


async def test_thousands_ask_for_another_protocol_at_once(streams: Streams) -> None:
    streams[1].write((GET + OWN_PROTOCOL + b"\r\n") * 3_000 + LAST)
    assert await read_answers(streams) == [b"0"] * 3_001


async def test_tunnel_is_refused_and_what_follows_is_no_request(streams: Streams) -> None:
    length = b"Content-Length: %d\r\n\r\n" % len(INNER)
    streams[1].write(b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\n" + length + INNER)
    status, _, code = await read_refusal(streams)
    assert (status, code) == (501, "unknown_method")


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: a:65536\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: a:000080\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: [1:2]:80\r\n", 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n" + OWN_PROTOCOL, 400, "wrong_host"),
        (b"GET / HTTP/1.1\r\n" + OWN_PROTOCOL, 400, "wrong_host"),
        (b"FOO / HTTP/1.1\r\nHost: a\r\n", 501, "unknown_method"),
        (b"GETS / HTTP/1.1\r\nHost: a\r\n", 501, "unknown_method"),
        (b"get / HTTP/1.1\r\nHost: a\r\n", 501, "unknown_method"),
        (b"DESCRIBE / HTTP/1.1\r\nHost: a\r\n", 501, "unknown_method"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n", 505, "unknown_version"),
        (b"GET / HTTP/1.2\r\nHost: a\r\n", 505, "unknown_version"),
        (b"GET / HTTP/0.9\r\nHost: a\r\n", 505, "unknown_version"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "unknown_version"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n", 400, "malformed_request"),
        (b"<> / HTTP/1.1\r\nHost: a\r\n", 400, "malformed_request"),
    ],
)
async def test_refused_ahead_of_the_routes(
    streams: Streams, head: bytes, status: int, code: str
) -> None:
    streams[1].write(head + b"X-Request-Id: ours-1\r\n\r\n")
    refused = await read_refusal(streams)
    assert (refused[0], refused[2]) == (status, code)
    assert refused[1].keys() == {
        "date",
        "content-type",
        "content-length",
        "x-request-id",
        "connection",
        "cache-control",
    }
    if code == "wrong_host":
        # The head could be read to its end.
        assert refused[1]["x-request-id"] == "ours-1"


async def test_refused_by_its_first_letters(streams: Streams) -> None:
    for letter in b"GEX":
        streams[1].write(bytes([letter]))
        await streams[1].drain()
        await asyncio.sleep(0)
    assert (await read_refusal(streams))[0] == 501


@pytest.mark.parametrize(
    "host",
    [b"", b"a.example:80", b"[::1]:8000", b"127.0.0.1", b"a:", b"a:65535", b"[::ffff:1.2.3.4]"],
)
async def test_host_of_any_form(streams: Streams, host: bytes) -> None:
    streams[1].write(b"GET / HTTP/1.1\r\nhOsT:%s \t\r\n\r\n" % host + LAST)
    assert await read_answers(streams) == [b"0", b"0"]


async def test_address_with_a_host_of_its_own(streams: Streams) -> None:
    streams[1].write(b"GET http://here HTTP/1.1\r\nHost: here\r\n\r\n" + LAST)
    assert await read_answers(streams) == [b"0", b"0"]


async def test_head_is_refused_without_a_body(streams: Streams) -> None:
    streams[1].write(b"HEAD / HTTP/1.1\r\n\r\n")
    head, _, body = (await streams[0].read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert body == b""


async def test_body_that_is_sent_to_head_stays_here(streams: Streams) -> None:
    # As by what refuses a request ahead of the routes: the client would read it as the next answer.
    streams[1].write(b"HEAD / HTTP/1.1\r\nHost: here\r\n\r\n" + LAST)
    assert await read_answers(streams) == [b"", b"0"]


async def test_head_of_an_answer_of_unknown_length_announces_no_chunks(streams: Streams) -> None:
    streams[1].write(b"HEAD /unknown-length HTTP/1.1\r\nHost: here\r\n\r\n" + LAST)
    head, last, body = (await streams[0].read()).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding" not in head
    assert (last[:15], body) == (b"HTTP/1.1 200 OK", b"0")


async def test_trailers_are_no_headers(streams: Streams) -> None:
    trailers = b"X-Request-Id: evil\r\nAuthorization: evil\r\nHost: evil\r\n"
    chunks = b"5;a=b\r\nhello\r\n4 ;a\r\n you\r\n0\r\n" + trailers + b"\r\n"
    streams[1].write(CHUNKED.replace(b"POST /", b"POST /headers") + chunks)
    # The end of the body, whose trailers the route has no way to see.
    streams[1].write(CHUNKED + chunks + LAST)
    seen, length, _ = await read_answers(streams)
    assert json.loads(seen) == [["host", "here"], ["transfer-encoding", "chunked"]]
    assert length == b"9"


async def test_what_surrounds_a_value_is_no_part_of_it(streams: Streams) -> None:
    streams[1].write(b"GET /headers HTTP/1.1\r\nHost: here\r\nX-A: \t K \t \r\n\r\n" + LAST)
    assert json.loads((await read_answers(streams))[0])[1] == ["x-a", "K"]


async def test_old_client_is_told_nothing_it_does_not_know(streams: Streams) -> None:
    expecting = b"Connection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    streams[1].write(b"POST /unknown-length HTTP/1.0\r\n" + expecting)
    await streams[1].drain()
    await asyncio.sleep(0)
    streams[1].write(b"hi")
    head, _, body = (await streams[0].read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.lower().count(b"connection:") == 1
    assert b"connection: close" in head
    assert b"transfer-encoding" not in head
    assert body == b"2 bytes"


async def test_body_is_asked_for_and_awaited(streams: Streams) -> None:
    streams[1].write(HEAD + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
    assert await streams[0].readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    streams[1].write(b"hi" + LAST)
    assert await read_answers(streams) == [b"2", b"0"]


async def test_client_of_dotnet_is_asked_for_each_body_of_a_connection(streams: Streams) -> None:
    """Chunks of a length that nobody knows, after `Expect`, on a connection that is used again."""
    head = (
        b"POST / HTTP/1.1\r\nhost: here\r\nEXPECT: 100-continue\r\n"
        b"Content-Type: application/json; charset=utf-8\r\nTransfer-Encoding: Chunked\r\n\r\n"
    )
    for _ in range(3):
        streams[1].write(head)
        assert await streams[0].readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        streams[1].write(b"2\r\n{}\r\n0\r\n\r\n")
        answer = await streams[0].readuntil(b"\r\n\r\n2")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection" not in answer.lower()
    # One that does not wait for the answer sends the body all the same.
    streams[1].write(head + b"2\r\n{}\r\n0\r\n\r\n" + LAST)
    answers = (await streams[0].read()).replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    assert [one[-1:] for one in answers.split(b"HTTP/1.1 200 OK\r\n")[1:]] == [b"2", b"0"]


async def test_body_that_nobody_asked_for_is_not_awaited(streams: Streams) -> None:
    request = HEAD.replace(b"POST /", b"POST /unread") + b"Expect: 100-continue\r\n"
    streams[1].write(request + b"Content-Length: %d\r\n\r\n" % len(INNER))
    answer = await streams[0].read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer


async def test_answer_ahead_of_a_large_body_is_not_lost_to_a_reset(streams: Streams) -> None:
    length = 8_000_000
    head = HEAD.replace(b"POST /", b"POST /unread") + b"Connection: close\r\n"
    streams[1].write(head + b"Content-Length: %d\r\n\r\n" % length)
    answer = await streams[0].read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    # More than the system takes of a connection that nobody reads.
    for _ in range(8):
        streams[1].write(bytes(length // 8))
        await streams[1].drain()


async def test_client_that_never_closes_is_closed(server: Server) -> None:
    async with server.connect() as (reader, writer):
        writer.write(HEAD.replace(b"POST /", b"POST /unread") + b"Connection: close\r\n")
        writer.write(b"Content-Length: 5\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        await server.let_time_pass_until_closed()


async def test_client_that_has_said_all_gets_its_answers(streams: Streams) -> None:
    streams[1].write(INNER + HEAD + b"Content-Length: 2\r\n\r\nhi")
    streams[1].write_eof()
    assert await read_answers(streams) == [b"0", b"2"]


async def test_client_that_leaves_in_the_middle_gets_none(streams: Streams) -> None:
    streams[1].write(HEAD + b"Content-Length: 2\r\n\r\nh")
    streams[1].write_eof()
    assert await streams[0].read() == b""


async def test_head_and_body_leave_in_one_packet(server: Server, streams: Streams) -> None:
    connection = await server.wait_until_taken()
    write: Callable[[Any], None] = connection.transport.write
    written: list[Any] = []

    def note(data: Any) -> None:
        written.append(data)
        write(data)

    connection.transport.write = note  # type: ignore[method-assign]
    for path, end in ((b"/", b"\r\n\r\n0"), (b"/unknown-length", b" bytes\r\n0\r\n\r\n")):
        streams[1].write(b"GET %s HTTP/1.1\r\nHost: here\r\n\r\n" % path)
        async with asyncio.timeout(15):
            await streams[0].readuntil(end)
    assert written[0].startswith(b"HTTP/1.1 200")
    assert written[0].endswith(b"\r\n\r\n0")
    # Of unknown length: nobody knows when there will be more.
    assert written[1].startswith(b"HTTP/1.1 200")
    assert written[1].endswith(b"\r\n\r\n")
