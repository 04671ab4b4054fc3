"""Group commit, for writes and for reads: requests that wait at the same time share a batch."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from service.errors import ServiceError
from service.request_ids import request_id

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# As many callers with a batch in common are a load, and not chance.
_COMPANY: Final = 3

# What was put, who waits for it, the id of the request, and the span in which it waits.
_Waiting: TypeAlias = tuple[Item, "asyncio.Future[Answer]", str | None, Any]


class Tracer(Protocol):
    """Shows in the traces of requests what they wait for together."""

    def waiting(self, name: str) -> AbstractContextManager[Any]:
        """Return a block that is the span of a request that waits for a batch of this name."""

    def running(self, spans: Sequence[Any]) -> AbstractContextManager[None]:
        """Return a block in which a batch runs, given the spans of those who wait for it."""

    def leave(self) -> None:
        """End the current task's part in the trace that it was started in."""


class QueueFull(ServiceError):
    """As many requests are waiting as the process may hold."""

    status = 503
    code = "overloaded"
    retry_after_seconds = 1

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests are waiting already; send this one again in a second.")


class Places:
    """Lets `at_once` in at the same time and `waiting` more wait; the next one gets `QueueFull`."""

    def __init__(self, at_once: int, *, waiting: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._waiting_limit = waiting
        self._limit = at_once + waiting
        self._held = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a place inside the block."""
        if self._held >= self._limit:
            raise QueueFull(self._waiting_limit)
        self._held += 1
        try:
            async with self._places:
                yield
        finally:
            self._held -= 1


class Interrupted(ServiceError):
    """The batch was abandoned because the process is ending."""

    status = 503
    code = "interrupted"
    retry_after_seconds = 1
    message = "This process is stopping; send the same request again."


class Batcher(Generic[Item, Answer]):
    """Collects items while a batch is in flight, then sends them as the next batch.

    A lone item does not wait for others to fill its batch. At most `queue_limit` items wait; the
    next one raises `QueueFull`. One batch at a time is in flight, with at most `batch_limit` items.
    After one of several items the next may wait up to `gather_seconds` for the callers that were
    just answered: under load they come again at once, and one batch costs less than two.

    `run` answers every item in order; an answer that is an exception is raised to the caller of
    that item alone. An exception that `run` itself raises is raised to every caller of the batch.
    If it is a `ServiceError`, a server is away: then also to the callers of the next batch, which
    would find the same after the same time-out.

    `run` runs under the id of the request that waited longest: a sender may go on for hours after
    the request that started it was answered. `name` is what waiting is called in traces.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Awaitable[Sequence[Answer | ServiceError]]],
        *,
        batch_limit: int,
        queue_limit: int,
        gather_seconds: float = 0.0,
        name: str = "",
        tracer: Tracer | None = None,
    ) -> None:
        self._run = run
        self._batch_limit = batch_limit
        self._queue_limit = queue_limit
        self._gather_seconds = gather_seconds
        self._name = name
        self._tracer = tracer
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._sender: asyncio.Task[None] | None = None
        # How many may be expected to wait soon, until when, and who is told that they do.
        self._expected = 0
        self._expected_until = float("-inf")
        self._gathered = asyncio.Event()
        # One item of each batch is timed, the first that has to wait: how many are ahead of it, and
        # since when it waits.
        self._ahead: int | None = None
        self._timed_from = 0.0
        self._began_at: float | None = None
        self.waited_seconds = 0.0
        """How long the last one that was timed has waited for its batch."""

    @property
    def under_way_seconds(self) -> float | None:
        """How long the batch in flight has been so; None where none is."""
        return None if self._began_at is None else time.perf_counter() - self._began_at

    @property
    def waiting(self) -> int:
        """How many items wait for the next batch."""
        return len(self._waiting)

    async def put(self, item: Item) -> Answer:
        """Send `item` with the next batch and return its answer."""
        if self._tracer is None:
            return await self._join(item, None)
        with self._tracer.waiting(self._name) as span:
            return await self._join(item, span)

    def _join(self, item: Item, span: Any) -> "asyncio.Future[Answer]":
        if len(self._waiting) >= self._queue_limit:
            raise QueueFull(self._queue_limit)
        if self._ahead is None:
            self._ahead, self._timed_from = len(self._waiting), time.perf_counter()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future, request_id.get(), span))
        if len(self._waiting) == self._expected:
            self._gathered.set()
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_until_empty())
        return future

    async def drain(self) -> None:
        """Wait until every item that was put has its answer."""
        while self._sender is not None:
            await asyncio.wait({self._sender})

    async def _send_until_empty(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                await self._send_batch()
        finally:
            # There are some where this task was cancelled, and nothing would serve them.
            _fail(self._take_waiting(), Interrupted())
            # Not in a callback of the task, which would run after the callers of the last batch:
            # one of them may put its next item before, and no sender would be started for it.
            self._sender = self._began_at = None

    async def _gather(self) -> None:
        """Wait for those who were answered with others a moment ago."""
        left = self._expected_until - time.perf_counter()
        if left <= 0 or len(self._waiting) >= self._expected:
            return
        self._gathered.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._gathered.wait()

    async def _send_batch(self) -> None:
        size = min(len(self._waiting), self._batch_limit)
        batch = [self._waiting.popleft() for _ in range(size)]
        request_id.set(batch[0][2])
        self._time_batch(size)
        try:
            with self._trace(batch):
                answers = await self._run([item for item, *_ in batch])
            _check_number(answers, batch)
        except ServiceError as error:
            _fail([*batch, *self._take_waiting()], error)
            return
        except Exception as error:  # noqa: BLE001 - the callers handle it
            _fail(batch, error)
            return
        except BaseException:
            _fail(batch, Interrupted())
            raise
        if size >= _COMPANY:
            self._expected = min(size + len(self._waiting), self._batch_limit)
            self._expected_until = time.perf_counter() + self._gather_seconds
        for (_, future, *_), answer in zip(batch, answers, strict=True):
            # A caller that was cancelled has cancelled its future.
            if future.done():
                continue
            if isinstance(answer, ServiceError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _time_batch(self, size: int) -> None:
        self._began_at = time.perf_counter()
        if self._ahead is not None:
            self._ahead -= size
            if self._ahead < 0:
                self._ahead, self.waited_seconds = None, self._began_at - self._timed_from

    def _trace(self, batch: "list[_Waiting[Item, Answer]]") -> AbstractContextManager[None]:
        if self._tracer is None:
            return nullcontext()
        return self._tracer.running([span for *_, span in batch])

    def _take_waiting(self) -> "list[_Waiting[Item, Answer]]":
        taken = list(self._waiting)
        self._waiting.clear()
        self._ahead = None
        return taken


def _check_number(answers: Sequence[object], items: Sequence[object]) -> None:
    if len(answers) != len(items):
        raise RuntimeError(f"{len(answers)} answers to {len(items)} items")


def _fail(items: "Sequence[_Waiting[Item, Answer]]", error: Exception) -> None:
    for _, future, *_ in items:
        if not future.done():
            future.set_exception(error)
