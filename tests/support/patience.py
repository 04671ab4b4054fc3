"""Time limits of the service that say, in a test's process, how busy the machine is."""

import pkgutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.waiting import PATIENCE_SECONDS

# What the settings do not tell. A program in a process of its own has the product's limits.
_LIMITS = (
    "service.backends.database._SILENCE_SECONDS",
    "service.backends.replica._TIMEOUT_SECONDS",
    "service.keys.keyring._PATIENCE_SECONDS",
    "service.seasons.closing._LOCK_WAIT_SECONDS",
    "service.standings.refresh.refresh._LOCK_WAIT_SECONDS",
    "service.status.readiness._PATIENCE_SECONDS",
    "service.status.status._BROKER_PATIENCE_SECONDS",
    "service.status.status._PATIENCE_SECONDS",
    "service.status.waits._PATIENCE_SECONDS",
)
_USUAL = {name: pkgutil.resolve_name(name) for name in _LIMITS}

_TICK_SECONDS = 0.02
# Between two ticks this process was kept waiting for the rest.
_LONGEST_TICK_SECONDS = 0.1


def lift_limits(patch: pytest.MonkeyPatch) -> None:
    """Let the service in this process wait as long as a busy machine takes."""
    for name in _LIMITS:
        patch.setattr(name, PATIENCE_SECONDS)


def keep_limits(patch: pytest.MonkeyPatch) -> None:
    """Give the service in this process its own limits, for a test that is about them."""
    for name, seconds in _USUAL.items():
        patch.setattr(name, seconds)


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Count the seconds in which the machine let this process run, whatever its event loop does."""
    spent, ended = 0.0, threading.Event()

    def count() -> None:
        nonlocal spent
        before = time.monotonic()
        while not ended.wait(_TICK_SECONDS):
            now = time.monotonic()
            spent += min(now - before, _LONGEST_TICK_SECONDS)
            before = now

    counting = threading.Thread(target=count)
    counting.start()
    try:
        yield lambda: spent
    finally:
        ended.set()
        counting.join()
