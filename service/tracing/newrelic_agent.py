"""What New Relic's agent cannot know by itself; imported only where it runs (`bootstrap`).

Requests that share a statement (group commit, batched ranks and tops) wait for it in a span each.
The statement itself is traced in one of them, a sampled one where there is any: so each statement
is counted once, and a trace that is kept shows it. The wake-up that follows a commit carries the
trace of that same submit to the refresh.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from dramatiq import Broker, Message, Middleware
from newrelic import agent
from newrelic.api.function_trace import FunctionTrace
from newrelic.core.context import ContextOf
from newrelic.core.trace_cache import trace_cache

from service.errors import ServiceError

_Scope = Any

TRACE_OPTION: Final = "trace"
"""Where a message carries its trace, among its options."""

_FLUSH_SECONDS: Final = 2.5
_EVENT_STREAM: Final = b"text/event-stream"
_OUR_FAULT: Final = 500

_origin: ContextVar[dict[str, str] | None] = ContextVar("origin", default=None)


def note_failure(error: Exception) -> None:
    """Count an error, with nothing in it of whom it befell."""
    if isinstance(error, ServiceError):
        attributes = {"error.code": error.code, "error.status": error.status}
    else:
        attributes = {"error.code": ServiceError.code, "error.status": ServiceError.status}
    agent.notice_error(error, attributes=attributes)


class Agent:
    """New Relic beside the application: each method is called where its event happens."""

    def __init__(self) -> None:
        """Connect beside the start of the process."""
        self.tracer = BatchTracer()
        self.trace_messages = TraceMessages()
        self.name_transactions = NamedTransactions
        agent.register_application()

    async def stop(self) -> None:
        """Send what is left. An API process ends by its signal, where nothing else would."""
        await asyncio.to_thread(agent.shutdown_agent, _FLUSH_SECONDS)

    def note_failure(self, error: Exception) -> None:
        """Count an error that is answered with 500 or more."""
        # The framework's own errors have a status code, a bug of ours has none.
        status = getattr(error, "status", getattr(error, "status_code", _OUR_FAULT))
        if status >= _OUR_FAULT:
            note_failure(error)

    async def note_failed_request(self, error: Exception, _: _Scope) -> None:
        """Count an error that a route raised; a coroutine, so that it runs in the request."""
        self.note_failure(error)


class NamedTransactions:
    """Names each request by the template of its route: a million players are one.

    A request that is refused ahead of the routes has none yet, and an address that is nowhere never
    gets one. An event stream counts until it begins; its end says nothing.
    """

    def __init__(self, inside: Any) -> None:
        self._inside = inside

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        transaction = agent.current_transaction() if scope["type"] == "http" else None
        if transaction is None:
            await self._inside(scope, receive, send)
            return

        async def send_named(message: Any) -> None:
            if message["type"] == "http.response.start":
                template = scope.get("path_template", "(no route)")
                transaction.set_transaction_name(f"{scope['method']} {template}", group="Route")
                await send(message)
                if _begins_event_stream(message):
                    transaction.__exit__(None, None, None)
                return
            # The agent would end it in there with whatever exception is being handled: Litestar
            # sends its answer to a wrong request while it handles one, which is no error of ours.
            if not message.get("more_body", False):
                transaction.__exit__(None, None, None)
            await send(message)

        await self._inside(scope, receive, send_named)


def _begins_event_stream(message: Any) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(_EVENT_STREAM)
        for name, value in message.get("headers", ())
    )


class TraceMessages(Middleware):
    """Gives each message the trace in which it is sent."""

    def before_enqueue(self, broker: Broker, message: "Message[Any]", delay: int | None) -> None:
        """Put the headers into the message, unless it has its own: it is tried again then."""
        if TRACE_OPTION not in message.options:
            headers = _describe_trace() or _origin.get()
            if headers:
                message.options[TRACE_OPTION] = headers


def _describe_trace() -> dict[str, str]:
    headers: list[tuple[str, str]] = []
    agent.insert_distributed_trace_headers(headers)
    return dict(headers)


class BatchTracer:
    """Shows in the traces of requests what they wait for together: a `batching.Tracer`."""

    @contextmanager
    def waiting(self, name: str) -> Iterator[FunctionTrace | None]:
        """Wait in a span of the request's trace."""
        transaction = agent.current_transaction()
        if transaction is None:
            yield None
            return
        # Decided here and not at the end, so that a batch can tell which trace will be kept.
        transaction._make_sampling_decision()  # noqa: SLF001 - the agent has no public call for it
        trace = FunctionTrace(name, group="Wait")
        trace.__enter__()
        try:
            yield trace
        finally:
            # Without the error: a player who is unknown is no failure of ours.
            trace.__exit__(None, None, None)

    @contextmanager
    def running(self, spans: Sequence[FunctionTrace | None]) -> Iterator[None]:
        """Run a batch in the trace of one of those who wait for it."""
        traces = [trace for trace in spans if trace is not None]
        if not traces:
            yield
            return
        chosen = next((trace for trace in traces if trace.transaction.sampled), traces[0])
        with ContextOf(trace=chosen):
            chosen.add_custom_attribute("batch.size", len(spans))
            agent.record_custom_metric(f"Custom/{chosen.name}/BatchSize", len(spans))
            # What the batch starts inherits it: the wake-up is sent after the answers.
            _origin.set(_describe_trace())
            yield

    def leave(self) -> None:
        """End the current task's part in the trace that it was started in."""
        trace_cache().task_stop(asyncio.current_task())
