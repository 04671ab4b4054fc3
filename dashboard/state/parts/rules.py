"""The parts of the service judged against thresholds, one status at a time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final, Literal, NamedTuple

from dashboard.client.answers import Part, Status
from dashboard.text.names import clean_name
from dashboard.text.numbers import (
    write_age,
    write_amount,
    write_bytes,
    write_count,
    write_ms,
    write_time,
)

DETAIL_SEPARATOR: Final = " · "

Verdict = Literal["ok", "slow", "still", "unknown", "looping", "away"]
"""What is said of a part; `looping` is one whose processes are started again and again, `still` an
index that shows nothing new."""

RERANK_SECONDS: Final = 180.0
_RERANK_DURATIONS: Final = 25
"""How old stored ranks may be that are not the newest: a minute, or as long as a re-rank takes
twenty times, and some more."""


class PartRule(NamedTuple):
    """What is measured of a part, and up to which value it is ok."""

    name: str
    title: str
    measure: str
    unit: str
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


def read_oldest_seconds(status: Status) -> float | None:
    """Return how long the oldest pending score has waited, 0 where none is pending."""
    return 0.0 if status.pending_sessions == 0 else status.oldest_pending_seconds


PART_RULES: Final = (
    PartRule(
        "api", "API", "round trip", "ms", 250, write_ms, lambda _, round_trip_ms: round_trip_ms
    ),
    PartRule(
        "postgresql",
        "PostgreSQL",
        "round trip",
        "ms",
        50,
        write_ms,
        lambda status, _: status.parts.postgresql.round_trip_ms,
    ),
    PartRule(
        "redis",
        "Redis",
        "round trip",
        "ms",
        20,
        write_ms,
        lambda status, _: status.parts.redis.round_trip_ms,
    ),
    PartRule(
        "worker",
        "Worker",
        "oldest pending",
        "seconds",
        # How long a score may wait to be folded; a healthy service takes a tenth of a second.
        5.0,
        write_age,
        lambda status, _: read_oldest_seconds(status),
    ),
    # The scheduler sends something each minute; two missed ones are no accident.
    PartRule(
        "scheduler", "Scheduler", "since message", "seconds", 130, write_age, _read_scheduler_age
    ),
    PartRule(
        "index",
        "Index",
        "refreshes behind",
        "refreshes",
        20,
        write_count,
        lambda status, _: status.parts.index.behind,
    ),
)

LIMIT_NAMES: Final = {f"{rule.name}_{rule.unit}": rule.name for rule in PART_RULES}
"""How people name the limits, and the parts that these are of."""


def adapt_rules(limits: Mapping[str, float]) -> dict[str, PartRule]:
    """Return the rules by their parts, with other limits where there are some of these names."""
    others = {LIMIT_NAMES[name]: limit for name, limit in limits.items()}
    return {
        rule.name: rule._replace(limit=others.get(rule.name, rule.limit)) for rule in PART_RULES
    }


CAUSES: Final[dict[str, tuple[str, ...]]] = {
    "worker": ("redis",),
    "scheduler": ("postgresql", "redis", "worker"),
    "index": ("redis",),
    "lag": ("postgresql", "redis", "worker", "index"),
    "rerank": ("postgresql", "redis", "worker", "scheduler"),
}
"""The parts through which another is heard of, or without which it cannot go on."""

_AWAY: Final = {
    "api": "no process was heard of",
    "postgresql": "the API gets no answer from it",
    "redis": "the API gets no answer from it",
    "worker": "no process was heard of",
    "scheduler": "no message for two minutes",
    "index": "PostgreSQL answers until rebuilt",
}


def judge_part(rule: PartRule, status: Status, round_trip_ms: float, now: datetime) -> PartHealth:
    """Judge a part in one status."""
    part: Part = getattr(status.parts, rule.name)
    value = rule.read(status, round_trip_ms)
    verdict: Verdict = "slow" if value is not None and value > rule.limit else "ok"
    if part.state == "away":
        is_dated = rule.name == "scheduler" and value is not None
        detail = f"no message for {write_age(value)}" if is_dated else _AWAY[rule.name]
        return PartHealth(rule, "away", value, detail)
    if part.state == "unknown":
        return PartHealth(rule, "unknown", value, "nothing is heard of it yet")
    if value is None:
        # It may be there: whether it does its work, who would tell does not.
        detail = clean_name(part.cause) if part.cause else f"{rule.measure} not told"
        return PartHealth(rule, "unknown", None, detail)
    return PartHealth(
        rule,
        verdict,
        value,
        DETAIL_SEPARATOR.join(_describe_part(rule.name, part, status.at, now.tzinfo)),
    )


def read_rerank_seconds(status: Status) -> float | None:
    """Return how long stored ranks have not been those of the last refresh; None where they are."""
    refresh, rerank = status.refresh, status.rerank
    if refresh is None or rerank is None or rerank.at is None or rerank.number >= refresh.number:
        return None
    return (status.at - rerank.at).total_seconds()


def is_rerank_late(status: Status) -> bool:
    """Return whether a re-rank is put off for longer than one takes that comes when it is due."""
    seconds = read_rerank_seconds(status)
    took = (status.rerank.duration_ms or 0.0) / 1000 if status.rerank else 0.0
    return seconds is not None and seconds > max(RERANK_SECONDS, _RERANK_DURATIONS * took)


def _describe_part(name: str, part: Part, at: datetime, zone: tzinfo | None) -> Sequence[str]:
    """Return what is known of a part when it is `at` by the service's clock."""
    match name:
        case "api":
            words = _describe_processes(part, at)
            memory = sum(process.memory_bytes or 0 for process in part.processes)
            waiting = sum(process.submits_waiting or 0 for process in part.processes)
            # Where some wait, that is what is looked for.
            waits = [write_amount(waiting, "submit") + " waiting"] if waiting else []
            return [*waits, *words, write_bytes(memory)] if memory else [*waits, *words]
        case "worker":
            return _describe_processes(part, at)
        case "postgresql":
            if part.cause is not None:
                return [clean_name(part.cause)]
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


def _describe_processes(part: Part, at: datetime) -> list[str]:
    words = [write_amount(len(part.processes), "process")]
    if part.processes:
        latest = max(process.started_at for process in part.processes)
        words.append(f"up {write_age((at - latest).total_seconds())}")
    return words
