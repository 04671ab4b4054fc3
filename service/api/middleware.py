"""The gate: one check of every request ahead of the express lane and the routes.

Who may not, and what is too much, is answered here; everything else passes unread.
"""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from service.errors import ServiceError
from service.http.auth import Admission, find_role
from service.http.errors import encode_error
from service.keys.errors import TooManyRequests
from service.keys.keyring import Key
from service.keys.rate_limit import KeyLimiter


class Gate:
    """Lets requests through to `inside`, an ASGI application, or answers them itself."""

    def __init__(
        self,
        inside: ASGIApp,
        admission: Admission,
        *,
        request_limit: int,
        key_limiter: KeyLimiter | None,
    ) -> None:
        self._inside = inside
        self._admission = admission
        self._request_limit = request_limit
        self._key_limiter = key_limiter
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] != ScopeType.HTTP:
            await self._inside(scope, receive, send)
            return
        verdict = self._judge(scope)
        if isinstance(verdict, ServiceError):
            await _refuse(send, verdict)
            return
        self._under_way += 1
        try:
            if verdict is not None and self._key_limiter is not None:
                refusal = await self._key_limiter.take(verdict.name)
                if refusal is not None:
                    await _refuse(send, refusal)
                    return
            await self._inside(scope, receive, send)
        finally:
            self._under_way -= 1

    def _judge(self, scope: HTTPScope) -> ServiceError | Key | None:
        needed = find_role(scope["method"], scope["path"])
        if needed is None:
            return None
        if self._under_way >= self._request_limit:
            return TooManyRequests()
        return self._admission.judge(scope, needed)


async def _refuse(send: Send, error: ServiceError) -> None:
    status, body, headers = encode_error(error)
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
