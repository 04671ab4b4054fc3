"""Carrying out a plan: each request at its time, whatever became of those before it.

An open model, as players are: they do not wait for each other's answers. The requests in flight
are bounded all the same, and what does not fit is counted as dropped.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from dashboard.simulation.exchange import (
    Connection,
    Failure,
    Target,
    judge_answer,
    send_request,
)
from dashboard.simulation.plan import PlannedRequest, RequestKind, RunOptions, plan_requests
from dashboard.simulation.recorder import Recorder
from dashboard.simulation.reports import RunReport, RunState

# Between the beginning of a run and its time zero, for the event loop to settle.
_LEAD_SECONDS = 0.05

# The event loop wakes up on whole milliseconds. A request that is due within half of one leaves
# early rather than late; its latency then counts from the moment it left.
_TIMER_GRAIN_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Bounds that keep a run from drowning itself or the service."""

    in_flight: int = 1_000
    """Most requests that are started and not answered; what is due beyond them is dropped."""

    connections: int = 256
    """Most connections; a request that waits for one does so on its own latency's account.

    Well below the 1,024 files that a process may commonly open.
    """

    timeout_seconds: float = 10.0
    """Longest wait for an answer, from the intended start."""


_DEFAULT_LIMITS = RunLimits()


class Run:
    """One run against a service, on behalf of the players with the ids `players`.

    `execute` it once; meanwhile, and afterwards, `snapshot` tells how it goes.
    """

    def __init__(
        self,
        options: RunOptions,
        target: Target,
        players: Sequence[int],
        limits: RunLimits = _DEFAULT_LIMITS,
    ) -> None:
        self._options = options
        self._target = target
        self._players = players
        self._limits = limits
        self._run_id = secrets.token_hex(6)
        self._key_prefix = f"sim-{self._run_id}-"
        self._recorder = Recorder()
        self._state = RunState.RUNNING
        self._in_flight = 0
        self._idle: list[Connection] = []
        self._free_connections = asyncio.Semaphore(limits.connections)
        self._starter: asyncio.Task[None] | None = None
        self._started_at = datetime.now(UTC)
        self._zero = time.perf_counter() + _LEAD_SECONDS
        self._processor_zero = time.process_time()
        self._final_report: RunReport | None = None

    async def execute(self) -> RunReport:
        """Carry out the plan and return what came of it.

        Cancelling gives up the requests in flight; the figures up to then stay in `snapshot`.
        """
        self._started_at = datetime.now(UTC)
        self._zero = time.perf_counter() + _LEAD_SECONDS
        self._processor_zero = time.process_time()
        try:
            async with asyncio.TaskGroup() as requests:
                self._starter = requests.create_task(self._start_requests(requests))
        except asyncio.CancelledError:
            self._state = RunState.STOPPED
            raise
        else:
            self._state = RunState.STOPPED if self._starter.cancelled() else RunState.FINISHED
        finally:
            self._final_report = self._make_report()
            for connection in self._idle:
                await connection.close()
        return self._final_report

    def stop(self) -> None:
        """Start no more requests; `execute` returns when those in flight are answered."""
        if self._starter is not None:
            self._starter.cancel()

    def snapshot(self) -> RunReport:
        """Return the figures of this moment."""
        return self._final_report or self._make_report()

    async def _start_requests(self, requests: asyncio.TaskGroup) -> None:
        try:
            for request in plan_requests(self._options):
                intended = self._zero + request.offset_seconds
                wait_seconds = intended - time.perf_counter()
                # Even without a wait the loop must turn: the request before this one begins then,
                # and answers are read.
                await asyncio.sleep(wait_seconds if wait_seconds > _TIMER_GRAIN_SECONDS else 0)
                if self._in_flight < self._limits.in_flight:
                    requests.create_task(self._carry_out(request, intended))
                else:
                    self._recorder.record_drop(request.kind, self._measure_elapsed())
            # The gap after the last arrival belongs to the run as much as those before it.
            await asyncio.sleep(self._options.duration_seconds - self._measure_elapsed())
        finally:
            self._state = RunState.DRAINING

    async def _carry_out(self, request: PlannedRequest, intended: float) -> None:
        self._in_flight += 1
        started = time.perf_counter()
        lag_seconds = max(started - intended, 0.0)
        self._recorder.record_start(request.kind, started - self._zero, lag_seconds)
        outcome: int | Failure | None = Failure.of_abandoning()
        try:
            async with asyncio.timeout(self._limits.timeout_seconds - lag_seconds):
                outcome = await self._exchange(request)
        except httpx.TransportError as error:
            outcome = Failure.of_transport(error)
        except TimeoutError:
            outcome = Failure.of_timeout(self._limits.timeout_seconds)
        finally:
            ended = time.perf_counter()
            self._in_flight -= 1
            at_seconds, latency_seconds = ended - self._zero, ended - min(intended, started)
            if isinstance(outcome, Failure):
                self._recorder.record_failure(request.kind, at_seconds, latency_seconds, outcome)
            else:
                self._recorder.record_success(request.kind, at_seconds, latency_seconds, outcome)

    async def _exchange(self, request: PlannedRequest) -> int | Failure | None:
        user_id = self._players[request.player]
        async with self._free_connections:
            # The one used last: at a low rate few stay open, and none idles until it is closed.
            connection = self._idle.pop() if self._idle else self._target.open_connection()
            answer = await send_request(
                connection, request, user_id, f"{self._key_prefix}{request.number}"
            )
            self._idle.append(connection)
        return judge_answer(request.kind, user_id, answer)

    def _measure_elapsed(self) -> float:
        return max(time.perf_counter() - self._zero, 0.0)

    def _make_report(self) -> RunReport:
        elapsed_seconds = self._measure_elapsed()
        options, recorder = self._options, self._recorder
        processor_seconds = time.process_time() - self._processor_zero
        return RunReport(
            run_id=self._run_id,
            url=self._target.url,
            state=self._state,
            started_at=self._started_at.isoformat(timespec="milliseconds"),
            rate=options.rate,
            duration_seconds=options.duration_seconds,
            players=options.players,
            mix={kind.value: getattr(options.mix, kind.value) for kind in RequestKind},
            seed=options.seed,
            planned=options.requests,
            elapsed_seconds=round(elapsed_seconds, 3),
            in_flight=self._in_flight,
            total=recorder.report_total(elapsed_seconds),
            kinds=recorder.report_kinds(elapsed_seconds),
            latency_buckets=recorder.list_latency_buckets(),
            errors=recorder.list_errors(),
            seconds=recorder.list_seconds(),
            generator=recorder.report_generator(processor_seconds / max(elapsed_seconds, 0.001)),
            submits=recorder.report_submits(self._key_prefix),
        )
