"""Pages of other sites that read here, such as games in a browser: CORS."""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service.http.auth import RouteAccess
from service.keys.roles import Role

# The role of a route says which of its POSTs only read.
_READS: Final = ("GET", "HEAD", "POST")
_MANY_SECONDS: Final = b"600"


class CrossOrigin:
    """Lets pages of the given origins read what needs no key.

    Never what a key was sent for: a page has no place to hide one. `origins` are those with commas
    between, or `*`.
    """

    def __init__(self, inside: ASGIApp, *, access: RouteAccess, origins: str) -> None:
        self._inside = inside
        self._access = access
        self._origins = frozenset(one.encode() for one in origins.split(","))
        self._is_open = origins == "*"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._inside(scope, receive, send)
            return
        asked = dict(scope["headers"])
        origin = asked.get(b"origin", b"")
        wanted = asked.get(b"access-control-request-method")
        is_preflight = scope["method"] == "OPTIONS" and wanted is not None
        method = (wanted or b"").decode("latin-1") if is_preflight else scope["method"]
        if not self._is_read(method, scope) or b"authorization" in asked:
            await self._inside(scope, receive, send)
            return
        headers = [(b"vary", b"Origin")]
        if origin and (self._is_open or origin.lower() in self._origins):
            headers += [
                (b"access-control-allow-origin", b"*" if self._is_open else origin),
                (b"access-control-expose-headers", b"ETag, Retry-After, X-Request-Id"),
            ]
            if is_preflight:
                headers += [
                    (b"access-control-allow-methods", b"GET, HEAD, POST"),
                    (
                        b"access-control-allow-headers",
                        b"Cache-Control, Content-Type, Last-Event-ID, X-Request-Id",
                    ),
                    (b"access-control-max-age", _MANY_SECONDS),
                ]
                await send({"type": "http.response.start", "status": 204, "headers": headers})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._inside(scope, receive, send_with_origin)

    def _is_read(self, method: str, scope: HTTPScope) -> bool:
        role = self._access.find(method, scope["path"]).role
        return method in _READS and (role is None or role is Role.READ)
