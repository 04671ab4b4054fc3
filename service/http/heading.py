"""HEAD: what GET would answer, without the body."""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

_ALLOW: Final = b"allow"
_END: Final[Message] = {"type": "http.response.body", "body": b"", "more_body": False}


def allow_head(methods: str) -> str:
    """Return the value of an `Allow` header that names HEAD wherever it names GET."""
    named = set(methods.split(", "))
    return ", ".join(sorted(named | {"HEAD"} if "GET" in named else named))


class HeadRequests:
    """Has the routes answer HEAD as they answer GET, which they alone know.

    An ASGI application in front of another.
    """

    def __init__(self, inside: ASGIApp) -> None:
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == ScopeType.HTTP and scope["method"] == "HEAD":
            await self._answer_head(scope, receive, send)
        elif scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS":
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
