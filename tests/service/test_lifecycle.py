"""The end of what lives as long as the process."""

import asyncio

from service.lifecycle import stop_task


async def wait_deaf_to(cancellations: int) -> str:
    """Wait for ever, but take no notice of so many cancellations, as some libraries do."""
    for _ in range(cancellations + 1):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not cancellations:
                raise
            cancellations -= 1
    return "ended"


async def test_stopped_task_has_ended() -> None:
    task = asyncio.create_task(wait_deaf_to(0))
    await stop_task(task)
    assert task.cancelled()


async def test_task_that_swallows_cancellations_is_stopped_too() -> None:
    task = asyncio.create_task(wait_deaf_to(2))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await stop_task(task)
    assert task.done()


async def test_task_that_failed_is_stopped_without_a_word() -> None:
    async def fail() -> None:
        raise OSError("away")

    task = asyncio.create_task(fail())
    await stop_task(task)
    assert task.done()
