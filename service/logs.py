"""Logging, the same in every program: one line for each event, to stderr, as text or JSON."""

import logging
import time
from typing import Final

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from service.request_ids import request_id
from service.settings.settings import Settings

_WARNING_INTERVAL_SECONDS: Final = 60.0

_TEXT: Final = logging.Formatter(
    "%(asctime)s %(levelname)s %(name)s: %(message)s%(for_request)s",
    # Set by the filter below alone.
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
    # Otherwise it logs every actor that a middleware declares.
    logging.getLogger("dramatiq.broker").setLevel(logging.WARNING)
    # Otherwise it logs each step of a connection, and tracebacks of errors that it raises as well.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


class _LocalLogger(logging.Logger):
    """Hands records to the handlers of this program, and to nobody who hooks into `logging`."""

    def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        # New Relic's agent forwards what passes through the base class's.
        for handler in logging.getLogger().handlers:
            if record.levelno >= handler.level:
                handler.handle(record)


def get_local_logger(name: str) -> logging.Logger:
    """Return a logger for lines that may name players: they never leave this program's own log."""
    usual = logging.getLoggerClass()
    logging.setLoggerClass(_LocalLogger)
    try:
        return logging.getLogger(name)
    finally:
        logging.setLoggerClass(usual)


def _name_request(record: logging.LogRecord) -> bool:
    """Add the id of the request, if there is one, to a record."""
    found = request_id.get()
    if found is not None:
        record.request_id = found
        record.for_request = f" [{found}]"
    return True


class _ConsumerFilter(logging.Filter):
    """Limits the warnings of Dramatiq's consumers, which retry twice a second, to one a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._warned_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record."""
        if not record.name.startswith("dramatiq.worker.ConsumerThread"):
            return True
        text = str(record.msg)
        if text.startswith("Restarting consumer"):
            return False
        if not text.startswith("Consumer encountered a connection error"):
            return True
        before = self._warned_at.get(record.name)
        now = time.monotonic()
        if before is not None and now < before + _WARNING_INTERVAL_SECONDS:
            return False
        self._warned_at[record.name] = now
        return True
