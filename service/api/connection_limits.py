"""Limits on connections: how many are open, how long and how large the head of a request may be.

Uvicorn limits none of these with httptools. Without limits a few clients that send a byte now and
then, or a header without end, would take all memory and descriptors of a process; and those that
never read their answers would take all places for requests.
"""

import asyncio
import resource
from typing import Final, NamedTuple

from service.api.http1 import Http1Protocol, Http1State
from service.errors import ServiceError
from service.http.requests import READ_AS_IT_COMES

_LARGEST_HEAD: Final = 64 * 1024
_DESCRIPTORS_FOR_OTHERS: Final = 100
"""Files, database and Redis, beside the connections of clients."""


class ConnectionLimits(NamedTuple):
    """What each connection has to keep to."""

    connections: int
    arrival_seconds: float


class LimitedState(Http1State):
    """What the connections of a server share."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits


class HeadTooLarge(ServiceError):
    """The request line and headers are larger than we take."""

    status = 431
    code = "head_too_large"
    message = f"Line and headers of a request may have {_LARGEST_HEAD} bytes."


class ArrivedTooSlowly(ServiceError):
    """A request did not arrive in time."""

    status = 408
    code = "request_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"A request has to arrive within {seconds:g} s, with its body.")


class TooManyConnections(ServiceError):
    """This process has as many connections open as it takes."""

    status = 503
    code = "too_busy"
    retry_after_seconds = 1
    message = "Too many connections are open here; connect again shortly."


class LimitedProtocol(Http1Protocol):
    """One connection, which is closed when it asks too much.

    A request that comes whole, as nearly all do, costs no timer.
    """

    server_state: LimitedState
    _is_arriving = False
    _has_moved_on = False
    _has_body_moved_on = False
    _head_bytes = 0
    _most_head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _reading_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it."""
        super().connection_made(transport)
        if len(self.connections) > self.server_state.limits.connections:
            self.refuse(TooManyConnections())
        else:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_deadline()
        self._stop_reading_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Hold answers back until the client reads what was sent; drop one that reads nothing."""
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        """Go on answering."""
        self._stop_reading_timer()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Go on to the next request, or await the end of a connection that was closed with it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection after its last request."""
        super().timeout_keep_alive_handler()
        if self.transport.is_closing():
            self._await_reading()

    def data_received(self, data: bytes) -> None:
        """Take in bytes: part of a request, several requests, or no HTTP at all."""
        if self.transport.is_closing() or self._is_lingering:
            return
        self._has_moved_on = False
        self._most_head_bytes = self._head_bytes + len(data)
        super().data_received(data)
        if self.transport.is_closing():
            # Refused while its bytes were parsed.
            return
        if self._is_arriving:
            # Between two parts of a body comes nothing but the size of the next one; after the
            # last, trailers may. Behind a request comes the beginning of the next one.
            self._head_bytes = 0 if self._has_moved_on else self._head_bytes + len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self.refuse(HeadTooLarge())
                return
        elif self.cycle and not self.cycle.response_complete:
            return
        # Also for empty lines, which may come ahead of a request.
        if self._deadline is None:
            self._start_deadline()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_arriving = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer a request, unless its head is too large."""
        if self._most_head_bytes > _LARGEST_HEAD and self._is_head_too_large():
            raise HeadTooLarge
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Begin a part of a body of unknown length."""
        self._has_moved_on = True
        super().on_chunk_header()

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        self._has_moved_on = self._has_body_moved_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._is_arriving = False
        self._has_moved_on = True
        if self._deadline is not None:
            self._stop_deadline()
        super().on_message_complete()

    def close(self) -> None:
        """Close once the client has read what was sent; drop one that reads nothing."""
        self._stop_deadline()
        super().close()
        self._await_reading()

    def _refuse_unreadable(self, error: ServiceError) -> None:
        self._is_arriving = False
        super()._refuse_unreadable(HeadTooLarge() if self._is_head_too_large() else error)

    def _is_head_too_large(self) -> bool:
        return self._most_head_bytes > _LARGEST_HEAD and (
            len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            > _LARGEST_HEAD
        )

    def _start_deadline(self) -> None:
        seconds = self.server_state.limits.arrival_seconds
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _await_reading(self) -> None:
        self._stop_reading_timer()
        left = self.transport.get_write_buffer_size()
        if left:
            seconds = self.server_state.limits.arrival_seconds
            self._reading_timer = self.loop.call_later(seconds, self._check_reading, left)

    def _check_reading(self, left_before: int) -> None:
        if self.transport.get_write_buffer_size() < left_before:
            self._await_reading()
        else:
            # close() would wait until all is read.
            self.transport.abort()

    def _stop_reading_timer(self) -> None:
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._is_arriving and self._is_read_as_it_comes():
            self._start_deadline()
        elif self._is_arriving:
            self.refuse(ArrivedTooSlowly(self.server_state.limits.arrival_seconds))
        else:
            self.close()

    def _is_read_as_it_comes(self) -> bool:
        """Tell whether a route reads this body in parts, and one has come since this was asked.

        Or where none has come because we do not read on.
        """
        moved_on, self._has_body_moved_on = self._has_body_moved_on, False
        is_read = self.cycle is not None and READ_AS_IT_COMES in self.cycle.scope
        return is_read and (moved_on or self.flow.read_paused)


def allow_descriptors(connections: int) -> None:
    """Let this process have as many connections open, as far as the system lets us decide."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _DESCRIPTORS_FOR_OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
