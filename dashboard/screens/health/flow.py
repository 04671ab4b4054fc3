"""How scores flow through the service, and what it needs for that."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from dashboard.client.answers import Process, Refresh, Rerank, Status
from dashboard.screens.health.history import draw_history
from dashboard.screens.health.routes import write_long_ms
from dashboard.state.parts.health import Health
from dashboard.state.parts.rules import (
    PartRule,
    is_rerank_late,
    read_oldest_seconds,
    read_rerank_seconds,
)
from dashboard.text.numbers import (
    choose_text,
    write_age,
    write_amount,
    write_ms,
    write_rate,
)
from dashboard.widgets.tones import Tone, ToneLine

_LONGEST_GRAPH: Final = 10
_SHORTEST_GRAPH: Final = 4
_BESIDE_GRAPH: Final = 33
_IN_TILES: Final = {"oldest": "worker", "behind": "index"}
"""The figures that tiles say too, and whose limits these have."""


class _Row(NamedTuple):
    """A line: the history to draw beside it, a word for what it is, what to say, and how."""

    history: str
    title: str
    text: str
    tone: Tone = "strong"


def draw_flow(
    status: Status, health: Health, rules: Mapping[str, PartRule], width: int, height: int
) -> list[ToneLine]:
    """Return a line for each figure, and one that says what freshness is."""
    rows = _list_rows(status, health, rules["worker"].limit)
    if 0 < height <= len(rows):
        # The tiles say these too.
        rows = [row for row in rows if row.history not in _IN_TILES]
    graph = max(_SHORTEST_GRAPH, min(_LONGEST_GRAPH, width - _BESIDE_GRAPH))
    lines: list[ToneLine] = []
    for row in rows:
        history, rule = (
            health.history.get(row.history, ()),
            rules.get(_IN_TILES.get(row.history, "")),
        )
        limit = rule.limit if rule else None
        beside = draw_history(history, graph, limit=limit)
        lines.append([beside, (f" {row.title:<10}", "muted"), (row.text, row.tone)])
    if status.freshness is None:
        notes = ["freshness unknown: no worker is heard of", "freshness unknown: no worker"]
    else:
        visible = f"submit to visible, {write_amount(health.freshness.sessions, 'session')}"
        notes = [f"freshness: {visible}", visible, "submit to visible"]
    lines.append([(choose_text(width or len(notes[0]), *notes), "muted")])
    return lines


def _list_rows(status: Status, health: Health, longest: float) -> list[_Row]:
    submits, queue = health.read_values("submits"), health.read_values("queue")
    queued = write_amount(queue[-1] if queue else None, "message")
    dead = sum(messages.dead for messages in status.queues.values())
    queued += f", {dead:,} dead" * bool(dead)
    late = is_rerank_late(status)
    put_off = f"put off, {write_age(read_rerank_seconds(status))} old"
    return [
        _Row("submits", "submits", write_rate(submits[-1] if submits else None)),
        _describe_freshness(status, health, longest),
        _describe_oldest(status, longest),
        _Row("behind", "index", _write_behind(status.parts.index.behind)),
        _Row("queue", "queued", queued, "warn" if dead else "strong"),
        _Row("refresh", "refresh", _write_run(status.refresh, status)),
        _Row(
            "rerank",
            "re-rank",
            put_off if late else _write_run(status.rerank, status),
            "warn" if late else "strong",
        ),
        _Row("pending", "pending", write_amount(status.pending_sessions, "session")),
        *_list_process_rows(status.parts.api.processes),
    ]


def _describe_freshness(status: Status, health: Health, longest: float) -> _Row:
    oldest = read_oldest_seconds(status)
    if oldest is not None and oldest > longest:
        # What became visible before is no news of what does not.
        return _Row("freshness", "freshness", f"none for {write_age(oldest)}", "warn")
    if status.pending_sessions is None:
        # Whether scores wait, nobody can tell: what became visible before is no answer.
        return _Row("freshness", "freshness", "unknown")
    freshness = health.freshness
    p50, p99 = write_long_ms(freshness.read_p50_ms()), write_long_ms(freshness.read_p99_ms())
    return _Row("freshness", "freshness", f"p50 {p50} p99 {p99}")


def _describe_oldest(status: Status, longest: float) -> _Row:
    oldest = read_oldest_seconds(status)
    over = oldest is not None and oldest > longest
    text = f"{write_age(oldest)}, limit {write_age(longest)}"
    return _Row("oldest", "oldest", text, "warn" if over else "strong")


def _list_process_rows(processes: Sequence[Process]) -> list[_Row]:
    """Return what the API processes need, of all of them together or of the worst."""
    waiting = sum(process.submits_waiting or 0 for process in processes)
    connections = sum(process.database_connections or 0 for process in processes)
    idle = sum(process.database_connections_idle or 0 for process in processes)
    lags = [process.loop_lag_ms for process in processes if process.loop_lag_ms is not None]
    # Several processes of one machine tell of the same one.
    busiest = max(processes, key=lambda process: process.host_load or 0.0, default=None)
    rows = [
        _Row("waiting", "waiting", write_amount(waiting, "submit")),
        _Row("idle", "database", f"{idle:,} of {connections:,} idle"),
        _Row("loop", "loop lag", f"{write_ms(max(lags))}, worst of 10 s" if lags else "unknown"),
    ]
    if busiest is not None and busiest.host_processors is not None:
        load = f"{busiest.host_processor_percent:.0f} % of {busiest.host_processors}"
        rows.append(_Row("host", "host", f"{load}, load {busiest.host_load:.2f}"))
    return rows


def _write_behind(behind: int | None) -> str:
    return "unknown" if behind is None else f"{write_amount(behind, 'refresh')} behind"


def _write_run(run: Refresh | Rerank | None, status: Status) -> str:
    if run is None:
        # PostgreSQL, which would know, is away.
        return "unknown"
    if run.at is None:
        return "never"
    age = write_age((status.at - run.at).total_seconds())
    return f"{write_ms(run.duration_ms)}, {age} ago"
