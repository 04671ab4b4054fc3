"""How every program logs: one line an event, to stderr."""

import logging
from typing import Final

from service.settings import Settings

_COMPLAINTS_APART_SECONDS: Final = 60.0


def configure_logging(settings: Settings) -> None:
    """Log to stderr at the level that the settings name."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ConsumerFilter())
    # It logs every actor that a middleware declares.
    logging.getLogger("dramatiq.broker").setLevel(logging.WARNING)


class _ConsumerFilter(logging.Filter):
    """Lets a consumer of Dramatiq, which tries again twice a second, complain once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._complained_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be logged."""
        if not record.name.startswith("dramatiq.worker.ConsumerThread"):
            return True
        text = str(record.msg)
        if text.startswith("Restarting consumer"):
            return False
        if not text.startswith("Consumer encountered a connection error"):
            return True
        before = self._complained_at.get(record.name)
        if before is not None and record.created < before + _COMPLAINTS_APART_SECONDS:
            return False
        self._complained_at[record.name] = record.created
        return True
