"""Gives each request an id and, when asked to, a line in the log."""

import itertools
import logging
import re
import secrets
import time
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service.request_ids import request_id

_HEADER: Final = b"x-request-id"
# What can stand in a log line and in a header as it is; anything else gets an id of ours.
_SANE: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")

_log = logging.getLogger("service.access")


class RequestIds:
    """Takes a request's id from its `X-Request-Id`, or makes one, and sends it with the answer.

    An ASGI application in front of another. `logging_requests`: one line for each answer, without
    the query, which may hold a name.
    """

    def __init__(self, inside: ASGIApp, *, logging_requests: bool) -> None:
        self._inside = inside
        self._logging_requests = logging_requests
        # Two processes, or one that starts again, differ in the first half.
        self._prefix = secrets.token_hex(5)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._inside(scope, receive, send)
            return
        own_id = _read_id(scope) or b"%s-%x" % (self._prefix.encode(), next(self._numbers))
        # The task is this request's own: there is nothing to set back.
        request_id.set(own_id.decode("ascii"))
        started_at = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_HEADER, own_id)]
                if self._logging_requests:
                    _log_request(scope, message["status"], time.perf_counter() - started_at)
            await send(message)

        await self._inside(scope, receive, send_with_id)


def _read_id(scope: HTTPScope) -> bytes | None:
    found = [value for name, value in scope["headers"] if name == _HEADER]
    return found[0] if len(found) == 1 and _SANE.fullmatch(found[0]) else None


def _log_request(scope: HTTPScope, status: int, seconds: float) -> None:
    duration_ms = round(1000 * seconds, 1)
    facts = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "duration_ms": duration_ms,
    }
    _log.info("%s %s %d %.1f ms", scope["method"], scope["path"], status, duration_ms, extra=facts)
