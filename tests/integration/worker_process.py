"""A real worker as a child of a test, without a scheduler."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.settings import Settings
from tests.integration.up_process import STOP_SECONDS, clean_environment


@contextmanager
def run_worker(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker that serves the queues until the end of the block, or until it is stopped."""
    ready, write_end = os.pipe()
    environment = clean_environment() | {
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "workers", "--ready-fd", str(write_end)],
        env=environment,
        pass_fds=[write_end],
    )
    os.close(write_end)
    try:
        assert os.read(ready, 1) == b"\n"
        yield worker
    finally:
        os.close(ready)
        worker.terminate()
        assert worker.wait(STOP_SECONDS) == 0


QUIET_SECONDS = 2.0


def watch_for_quiet(log: Path) -> Callable[[], bool]:
    """Return a condition: a worker, which logs at level `debug`, has had nothing to do for a while.

    Worker and API have a look at the outbox each when they start, and readers ask for more until
    there is an index. What is submitted after them wakes the worker by itself.
    """
    seen, since = 0, time.monotonic()

    def is_quiet() -> bool:
        nonlocal seen, since
        looks = log.read_text().count("folded 0 sessions")
        if looks != seen:
            seen, since = looks, time.monotonic()
        return looks >= 2 and time.monotonic() - since >= QUIET_SECONDS

    return is_quiet
