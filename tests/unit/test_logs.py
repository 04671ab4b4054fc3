"""Log lines of what others log for us."""

import subprocess
import sys

# A process of its own, because the test runner has the log of this one.
CONSUMERS = """
import logging
import redis
from service.logs import configure_logging
from service.settings import load_settings

configure_logging(load_settings())
for queue in ("standings", "standings.DQ"):
    log = logging.getLogger(f"dramatiq.worker.ConsumerThread({queue})")
    for error in (redis.TimeoutError("silent"), redis.TimeoutError("silent"), OSError("gone")):
        try:
            raise error
        except Exception:
            log.critical("Consumer encountered an unexpected error.", exc_info=True)
        log.critical("Consumer encountered a connection error: %s", error)
try:
    raise ValueError("a bug")
except ValueError:
    log.critical("Consumer encountered an unexpected error.", exc_info=True)
"""


def test_a_consumer_whose_redis_hangs_complains_once_and_in_one_line() -> None:
    command = [sys.executable, "-c", CONSUMERS]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert log.count("Consumer encountered a connection error: silent") == 2
    # What is no outage keeps its traceback.
    assert log.count("Traceback") == log.count("ValueError: a bug") == 1
    assert log.count("Consumer encountered") == 3
