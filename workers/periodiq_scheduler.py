"""periodiq's scheduler, which would end with the broker and pile up messages without a worker."""

import logging
import signal
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dramatiq
from periodiq import Scheduler

from service.backends.broker import BROKER_ERRORS, count_messages
from service.progress import note_round

_log = logging.getLogger(__name__)


class PatientScheduler(Scheduler):  # type: ignore[misc]
    """Lets a minute go in which the broker takes no messages, or still has that of another one."""

    def __init__(
        self, actors: Sequence["dramatiq.Actor[[], Any]"], rounds: Path | None = None
    ) -> None:
        super().__init__(actors)
        self._rounds = rounds
        # periodiq does so after its first round, until when an alarm would end the process.
        signal.signal(signal.SIGALRM, self.signal_handler)

    def send_actors(self, actors: Sequence["dramatiq.Actor[[], Any]"], now: datetime) -> None:
        """Send the messages of the actors that are due, unless nobody took the last ones.

        Then note the round, for whoever asks whether this scheduler works.
        """
        try:
            idle = [actor for actor in actors if not _is_waiting(actor)]
            super().send_actors(idle, now)
        except BROKER_ERRORS as error:
            _log.warning("the broker is away, the next minute tries again: %s", error)
            return
        if self._rounds is not None:
            try:
                note_round(self._rounds)
            except OSError as error:
                # Whoever asks hears of no round; what is due is sent all the same.
                _log.warning("a round cannot be noted for the health check: %s", error)


def _is_waiting(actor: "dramatiq.Actor[[], Any]") -> bool:
    return count_messages(actor.broker, actor.queue_name).ready > 0
