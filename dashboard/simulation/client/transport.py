"""One keep-alive connection, cheap enough not to be what is measured.

httpx's own client takes about 900 µs of processor time a request, its bare transport with a pool
of one connection 500; and a pool of many looks at each of them for each request, which makes it
5 ms. On a machine shared with the service that time is taken from the service. The same round trip
parsed in C, by httptools, takes 50 to 100 µs. What fails is raised in httpx's words all the same.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import NamedTuple, cast

import httptools
import httpx

# Servers close idle connections, uvicorn after 5 s; a request sent at that very moment is lost. So
# the connection is given up before.
_IDLE_SECONDS = 4.0


class Answer(NamedTuple):
    """A complete answer, of whatever status. Header names are as the server wrote them."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Transport:
    """Sends requests to one place over one connection, one at a time, without a proxy.

    There are no time limits: the caller cancels, and the connection is closed.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._protocol: _Protocol | None = None

    async def send(self, request: bytes) -> Answer:
        """Send a whole request, on a new connection if need be, and read the whole answer.

        Raises `httpx.ConnectError` and `httpx.RemoteProtocolError`.
        """
        protocol = self._protocol
        if protocol is None or not protocol.is_reusable():
            self.close()
            protocol = self._protocol = await self._connect()
        try:
            return await protocol.ask(request)
        except BaseException:
            # An answer may still be under way: nothing more can be asked on this connection.
            self.close()
            raise

    def close(self) -> None:
        """Close the connection at once."""
        if self._protocol is not None:
            self._protocol.abort()
            self._protocol = None

    async def _connect(self) -> "_Protocol":
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(
                _Protocol, self._host, self._port, ssl=self._tls
            )
        except OSError as error:
            # TLS that fails is one too: also then nothing was sent.
            raise httpx.ConnectError(str(error)) from error
        return protocol


class _Protocol(asyncio.Protocol):
    """The protocol of one connection; the `on_` methods are httptools' callbacks."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._idle_since = time.monotonic()

    def is_reusable(self) -> bool:
        """Tell whether another request may be sent."""
        idle_seconds = time.monotonic() - self._idle_since
        return self._transport is not None and idle_seconds < _IDLE_SECONDS

    async def ask(self, request: bytes) -> Answer:
        if self._transport is None:
            raise httpx.RemoteProtocolError("the server closed the new connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of the kind without being of the class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._fail(f"the connection was lost: {error}" if error else "the server hung up")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the answer is not HTTP/1.1: {error}")
            self.abort()

    def on_message_begin(self) -> None:
        self._headers, self._body = [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if httpx.codes.is_informational(status):
            return
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(status, self._headers, b"".join(self._body)))
        if self._parser.should_keep_alive():
            self._idle_since = time.monotonic()
        else:
            self.abort()

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(httpx.RemoteProtocolError(reason))
