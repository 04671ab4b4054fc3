"""The batcher: what waits together is served together, in order, and nobody suffers for another."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from service.batching import Batcher, Interrupted, QueueFull
from service.errors import ServiceError
from service.request_ids import request_id


class Refused(ServiceError):
    """An item that its batch refuses."""


class Runs:
    """Answers each item with itself times ten, once its batch is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.gate = asyncio.Event()

    async def __call__(self, items: list[int]) -> Sequence[int | ServiceError]:
        self.batches.append(items)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await self.gate.wait()
        self.in_flight -= 1
        return [Refused(f"not {item}") if item < 0 else item * 10 for item in items]


@pytest.fixture
def runs() -> Runs:
    return Runs()


def make_batcher(
    runs: Runs, *, batch_limit: int = 100, queue_limit: int = 100, gather_seconds: float = 0.0
) -> Batcher[int, int]:
    return Batcher(
        runs, batch_limit=batch_limit, queue_limit=queue_limit, gather_seconds=gather_seconds
    )


async def put_all(batcher: Batcher[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    """Put items one after the other; each waits in the queue or is in flight when this returns."""
    tasks = [asyncio.create_task(batcher.put(item)) for item in items]
    await let_others_run()
    return tasks


async def let_others_run() -> None:
    """Let every task go on as far as it can without anything from outside."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_lone_item_does_not_wait_for_company(runs: Runs) -> None:
    runs.gate.set()
    assert await make_batcher(runs).put(4) == 40
    assert runs.batches == [[4]]


async def test_caller_that_puts_again_at_once_is_served(runs: Runs) -> None:
    runs.gate.set()
    batcher = make_batcher(runs)
    async with asyncio.timeout(30):
        assert [await batcher.put(item) for item in range(5)] == [0, 10, 20, 30, 40]


async def put_twice(batcher: Batcher[int, int], item: int) -> None:
    """Put an item and, some time after its answer, the next one."""
    await batcher.put(item)
    await let_others_run()
    await batcher.put(item + 10)


async def test_next_batch_waits_for_those_who_were_just_answered(runs: Runs) -> None:
    batcher = make_batcher(runs, gather_seconds=60)
    tasks = [asyncio.create_task(put_twice(batcher, item)) for item in range(4)]
    await let_others_run()
    others = await put_all(batcher, [5, 6])
    assert runs.batches == [[0, 1, 2, 3]]
    runs.gate.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks, *others)
    assert runs.batches == [[0, 1, 2, 3], [5, 6, 10, 11, 12, 13]]


async def test_next_batch_waits_no_longer_than_for_a_full_one(runs: Runs) -> None:
    batcher = make_batcher(runs, gather_seconds=60, batch_limit=4)
    tasks = await put_all(batcher, range(8))
    runs.gate.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert runs.batches == [[0, 1, 2, 3], [4, 5, 6, 7]]


async def test_nobody_waits_long_for_those_who_do_not_come_again(runs: Runs) -> None:
    runs.gate.set()
    batcher = make_batcher(runs, gather_seconds=0.05)
    await asyncio.gather(*await put_all(batcher, range(4)))
    async with asyncio.timeout(30):
        assert await batcher.put(7) == 70
        assert await batcher.put(8) == 80
    assert runs.batches == [[0, 1, 2, 3], [7], [8]]


async def test_those_who_gather_are_told_when_nobody_will_serve_them(runs: Runs) -> None:
    runs.gate.set()
    batcher = make_batcher(runs, gather_seconds=60)
    await asyncio.gather(*await put_all(batcher, range(4)))
    (waiting,) = await put_all(batcher, [7])
    assert runs.batches == [[0, 1, 2, 3]]
    assert batcher._sender is not None
    batcher._sender.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(Interrupted):
            await waiting


async def test_nobody_waits_for_the_company_of_a_few(runs: Runs) -> None:
    runs.gate.set()
    batcher = make_batcher(runs, gather_seconds=60)
    async with asyncio.timeout(30):
        for _ in range(3):
            await asyncio.gather(*await put_all(batcher, [1, 2]))


async def test_items_that_arrive_during_a_batch_become_the_next_one(runs: Runs) -> None:
    batcher = make_batcher(runs)
    first = await put_all(batcher, [1])
    later = await put_all(batcher, [2, 3, 4])
    assert runs.batches == [[1]]
    assert batcher.waiting == 3
    runs.gate.set()
    assert await asyncio.gather(*first, *later) == [10, 20, 30, 40]
    assert runs.batches == [[1], [2, 3, 4]]


async def test_batches_are_bounded_and_keep_the_order_of_arrival(runs: Runs) -> None:
    batcher = make_batcher(runs, batch_limit=3)
    tasks = await put_all(batcher, range(8))
    runs.gate.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert [item for batch in runs.batches for item in batch] == list(range(8))
    assert max(map(len, runs.batches)) == 3


async def test_item_past_the_queue_limit_is_refused_and_no_other(runs: Runs) -> None:
    batcher = make_batcher(runs, queue_limit=2)
    in_flight = await put_all(batcher, [1])
    waiting = await put_all(batcher, [2, 3])
    with pytest.raises(QueueFull, match="2 requests are waiting") as refusal:
        await batcher.put(4)
    assert (refusal.value.status, refusal.value.retry_after_seconds) == (503, 1)
    runs.gate.set()
    assert await asyncio.gather(*in_flight, *waiting) == [10, 20, 30]
    assert await batcher.put(5) == 50


async def test_one_batch_is_in_flight_at_a_time(runs: Runs) -> None:
    batcher = make_batcher(runs, batch_limit=1)
    tasks = await put_all(batcher, range(6))
    assert runs.in_flight == 1
    runs.gate.set()
    assert await asyncio.gather(*tasks) == [item * 10 for item in range(6)]
    assert runs.most_in_flight == 1


async def test_refused_item_fails_alone(runs: Runs) -> None:
    runs.gate.set()
    batcher = make_batcher(runs)
    answers = await asyncio.gather(*map(batcher.put, [1, -2, 3]), return_exceptions=True)
    assert runs.batches == [[1, -2, 3]]
    assert answers[0] == 10
    assert isinstance(answers[1], Refused)
    assert answers[2] == 30


async def test_error_of_a_batch_reaches_all_its_callers_and_not_the_next_batch() -> None:
    batches: list[list[int]] = []

    async def run(items: list[int]) -> Sequence[int | ServiceError]:
        batches.append(items)
        if len(batches) == 1:
            raise OSError("the disk is gone")
        return items

    batcher = Batcher(run, batch_limit=2, queue_limit=100)
    answers = await asyncio.gather(*map(batcher.put, [1, 2, 3]), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["the disk is gone", "the disk is gone", "3"]
    assert await batcher.put(4) == 4


async def test_outage_reaches_those_who_wait_too_and_not_those_who_come_later() -> None:
    gate = asyncio.Event()
    batches: list[list[int]] = []

    async def run(items: list[int]) -> Sequence[int | ServiceError]:
        batches.append(items)
        if len(batches) == 1:
            await gate.wait()
            raise Refused("the server is away")
        return items

    batcher = Batcher(run, batch_limit=2, queue_limit=100)
    tasks = await put_all(batcher, range(7))
    gate.set()
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert {str(answer) for answer in answers} == {"the server is away"}
        assert await batcher.put(9) == 9
    assert batches == [[0, 1], [9]]


async def test_wrong_number_of_answers_is_an_error_for_everybody_in_the_batch() -> None:
    async def run(items: list[int]) -> Sequence[int | ServiceError]:
        return items[1:]

    batcher = Batcher(run, batch_limit=2, queue_limit=100)
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*map(batcher.put, range(4)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["1 answers to 2 items"] * 4


async def test_batch_that_is_cancelled_leaves_nobody_waiting() -> None:
    async def run(_: list[int]) -> Sequence[int | ServiceError]:
        raise asyncio.CancelledError

    batcher = Batcher(run, batch_limit=2, queue_limit=100)
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*map(batcher.put, range(5)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Interrupted}


async def test_caller_that_goes_away_takes_nobody_along(runs: Runs) -> None:
    batcher = make_batcher(runs, batch_limit=2)
    (first,) = await put_all(batcher, [1])
    second, third = await put_all(batcher, [2, 3])
    for gone in (first, second):
        gone.cancel()
    runs.gate.set()
    assert await third == 30
    assert await batcher.put(4) == 40
    assert first.cancelled()
    assert second.cancelled()


async def test_drain_returns_when_everything_put_is_answered(runs: Runs) -> None:
    batcher = make_batcher(runs, batch_limit=1)
    tasks = await put_all(batcher, range(5))
    draining = asyncio.create_task(batcher.drain())
    await let_others_run()
    assert not draining.done()
    runs.gate.set()
    await draining
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40]
    assert batcher.waiting == 0


async def test_drain_of_an_idle_batcher_returns_at_once(runs: Runs) -> None:
    async with asyncio.timeout(30):
        await make_batcher(runs).drain()


async def test_batch_runs_under_the_id_of_the_request_that_waited_longest() -> None:
    ids: list[str | None] = []
    gate = asyncio.Event()

    async def run(items: list[int]) -> Sequence[int]:
        ids.append(request_id.get())
        await gate.wait()
        return items

    batcher: Batcher[int, int] = Batcher(run, batch_limit=2, queue_limit=100)

    async def put(name: str) -> int:
        request_id.set(name)
        return await batcher.put(0)

    first = asyncio.create_task(put("first"))
    await let_others_run()
    others = [asyncio.create_task(put(name)) for name in ("second", "third", "fourth")]
    await let_others_run()
    gate.set()
    await asyncio.gather(first, *others)
    assert ids == ["first", "second", "fourth"]


async def test_the_wait_of_one_item_of_each_batch_is_timed(runs: Runs) -> None:
    batcher = make_batcher(runs)
    idle = batcher.under_way_seconds
    began_at = time.perf_counter()
    tasks = await put_all(batcher, [0])
    at_once = batcher.waited_seconds
    tasks += await put_all(batcher, [1, 2])
    put_at = time.perf_counter()
    await let_others_run()
    released_at = time.perf_counter()
    under_way = batcher.under_way_seconds
    runs.gate.set()
    await asyncio.gather(*tasks)
    # It waited for as long as the first batch was in flight.
    assert released_at - put_at <= batcher.waited_seconds <= time.perf_counter() - began_at
    assert at_once <= put_at - began_at
    assert under_way is not None
    assert under_way >= released_at - put_at
    assert (idle, batcher.under_way_seconds) == (None, None)
