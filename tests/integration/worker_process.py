"""A real worker as a child of a test, without a scheduler."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
