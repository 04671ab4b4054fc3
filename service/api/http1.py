"""One connection of HTTP/1.1, read and answered by the letter of RFC 9110 and RFC 9112.

Uvicorn's protocol over httptools, with what it leaves to others: `Host`, versions and methods that
are not ours, `Upgrade`, trailers, HTTP/1.0, `Expect`, and clients that end their side early.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from service.errors import ServiceError
from service.http.errors import NO_STORE, encode_error
from service.request_ids import REQUEST_ID_HEADER, RequestIdSource

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_UNKNOWN_METHOD: Final = re.compile(
    # As much of a request line as has arrived. Its first letters may have come earlier.
    rb"(?:\r\n)*%s*(?: [^ \r\n]*(?: (?:HTTP/.*)?)?)?" % _TOKEN,
    re.DOTALL,
)
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{0,5}))?"
)
_LAST_PORT: Final = 65_535
_NO_HOST: Final = -1_000_000
"""Stays wrong, however many come."""

_log = logging.getLogger(__name__)


class Malformed(ServiceError):
    """This is not HTTP."""

    status = 400
    code = "malformed_request"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This is not a request of HTTP/1.1: {reason}.")


class WrongHost(ServiceError):
    """A request of HTTP/1.1 without its one `Host`."""

    status = 400
    code = "wrong_host"
    message = (
        "A request has exactly one `Host` header, with a name or an address, and maybe a port "
        f"up to {_LAST_PORT}."
    )


class UnknownMethod(ServiceError):
    """Nothing here takes this method, and nothing will."""

    status = 501
    code = "unknown_method"
    message = "This method is not known here; GET /schema lists what there is."


class UnknownCoding(ServiceError):
    """A transfer coding that we do not take away, RFC 9112 §6.1."""

    status = 501
    code = "unknown_transfer_coding"
    message = "Of the codings of `Transfer-Encoding` only `chunked` is known here."


class UnknownVersion(ServiceError):
    """A version of HTTP that we do not speak."""

    status = 505
    code = "unknown_version"
    message = "This service speaks HTTP/1.1 and HTTP/1.0."


class Http1State(ServerState):
    """What the connections of a server share."""

    def __init__(self) -> None:
        super().__init__()
        self.request_ids = RequestIdSource()


class Http1Protocol(HttpToolsProtocol):
    """One connection."""

    server_state: Http1State
    # None before the first request, although uvicorn declares it otherwise.
    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    _hosts = 0
    _is_coded = False
    _known_host = b""
    _is_upgrade = False
    _is_lingering = False
    _is_idle = False
    _idle_since = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = self._make_parser()

    def data_received(self, data: bytes) -> None:
        """Take in bytes: part of a request, several requests, or no HTTP at all."""
        self._is_idle = False
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self._refuse_unreadable(_explain(error, data))

    def _parse(self, rest: bytes | memoryview) -> None:
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                (length,) = upgrade.args
            else:
                return
            # Not while an error is being handled, which would become the context of the next one.
            rest = memoryview(rest)[length:]
            self._ignore_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        # Uvicorn leaves it where an error ended the connection, and all this with it.
        self._unset_keepalive_if_required()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection of a client that has said all, until it has its answers."""
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.response_started:
            return False
        cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._hosts = 0
        self._is_coded = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "root_path": self.root_path,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; what surrounds its value is no part of it, RFC 9110 §5.5."""
        name = name.lower()
        value = value.rstrip(b" \t")
        if name == b"host":
            self._hosts += 1
            if value != self._known_host:
                if _is_host(value):
                    self._known_host = value
                else:
                    self._hosts = _NO_HOST
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            self._is_coded = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin to answer a request."""
        parser, scope = self.parser, self.scope
        method = parser.get_method()
        scope["method"] = method.decode("ascii")
        if parser.should_upgrade():
            if method == b"CONNECT":
                # What follows is for somebody else.
                raise UnknownMethod
            # The parser stops here, and `data_received` goes on.
            self._is_upgrade = True
            return
        version = parser.get_http_version()
        is_old = version == "1.0"
        if is_old:
            scope["http_version"] = version
            self.expect_100_continue = False
        elif version != "1.1":
            raise UnknownVersion
        if self._hosts != 1 and (self._hosts or not is_old):
            raise WrongHost
        if self._is_coded:
            raise UnknownCoding
        url = httptools.parse_url(self.url)
        raw_path = url.path or b"/"
        path = raw_path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = url.query or b""
        before = self.cycle
        self.cycle = _Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=not is_old and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self.cycle.linger = self._linger
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_chunk_header(self) -> None:
        """Keep trailers, which come after the last chunk, from becoming headers."""
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body, unless it was answered without."""
        cycle = self.cycle
        assert cycle is not None
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End a request."""
        cycle = self.cycle
        if cycle is not None and not self._is_upgrade and not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Go on to the next request, or wait for one as long as connections are kept."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._is_idle = True
        self._idle_since = self.loop.time()
        # One timer for many requests: to set and cancel one at each costs more than to parse it.
        if self.timeout_keep_alive_task is None:
            self._start_keep_alive(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for as long as one is kept."""
        self.timeout_keep_alive_task = None
        if not self._is_idle or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._start_keep_alive(left)
        else:
            self.transport.close()

    def _start_keep_alive(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def refuse(self, error: ServiceError) -> None:
        """Close, with an answer unless one is being sent already."""
        if not self._is_answering() and not self._is_lingering:
            self.transport.write(self._encode_answer(error))
            _log.debug("refused ahead of the routes: %s", error.code)
        self.close()

    def close(self) -> None:
        """Close once the client has read what was sent."""
        self.transport.close()

    def _linger(self) -> None:
        """Send no more, and drop what still comes until the client has closed its side, too.

        RFC 9112 §9.6. Whoever never does meets the deadline of a request that arrives.
        """
        self._is_lingering = True
        if not self.transport.is_closing():
            self.transport.write_eof()

    def _make_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(
            # Of pipelined requests the one before the unreadable one is answered.
            lenient_data_after_close=True,
            # RFC 9112 §7.1.1 has blanks ahead of a chunk's extensions.
            lenient_spaces_after_chunk_size=True,
        )
        return parser

    def _ignore_upgrade(self) -> None:
        """Read on as if nobody had asked for another protocol, RFC 9110 §7.8.

        The parser takes what follows the head for that protocol, body included, so a new one gets
        the head without the question.
        """
        self._is_upgrade = False
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.scope["method"].encode(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = self._make_parser()
        self.parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n")

    def _refuse_unreadable(self, error: ServiceError) -> None:
        cycle = self.cycle
        if cycle and not cycle.response_complete and not cycle.more_body:
            # The request before gets its answer, which a refusal sent now would be taken for.
            cycle.keep_alive = False
        else:
            self.refuse(error)

    def _is_answering(self) -> bool:
        cycle = self.cycle
        # A request that arrived whole has an answer coming, also before that begins.
        return bool(
            self.pipeline
            or (
                cycle
                and not cycle.response_complete
                and (cycle.response_started or not cycle.more_body)
            )
        )

    def _encode_answer(self, error: ServiceError) -> bytes:
        status, body, own_headers = encode_error(error)
        headers = [
            *self.server_state.default_headers,
            *own_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            NO_STORE,
            (REQUEST_ID_HEADER, self.server_state.request_ids.choose(self.headers or [])),
            (b"connection", b"close"),
        ]
        # None before the first request, although uvicorn declares it otherwise.
        scope: Any = self.scope
        if scope and scope.get("method") == "HEAD":
            body = b""
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        return STATUS_LINE[status] + lines + b"\r\n" + body


class _Cycle(RequestResponseCycle):
    """One request and its answer.

    `linger` ends a connection whose last request was answered ahead of its body.

    Uvicorn looks at every byte of every header of an answer. Ours have names of our own in small
    letters, and of their values only the end of a line could do harm.
    """

    linger: Callable[[], None]
    # Of an answer that says how long it is: it leaves with the body, in one packet.
    _head = b""

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        if self.response_started:
            body = message.get("body", b"")
            is_end = not message.get("more_body", False)
            head, self._head = self._head, b""
            if is_end and len(body) == self.expected_content_length and self._may_go_on():
                # Nearly all answers: as long as they said, and all at once.
                self.transport.write(head + body)
                self.response_complete = True
                self.message_event.set()
                self.on_response()
                return
            if head and not self.disconnected:
                self.transport.write(head)
            if self.scope["http_version"] == "1.0":
                # A body of any length: it ends with the connection.
                self.expected_content_length = len(body)
            # Uvicorn would close at once, and what the client still sends would have the system
            # reset the connection, maybe before the client has read its answer.
            is_early = self.more_body and not self.keep_alive and is_end
            if is_early:
                self.keep_alive = True
            await super().send(message)
            if is_early:
                self.linger()
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self._start(message["status"], [*self.default_headers, *message["headers"]])

    def _may_go_on(self) -> bool:
        return self.keep_alive and not (
            # Uvicorn leaves the body out.
            self.scope["method"] == "HEAD"
            or self.chunked_encoding
            or self.disconnected
            or self.response_complete
            or self.flow.write_paused
        )

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        if self.waiting_for_100_continue:
            self.waiting_for_100_continue = False
            if self.more_body:
                # Nobody knows whether the body still comes, or the next request in its place.
                self.keep_alive = False
        # Whether the answer is in chunks. Without a body, and to old clients, it never is.
        is_chunked = (
            self.scope["http_version"] == "1.1"
            and self.scope["method"] != "HEAD"
            and status not in {204, 304}
        )
        has_length = False
        lines = [STATUS_LINE[status]]
        for name, value in headers:
            if name == b"content-length":
                self.expected_content_length = int(value)
                has_length = True
                is_chunked = False
            elif name == b"connection":
                # Said below, once for all.
                self.keep_alive = self.keep_alive and value != b"close"
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if is_chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        self.chunked_encoding = is_chunked
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("A header of an answer holds the end of a line.")
        if has_length:
            self._head = head + b"\r\n"
        else:
            self.transport.write(head + b"\r\n")


def _is_host(value: bytes) -> bool:
    """Tell whether this can be a part of an address, as it is of the URL that errors look at."""
    found = _HOST.fullmatch(value)
    if found is None:
        return False
    address, port = found.groups()
    if address is not None:
        try:
            IPv6Address(address.decode("ascii"))
        except ValueError:
            return False
    return not port or int(port) <= _LAST_PORT


def _explain(error: httptools.HttpParserError, data: bytes) -> ServiceError:
    """Return what is wrong with a request, by the parser's error."""
    if isinstance(error.__context__, ServiceError):
        return error.__context__
    reason = str(error)
    if "method" in reason.lower() and _UNKNOWN_METHOD.fullmatch(data):
        return UnknownMethod()
    if "version" in reason or "PRI" in reason:
        return UnknownVersion()
    return Malformed(reason[:1].lower() + reason[1:])
