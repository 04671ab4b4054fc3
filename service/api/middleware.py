"""What every request passes, ahead of the routes and behind them: ASGI applications around another.

`create_app` has them in their order.
"""

import time
from collections.abc import Callable
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service.counters import Stages, stages
from service.errors import ServiceError
from service.http.auth import Access, Authorizer, Kind, RouteAccess
from service.http.errors import NO_STORE, allow_head, encode_error
from service.keys.keyring import Key
from service.keys.rate_limit import KeyLimiter
from service.logs import get_local_logger
from service.request_ids import REQUEST_ID_HEADER, RequestIdSource, request_id
from service.status.request_metrics import RequestMetrics

_ALLOW: Final = b"allow"
_END: Final[Message] = {"type": "http.response.body", "body": b"", "more_body": False}

# What a request counts as that ends without an answer.
_NO_ANSWER: Final = 500

_access_log = get_local_logger("service.access")


class RequestIds:
    """Takes a request's id from its `X-Request-Id`, or makes one, and sends it with the answer.

    `logging_requests`: one line for each answer, without the query, which may hold a name.
    """

    def __init__(self, inside: ASGIApp, *, logging_requests: bool) -> None:
        self._inside = inside
        self._logging_requests = logging_requests
        self._source = RequestIdSource()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._inside(scope, receive, send)
            return
        own_id = self._source.choose(scope["headers"])
        # The task is this request's own: there is nothing to set back.
        request_id.set(own_id.decode("ascii"))
        started_at = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], NO_STORE, (REQUEST_ID_HEADER, own_id)]
                if self._logging_requests:
                    _log_request(scope, message["status"], time.perf_counter() - started_at)
            await send(message)

        await self._inside(scope, receive, send_with_id)


def _log_request(scope: HTTPScope, status: int, seconds: float) -> None:
    duration_ms = round(1000 * seconds, 1)
    # As it was sent: the decoded one may hold the end of a line, and begin another.
    path = scope["raw_path"].decode("ascii", "backslashreplace")
    facts = {
        "method": scope["method"],
        "path": path,
        "status": status,
        "duration_ms": duration_ms,
    }
    _access_log.info("%s %s %d %.1f ms", scope["method"], path, status, duration_ms, extra=facts)


class TooManyRequests(ServiceError):
    """As many requests are under way as this process takes."""

    status = 503
    code = "too_busy"
    retry_after_seconds = 1
    message = (
        "Too many requests are under way here; send the same request again shortly "
        "(with an Idempotency-Key it is never counted twice)."
    )


class AccessControl:
    """Lets a request pass whose caller may send it, as long as not too many are under way.

    No kind of request can take the place of another: event streams, which stay for hours, have
    places of their own; of the others reads may have four fifths, and writes, which wait for a
    silent PostgreSQL up to the limit of their queue, nineteen twentieths.
    `on_failure` is told of every refusal that is our fault.
    """

    def __init__(
        self,
        inside: ASGIApp,
        *,
        access: RouteAccess,
        authorizer: Authorizer,
        key_limiter: KeyLimiter | None,
        request_limit: int,
        stream_limit: int,
        on_failure: Callable[[Exception], None] | None,
    ) -> None:
        self._inside = inside
        self._access = access
        self._authorizer = authorizer
        self._key_limiter = key_limiter
        self._request_limit = request_limit
        # By kind.
        self._limits = (
            request_limit - request_limit // 5,
            request_limit - request_limit // 20,
            stream_limit,
        )
        self._on_failure = on_failure
        self._under_way = [0, 0, 0]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] != ScopeType.HTTP:
            await self._inside(scope, receive, send)
            return
        access = self._access.find(scope["method"], scope["path"])
        key = self._authorize(scope, access)
        if isinstance(key, ServiceError):
            await self._refuse(send, key)
            return
        self._under_way[access.kind] += 1
        try:
            if key is not None and self._key_limiter is not None:
                refusal = await self._key_limiter.take(key.name)
                if refusal is not None:
                    await self._refuse(send, refusal)
                    return
            await self._inside(scope, receive, send)
        finally:
            self._under_way[access.kind] -= 1

    def _authorize(self, scope: HTTPScope, access: Access) -> ServiceError | Key | None:
        if access.role is None:
            return None
        if not self._has_place(access.kind):
            return TooManyRequests()
        return self._authorizer.authorize(scope, access.role)

    def _has_place(self, kind: Kind) -> bool:
        if self._under_way[kind] >= self._limits[kind]:
            return False
        in_all = self._under_way[Kind.READ] + self._under_way[Kind.WRITE]
        return kind is Kind.STREAM or in_all < self._request_limit

    async def _refuse(self, send: Send, error: ServiceError) -> None:
        if self._on_failure is not None:
            self._on_failure(error)
        status, body, headers = encode_error(error)
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class HeadRequests:
    """Has the routes answer HEAD, which they do not know, as they answer GET."""

    def __init__(self, inside: ASGIApp) -> None:
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == ScopeType.HTTP and scope["method"] == "HEAD":
            await self._answer_head(scope, receive, send)
        elif scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS":
            if scope["path"] == "*":
                # Of the server, and of nothing that is there: RFC 9110, 9.3.7.
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send(_END)
            else:
                await self._inside(scope, receive, _name_head(send))
        else:
            await self._inside(scope, receive, send)

    async def _answer_head(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        # The server looks at its own, whether to send a body.
        as_get: HTTPScope = {**scope, "method": "GET"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                if "path_template" in as_get:
                    scope["path_template"] = as_get["path_template"]
                await send(message)
                # At once: an event stream, which would go on for ever, is told that it has ended.
                await send(_END)

        await self._inside(as_get, receive, send_head)


def _name_head(send: Send) -> Send:
    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, allow_head(value.decode()).encode() if name == _ALLOW else value)
                for name, value in message["headers"]
            ]
        await send(message)

    return send_named


class MeasuredRoutes:
    """Times every request that reaches a route, for the status page.

    Around each route, and not around them all: only then is it known which one it is.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        # The template, so that a million players are one route.
        route_name = f"{scope['method']} {scope['path_template']}"
        spent = Stages()
        stages.set(spent)
        started_at = time.perf_counter()
        answered = False

        async def note_answer(message: Message) -> None:
            nonlocal answered
            # The beginning of the answer, because an event stream has no end of interest.
            if message["type"] == "http.response.start":
                answered = True
                seconds = time.perf_counter() - started_at
                self._metrics.record(route_name, message["status"], seconds)
                if spent.pool or spent.statement:
                    self._metrics.record_stages(route_name, spent)
            await send(message)

        try:
            await self._app(scope, receive, note_answer)
        finally:
            if not answered:
                seconds = time.perf_counter() - started_at
                self._metrics.record(route_name, _NO_ANSWER, seconds)
