"""Waiting for a condition, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")

_POLL_SECONDS = 0.01


async def wait_until(
    find: Callable[[], Value | Awaitable[Value]], *, seconds: float = 15.0
) -> Value:
    """Ask again and again until the answer is true; return it.

    An assertion that fails inside counts as no, and is raised if that was the last answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        last = time.monotonic() > deadline
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
        await asyncio.sleep(_POLL_SECONDS)
