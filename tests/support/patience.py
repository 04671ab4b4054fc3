"""Time limits of the service that say, in a test's process, how busy the machine is."""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from service.lifecycle import stop_task

# What the settings do not tell. A program in a process of its own has the product's limits.
_LIMITS = {
    "service.backends.database": {"_SILENCE_SECONDS": 60.0},
    "service.backends.replica": {"_TIMEOUT_SECONDS": 60.0},
    "service.keys.keyring": {"_PATIENCE_SECONDS": 60.0},
    "service.standings.refresh.refresh": {"_LOCK_WAIT_SECONDS": 60.0},
    "service.status.readiness": {"_PATIENCE_SECONDS": 60.0},
    "service.status.status": {"_PATIENCE_SECONDS": 60.0, "_BROKER_PATIENCE_SECONDS": 60.0},
    "service.status.waits": {"_PATIENCE_SECONDS": 60.0},
}
_USUAL = {
    (module, name): getattr(importlib.import_module(module), name)
    for module, limits in _LIMITS.items()
    for name in limits
}

# A turn of the event loop that took longer was not spent by us.
_LONGEST_TURN_SECONDS = 0.1
_TICK_SECONDS = 0.02


def lift_limits(patch: pytest.MonkeyPatch) -> None:
    """Let the service in this process wait as long as a busy machine takes."""
    for module, limits in _LIMITS.items():
        for name, seconds in limits.items():
            patch.setattr(f"{module}.{name}", seconds)


def keep_limits(patch: pytest.MonkeyPatch) -> None:
    """Give the service in this process its own limits, for a test that is about them."""
    for (module, name), seconds in _USUAL.items():
        patch.setattr(f"{module}.{name}", seconds)


@asynccontextmanager
async def stopwatch() -> AsyncIterator[Callable[[], float]]:
    """Count the seconds in which this process had its turn, which others may keep it from."""
    spent = 0.0

    async def count() -> None:
        nonlocal spent
        before = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            spent += min(now - before, _LONGEST_TURN_SECONDS)
            before = now

    counting = asyncio.create_task(count())
    try:
        yield lambda: spent
    finally:
        await stop_task(counting)
