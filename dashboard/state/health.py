"""The parts of the service judged against thresholds, and the history of what was measured."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from dashboard.client.answers import Part, Status
from dashboard.state.event_log import Event, EventLog, Severity
from dashboard.state.freshness import Freshness
from dashboard.state.restarts import ProcessWatch, StoreWatch
from dashboard.text.names import clean_name
from dashboard.text.numbers import (
    write_age,
    write_amount,
    write_bytes,
    write_count,
    write_ms,
    write_time,
)

HISTORY_LOOKS: Final = 150
"""How many statuses are kept: five minutes of them."""

DETAIL_SEPARATOR: Final = " · "

Verdict = Literal["ok", "slow", "away"]

# A Redis that comes back has forgotten the processes; each reports itself again within seconds.
_LISTED_AGAIN_WITHIN: Final = timedelta(seconds=10)


class Sample(NamedTuple):
    """A value in one status; `restarted` where a process of its part had been replaced."""

    value: float | None
    restarted: bool = False


class PartRule(NamedTuple):
    """What is measured of a part, and up to which value it is ok."""

    name: str
    title: str
    measure: str
    limit: float
    write: Callable[[float | None], str]
    read: Callable[[Status, float], float | None]


class PartHealth(NamedTuple):
    """A part in one status."""

    rule: PartRule
    verdict: Verdict
    value: float | None
    detail: str


def _read_scheduler_age(status: Status, _: float) -> float | None:
    seen = status.parts.scheduler.last_seen_at
    return (status.at - seen).total_seconds() if seen else None


PART_RULES: Final = (
    PartRule("api", "API", "round trip", 250, write_ms, lambda _, round_trip_ms: round_trip_ms),
    PartRule(
        "postgresql",
        "PostgreSQL",
        "round trip",
        50,
        write_ms,
        lambda status, _: status.parts.postgresql.round_trip_ms,
    ),
    PartRule(
        "redis",
        "Redis",
        "round trip",
        20,
        write_ms,
        lambda status, _: status.parts.redis.round_trip_ms,
    ),
    PartRule(
        "worker",
        "Worker",
        "pending",
        10_000,
        write_count,
        lambda status, _: status.pending_sessions,
    ),
    # The scheduler sends something each minute; two missed ones are no accident.
    PartRule("scheduler", "Scheduler", "since message", 130, write_age, _read_scheduler_age),
    PartRule(
        "index",
        "Index",
        "refreshes behind",
        20,
        write_count,
        lambda status, _: status.parts.index.behind,
    ),
)


_AWAY: Final = {
    "api": "no process was heard of",
    "postgresql": "the API gets no answer from it",
    "redis": "the API gets no answer from it",
    "worker": "no process was heard of",
    "scheduler": "no message for two minutes",
    "index": "PostgreSQL answers until rebuilt",
}


class Health:
    """Follows the status and logs what changes."""

    def __init__(self, log: EventLog) -> None:
        self.freshness = Freshness()
        self.history: dict[str, deque[Sample]] = {}
        self._log = log
        self._verdicts: dict[str, Verdict] = {}
        self._processes = {rule.name: ProcessWatch() for rule in PART_RULES}
        self._stores = {rule.name: StoreWatch() for rule in PART_RULES}
        self._all_listed_from: datetime | None = None
        self._server_errors: dict[str, int] = {}
        self._stands_still = False

    def take(
        self, status: Status, round_trip_ms: float, submits_per_second: float | None, now: datetime
    ) -> None:
        """Take the next status."""
        if status.parts.redis.state == "away":
            self._all_listed_from = now + _LISTED_AGAIN_WITHIN
        for rule in PART_RULES:
            restarted = self._note_restarts(rule, status, now)
            health = judge_part(rule, status, round_trip_ms, now)
            self._note_verdict(health, now)
            self._add(rule.name, health.value, restarted=restarted)
        self._note_cause(status.parts.index.cause, now)
        self._add("pending", status.pending_sessions)
        self._add("behind", status.parts.index.behind)
        self._add("refresh", status.refresh.duration_ms if status.refresh else None)
        self._add("rerank", status.rerank.duration_ms if status.rerank else None)
        queued = [queue.ready + queue.delayed for queue in status.queues.values()]
        # Without any queue the broker is away, and nobody knows.
        self._add("queue", sum(queued) if queued else None)
        self._add("submits", submits_per_second)
        self._add("freshness", self.freshness.take(status))
        for route in status.routes:
            self._add(route.route, route.p99_ms)
            self._note_server_errors(route.route, route.server_errors, now)

    def read_values(self, name: str) -> list[float | None]:
        """Return the history of a value, oldest first."""
        return [sample.value for sample in self.history.get(name, ())]

    def _add(self, name: str, value: float | None, *, restarted: bool = False) -> None:
        history = self.history.setdefault(name, deque(maxlen=HISTORY_LOOKS))
        history.append(Sample(value, restarted))

    def _note_restarts(self, rule: PartRule, status: Status, now: datetime) -> bool:
        part: Part = getattr(status.parts, rule.name)
        # While Redis is away, an API process tells only of itself.
        complete = self._all_listed_from is None or now >= self._all_listed_from
        watch = self._processes[rule.name]
        starts = [
            (f": process {process.pid} on {process.host}, started", process.started_at)
            for process in watch.take(part.processes, status.at, now, complete=complete)
        ]
        if part.started_at is not None:
            store = self._stores[rule.name]
            if store.take(part.started_at, status.at, now):
                starts.append((": started", part.started_at))
        for what, started_at in starts:
            text = f"restarted{what} {write_time(started_at, now.tzinfo)}"
            self._log.add(Event(now, rule.title, "warn", text))
        return bool(starts)

    def _note_verdict(self, health: PartHealth, now: datetime) -> None:
        rule, verdict = health.rule, health.verdict
        before = self._verdicts.get(rule.name)
        self._verdicts[rule.name] = verdict
        if before == verdict or (before is None and verdict == "ok"):
            return
        severity: Severity = "bad" if verdict == "away" else "warn"
        text = f"away: {health.detail}"
        if verdict == "slow":
            text = f"{rule.write(health.value)} {rule.measure}, over {rule.write(rule.limit)}"
        elif verdict == "ok":
            severity, text = "info", "ok again"
        self._log.add(Event(now, rule.title, severity, text))

    def _note_cause(self, cause: str | None, now: datetime) -> None:
        if cause is not None and not self._stands_still:
            text = f"does not follow: {clean_name(cause)}"
            self._log.add(Event(now, "Index", "bad", text))
        elif cause is None and self._stands_still:
            self._log.add(Event(now, "Index", "info", "follows again"))
        self._stands_still = cause is not None

    def _note_server_errors(self, route: str, errors: int, now: datetime) -> None:
        before = self._server_errors.get(route, errors)
        self._server_errors[route] = errors
        if errors > before:
            text = f"{errors - before:,} server errors at {route}"
            self._log.add(Event(now, "API", "bad", text))


def judge_part(rule: PartRule, status: Status, round_trip_ms: float, now: datetime) -> PartHealth:
    """Judge a part in one status."""
    part: Part = getattr(status.parts, rule.name)
    value = rule.read(status, round_trip_ms)
    verdict: Verdict = "slow" if value is not None and value > rule.limit else "ok"
    if part.state == "away":
        verdict = "away"
        return PartHealth(rule, verdict, value, _AWAY[rule.name])
    return PartHealth(
        rule, verdict, value, DETAIL_SEPARATOR.join(_describe_part(rule.name, part, now))
    )


def _describe_part(name: str, part: Part, now: datetime) -> Sequence[str]:
    zone = now.tzinfo
    match name:
        case "api" | "worker":
            count = len(part.processes)
            words = [f"{count} process{'' if count == 1 else 'es'}"]
            if part.processes:
                latest = max(process.started_at for process in part.processes)
                words.append(f"up {write_age((now - latest).total_seconds())}")
            memory = sum(process.memory_bytes or 0 for process in part.processes)
            return [*words, write_bytes(memory)] if memory else words
        case "postgresql":
            return [
                f"version {part.version or '?'}",
                write_amount(part.connections, "connection"),
            ]
        case "redis":
            return [f"version {part.version or '?'}", write_bytes(part.memory_bytes)]
        case "scheduler":
            return [f"seen {write_time(part.last_seen_at, zone)}"]
        case _:
            return [
                f"at refresh {write_count(part.offset)}",
                f"last {write_count(part.last_refresh)}",
            ]
