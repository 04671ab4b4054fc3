"""What is wrong with the service, cause first, in the words that every screen shows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.client.answers import Status
from dashboard.state.event_log import Severity
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_age, write_amount

_SUBMITS: Final = ("POST /api/leaderboard/submit", "POST /api/leaderboard/submit/bulk")


_CAUSES: Final = {
    "worker": ("redis",),
    "scheduler": ("postgresql", "redis", "worker"),
    "index": ("redis",),
    "lag": ("postgresql", "redis", "worker"),
}
"""The parts through which another is heard of, or without which it cannot go on."""


class Trouble(NamedTuple):
    """Something that keeps scores from being taken or ranks from being right.

    `what` names the part and its state, `effect` what players feel of it, `advice` what to do.
    `since` is the operator's time of day, None where nobody can tell.
    """

    severity: Severity
    what: str
    effect: str
    advice: str
    since: datetime | None = None

    def describe_time(self, now: datetime) -> str:
        """Return what it is, and for how long: `PostgreSQL away 42 s`."""
        lasted = f" {write_age((now - self.since).total_seconds())}" if self.since else ""
        return f"{self.what}{lasted}"

    def describe(self, now: datetime) -> str:
        """Return it on one line: `PostgreSQL away 42 s: 699 submits refused, …`."""
        return f"{self.describe_time(now)}: {self.effect}"


class Verdict:
    """Follows every status, also those that are held back, and says what is wrong now."""

    def __init__(self) -> None:
        self._since: dict[str, datetime] = {}
        self._refused = 0
        self._refusals: dict[str, int] = {}
        self._status: Status | None = None

    def take(self, status: Status, now: datetime) -> None:
        """Take the newest status."""
        self._status = status
        for name in ("postgresql", "redis", "worker", "scheduler", "index"):
            if getattr(status.parts, name).state == "away":
                self._since.setdefault(name, now)
            else:
                self._since.pop(name, None)
        self._since.setdefault("lag", now)
        if status.parts.index.cause is None:
            del self._since["lag"]
        self._count_refused(status)

    def _count_refused(self, status: Status) -> None:
        """Count the submits that failed since PostgreSQL was last seen."""
        for route in status.routes:
            if route.route in _SUBMITS:
                # The first look cannot tell when those failed, and a process that starts has none.
                before = self._refusals.get(route.route, route.server_errors)
                self._refused += max(0, route.server_errors - before)
                self._refusals[route.route] = route.server_errors
        if "postgresql" not in self._since:
            self._refused = 0

    def list_troubles(self) -> Sequence[Trouble]:
        """Return what is wrong, that from which the rest follows first."""
        status = self._status
        if status is None:
            return ()
        describers = {
            "postgresql": self._describe_postgresql,
            "redis": self._describe_redis,
            "worker": _describe_worker,
            "scheduler": _describe_scheduler,
            "lag": _describe_lag,
            "index": _describe_index,
        }
        return [
            describe(status)._replace(since=self._since[name])
            for name, describe in describers.items()
            if name in self._since and not self._follows(name)
        ]

    def _follows(self, name: str) -> bool:
        """Return whether the state of a part only follows from that of another."""
        return any(cause in self._since for cause in _CAUSES.get(name, ()))

    def _describe_postgresql(self, _: Status) -> Trouble:
        refused = "submits are refused"
        if self._refused:
            refused = f"{write_amount(self._refused, 'submit')} refused"
        ranks = "ranks still answered"
        if "redis" in self._since or "index" in self._since:
            ranks = "ranks refused too"
        return Trouble(
            "bad",
            "PostgreSQL away",
            f"{refused}, {ranks}",
            "see its process, disk and log: all goes on by itself once it answers",
        )

    def _describe_redis(self, _: Status) -> Trouble:
        ranks = "ranks from PostgreSQL may lag"
        if "postgresql" in self._since:
            ranks = "ranks refused"
        return Trouble(
            "bad",
            "Redis away",
            f"{ranks}, worker and scheduler unknown",
            "see its process, memory and log: all goes on by itself once it answers",
        )


def _describe_worker(status: Status) -> Trouble:
    waiting = write_amount(status.pending_sessions, "score")
    are = "waits" if status.pending_sessions == 1 else "wait"
    return Trouble(
        "bad",
        "Worker away",
        f"ranks stand still, {waiting} {are}",
        "start one, or see the log of one that hangs",
    )


def _describe_scheduler(_: Status) -> Trouble:
    return Trouble(
        "bad",
        "Scheduler away",
        "no re-rank is asked for, no season ends in time",
        "start one, or see the log of one that hangs",
    )


def _describe_lag(status: Status) -> Trouble:
    return Trouble(
        "bad",
        "Ranks stand still",
        clean_name(status.parts.index.cause or "nobody knows why"),
        "see the part that is named, and the workers' log",
    )


def _describe_index(_: Status) -> Trouble:
    return Trouble(
        "bad",
        "Index away",
        "ranks come from PostgreSQL until it is rebuilt",
        "a worker rebuilds it by itself: see its log",
    )


def describe_silence(since: datetime) -> Trouble:
    """Return what is wrong with a service that keeps the connection and answers nothing."""
    return Trouble(
        "bad",
        "API silent",
        "it answers no status, whether it takes scores is unknown",
        "see its processes and the load of its machine",
        since,
    )


def describe_refusal(message: str) -> Trouble:
    """Return what is wrong where the service keeps its status to itself."""
    reason = clean_name(message).removesuffix(".")
    return Trouble("warn", "Status refused", reason, "until it comes, what is away is unknown")
