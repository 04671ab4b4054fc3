import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from dashboard.simulation.client.transport import ConnectionTransport
from tests.support.waiting import wait_until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Script:
    """Answers each request with the next of `answers`; counts connections, keeps requests."""

    answers: list[bytes]
    url: str = ""
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    hang_up: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length or 0)))
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.hang_up:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def script(*answers: bytes, hang_up: bool = False) -> AsyncIterator[Script]:
    peer = Script(list(answers), hang_up=hang_up)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/path?q=1"
    try:
        yield peer
    finally:
        server.close()


@pytest.fixture
async def transport() -> AsyncIterator[ConnectionTransport]:
    transport = ConnectionTransport(None)
    yield transport
    await transport.aclose()


async def ask(
    transport: ConnectionTransport, peer: Script, content: bytes | None = None
) -> tuple[int, bytes]:
    request = httpx.Request("GET" if content is None else "POST", peer.url, content=content)
    async with asyncio.timeout(10):
        response = await transport.handle_async_request(request)
    return response.status_code, response.content


async def test_a_request_has_its_line_its_headers_and_its_body(
    transport: ConnectionTransport,
) -> None:
    async with script(OK) as peer:
        request = httpx.Request("POST", peer.url, headers={"X-One": "1"}, content=b"body")
        response = await transport.handle_async_request(request)
        [sent] = peer.requests
    assert response.headers["content-length"] == "2"
    lines = sent.split(b"\r\n")
    assert lines[0] == b"POST /path?q=1 HTTP/1.1"
    assert {b"X-One: 1", b"Content-Length: 4"} < set(lines)
    assert any(line.startswith(b"Host: 127.0.0.1:") for line in lines)
    assert lines[-2:] == [b"", b"body"]


async def test_the_connection_is_kept_between_requests(transport: ConnectionTransport) -> None:
    async with script(OK, OK, OK) as peer:
        assert [await ask(transport, peer, body) for body in (None, b"body", None)] == [
            (200, b"ok")
        ] * 3
        assert peer.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n3\r\npe!\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 5\r\n\r\nnope!",
    ],
)
async def test_answers_of_every_form_are_read_whole(
    transport: ConnectionTransport, answer: bytes
) -> None:
    async with script(answer, OK) as peer:
        assert await ask(transport, peer) == (404, b"nope!")
        assert await ask(transport, peer) == (200, b"ok")
        assert peer.connections == 1


async def test_a_connection_that_the_server_gives_up_is_replaced(
    transport: ConnectionTransport,
) -> None:
    goodbye = OK.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n")
    async with script(goodbye, OK) as peer:
        assert await ask(transport, peer) == (200, b"ok")
        assert await ask(transport, peer) == (200, b"ok")
        assert peer.connections == 2


async def test_a_connection_that_idled_long_is_replaced(
    transport: ConnectionTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.simulation.client.transport._IDLE_SECONDS", 0.0)
    async with script(OK, OK) as peer:
        assert await ask(transport, peer) == (200, b"ok")
        assert await ask(transport, peer) == (200, b"ok")
        assert peer.connections == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "hung up"),
        (OK[:-1], "hung up"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 101 Switch\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx", "not HTTP/1.1"),
    ],
)
async def test_an_answer_that_is_none_is_a_protocol_error(
    transport: ConnectionTransport, answer: bytes, reason: str
) -> None:
    async with script(answer, hang_up=True) as peer:
        with pytest.raises(httpx.RemoteProtocolError, match=reason):
            await ask(transport, peer)


async def test_a_refused_connection_is_a_connect_error(transport: ConnectionTransport) -> None:
    async with script() as peer:
        pass
    with pytest.raises(httpx.ConnectError):
        await ask(transport, peer)


async def test_what_comes_after_a_cancelled_request_is_not_taken_for_the_next_answer(
    transport: ConnectionTransport,
) -> None:
    async with script(OK[:-1], OK) as peer:
        asking = asyncio.create_task(ask(transport, peer))
        await wait_until(lambda: peer.requests)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await ask(transport, peer) == (200, b"ok")
        assert peer.connections == 2
