"""Times every request for the status page."""

import time
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Middleware, Receive, Scope, Send

from service.status.request_metrics import RequestMetrics

# What a request counts as that ends without an answer.
_NO_ANSWER: Final = 500


def measure_requests(metrics: RequestMetrics) -> Middleware:
    """Return the middleware that records each request's route, status and time."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            # The template, so that a million players are one route.
            route_name = f"{scope['method']} {scope['path_template']}"
            started_at = time.perf_counter()
            answered = False

            async def note_answer(message: Message) -> None:
                nonlocal answered
                # The beginning of the answer, because an event stream has no end of interest.
                if message["type"] == "http.response.start":
                    answered = True
                    metrics.record(route_name, message["status"], time.perf_counter() - started_at)
                await send(message)

            try:
                await app(scope, receive, note_answer)
            finally:
                if not answered:
                    metrics.record(route_name, _NO_ANSWER, time.perf_counter() - started_at)

        return measured

    return wrap
