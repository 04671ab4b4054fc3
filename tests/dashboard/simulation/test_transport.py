import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from dashboard.simulation.client.transport import Transport
from tests.support.waiting import wait_until

REQUEST = b"POST /path?q=1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Script:
    """Answers each request with the next of `answers`; counts connections, keeps requests."""

    answers: list[bytes]
    transport: Transport = field(init=False)
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
    """Serve a script; give it with a transport that leads to it."""
    peer = Script(list(answers), hang_up=hang_up)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.transport = Transport("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield peer
    finally:
        peer.transport.close()
        server.close()


async def ask(peer: Script) -> tuple[int, bytes]:
    async with asyncio.timeout(10):
        answer = await peer.transport.send(REQUEST)
    return answer.status, answer.body


async def test_a_request_is_sent_as_it_is_and_its_answer_has_headers() -> None:
    async with script(OK) as peer:
        answer = await peer.transport.send(REQUEST)
    assert peer.requests == [REQUEST]
    assert answer == (200, [(b"content-length", b"2")], b"ok")


async def test_the_connection_is_kept_between_requests() -> None:
    async with script(OK, OK, OK) as peer:
        assert [await ask(peer) for _ in range(3)] == [(200, b"ok")] * 3
        assert peer.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n3\r\npe!\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 5\r\n\r\nnope!",
    ],
)
async def test_answers_of_every_form_are_read_whole(answer: bytes) -> None:
    async with script(answer, OK) as peer:
        assert await ask(peer) == (404, b"nope!")
        assert await ask(peer) == (200, b"ok")
        assert peer.connections == 1


async def test_a_connection_that_the_server_gives_up_is_replaced() -> None:
    goodbye = OK.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n")
    async with script(goodbye, OK) as peer:
        assert await ask(peer) == (200, b"ok")
        assert await ask(peer) == (200, b"ok")
        assert peer.connections == 2


async def test_a_connection_that_idled_long_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.simulation.client.transport._IDLE_SECONDS", 0.0)
    async with script(OK, OK) as peer:
        assert await ask(peer) == (200, b"ok")
        assert await ask(peer) == (200, b"ok")
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
async def test_an_answer_that_is_none_is_a_protocol_error(answer: bytes, reason: str) -> None:
    async with script(answer, hang_up=True) as peer:
        with pytest.raises(httpx.RemoteProtocolError, match=reason):
            await ask(peer)


async def test_a_refused_connection_is_a_connect_error() -> None:
    async with script() as peer:
        pass
    with pytest.raises(httpx.ConnectError):
        await ask(peer)


async def test_what_comes_after_a_cancelled_request_is_not_taken_for_the_next_answer() -> None:
    async with script(OK[:-1], OK) as peer:
        asking = asyncio.create_task(ask(peer))
        await wait_until(lambda: peer.requests)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await ask(peer) == (200, b"ok")
        assert peer.connections == 2
