"""What a run tells about itself: frozen figures, while it goes on and after it ended.

`RunReport` is also the JSON document of `leaderboard simulate --json`: an object with the fields
below under their names, tuples as arrays, absent values as null. Times within a run count in
seconds from its start, latencies are in milliseconds.

What a latency is: the time from a request's *intended* start to the end of its answer, so that a
server that stalls cannot hide behind requests that were not sent. Answers of any status have one.
A request without an answer in time counts with the time it was waited for; one whose
connection was refused or lost has none. Percentiles are within 1 % of the exact value.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from dashboard.simulation.workload.plan import RequestKind, RunOptions
from dashboard.simulation.workload.stages import format_stages


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    """Requests are being started."""

    PAUSED = "paused"
    """The operator holds the plan still."""

    DRAINING = "draining"
    """No more are started; the last answers are awaited."""

    RESUBMITTING = "resubmitting"
    """Submits without an answer are sent again, until it is known what became of them."""

    FINISHED = "finished"
    """The whole plan was carried out."""

    STOPPED = "stopped"
    """It was stopped before the end of its plan."""


ENDED_STATES: Final = {RunState.FINISHED, RunState.STOPPED}
"""Where nothing is sent any more, and the ledger is compared, or was."""


class LatencySummary(msgspec.Struct, frozen=True):
    """Latencies of `count` requests, in milliseconds."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class LatencyBucket(msgspec.Struct, frozen=True):
    """`count` latencies of at most `upper_ms`, and above the bound of the bucket before."""

    upper_ms: float
    count: int


class TrafficReport(msgspec.Struct, frozen=True):
    """Requests of one kind, or of all.

    `started` = `succeeded` + `failed` + those in flight. `dropped` ones were due but never
    started, because the bound of requests in flight was reached. `answered_per_second` counts
    the successful ones. `latency` is over the run, `recent_latency` over its last 10 s.
    """

    started: int
    succeeded: int
    failed: int
    dropped: int
    answered_per_second: float
    latency: LatencySummary | None
    recent_latency: LatencySummary | None


class ErrorReport(msgspec.Struct, frozen=True):
    """One sort of failure of one kind of request.

    `code` is the slug of the service's answer, or what happened on the way: `timeout`,
    `unknown_host`, `tls_failed`, `connection_refused`, `connection_lost`, `unexpected_answer`,
    `abandoned`. `sample` is the message of the first one.
    """

    request: str
    code: str
    count: int
    first_seconds: float
    last_seconds: float
    sample: str


class SecondReport(msgspec.Struct, frozen=True):
    """What started and ended within one second of the run, and the pace at its end."""

    second: int
    started: int
    succeeded: int
    failed: int
    dropped: int
    pace: float = 1.0


class GeneratorReport(msgspec.Struct, frozen=True):
    """How well the generator itself kept up.

    The lag is the time between a request's intended start and the moment the generator turned to
    it, whether or not a connection was free then; it is part of the latency. `limited`: its p99 is
    above 10 ms and above half of the latencies' p99, so that the generator, not the server, is
    the limit. `cpu_share` is the part of one core that this process used.
    """

    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    limited: bool
    cpu_share: float


class SubmitReport(msgspec.Struct, frozen=True):
    """What the ledger should hold of this run.

    Every submit's Idempotency-Key is `key_prefix` and the request's number in the plan. Of
    `sent` ones, `acknowledged` were answered with success, `refused` with an error that says that
    nothing was written; what became of the `unknown` ones only the ledger can tell (no answer, or
    a server error). After the plan those are sent again under their keys: `sent_again` of them
    became known that way, and count as `acknowledged` or `refused`. `sessions` counts distinct
    session ids; less than `acknowledged` would be an idempotency key that was taken for another.
    """

    key_prefix: str
    sent: int
    acknowledged: int
    refused: int
    unknown: int
    sent_again: int
    sessions: int
    first_session_id: int | None
    last_session_id: int | None


class LedgerReport(msgspec.Struct, frozen=True):
    """What the ledger has of the run's submits: sessions with ids above `after` under its keys.

    `lost` were acknowledged and are not there. `counted_twice` are there more often than once.
    `unexpected` are there although they were refused.
    """

    after: int
    sessions: int
    distinct_keys: int
    lost: int
    counted_twice: int
    unexpected: int

    @property
    def is_wrong(self) -> bool:
        """Whether it differs from what was acknowledged."""
        return bool(self.lost or self.counted_twice or self.unexpected)


class RunReport(msgspec.Struct, frozen=True):
    """One run: what was asked for, and what came of it.

    `board` is the slug of the one whose tops and ranks are read, null in the trace of an older
    release; a submit counts on every board whose rule it meets. `started_at` is UTC. `model` is
    `open` or `closed`. `rate` (requests a second, over all stages), `duration_seconds`, `players`,
    `mix` (weights), `scores`, `stages` (as on the command line), `users`, `think_seconds` and
    `seed` are what was asked for; `planned` is what the rate makes in that time, and null for a
    closed run, as `rate` is. `pace` is by how much the operator multiplied the rate or the users,
    `target_rate` the rate at this moment, `active_users` the users there are. `elapsed_seconds`
    ends with the last answer and includes `paused_seconds`; `pauses` are from when to when each of
    those was.
    `total` sums up `kinds` (`submit`, `top`, `rank`). `ledger` is null before the end, and where
    `ledger_problem` says why it could not be read.
    """

    run_id: str
    url: str
    state: RunState
    started_at: str
    model: str
    rate: float | None
    duration_seconds: float
    players: int
    mix: dict[str, float]
    scores: str
    stages: str
    users: int | None
    think_seconds: float | None
    seed: int
    planned: int | None
    pace: float
    target_rate: float | None
    active_users: int | None
    elapsed_seconds: float
    paused_seconds: float
    in_flight: int
    total: TrafficReport
    kinds: dict[str, TrafficReport]
    latency_buckets: tuple[LatencyBucket, ...]
    errors: tuple[ErrorReport, ...]
    seconds: tuple[SecondReport, ...]
    generator: GeneratorReport
    submits: SubmitReport
    ledger: LedgerReport | None = None
    ledger_problem: str | None = None
    pauses: tuple[tuple[float, float], ...] = ()
    board: str | None = None


def describe_options(options: RunOptions) -> dict[str, Any]:
    """Return the fields of a `RunReport` that say what was asked for."""
    course, is_open = options.course, options.users is None
    return {
        "model": "open" if is_open else "closed",
        "rate": _measure_rate(options) if is_open else None,
        "duration_seconds": course.duration_seconds,
        "players": options.players,
        "mix": {kind.value: getattr(options.mix, kind.value) for kind in RequestKind},
        "scores": options.scores.value,
        "stages": format_stages(options.stages) if options.stages else "",
        "users": options.users,
        "think_seconds": None if is_open else options.think_seconds,
        "seed": options.seed,
        "planned": options.requests if is_open else None,
    }


def _measure_rate(options: RunOptions) -> float:
    if not options.stages:
        return options.rate
    return round(options.course.requests / options.course.duration_seconds, 3)
