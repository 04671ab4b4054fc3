"""Carrying out a plan, and what the operator may change meanwhile.

In the open model each request leaves at its time, whatever became of those before it: players do
not wait for each other's answers. The requests in flight are bounded all the same, and what does
not fit is counted as dropped. In the closed model each user waits for the answer and thinks.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from dashboard.simulation.client.requests import (
    Connection,
    Failure,
    Outcome,
    Target,
    await_outcome,
    send_request,
)
from dashboard.simulation.reports.recorder import Recorder
from dashboard.simulation.reports.report import RunReport, RunState, describe_options
from dashboard.simulation.resubmission import resubmit_unknown
from dashboard.simulation.workload.clock import RunClock
from dashboard.simulation.workload.plan import (
    MAX_USERS,
    Arrivals,
    PlannedRequest,
    RequestKind,
    RunOptions,
    plan_requests,
    plan_user,
)

_TENTHS = 10
_LOWEST_PACE, _HIGHEST_PACE = 1, 50


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
    """Longest wait for an answer, from when the request is turned to.

    Not from the intended start: a generator that fell behind by as much would send what it gives up
    at once, and the work that this makes would keep it behind for good.
    """

    resubmission_seconds: float = 30.0
    """How long submits without an answer are sent again after the end of the plan, and how long the
    ledger is asked."""

    @classmethod
    def of_timeout(cls, seconds: float) -> Self:
        """Return the usual bounds for a wait of `seconds` for an answer.

        What is asked after the end is asked for three times as long.
        """
        return cls(timeout_seconds=seconds, resubmission_seconds=3 * seconds)


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
        run_id: str | None = None,
    ) -> None:
        self._options = options
        self._target = target
        self._players = players
        self._limits = limits
        self._run_id = run_id or secrets.token_hex(6)
        self._key_prefix = f"sim-{self._run_id}-"
        self._recorder = Recorder()
        self._state = RunState.RUNNING
        self._pace_tenths = _TENTHS
        self._arrivals = Arrivals(options)
        self._next_number = 0
        self._in_flight = 0
        self._unknown: list[PlannedRequest] = []
        self._idle: list[Connection] = []
        self._free_connections = asyncio.Semaphore(limits.connections)
        self._starter: asyncio.Task[None] | None = None
        self._users: asyncio.TaskGroup | None = None
        self._present: set[int] = set()
        self._requests: asyncio.TaskGroup | None = None
        self._started_at = datetime.now(UTC)
        self._clock = RunClock()
        self._processor_zero = time.process_time()
        self._final_report: RunReport | None = None

    async def execute(self) -> RunReport:
        """Carry out the plan and return what came of it.

        Submits without an answer are then sent again under the same key, until it is known what
        became of them. Cancelling gives up the requests in flight; the figures up to then stay in
        `snapshot`.
        """
        self._started_at = datetime.now(UTC)
        self._processor_zero = time.process_time()
        self._clock.start()
        try:
            async with asyncio.TaskGroup() as requests:
                self._requests = requests
                start = self._start_requests if self._options.users is None else self._start_users
                self._starter = requests.create_task(start())
            self._clock.end()
            await self._resubmit_unknown()
        except asyncio.CancelledError:
            self._state = RunState.STOPPED
            raise
        else:
            self._state = RunState.STOPPED if self._starter.cancelled() else RunState.FINISHED
        finally:
            self._clock.end()
            self._final_report = self._make_report()
            for connection in self._idle:
                connection.close()
        return self._final_report

    def stop(self) -> None:
        """Start no more requests; `execute` returns when those in flight are answered."""
        if self._starter is not None:
            self._starter.cancel()

    def toggle_pause(self) -> None:
        """Start no requests for now, or go on where the plan stood."""
        if self._state is RunState.RUNNING:
            self._clock.pause()
            self._state = RunState.PAUSED
        elif self._state is RunState.PAUSED:
            self._clock.resume()
            self._state = RunState.RUNNING

    def change_pace(self, tenths: int) -> None:
        """Raise rate or users by tenths of what was planned; a negative number lowers them."""
        before = self._pace_tenths
        self._pace_tenths = min(max(before + tenths, _LOWEST_PACE), _HIGHEST_PACE)
        pace = self._pace_tenths / _TENTHS
        self._recorder.change_pace(self._clock.elapsed_seconds, pace)
        self._arrivals.scale(self._pace_tenths / before)
        self._call_users()

    def snapshot(self) -> RunReport:
        """Return the figures of this moment."""
        return self._final_report or self._make_report()

    async def _start_requests(self) -> None:
        assert self._requests is not None
        try:
            for request in plan_requests(self._options, self._arrivals):
                intended = await self._clock.wait_for(request.offset_seconds)
                if self._in_flight < self._limits.in_flight:
                    self._requests.create_task(self._carry_out(request, intended))
                else:
                    self._recorder.record_drop(request.kind, self._clock.elapsed_seconds)
            # The gap after the last arrival belongs to the run as much as those before it.
            await self._clock.wait_for(self._options.course.duration_seconds)
        finally:
            self._state = RunState.DRAINING

    async def _start_users(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._users:
                self._call_users()
                await self._clock.wait_for(self._options.course.duration_seconds)
                # Whoever thinks past the end has nothing more to ask.
                self._state = RunState.DRAINING
        finally:
            self._state = RunState.DRAINING
            self._users = None

    def _call_users(self) -> None:
        """Let as many users begin as are wanted and not there; who is too many leaves by itself."""
        if self._users is None:
            return
        for user in range(self._count_wanted_users()):
            if user not in self._present:
                self._present.add(user)
                self._users.create_task(self._behave(user))

    def _count_wanted_users(self) -> int:
        users = (self._options.users or 0) * self._pace_tenths / _TENTHS
        return min(max(1, round(users)), MAX_USERS)

    async def _behave(self, user: int) -> None:
        assert self._requests is not None
        duration_seconds = self._options.course.duration_seconds
        try:
            for think_seconds, content in plan_user(self._options, user):
                offset = self._clock.position_seconds + think_seconds
                intended = await self._clock.wait_for(min(offset, duration_seconds))
                if offset >= duration_seconds or user >= self._count_wanted_users():
                    return
                request = content._replace(number=self._next_number, offset_seconds=offset)
                self._next_number += 1
                # A task of its own, so that stopping the user does not give up the request.
                await asyncio.wait({self._requests.create_task(self._carry_out(request, intended))})
        finally:
            self._present.discard(user)

    async def _carry_out(self, request: PlannedRequest, intended: float) -> None:
        self._in_flight += 1
        started = time.perf_counter()
        lag_seconds = max(started - intended, 0.0)
        self._recorder.record_start(request.kind, started - self._clock.zero, lag_seconds)
        outcome: Outcome = Failure.of_abandoning()
        try:
            outcome = await await_outcome(self._send(request), self._limits.timeout_seconds)
        finally:
            ended = time.perf_counter()
            self._in_flight -= 1
            at_seconds, latency_seconds = ended - self._clock.zero, ended - min(intended, started)
            if isinstance(outcome, Failure):
                self._recorder.record_failure(request.kind, at_seconds, latency_seconds, outcome)
                if request.kind is RequestKind.SUBMIT and outcome.maybe_written:
                    self._unknown.append(request)
            else:
                self._recorder.record_success(request.kind, at_seconds, latency_seconds, outcome)

    async def _send(self, request: PlannedRequest) -> Outcome:
        user_id = self._players[request.player]
        async with self._free_connections:
            # The one used last: at a low rate few stay open, and none idles until it is closed.
            connection = self._idle.pop() if self._idle else self._target.open_connection()
            outcome = await send_request(
                connection, request, user_id, f"{self._key_prefix}{request.number}"
            )
            self._idle.append(connection)
        return outcome

    async def _resubmit_unknown(self) -> None:
        if self._unknown:
            self._state = RunState.RESUBMITTING
            await resubmit_unknown(
                self._unknown,
                self._send,
                self._recorder.record_resubmission,
                self._limits.resubmission_seconds,
            )

    def _make_report(self) -> RunReport:
        clock, options, recorder = self._clock, self._options, self._recorder
        processor_seconds = time.process_time() - self._processor_zero
        elapsed_seconds, position_seconds = clock.elapsed_seconds, clock.position_seconds
        pace = self._pace_tenths / _TENTHS
        return RunReport(
            run_id=self._run_id,
            url=self._target.url,
            board=self._target.board,
            state=self._state,
            started_at=self._started_at.isoformat(timespec="milliseconds"),
            **describe_options(options),
            pace=pace,
            target_rate=round(options.course.read_rate(position_seconds) * pace, 3)
            if options.users is None
            else None,
            active_users=len(self._present) if options.users is not None else None,
            elapsed_seconds=round(elapsed_seconds, 3),
            paused_seconds=round(clock.paused_seconds, 3),
            pauses=clock.pauses,
            in_flight=self._in_flight,
            total=recorder.report_total(elapsed_seconds, position_seconds),
            kinds=recorder.report_kinds(elapsed_seconds, position_seconds),
            latency_buckets=recorder.list_latency_buckets(),
            errors=recorder.list_errors(),
            seconds=recorder.list_seconds(elapsed_seconds),
            generator=recorder.report_generator(processor_seconds / max(elapsed_seconds, 0.001)),
            submits=recorder.report_submits(self._key_prefix),
        )
