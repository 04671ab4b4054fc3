"""Starts a program under New Relic's agent, where a licence key asks for it.

Nothing of the agent is imported here: without a key it is never loaded.
"""

import os
import sys
from importlib import resources
from typing import TYPE_CHECKING, Final

from service.settings.settings import Settings

if TYPE_CHECKING:
    from service.tracing.newrelic_agent import Agent

_CONFIGURATION: Final = "NEW_RELIC_CONFIG_FILE"


def is_monitored(settings: Settings) -> bool:
    """Whether this program is to report to New Relic."""
    return settings.new_relic_license_key is not None


def ensure_agent(settings: Settings, module: str) -> None:
    """Begin again as `newrelic-admin run-program python -m <module>`, unless that is what we are.

    The agent hooks into libraries while they are imported, so it has to be there first. The process
    keeps its id and the descriptors that it was given. Whoever uses `newrelic-admin` by hand, or
    names another configuration, is left alone.
    """
    if not is_monitored(settings) or "newrelic" in sys.modules:
        return
    os.environ.setdefault(_CONFIGURATION, str(resources.files("service.tracing") / "newrelic.ini"))
    python = [sys.executable, "-P", "-m"]
    program = [*python, module, *sys.argv[1:]]
    os.execv(sys.executable, [*python, "newrelic.admin", "run-program", *program])  # noqa: S606


def load_agent(settings: Settings) -> "Agent | None":
    """Return what an API process tells New Relic, connected; None where nobody asks for it."""
    if not is_monitored(settings):
        return None
    from service.tracing.newrelic_agent import Agent  # noqa: PLC0415 - it loads New Relic's own

    return Agent()
