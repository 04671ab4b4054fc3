"""A real worker as a child of a test, without a scheduler."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dramatiq

from service.backends.broker import (
    PERIODIC_QUEUE,
    STANDINGS_QUEUE,
    connect_broker,
    disconnect_broker,
)
from service.backends.refresh_signal import REFRESH_ACTOR
from service.request_ids import MESSAGE_OPTION
from service.settings.settings import Settings
from tests.support.nursery import Forked, find_nursery
from tests.support.up_process import STOP_SECONDS, clean_environment
from tests.support.waiting import wait_until

MOST_SUBMITS = 10


@contextmanager
def run_worker(settings: Settings, *options: str) -> Iterator[Forked]:
    """Run a worker that serves the queues until the end of the block, or until it is stopped."""
    ready, write_end = os.pipe()
    environment = clean_environment() | {
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
        "BROKER_URL": settings.require_broker_url(),
        "LEADERBOARD_DATABASE_TIMEOUT_SECONDS": str(settings.database_timeout_seconds),
    }
    worker = find_nursery().fork(
        "workers",
        ["--ready-fd", "{0}", *options],
        environment,
        output=1,
        errors=2,
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


def send_sweep(settings: Settings) -> None:
    """Send what the scheduler sends each minute."""
    broker = connect_broker(settings.require_broker_url())
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=PERIODIC_QUEUE,
        actor_name="standings.sweep",
        args=(),
        kwargs={},
        options={"scheduled_at": datetime.now(UTC).isoformat()},
    )
    broker.enqueue(message)
    disconnect_broker(broker)


async def submit_until_woken(
    submit: Callable[[str], Awaitable[None]], settings: Settings, log: Path
) -> list[str]:
    """Submit, by a request with the id that is given, until the refresh that it woke folded it.

    Returns all ids; the last one is that of the refresh. A refresh that was asked for when the
    programs started can come late and fold a session before that. The log is that of a worker at
    level `debug`.
    """
    request_ids: list[str] = []

    def find_folds() -> list[str]:
        lines = [line for line in log.read_text().splitlines() if "folded 1 sessions" in line]
        return lines if len(lines) == len(request_ids) else []

    while len(request_ids) < MOST_SUBMITS:
        await _await_turn(f"turn-{len(request_ids)}", settings, log)
        request_ids.append(f"match-{len(request_ids)}")
        await submit(request_ids[-1])
        folds = await wait_until(find_folds)
        if request_ids[-1] in folds[-1]:
            return request_ids
    raise AssertionError(f"none of {len(request_ids)} submits woke the refresh that folded it")


async def _await_turn(turn: str, settings: Settings, log: Path) -> None:
    """Wait until the worker has done what it was sent before."""
    broker = connect_broker(settings.require_broker_url())
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=STANDINGS_QUEUE,
        actor_name=REFRESH_ACTOR,
        args=(),
        kwargs={},
        options={MESSAGE_OPTION: turn},
    )
    await asyncio.to_thread(broker.enqueue, message)
    disconnect_broker(broker)

    def is_idle() -> bool:
        lines = log.read_text()
        return turn in lines and lines.count("Received args=") == lines.count("Completed after")

    await wait_until(is_idle)
