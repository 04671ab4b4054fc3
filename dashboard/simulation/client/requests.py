"""Requests to the service and what their answers mean: all that the engine knows of its API."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable
from typing import Literal, NamedTuple, Self, TypeAlias

import httpx
import msgspec

from dashboard.simulation.client.transport import Answer, Transport
from dashboard.simulation.workload.plan import PlannedRequest, RequestKind

_SAMPLE_LENGTH = 300

GLOBAL_BOARD = "global"
"""The board that is always there."""

DEFAULT_PORTS = {"http": 80, "https": 443}

TIMEOUT = "timeout"
"""The code of an answer that did not come in time."""

TLS_FAILED = "tls_failed"

_NO_MORE_CONNECTIONS = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL}
"""What stands between this machine and a connection, whoever would answer."""


class _Problem(msgspec.Struct):
    error: str
    code: str


class _Acknowledgement(msgspec.Struct):
    status: Literal["success"]
    session_id: int


class _Top(msgspec.Struct):
    """The first players: `entries` of a board, which `/api/leaderboard` calls `leaderboard`."""

    leaderboard: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    entries: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


class _Rank(msgspec.Struct):
    user_id: int


class Failure(NamedTuple):
    """Why a request failed: a code for machines, and words for people.

    `maybe_written`: a submit that failed so may be in the ledger all the same. `has_latency`: the
    time it took tells about the server.
    """

    code: str
    message: str
    maybe_written: bool
    has_latency: bool

    @classmethod
    def of_timeout(cls, seconds: float) -> Self:
        """No answer within `seconds`."""
        message = f"no answer within {seconds:g} s"
        return cls(TIMEOUT, message, maybe_written=True, has_latency=True)

    @classmethod
    def of_transport(cls, error: httpx.TransportError) -> Self:
        """No answer, because the connection broke or there was none."""
        if isinstance(error, httpx.ConnectError):
            return cls(*_explain_no_connection(error), maybe_written=False, has_latency=False)
        how = shorten(str(error)).removesuffix(".")
        message = "the connection broke" + f" ({how})" * bool(how)
        return cls("connection_lost", message, maybe_written=True, has_latency=False)

    @classmethod
    def of_abandoning(cls) -> Self:
        """No answer, because the run was given up before it came."""
        message = "the run was given up before the answer came"
        return cls("abandoned", message, maybe_written=True, has_latency=False)

    @classmethod
    def of_answer(cls, answer: Answer) -> Self:
        """An answer that says that the request failed."""
        try:
            code = msgspec.json.decode(answer.body, type=_Problem).code
        except msgspec.DecodeError:
            code = f"http_{answer.status}"
        server_error = answer.status >= httpx.codes.INTERNAL_SERVER_ERROR
        return cls(code, describe_answer(answer), maybe_written=server_error, has_latency=True)

    @classmethod
    def of_contents(cls, answer: Answer, finding: str) -> Self:
        """An answer of status 200 that is not what was asked for."""
        message = shorten(f"{finding}: {answer.body.decode(errors='replace')}")
        return cls("unexpected_answer", message, maybe_written=True, has_latency=True)


def _explain_no_connection(error: httpx.ConnectError) -> tuple[str, str]:
    """Return code and words: httpx says `ConnectError` of whatever went wrong before there was."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                why = f"the certificate is not accepted ({shorten(cause.verify_message)})"
                return TLS_FAILED, why
            case ssl.SSLError():
                reason = getattr(cause, "reason", None) or str(cause)
                why = f"TLS fails ({shorten(reason).replace('_', ' ').lower()})"
                return TLS_FAILED, why
            case socket.gaierror():
                return "unknown_host", f"the host is not found ({cause.strerror})"
            case OSError() if cause.errno in _NO_MORE_CONNECTIONS:
                return "connection_refused", f"no more connections from here ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    return "connection_refused", "nothing answers"


Outcome: TypeAlias = int | Failure | None
"""What became of a request: the session that a submit made, why it failed, else nothing."""


async def await_outcome(sending: Awaitable[Outcome], seconds: float) -> Outcome:
    """Return what becomes of a request for whose answer nobody waits longer than that."""
    try:
        async with asyncio.timeout(seconds):
            return await sending
    except httpx.TransportError as error:
        return Failure.of_transport(error)
    except TimeoutError:
        return Failure.of_timeout(seconds)


