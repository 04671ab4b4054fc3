"""The broker and its middleware, in order; set before any actor is imported.

Importing this module makes the broker, so that the scheduler and the worker see the same one.
"""

import math
from typing import Final

import dramatiq
from dramatiq.middleware import AsyncIO, CurrentMessage, Retries, ShutdownNotifications, TimeLimit
from periodiq import PeriodiqMiddleware

from service.backends.broker import connect_broker
from service.counters import WorkerCounters
from service.settings.settings import load_settings
from service.tracing.bootstrap import is_monitored
from workers.request_ids import RequestIdsOfMessages
from workers.resources import ResourcesMiddleware

# periodiq compares the scheduler's clock with this machine's, which may differ. The scheduler
# itself sees to it that no more than one message waits.
_LATEST_CRON_SECONDS: Final = math.inf

settings: Final = load_settings()
monitoring: Final[list[dramatiq.Middleware]] = []
if is_monitored(settings):
    from workers.newrelic_tracing import ReportedCounters, TraceActors

    resources = ResourcesMiddleware(settings, ReportedCounters())
    monitoring.append(TraceActors(resources))
else:
    resources = ResourcesMiddleware(settings, WorkerCounters())

broker: Final = connect_broker(
    settings.require_broker_url(),
    middleware=[
        # Signals before an event run down this list, those after it run up: the loop is there
        # before what lives on it, and until after.
        AsyncIO(),
        # Before all that may log something of a message: its thread has the id of the last one.
        RequestIdsOfMessages(),
        resources,
        TimeLimit(),
        ShutdownNotifications(),
        CurrentMessage(),
        PeriodiqMiddleware(skip_delay=_LATEST_CRON_SECONDS),
        Retries(),
        *monitoring,
    ],
)
dramatiq.set_broker(broker)
