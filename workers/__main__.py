"""The Dramatiq worker: `python -m workers`."""

import asyncio
import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import uvloop

from service.command_line import run_command
from service.logs import configure_logging
from service.settings.settings import load_settings
from service.tracing.bootstrap import ensure_agent

if TYPE_CHECKING:
    import dramatiq

# How long a worker waits before it looks for a broker that went away; Dramatiq reads it when it is
# imported, and would wait three seconds.
_RESTART_DELAY_MS = "500"

_GRACE_MS = 30_000

_BROKER_PAUSE_SECONDS = 0.5

_log = logging.getLogger(__name__)


@click.command()
@click.option("--ready-fd", type=int, help="Write a byte to this descriptor once it works.")
@click.option(
    "--progress",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Note in this file what runs, which `leaderboard health worker` reads.",
)
def work(ready_fd: int | None, progress: Path | None) -> None:
    """Run actors until SIGTERM or SIGINT, then finish those that are running."""
    settings = load_settings()
    ensure_agent(settings, "workers")
    configure_logging(settings)
    os.environ.setdefault("dramatiq_restart_delay", _RESTART_DELAY_MS)
    import dramatiq  # noqa: PLC0415 - after its setting

    from workers.actors import standings  # noqa: PLC0415 - makes the broker
    from workers.broker import broker  # noqa: PLC0415
    from workers.progress import NoteProgress  # noqa: PLC0415

    if progress is not None:
        broker.add_middleware(NoteProgress(progress))
    # Dramatiq makes its actors' loop as the policy says.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    worker = dramatiq.Worker(
        broker, worker_timeout=settings.worker_poll_ms, worker_threads=settings.worker_threads
    )
    worker.start()
    # Whatever the last worker left undone, and an index that Redis lost meanwhile.
    _send_when_possible(standings.refresh, stop)
    if ready_fd is not None:
        os.write(ready_fd, b"\n")
        os.close(ready_fd)
    stop.wait()
    worker.stop(timeout=_GRACE_MS)


def _send_when_possible(actor: "dramatiq.Actor[[], Any]", stop: threading.Event) -> None:
    """Send an actor's message as soon as the broker takes it, or not before `stop`."""
    from service.backends.broker import BROKER_ERRORS  # noqa: PLC0415 - loads Dramatiq, after its setting

    waiting = False
    while not stop.is_set():
        try:
            actor.send()
        except BROKER_ERRORS as error:
            if not waiting:
                _log.warning("waiting for the broker: %s", error)
            waiting = True
            stop.wait(_BROKER_PAUSE_SECONDS)
        else:
            if waiting:
                _log.info("the broker is there")
            return


if __name__ == "__main__":
    run_command(work, name="python -m workers")
