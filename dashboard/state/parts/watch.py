"""Follows the parts of the service from status to status, and logs what changes."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Generic, NamedTuple, TypeVar

from dashboard.client.answers import Part, Status
from dashboard.state.event_log import Event, EventLog, Severity
from dashboard.state.parts.restarts import ProcessWatch, StoreWatch
from dashboard.state.parts.rules import (
    CAUSES,
    PART_RULES,
    PartHealth,
    PartRule,
    Verdict,
    adapt_rules,
    is_rerank_late,
    judge_part,
)
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_amount, write_time

_SAMPLES: Final = 5
_MAJORITY: Final = 3

# A Redis that comes back has forgotten the processes; each reports itself again within seconds.
_LISTED_AGAIN_WITHIN: Final = timedelta(seconds=10)

_LOOP_WITHIN: Final = timedelta(seconds=60)
_LEAST_OF_LOOP: Final = 3

_ERRORS_EVERY: Final = timedelta(seconds=60)

_SUBMITS: Final = ("POST /api/leaderboard/submit", "POST /api/leaderboard/submit/bulk")

_Value = TypeVar("_Value")


class Steady(Generic[_Value]):
    """A value that turns when three of the last five samples agree on another.

    So one that flaps is not told of again and again. The first sample is taken as it is.
    """

    def __init__(self) -> None:
        self._samples: deque[_Value] = deque(maxlen=_SAMPLES)
        self.value: _Value | None = None

    def take(self, sample: _Value) -> None:
        """Take the next sample."""
        self._samples.append(sample)
        if self.value is None or self._samples.count(sample) >= _MAJORITY:
            self.value = sample

    def set(self, sample: _Value) -> None:
        """Take a sample of something that has been so for long enough."""
        self._samples.extend([sample] * _MAJORITY)
        self.value = sample

    @property
    def is_turning(self) -> bool:
        """Whether the last sample was another: more of them decide."""
        return bool(self._samples) and self._samples[-1] != self.value


class Restarts(NamedTuple):
    """How often processes of a part were replaced lately, and in how long."""

    times: int
    seconds: float


class Watch:
    """What is said of each part, since when, and how often it has restarted.

    It takes every status, also those that are held back while the console is paused.
    """

    def __init__(self, log: EventLog, limits: Mapping[str, float] | None = None) -> None:
        self._log = log
        self.rules = adapt_rules(limits or {})
        self._verdicts: dict[str, Steady[Verdict]] = {rule.name: Steady() for rule in PART_RULES}
        self._follows: Steady[bool] = Steady()
        self._rerank_late: Steady[bool] = Steady()
        self._since: dict[str, datetime] = {}
        self._doubted_at: dict[str, datetime] = {}
        self._processes = {rule.name: ProcessWatch() for rule in PART_RULES}
        self._stores = {rule.name: StoreWatch() for rule in PART_RULES}
        self._restarted_at: dict[str, deque[datetime]] = {
            rule.name: deque(maxlen=100) for rule in PART_RULES
        }
        self._all_listed_from: datetime | None = None
        self._server_errors: dict[str, int] = {}
        self._unlogged_errors: dict[str, int] = {}
        self._errors_logged_at: dict[str, datetime] = {}
        self.status: Status | None = None
        self.healths: dict[str, PartHealth] = {}
        self.refused = 0
        """Submits that failed since PostgreSQL was last seen."""

    def take(self, status: Status, round_trip_ms: float, now: datetime) -> set[str]:
        """Take the next status; return the parts of which a process has been replaced."""
        self.status = status
        if status.parts.redis.state == "away":
            self._all_listed_from = now + _LISTED_AGAIN_WITHIN
        rules = self.rules.values()
        restarted = {rule.name for rule in rules if self._note_restarts(rule, status, now)}
        for rule in rules:
            health = judge_part(rule, status, round_trip_ms, now)
            if health.verdict in {"ok", "slow"} and self.find_loop(rule.name, now):
                health = health._replace(verdict="looping")
            cause = self.find_cause(rule.name)
            if health.verdict in {"away", "unknown"} and self.read_verdict(rule.name) == "away":
                # It went before: what has gone since explains nothing of it.
                if cause is not None:
                    health = health._replace(verdict="away", detail=self.healths[rule.name].detail)
            elif health.verdict in {"away", "unknown"} and cause is not None:
                detail = f"not heard of while {self.rules[cause].title} is away"
                health = health._replace(verdict="unknown", detail=detail)
            self._note_verdict(health, status, now)
        self._note_lag(status, now)
        self._note_rerank(status, now)
        self._count_errors(status, now)
        return restarted

    def read_verdict(self, name: str) -> Verdict:
        """Return what is said of a part by now."""
        return self._verdicts[name].value or "ok"

    @property
    def is_turning(self) -> bool:
        """Whether what the last status said of a part is not what is said by now."""
        of_parts = any(verdict.is_turning for verdict in self._verdicts.values())
        return of_parts or self._follows.is_turning or self._rerank_late.is_turning

    @property
    def lags(self) -> bool:
        """Whether ranks stand still, as the service itself says."""
        return self._follows.value is False

    @property
    def is_rerank_late(self) -> bool:
        """Whether a re-rank is put off."""
        return bool(self._rerank_late.value)

    def read_since(self, name: str) -> datetime | None:
        """Return since when something is wrong with a part, by the operator's clock."""
        return self._since.get(name)

    def find_cause(self, name: str) -> str | None:
        """Return the part that is away through which another is heard of."""
        # Also one that has just gone, of which it is not said yet.
        away = [
            cause
            for cause in CAUSES.get(name, ())
            if self.read_verdict(cause) == "away" or self._read_state(cause) == "away"
        ]
        return away[0] if away else None

    def _read_state(self, name: str) -> str | None:
        """Return the state of a part in the last status."""
        part: Part | None = getattr(self.status.parts, name) if self.status else None
        return part.state if part else None

    def find_loop(self, name: str, now: datetime) -> Restarts | None:
        """Return how often a part has restarted, where that is no rolling update any more."""
        recent = [at for at in self._restarted_at[name] if now - at <= _LOOP_WITHIN]
        part: Part | None = getattr(self.status.parts, name) if self.status else None
        # In an update, each process is replaced once.
        most = max(_LEAST_OF_LOOP - 1, len(part.processes) if part else 0)
        if len(recent) <= most:
            return None
        return Restarts(len(recent), (now - recent[0]).total_seconds())

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
            self._restarted_at[rule.name].append(now)
        return bool(starts)

    def _note_verdict(self, health: PartHealth, status: Status, now: datetime) -> None:
        rule, steady = health.rule, self._verdicts[health.rule.name]
        before = steady.value
        if health.verdict == before:
            self._doubted_at.pop(rule.name, None)
        since = self._doubted_at.setdefault(rule.name, now)
        steady.take(health.verdict)
        verdict = self.read_verdict(rule.name)
        # What is shown beside a verdict is of a status that says the same.
        if health.verdict == verdict or rule.name not in self.healths:
            self.healths[rule.name] = health
        if before == verdict:
            return
        self._since[rule.name] = since
        part: Part = getattr(status.parts, rule.name)
        seen = part.since or (part.last_seen_at if verdict == "away" else None)
        if seen is not None:
            # By the service's clock; how long ago that was is the same by any.
            self._since[rule.name] = now - (status.at - seen)
        if verdict == "ok":
            del self._since[rule.name]
        if before is not None or verdict != "ok":
            severity, text = self._describe_turn(health, verdict, now)
            self._log.add(Event(now, rule.title, severity, text))

    def _describe_turn(
        self, health: PartHealth, verdict: Verdict, now: datetime
    ) -> tuple[Severity, str]:
        rule = health.rule
        match verdict:
            case "away":
                return "bad", f"away: {health.detail}"
            case "looping":
                loop = self.find_loop(rule.name, now)
                often = f" {loop.times} times in {loop.seconds:.0f} s" if loop else ""
                return "bad", f"restarted{often}"
            case "unknown":
                return "info", f"unknown: {health.detail}"
            case "slow":
                value, limit = rule.write(health.value), rule.write(rule.limit)
                return "warn", f"{value} {rule.measure}, over {limit}"
            case _:
                return "info", "ok again"

    def _note_lag(self, status: Status, now: datetime) -> None:
        cause, before = status.parts.index.cause, self._follows.value
        follows = cause is None
        if status.parts.index.lag_seconds and self.find_cause("lag") is None:
            # That long the service itself has looked, twice a second.
            self._follows.set(follows)
        else:
            self._follows.take(follows)
        if self._follows.value == before or (before is None and cause is None):
            return
        if self.lags:
            self._since["lag"] = now - timedelta(seconds=status.parts.index.lag_seconds or 0.0)
            text = f"does not follow: {clean_name(cause or '')}"
            # The event of what it follows from stands beside it.
            severity: Severity = "bad" if self.find_cause("lag") is None else "info"
            self._log.add(Event(now, "Index", severity, text))
        else:
            self._since.pop("lag", None)
            self._log.add(Event(now, "Index", "info", "follows again"))

    def _note_rerank(self, status: Status, now: datetime) -> None:
        before = self.is_rerank_late
        self._rerank_late.take(is_rerank_late(status))
        if self.is_rerank_late and not before:
            text = "put off: stored ranks are not those of the last refresh"
            self._log.add(Event(now, "Re-rank", "warn", text))
        elif before and not self.is_rerank_late:
            self._log.add(Event(now, "Re-rank", "info", "stored again"))

    def _count_errors(self, status: Status, now: datetime) -> None:
        for route in status.routes:
            name, errors = route.route, route.server_errors
            # The first look cannot tell when those were, and a process that starts has none.
            more = max(0, errors - self._server_errors.get(name, errors))
            self._server_errors[name] = errors
            if name in _SUBMITS:
                self.refused += more
            self._unlogged_errors[name] = self._unlogged_errors.get(name, 0) + more
            self._log_errors(name, now)
        is_seen = status.parts.postgresql.state != "away"
        if is_seen and self.read_verdict("postgresql") != "away":
            self.refused = 0

    def _log_errors(self, route: str, now: datetime) -> None:
        """Log the first errors at once, and those of an outage once a minute: there is more."""
        count, logged_at = self._unlogged_errors[route], self._errors_logged_at.get(route)
        if count and (logged_at is None or now - logged_at >= _ERRORS_EVERY):
            self._unlogged_errors[route], self._errors_logged_at[route] = 0, now
            errors = write_amount(count, "server error")
            self._log.add(Event(now, "API", "bad", f"{errors} at {route}"))
