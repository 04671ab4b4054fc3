"""An HTTP server whose end costs no request: uvicorn's, with patience for what is on its way.

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
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.api.connection_limits import ConnectionLimits, LimitedProtocol, LimitedState

_IDLE_SECONDS: Final = 1.0
"""Longest wait for the request of a connection that has none under way."""
_POLL_SECONDS: Final = 0.02


class _DrainingState(LimitedState):
    """What the connections of a server share."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__(limits)
        self.is_draining = False


class DrainingProtocol(LimitedProtocol):
    """One connection, which closes after the next answer once its server drains."""

    server_state: _DrainingState
    _is_receiving = False

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
        self,
        config: uvicorn.Config,
        *,
        closing: asyncio.Event,
        limits: ConnectionLimits,
        ready_fd: int | None = None,
    ) -> None:
        super().__init__(config)
        self.server_state = _DrainingState(limits)
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
