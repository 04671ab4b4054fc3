"""periodiq's scheduler, which would end with the broker."""

import logging
import signal
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dramatiq
from periodiq import Scheduler

from service.backends.broker import BROKER_ERRORS

_log = logging.getLogger(__name__)


class PatientScheduler(Scheduler):  # type: ignore[misc]
    """Lets a minute go in which the broker takes no messages."""

    def __init__(self, actors: Sequence["dramatiq.Actor[[], Any]"]) -> None:
        super().__init__(actors)
        # periodiq does so after its first round, until when an alarm would end the process.
        signal.signal(signal.SIGALRM, self.signal_handler)

    def send_actors(self, actors: Sequence["dramatiq.Actor[[], Any]"], now: datetime) -> None:
        """Send the messages of the actors that are due."""
        try:
            super().send_actors(actors, now)
        except BROKER_ERRORS as error:
            _log.warning("the broker is away, the next minute tries again: %s", error)
