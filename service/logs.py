"""How every program logs: one line an event, to stderr, for people or for machines."""

import logging
from typing import Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from service.request_ids import request_id
from service.settings.settings import Settings

_COMPLAINTS_APART_SECONDS: Final = 60.0

_TEXT: Final = logging.Formatter(
    "%(asctime)s %(levelname)s %(name)s: %(message)s%(for_request)s",
    # Nobody but the filter below sets it.
    defaults={"for_request": ""},
)
_JSON: Final = JsonFormatter(
    "%(levelname)s %(name)s %(message)s",
    rename_fields={"levelname": "level", "name": "logger"},
    reserved_attrs=[*RESERVED_ATTRS, "for_request"],
    timestamp="at",
)


def configure_logging(settings: Settings) -> None:
    """Log to stderr at the level and in the format that the settings name."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JSON if settings.log_format == "json" else _TEXT)
    handler.addFilter(_ConsumerFilter())
    handler.addFilter(_name_request)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    # It logs every actor that a middleware declares.
    logging.getLogger("dramatiq.broker").setLevel(logging.WARNING)
    # It logs each step of a connection, and of one that fails a stack; who called it is told too.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def _name_request(record: logging.LogRecord) -> bool:
    """Add the id of the request, if there is one, to a record."""
    found = request_id.get()
    if found is not None:
        record.request_id = found
        record.for_request = f" [{found}]"
    return True


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
