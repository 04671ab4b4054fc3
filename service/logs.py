"""How every program logs: one line an event, to stderr."""

import logging

from service.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Log to stderr at the level that the settings name."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # It logs every actor that a middleware declares.
    logging.getLogger("dramatiq.broker").setLevel(logging.WARNING)
