"""Times every request for the status page."""

import time
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Middleware, Receive, Scope, Send

from service.ops.metrics import RequestMetrics

# What a request counts as that ends without an answer.
_NO_ANSWER: Final = 500


def measure_requests(metrics: RequestMetrics) -> Middleware:
    """Return the middleware that records each request's route, status and time."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            started_at = time.perf_counter()
            status = _NO_ANSWER

            async def note_status(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, note_status)
            finally:
                # The template, so that a million players are one route.
                route_name = f"{scope['method']} {scope['path_template']}"
                metrics.record(route_name, status, time.perf_counter() - started_at)

        return measured

    return wrap
