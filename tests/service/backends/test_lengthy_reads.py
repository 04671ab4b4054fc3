"""Reads that may take long: one at a time, and nothing else waits for them."""

import asyncio

import pytest

from service.backends.database import Database
from service.backends.replica import LaggingReads
from service.batching import QueueFull
from service.settings.settings import Settings


async def test_lengthy_reads_leave_look_ups_their_places(
    database: Database, settings: Settings
) -> None:
    reads = LaggingReads(database, settings)
    running: list[int] = []
    has_begun = asyncio.Event()
    is_let_go = asyncio.Event()

    async def stay(number: int) -> int:
        async def ask(asked: Database) -> int:
            running.append(number)
            has_begun.set()
            await is_let_go.wait()
            rows = await asked.fetch("SELECT $1::int AS number", number)
            return int(rows[0]["number"])

        answer = await reads.read_at_length(ask)
        assert answer is not None
        return answer

    searches = [asyncio.create_task(stay(number)) for number in range(51)]
    await has_begun.wait()
    with pytest.raises(QueueFull):
        await stay(51)
    # As many look-ups at once as there are places for, but one.
    together = database.pool_size - 2
    answers = await asyncio.gather(
        *(reads.read(lambda asked: asked.fetch_one("SELECT 1 AS one")) for _ in range(together))
    )
    assert [answer["one"] for answer in answers if answer] == [1] * together
    assert running == [0]
    is_let_go.set()
    assert await asyncio.gather(*searches) == list(range(51))
