"""How background work ends with the process."""

import asyncio
from typing import Any, Final

_RETRY_SECONDS: Final = 0.2


class Closing(asyncio.Event):
    """Set when the process is about to stop, so that event streams can end by themselves."""


async def stop_task(task: "asyncio.Task[Any] | None") -> None:
    """Cancel a task, if there is one, until it has ended, and ignore its result or error.

    Once is not enough: redis-py sends by way of `asyncio.wait_for`, which up to Python 3.11
    swallows a cancellation that comes while it returns.
    """
    if task is None:
        return
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_RETRY_SECONDS)
    await asyncio.gather(task, return_exceptions=True)
