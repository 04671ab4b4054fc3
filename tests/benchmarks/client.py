"""A keep-alive connection to an HTTP server that does as little work a request as it can.

One request is under way at a time. It understands the answers of uvicorn alone: a length, then the
body.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from tests.benchmarks.requests import Target

_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "

LOST = 0
"""The status that stands for a connection that was lost before the answer."""


class Connection(asyncio.Protocol):
    """One connection. `answered` is called with status and body of each answer."""

    def __init__(self) -> None:
        self.answered: Callable[[int, bytes], None] = _ignore
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting = False

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None

    def send(self, request: bytes) -> None:
        """Send a request; the one before has its answer."""
        assert self._transport is not None
        self._waiting = True
        self._transport.write(request)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and wait for its answer."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self.answered = lambda status, body: answer.set_result((status, body))
        self.send(request)
        return await answer

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's is one by its methods only.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits for an answer that none will come."""
        self._transport = None
        if self._waiting:
            self._waiting = False
            self.answered(LOST, b"")

    def data_received(self, data: bytes) -> None:
        """Take in a part of the answer."""
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(_END_OF_HEADERS)
        if end < 0:
            self._buffer = buffer
            return
        head = buffer[: end + 2].lower()
        at = head.index(_LENGTH) + len(_LENGTH)
        body_at = end + len(_END_OF_HEADERS)
        if len(buffer) < body_at + int(head[at : head.index(b"\r\n", at)]):
            self._buffer = buffer
            return
        self._buffer = b""
        self._waiting = False
        self.answered(int(head[9:12]), buffer[body_at:])


def _ignore(status: int, body: bytes) -> None:
    """Before anybody listens."""


async def connect(target: Target) -> Connection:
    """Open a connection."""
    host, port = target.address
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return connection
