"""Waiting for a condition, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

Value = TypeVar("Value")

# Between two questions: so long that asking takes a fifth of the processor at most.
_POLL_SECONDS = 0.01
_LONGEST_POLL_SECONDS = 0.1
_SHARE = 4

# What should happen does so in moments; how long it may take says how busy the machine is.
PATIENCE_SECONDS = 60.0


@overload
async def wait_until(
    find: Callable[[], Coroutine[Any, Any, Value]], *, seconds: float = PATIENCE_SECONDS
) -> Value: ...


@overload
async def wait_until(find: Callable[[], Value], *, seconds: float = PATIENCE_SECONDS) -> Value: ...


async def wait_until(find: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask again and again until the answer is true; return it.

    An assertion that fails inside counts as no, and is raised if that was the last answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked_at = time.monotonic()
        last = asked_at > deadline
        try:
            found = find()
            value = await found if inspect.isawaitable(found) else found
        except AssertionError:
            if last:
                raise
        else:
            if value:
                return value
            assert not last, f"not within {seconds} s"
        took = time.monotonic() - asked_at
        await asyncio.sleep(min(max(_POLL_SECONDS, _SHARE * took), _LONGEST_POLL_SECONDS))
