"""Why requests are slow, in words: the cause first, and nothing that was not seen."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from dashboard.client.answers import Process
from dashboard.client.waits import LockWait, PostgresWaits, RouteWaits, WaitEvent, Waits
from dashboard.state.event_log import Severity
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_age, write_amount, write_ms

LOOKS: Final = 10
"""How many looks at PostgreSQL are remembered; there is one a second."""

SUBMIT: Final = "POST /api/leaderboard/submit"
_LEDGER: Final = "leaderboard api ledger"
_OURS: Final = "leaderboard api"

_FINE_MS: Final = 25.0
_STUCK_MS: Final = 1_000.0
_LONG_LOCK_SECONDS: Final = 0.5
_LATE_MS: Final = 20.0
_BUSY_PERCENT: Final = 90.0
_MOST_OF_IT: Final = 0.4

# What takes its time by intent, and is no request that a player waits for.
_LONG_BY_INTENT: Final = ("/stream", "/submit/bulk", "/api/import/", "/api/export/", "/api/ops/")

STAGES: Final = {
    "queue": "their turn in a commit",
    "pool": "a connection to PostgreSQL",
    "statement": "the statement",
    "commit": "the commit",
}
"""What is waited for in each stage."""


class Finding(NamedTuple):
    """Why requests are slow, and how bad that is; `is_fine` where nothing is slow."""

    severity: Severity
    text: str
    is_fine: bool = False


class Looks:
    """The last looks at what PostgreSQL waits for: one alone says little of what comes and goes."""

    def __init__(self) -> None:
        self._looks: deque[PostgresWaits] = deque(maxlen=LOOKS)

    def __len__(self) -> int:
        return len(self._looks)

    def add(self, look: PostgresWaits | None) -> None:
        """Add one; None where PostgreSQL did not say."""
        if look is not None:
            self._looks.append(look)

    def count_events(self) -> list[tuple[str, str, int]]:
        """Return processes, what they waited for, and in how many looks, the most often first."""
        seen = Counter(
            (event.process, name_event(event)) for look in self._looks for event in look.events
        )
        return [(process, event, looks) for (process, event), looks in seen.most_common()]

    def find_event(self, process: str) -> tuple[str, int] | None:
        """Return what a process waited for most often, and in how many looks."""
        events = ((event, looks) for name, event, looks in self.count_events() if name == process)
        return next(events, None)


def name_event(event: WaitEvent) -> str:
    """Return what is waited for, as PostgreSQL calls it: `IO:WalSync`."""
    return "CPU" if event.type == "CPU" else f"{event.type}:{event.event}"


def choose_route(waits: Waits) -> str:
    """Return the route to look at first: the slowest of those that somebody waits for."""
    routes = [
        route
        for route in waits.routes
        if route.requests and not any(part in route.route for part in _LONG_BY_INTENT)
    ]
    slowest = max(routes, key=lambda route: route.latency.p99_ms or 0.0, default=None)
    return slowest.route if slowest else SUBMIT


def find_route(waits: Waits, name: str) -> RouteWaits | None:
    """Return what is known of a route."""
    return next((route for route in waits.routes if route.route == name), None)


def judge(waits: Waits, looks: Looks, name: str, processes: Sequence[Process]) -> Finding:
    """Return why a route is slow; `processes` are those of the API.

    What stands still comes first: it has no figures before it ends.
    """
    if waits.postgresql is None:
        cause = clean_name(waits.cause or "no reason is given").removesuffix(".")
        return Finding("bad", f"PostgreSQL does not say what it waits for: {cause}")
    lock = max(waits.postgresql.locks, key=lambda lock: lock.seconds, default=None)
    if lock is not None and lock.seconds >= _LONG_LOCK_SECONDS:
        who = "submits wait" if lock.process == _LEDGER else f"{clean_name(lock.process)} waits"
        return Finding("bad", f"{who} for a lock, {describe_lock(lock)}")
    if (waits.commit_under_way_ms or 0.0) >= _STUCK_MS:
        return Finding("bad", _describe_stuck(waits, waits.postgresql))
    route = find_route(waits, name)
    if route is None or route.latency.p99_ms is None:
        return Finding("info", "nobody has asked for it in the last minute")
    spent = _find_spent(route)
    # Not their sum: those that were slow in one stage are not those that were slow in another.
    whole = max(route.latency.p99_ms, *spent.values()) if spent else route.latency.p99_ms
    is_fine = whole < _FINE_MS
    fine = f"nothing is slow, 99 % within {write_ms(whole)}; " if is_fine else ""
    why = _describe_spent(name, whole, spent, looks, _describe_process(processes))
    return Finding("info" if is_fine else "warn", fine + why, is_fine)


def _describe_spent(
    name: str, whole: float, spent: dict[str, float], looks: Looks, own: str
) -> str:
    """Return where most of the time goes, of `whole` ms; each figure is a 99th percentile."""
    subject = _name_requests(name)
    if not spent:
        return (
            f"{subject} of this route ask PostgreSQL for nothing, and no stages are measured; {own}"
        )
    spent["other"] = max(0.0, whole - sum(spent.values()))
    first, second = sorted(spent, key=lambda stage: spent[stage], reverse=True)[:2]
    share = _write_share(spent[first], whole)
    if spent[first] < _MOST_OF_IT * whole:
        parts = ", ".join(f"{stage} {write_ms(ms)}" for stage, ms in spent.items())
        return f"{subject} wait a little everywhere (p99 of each): {parts}"
    if first == "other":
        return f"{subject} spend about {share} outside of PostgreSQL; {own}"
    why = f"{subject} wait for {STAGES[first]}: {share} (p99 of each)"
    if first == "queue":
        # Who waits for a turn waits for the commit before.
        then = "the API itself" if second == "other" else STAGES[second]
        return f"{why}, and then for {then}: {write_ms(spent[second])}"
    if first == "pool":
        return f"{why}; all that it may have are taken"
    return f"{why}; {_describe_looks(looks, name)}"


def _write_share(part: float, whole: float) -> str:
    """Return how much of a time it is: 38 of 42 ms."""
    part_text, whole_text = write_ms(part), write_ms(whole)
    number, _, unit = part_text.partition(" ")
    return f"{number if whole_text.endswith(f' {unit}') else part_text} of {whole_text}"


def _name_requests(route: str) -> str:
    return "submits" if route == SUBMIT else "requests"


def describe_lock(lock: LockWait) -> str:
    """Return what is waited for, for how long, and who holds it."""
    held = f"{lock.lock}, for {write_age(lock.seconds)}"
    if not lock.held_by:
        return f"{held}; who holds it is not told"
    holder = lock.held_by[0]
    more = f" and {len(lock.held_by) - 1} more" if len(lock.held_by) > 1 else ""
    lasted = f" for {write_age(holder.seconds)}" if holder.seconds is not None else ""
    state = f"{clean_name(holder.state)}{lasted}"
    return f"{held}; process {holder.pid} ({clean_name(holder.process)}, {state}){more} holds it"


def _find_spent(route: RouteWaits) -> dict[str, float]:
    """Return how long the slow ones spend in each stage, in ms."""
    return {
        stage.stage: stage.latency.p99_ms
        for stage in route.stages
        if stage.stage in STAGES and stage.latency.p99_ms is not None
    }


def _describe_stuck(waits: Waits, postgresql: PostgresWaits) -> str:
    age = write_age((waits.commit_under_way_ms or 0.0) / 1000)
    waiting = write_amount(waits.submits_waiting, "submit")
    text = f"a commit has been under way for {age}, {waiting} behind it"
    at_work = [event for event in postgresql.events if event.process == _LEDGER]
    if not at_work:
        return (
            f"{text}, and PostgreSQL is at work on nothing of it: the process that serves it is "
            "frozen, or the connection is cut"
        )
    longest = postgresql.longest
    process = f" (process {longest.pid})" if longest and longest.process == _LEDGER else ""
    if at_work[0].type == "CPU":
        return f"{text}; PostgreSQL's process for it{process} computes, or is frozen"
    return f"{text}; PostgreSQL waits on {name_event(at_work[0])}{process}, or is frozen there"


def _describe_looks(looks: Looks, route: str) -> str:
    seen = looks.find_event(_LEDGER if route == SUBMIT else _OURS)
    number = write_amount(len(looks), "look")
    if seen is None:
        return f"what PostgreSQL waits on was not seen in {number}"
    event, times = seen
    does = "computes" if event == "CPU" else f"waits on {event}"
    return f"PostgreSQL {does} (seen in {times} of {number})"


def _describe_process(processes: Sequence[Process]) -> str:
    """Return whether the API's own processes or their machines explain it."""
    lag = max((process.loop_lag_ms or 0.0 for process in processes), default=0.0)
    busy = max((process.host_processor_percent or 0.0 for process in processes), default=0.0)
    if lag >= _LATE_MS or busy >= _BUSY_PERCENT:
        return f"an API process is late by up to {write_ms(lag)}, processors {busy:.0f} % in use"
    return f"the API is not late ({write_ms(lag)}), so where is not known"
