"""An HTTP server whose end costs no request: uvicorn's, with patience for what is on its way.

It also refuses in our one shape of errors what never becomes a request.

Uvicorn closes every connection without a request at once when it is told to stop, also one that
was accepted a moment ago and one whose client is just sending. Processes that share a listening
socket are stopped one by one while clients go on, so here such connections get a grace period in
which requests are still answered, with `Connection: close`.
"""

import asyncio
import os
import socket
import time
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from service.errors import InvalidRequest, ServiceError
from service.http.errors import encode_error

_IDLE_SECONDS: Final = 1.0
"""Longest wait for the request of a connection that has none under way."""
_POLL_SECONDS: Final = 0.02

_HEAD_LIMIT: Final = 256 * 1024
"""Bytes of a request's first line and headers that may come in before they are complete."""


class HeadTooLarge(ServiceError):
    """A request whose headers do not end."""

    status = 431
    code = "headers_too_large"

    def __init__(self) -> None:
        super().__init__("The headers of this request are too large; send fewer or shorter ones.")


class _DrainingState(ServerState):
    """What the connections of a server share."""

    def __init__(self) -> None:
        super().__init__()
        self.is_draining = False


class DrainingProtocol(HttpToolsProtocol):
    """One connection, which closes after the next answer once its server drains."""

    server_state: _DrainingState
    # None before the first request, although uvicorn declares it otherwise.
    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    _is_receiving = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Read on; give up on headers without an end, which would fill the memory."""
        super().data_received(data)
        if not self._is_receiving:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_LIMIT and not self.transport.is_closing():
            self._refuse(HeadTooLarge())

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        if self.cycle and not self.cycle.response_complete and not self.cycle.more_body:
            # What comes first gets its answer, for which this one would be taken.
            self.cycle.keep_alive = False
            return
        self._refuse(InvalidRequest("This is not an HTTP request that anybody can read."))

    def on_message_begin(self) -> None:
        """Count the request from its first byte on; uvicorn does so after the headers."""
        self._is_receiving = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Leave the request to uvicorn, which has a cycle for it from here on."""
        super().on_headers_complete()
        self._is_receiving = False

    def is_idle(self) -> bool:
        """Tell whether no request is being received or answered."""
        return not self._is_receiving and (self.cycle is None or self.cycle.response_complete)

    def announce_end(self) -> None:
        """Have the last answer say `close` where its headers are still to come."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close if idle; what is half received still gets its answer."""
        if not self._is_receiving:
            super().shutdown()

    def _refuse(self, error: ServiceError) -> None:
        status, body, _ = encode_error(error)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
        self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Nothing may follow an answer that says `close`: the last of pipelined requests says it.
        if self.server_state.is_draining and cycle is self.cycle:
            cycle.keep_alive = False
        super()._start_asgi_task(cycle, app)


class DrainingServer(uvicorn.Server):
    """Uvicorn that says when it serves, and that drops nothing when it is told to stop.

    `closing` is set before it waits for anything: event streams never end by themselves.
    """

    server_state: _DrainingState

    def __init__(
        self, config: uvicorn.Config, *, closing: asyncio.Event, ready_fd: int | None
    ) -> None:
        super().__init__(config)
        self.server_state = _DrainingState()
        self._closing = closing
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and write a byte to the descriptor that was given for it."""
        await super().startup(sockets)
        if self.started and self._ready_fd is not None:
            os.write(self._ready_fd, b"\n")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, answer what has been sent, then close.

        The listening socket itself lives on where another process has it too, with its queue.
        """
        for server in self.servers:
            server.close()
        self._closing.set()
        self.server_state.is_draining = True
        for connection in self._list_connections():
            connection.announce_end()
        # A connection that was accepted in this very tick is not in the list yet.
        await asyncio.sleep(_POLL_SECONDS)
        deadline = time.monotonic() + _IDLE_SECONDS
        while (  # noqa: ASYNC110 - uvicorn keeps connections in a plain set
            any(connection.is_idle() for connection in self._list_connections())
            and time.monotonic() < deadline
            and not self.force_exit
        ):
            await asyncio.sleep(_POLL_SECONDS)
        await super().shutdown(sockets)

    def _list_connections(self) -> list[DrainingProtocol]:
        return [one for one in self.server_state.connections if isinstance(one, DrainingProtocol)]
