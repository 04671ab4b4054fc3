"""What is wrong with the service, cause first, in the words that every screen shows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.client.answers import Status
from dashboard.client.gateway import LIMIT_CODES, GatewayError
from dashboard.state.event_log import Severity
from dashboard.state.parts.rules import read_rerank_seconds
from dashboard.state.parts.watch import Watch
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_age, write_amount

_ORDER: Final = ("postgresql", "redis", "api", "worker", "scheduler", "index")
"""The parts, those first from which more follows."""

_START: Final = "start one, or see the log of one that hangs"
KEY_AT_LIMIT: Final = "Key at its limit"
"""What is wrong where the service is there, and this console asks it too often."""

ADVICE: Final = {
    "postgresql": "see its process, disk and log; all else recovers",
    "redis": "see its process, memory and log; all else recovers",
    "worker": _START,
    "scheduler": _START,
    "index": "a worker rebuilds it by itself: see its log",
    "api": "see its log",
}
"""What to do about a part that is away."""


class Trouble(NamedTuple):
    """Something that keeps scores from being taken or ranks from being right, or is about to.

    `what` names the part and its state, `effect` what players feel of it, `advice` what to do.
    `since` is the operator's time of day, None where nobody can tell.
    """

    severity: Severity
    what: str
    effect: str
    advice: str
    since: datetime | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it keeps scores out or ranks from being right."""
        return self.severity == "bad"

    def describe_time(self, now: datetime) -> str:
        """Return what it is, and for how long: `PostgreSQL away 42 s`."""
        lasted = f" {write_age((now - self.since).total_seconds())}" if self.since else ""
        return f"{self.what}{lasted}"

    def describe(self, now: datetime) -> str:
        """Return it on one line: `PostgreSQL away 42 s: 699 submits refused, …`."""
        return f"{self.describe_time(now)}: {self.effect}"


def list_troubles(watch: Watch, now: datetime, slow_key: str) -> Sequence[Trouble]:
    """Return what is wrong, that from which the rest follows first, and last what is only slow.

    `slow_key` is the key that tells why it is slow.
    """
    status = watch.status
    if status is None:
        return ()
    bad, slow = [], []
    for name in _ORDER:
        since = watch.read_since(name)
        match watch.read_verdict(name):
            case "away":
                bad.append(_describe_away(name, watch, status)._replace(since=since))
            case "looping":
                bad.append(_describe_loop(name, watch, now))
            case "slow":
                slow.append(_describe_slow(name, watch)._replace(since=since))
    if watch.lags and watch.find_cause("lag") is None:
        bad.append(_describe_lag(status, slow_key)._replace(since=watch.read_since("lag")))
    if watch.is_rerank_late and watch.find_cause("rerank") is None:
        slow.append(_describe_rerank(status))
    return [*bad, *slow]


def _describe_away(name: str, watch: Watch, status: Status) -> Trouble:
    effect = _describe_effect(name, watch, status)
    return Trouble("bad", f"{watch.rules[name].title} away", effect, ADVICE[name])


def _describe_effect(name: str, watch: Watch, status: Status) -> str:
    """Return what players feel of a part that is away."""
    match name:
        case "postgresql":
            refused = "submits are refused"
            if watch.refused:
                refused = f"{write_amount(watch.refused, 'submit')} refused"
            no_ranks = any(watch.read_verdict(part) == "away" for part in ("redis", "index"))
            return f"{refused}, {'ranks refused too' if no_ranks else 'ranks still answered'}"
        case "redis":
            is_lone = watch.read_verdict("postgresql") != "away"
            ranks = "ranks from PostgreSQL may lag" if is_lone else "ranks refused"
            return f"{ranks}, worker and scheduler unknown"
        case "worker":
            waiting = write_amount(status.pending_sessions, "score")
            are = "waits" if status.pending_sessions == 1 else "wait"
            return f"ranks stand still, {waiting} {are}"
        case "scheduler":
            return "no re-rank is asked for, no season ends in time"
        case "index":
            return "ranks come from PostgreSQL until it is rebuilt"
        case _:
            return "no process was heard of"


def _describe_loop(name: str, watch: Watch, now: datetime) -> Trouble:
    loop = watch.find_loop(name, now)
    often = f"{loop.times} times in {loop.seconds:.0f} s" if loop else "again and again"
    return Trouble(
        "bad",
        f"{watch.rules[name].title} restarts",
        f"{often}, and what it had under way is done again",
        "see its log for why it ends, and who kills it",
    )


def _describe_slow(name: str, watch: Watch) -> Trouble:
    health = watch.healths[name]
    rule = health.rule
    value, limit = rule.write(health.value), rule.write(rule.limit)
    return Trouble("warn", f"{rule.title} over its limit", f"{value} {rule.measure} of {limit}", "")


def _describe_lag(status: Status, slow_key: str) -> Trouble:
    cause = status.parts.index.cause
    if cause is None:
        advice = f"{slow_key} tells what it waits for"
        return Trouble("bad", "Ranks stand still", "nobody knows why", advice)
    advice = "see the part that is named, and the workers' log"
    return Trouble("bad", "Ranks stand still", clean_name(cause), advice)


def _describe_rerank(status: Status) -> Trouble:
    age = write_age(read_rerank_seconds(status))
    old = f"stored ranks are {age} old"
    return Trouble("warn", "Re-rank put off", old, "see the workers' log and the queues")


def describe_lost_link(what: str, reason: str, retry: str, since: datetime) -> Trouble:
    """Return what is wrong where nothing answers, or only with an error."""
    return Trouble("bad", what, clean_name(reason).removesuffix("."), retry, since)


def describe_silence(since: datetime) -> Trouble:
    """Return what is wrong with a service that keeps the connection and answers nothing."""
    return Trouble(
        "bad",
        "API silent",
        "it answers no status, whether it takes scores is unknown",
        "see its processes and the load of its machine",
        since,
    )


def describe_refusal(error: GatewayError) -> Trouble:
    """Return what is wrong where the service keeps its status to itself."""
    reason = clean_name(error.message).removesuffix(".")
    unknown = "until it comes, what is away is unknown"
    if error.code in LIMIT_CODES:
        return Trouble("warn", KEY_AT_LIMIT, reason, unknown)
    return Trouble("bad", "Status refused", reason, unknown)
