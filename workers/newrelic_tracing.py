"""A worker under New Relic: its actors and counters; imported only where the agent runs."""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from dramatiq import Actor, Broker, Message
from dramatiq.asyncio import async_to_sync
from dramatiq.errors import Retry
from dramatiq.middleware import CurrentMessage
from newrelic import agent
from newrelic.api.background_task import BackgroundTask

from service.counters import WorkerCounters
from service.errors import ServiceError
from service.tracing.newrelic_agent import TRACE_OPTION, TraceMessages, note_failure
from workers.resources import ResourcesMiddleware

# Each minute, as often as metrics are sent.
_SWEEP: Final = "standings.sweep"


class TraceActors(TraceMessages):
    """Runs each actor in a transaction of its own, in the trace of its message.

    The transaction is entered where the coroutine runs, on the event loop's thread: what Dramatiq
    calls before and after a message runs in another.
    """

    def __init__(self, resources: ResourcesMiddleware) -> None:
        self._resources = resources

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        """Wrap the actors, of which none has run yet, and connect to New Relic."""
        agent.register_application()
        for actor in broker.actors.values():
            _trace_actor(actor, self._measure_backlog if actor.actor_name == _SWEEP else None)

    async def _measure_backlog(self) -> None:
        backlog = await self._resources.read_backlog()
        if backlog is not None:
            pending_sessions, refreshes_behind = backlog
            agent.record_custom_metric("Custom/Backlog/PendingSessions", pending_sessions)
            agent.record_custom_metric("Custom/Backlog/OffsetLag", refreshes_behind)


def _trace_actor(actor: "Actor[..., Any]", finish: Callable[[], Awaitable[None]] | None) -> None:
    # Dramatiq keeps the coroutine function inside the one that waits for it.
    function = actor.fn.__wrapped__  # type: ignore[attr-defined]

    async def traced(message: "Message[Any] | None", *args: Any, **kwargs: Any) -> Any:
        application = agent.application()
        with BackgroundTask(application, actor.actor_name, group="Actor", source=function):
            if message is not None:
                _describe_message(message, actor)
            try:
                result = await function(*args, **kwargs)
                if finish is not None:
                    await finish()
            except Retry as error:
                # It stands for what really happened, which is tried again.
                cause = error.__cause__
                note_failure(cause if isinstance(cause, Exception) else error)
                failure: Exception = error
            except ServiceError as error:
                note_failure(error)
                failure = error
            else:
                return result
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


class ReportedCounters(WorkerCounters):
    """Counts what a worker does, and reports each refresh, re-rank and freshness as it happens."""

    def note_refresh(
        self, seconds: float, *, sessions: int, standings: int, published: bool
    ) -> None:
        """Report a refresh that folded sessions."""
        super().note_refresh(seconds, sessions=sessions, standings=standings, published=published)
        agent.record_custom_metric("Custom/Refresh/Seconds", seconds)
        agent.record_custom_metric("Custom/Refresh/Sessions", sessions)
        agent.record_custom_metric("Custom/Refresh/Standings", standings)

    def note_shown(self, ages: Iterable[tuple[float, int]]) -> None:
        """Report how long scores took from their submit to being visible, each once."""
        ages = list(ages)
        super().note_shown(ages)
        agent.record_custom_metric(
            "Custom/Freshness/Seconds",
            {
                "count": sum(sessions for _, sessions in ages),
                "total": sum(age * sessions for age, sessions in ages),
                "min": min(age for age, _ in ages),
                "max": max(age for age, _ in ages),
                "sum_of_squares": sum(age * age * sessions for age, sessions in ages),
            },
        )

    def note_rerank(self, seconds: float, ranks: int) -> None:
        """Report a re-rank."""
        super().note_rerank(seconds, ranks)
        agent.record_custom_metric("Custom/Rerank/Seconds", seconds)
        agent.record_custom_metric("Custom/Rerank/Ranks", ranks)
