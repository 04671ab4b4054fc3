"""How busy this process and its machine are."""

import asyncio
import os
from collections import deque
from typing import Final

import psutil

from service.lifecycle import stop_task

_TICK_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 2.0
_KEPT_TICKS: Final = 100


class LoadWatch:
    """Measures, for as long as it is started, how late the event loop comes to what is due.

    `loop_lag_ms` is the longest of the last ten seconds. `processor_percent` is of all processors
    together, over the last two seconds; `load` the load average of the last minute.
    """

    def __init__(self) -> None:
        self._watcher: asyncio.Task[None] | None = None
        self._lags_ms: deque[float] = deque(maxlen=_KEPT_TICKS)
        self.processors = psutil.cpu_count() or 1
        self.processor_percent = 0.0
        self.load = 0.0

    @property
    def loop_lag_ms(self) -> float:
        """The longest that something was due and waited for other work of the process."""
        return round(max(self._lags_ms, default=0.0), 1)

    def start(self) -> None:
        """Begin to measure."""
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Measure no more."""
        await stop_task(self._watcher)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        # The first call only begins what the next one measures.
        psutil.cpu_percent()
        looked_at = loop.time()
        while True:
            due_at = loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            self._lags_ms.append(1000 * max(0.0, loop.time() - due_at))
            if loop.time() - looked_at >= _LOOK_SECONDS:
                looked_at = loop.time()
                self.processor_percent = psutil.cpu_percent()
                self.load = round(os.getloadavg()[0], 2)