class Connection:
    """One keep-alive connection to a service; it carries one request at a time."""

    def __init__(self, target: "Target", transport: Transport) -> None:
        self.reads = target.reads
        self._target = target
        self._transport = transport

    async def send(
        self, method: str, path: str, body: bytes | None = None, *, key: str | None = None
    ) -> Answer:
        """Send one request and read its whole answer.

        Raises `httpx.TransportError`. Time limits are the caller's, by cancellation.
        """
        return await self._transport.send(self._target.write_request(method, path, body, key))

    def close(self) -> None:
        """Close the connection at once."""
        self._transport.close()


class Target:
    """A service by its URL, and the key for it, to which connections are opened.

    Tops and ranks are read from the board `board`, else as `/api/leaderboard` has them.
    """

    def __init__(self, url: str, api_key: str | None = None, board: str | None = None) -> None:
        self.url = url
        self.board = board or GLOBAL_BOARD
        self.has_key = api_key is not None
        self.reads = "/api/leaderboard" if board is None else f"/api/boards/{board}"
        base = httpx.URL(url)
        self._host = base.raw_host.decode("ascii")
        self._port = base.port or DEFAULT_PORTS[base.scheme]
        self._tls = httpx.create_ssl_context() if base.scheme == "https" else None
        self._path_prefix = base.raw_path.rstrip(b"/").decode("ascii")
        self._headers = f"Host: {base.netloc.decode('ascii')}\r\nAccept: application/json\r\n"
        if api_key is not None:
            self._headers += f"Authorization: Bearer {api_key}\r\n"

    def open_connection(self) -> Connection:
        """Return a new connection, made with its first request."""
        return Connection(self, Transport(self._host, self._port, self._tls))

    def write_request(self, method: str, path: str, body: bytes | None, key: str | None) -> bytes:
        """Return a request as it is sent."""
        head = f"{method} {self._path_prefix}{path} HTTP/1.1\r\n{self._headers}"
        if key is not None:
            head += f"Idempotency-Key: {key}\r\n"
        if body is None:
            return f"{head}\r\n".encode()
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


async def send_request(
    connection: Connection, request: PlannedRequest, user_id: int, key: str
) -> Outcome:
    """Send a planned request for the player `user_id`, and return what its answer says.

    Raises `httpx.TransportError`.
    """
    match request.kind:
        case RequestKind.SUBMIT:
            body = msgspec.json.encode(
                {"user_id": user_id, "score": request.score, "game_mode": request.game_mode}
            )
            answer = await connection.send("POST", "/api/leaderboard/submit", body, key=key)
        case RequestKind.TOP:
            answer = await connection.send("GET", f"{connection.reads}/top?limit=10")
        case _:
            answer = await connection.send("GET", f"{connection.reads}/rank/{user_id}")
    return _judge_answer(request.kind, user_id, answer)


def _judge_answer(kind: RequestKind, user_id: int, answer: Answer) -> Outcome:
    if answer.status != httpx.codes.OK:
        return Failure.of_answer(answer)
    try:
        match kind:
            case RequestKind.SUBMIT:
                return msgspec.json.decode(answer.body, type=_Acknowledgement).session_id
            case RequestKind.TOP:
                top = msgspec.json.decode(answer.body, type=_Top)
                if top.leaderboard is msgspec.UNSET and top.entries is msgspec.UNSET:
                    return Failure.of_contents(answer, "asked for a top")
            case RequestKind.RANK:
                ranked = msgspec.json.decode(answer.body, type=_Rank).user_id
                if ranked != user_id:
                    return Failure.of_contents(answer, f"asked for player {user_id}")
    except msgspec.DecodeError as error:
        return Failure.of_contents(answer, str(error))
    return None


def describe_answer(answer: Answer) -> str:
    """Return the answer's status and what it says about the error."""
    try:
        message = msgspec.json.decode(answer.body, type=_Problem).error
    except msgspec.DecodeError:
        message = answer.body.decode(errors="replace")
    return shorten(f"{answer.status}: {message}")


def shorten(text: str) -> str:
    """Return `text` on one line, of a length to show, without control characters.

    Where it was longer it ends with an ellipsis.
    """
    printable = "".join(c if c.isprintable() else " " for c in text[:_SAMPLE_LENGTH])
    return " ".join(printable.split()) + "…" * (len(text) > _SAMPLE_LENGTH)
