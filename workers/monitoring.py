"""Actors as New Relic's background transactions; imported only where its agent runs."""

import time
from typing import Any

from dramatiq import Actor, Broker, Message
from dramatiq.asyncio import async_to_sync
from dramatiq.errors import Retry
from dramatiq.middleware import CurrentMessage
from newrelic import agent
from newrelic.api.background_task import BackgroundTask

from service.errors import ServiceError
from service.observability.agent import TRACE_OPTION, TraceMessages, note_failure


class TraceActors(TraceMessages):
    """Runs each actor in a transaction of its own, in the trace of its message.

    The transaction is entered where the coroutine runs, on the event loop's thread: what Dramatiq
    calls before and after a message runs in another.
    """

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        """Wrap the actors, of which none has run yet, and connect to New Relic."""
        agent.register_application()
        for actor in broker.actors.values():
            _trace_actor(actor)


def _trace_actor(actor: "Actor[..., Any]") -> None:
    # Dramatiq keeps the coroutine function inside the one that waits for it.
    function = actor.fn.__wrapped__  # type: ignore[attr-defined]

    async def traced(message: "Message[Any] | None", *args: Any, **kwargs: Any) -> Any:
        application = agent.application()
        with BackgroundTask(application, actor.actor_name, group="Actor", source=function):
            if message is not None:
                _describe_message(message, actor)
            try:
                return await function(*args, **kwargs)
            except Retry as error:
                # It stands for what really happened, which is tried again.
                cause = error.__cause__
                note_failure(cause if isinstance(cause, Exception) else error)
                failure: Exception = error
            except ServiceError as error:
                note_failure(error)
                failure = error
        # Outside of the transaction, which would count it once more.
        raise failure

    run = async_to_sync(traced)

    def run_current(*args: Any, **kwargs: Any) -> Any:
        return run(CurrentMessage.get_current_message(), *args, **kwargs)

    actor.fn = run_current


def _describe_message(message: "Message[Any]", actor: "Actor[..., Any]") -> None:
    headers = message.options.get(TRACE_OPTION)
    if headers:
        agent.accept_distributed_trace_headers(headers, transport_type="Queue")
    # A message that is tried again is not late by what it waited on purpose.
    due_ms = message.options.get("eta", message.message_timestamp)
    seconds = max(0.0, time.time() - due_ms / 1000)
    agent.add_custom_attributes(
        [
            ("actor.queue", actor.queue_name),
            ("actor.queue_seconds", seconds),
            ("actor.retries", message.options.get("retries", 0)),
        ]
    )
    agent.record_custom_metric(f"Custom/Actor/{actor.actor_name}/QueueSeconds", seconds)
