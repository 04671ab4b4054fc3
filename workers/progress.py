"""Middleware that notes for `leaderboard health worker` what this process is about."""

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any, Final

from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import TimeLimit

from service.lifecycle import stop_task
from service.progress import NOTE_SECONDS, ActorRun, WorkerProgress, note_progress

_DEFAULT_LIMIT_MS: Final = TimeLimit().time_limit

_log = logging.getLogger(__name__)


class NoteProgress(Middleware):
    """Notes every two seconds which actors run, and since when.

    It does so on the event loop that the actors run on: where that stands still, so do the notes.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._running: dict[int, ActorRun] = {}
        self._ended_at: float | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Begin to note."""
        thread = get_event_loop_thread()
        assert thread is not None, "the AsyncIO middleware comes before this one"
        self._noting = thread.run_coroutine(self._start(worker))

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Note no more."""
        thread = get_event_loop_thread()
        assert thread is not None, "the AsyncIO middleware ends after this one"
        thread.run_coroutine(stop_task(self._noting))

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Note that an actor begins."""
        options = {**broker.get_actor(message.actor_name).options, **message.options}
        limit_ms = options.get("time_limit") or _DEFAULT_LIMIT_MS
        run = ActorRun(message.actor_name, time.monotonic(), limit_ms / 1000)
        self._running[threading.get_ident()] = run

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Note that it has come to an end, whichever."""
        self.after_skip_message(broker, message)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Note that it did not begin after all."""
        self._running.pop(threading.get_ident(), None)
        self._ended_at = time.monotonic()

    async def _start(self, worker: Worker) -> "asyncio.Task[None]":
        return asyncio.create_task(self._note(worker))

    async def _note(self, worker: Worker) -> None:
        while True:
            lost = [one for one in worker.workers if one.running and not one.is_alive()]
            progress = WorkerProgress(
                time.monotonic(), [*self._running.copy().values()], len(lost), self._ended_at
            )
            try:
                note_progress(self._file, progress)
            except OSError as error:
                # Whoever asks hears of a worker that stands still; it works all the same.
                _log.warning("progress cannot be noted for the health check: %s", error)
            await asyncio.sleep(NOTE_SECONDS)
