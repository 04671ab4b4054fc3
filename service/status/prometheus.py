"""Prometheus's text format for the figures of all processes, whichever one is asked.

What belongs to a process has its name as a label: a counter that starts again then is another
series, and `sum(rate(…))` over all of them stays right.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from service.counters import Distribution
from service.status.request_metrics import RouteFigures, sum_octaves
from service.status.schemas import ApiProcess, Overview, Status, WorkerProcess

# Litestar adds the character set to every text.
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")

_STATES: Final = {"ok": 1.0, "behind": 0.5, "away": 0.0}

_WORKER_COUNTERS: Final = {
    "sessions_folded": "Sessions folded into standings.",
    "standings_changed": "Standings changed by refreshes.",
    "ranks_stored": "Ranks stored by re-ranks.",
    "refreshes_unpublished": "Refreshes that Redis did not take: the index follows later.",
    "indexes_rebuilt": "Indexes that were not in order and made anew.",
}
"""The counters among `WorkerCounters`."""


def expose(overview: Overview) -> bytes:
    """Return the page that Prometheus scrapes. What is not known at the moment is left out."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(overview))
    return generate_latest(registry)


class _Page(Collector):
    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        status = self._overview.status
        yield InfoMetricFamily("leaderboard", "The release.", {"version": status.version})
        yield _collect_parts(status)
        yield from _collect_gauges(status)
        yield from _collect_boards(status)
        yield from _collect_queues(status)
        yield from self._collect_requests()
        yield from self._collect_api()
        yield from self._collect_workers()

    def _collect_requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "leaderboard_http_requests",
            "Requests answered, by route template.",
            labels=["process", "route", "status"],
        )
        seconds = HistogramMetricFamily(
            "leaderboard_http_request_duration_seconds",
            "Time from a request's headers to the beginning of its answer.",
            labels=["process", "route"],
        )
        # Sums without buckets: four stages of each route would be more series than all others.
        stages = SummaryMetricFamily(
            "leaderboard_http_request_stage_seconds",
            "Where the time of requests to PostgreSQL went; of submits, four commits a second.",
            labels=["process", "route", "stage"],
        )
        for api in self._overview.apis:
            process = _name(api.process)
            for route, figures in sorted(api.routes.items()):
                for stage, spent in sorted(figures.stage_seconds.items()):
                    stages.add_metric([process, route, stage], figures.measured, spent)
                for status, count in sorted(figures.statuses.items()):
                    requests.add_metric([process, route, str(status)], count)
                seconds.add_metric([process, route], _list_latencies(figures), figures.seconds)
        yield requests
        yield seconds
        yield stages

    def _collect_api(self) -> Iterator[Metric]:
        apis = [(_name(api.process), api) for api in self._overview.apis]
        yield _histogram(
            "leaderboard_group_commit_submits",
            "Submits that were committed together.",
            ((process, api.figures.batches) for process, api in apis),
        )
        yield _gauge(
            "leaderboard_submits_waiting",
            "Submits that wait for the next commit.",
            ((process, api.process.submits_waiting) for process, api in apis),
        )
        yield _gauge(
            "leaderboard_api_memory_bytes",
            "Resident memory of an API process.",
            ((process, api.process.memory_bytes) for process, api in apis),
        )
        yield _gauge(
            "leaderboard_database_connections",
            "Open connections of an API process to PostgreSQL.",
            ((process, api.process.database_connections) for process, api in apis),
        )
        yield _gauge(
            "leaderboard_database_connections_idle",
            "Those of them that nobody uses.",
            ((process, api.process.database_connections_idle) for process, api in apis),
        )
        yield _gauge(
            "leaderboard_loop_lag_seconds",
            "Longest wait in the last ten seconds for other work of an API process.",
            ((process, api.process.loop_lag_ms / 1000) for process, api in apis),
        )
        yield _gauge(
            "leaderboard_api_start_time_seconds",
            "When an API process started, in Unix time.",
            ((process, api.process.started_at.timestamp()) for process, api in apis),
        )

    def _collect_workers(self) -> Iterator[Metric]:
        workers = [(_name(worker.process), worker) for worker in self._overview.workers]
        figures = [(process, worker.figures) for process, worker in workers]
        yield _histogram(
            "leaderboard_freshness_seconds",
            "Time from a submit to its being visible in ranks and top.",
            ((process, one.freshness) for process, one in figures),
        )
        yield _histogram(
            "leaderboard_refresh_duration_seconds",
            "Time of a refresh, publishing included.",
            ((process, one.refreshes) for process, one in figures),
        )
        yield _histogram(
            "leaderboard_rerank_duration_seconds",
            "Time of a re-rank.",
            ((process, one.reranks) for process, one in figures),
        )
        for name, meaning in _WORKER_COUNTERS.items():
            counter = CounterMetricFamily(f"leaderboard_{name}", meaning, labels=["process"])
            for process, one in figures:
                counter.add_metric([process], getattr(one, name))
            yield counter
        yield _gauge(
            "leaderboard_worker_start_time_seconds",
            "When a worker process started, in Unix time.",
            ((process, worker.process.started_at.timestamp()) for process, worker in workers),
        )


def _collect_parts(status: Status) -> Metric:
    parts = status.parts
    up = GaugeMetricFamily(
        "leaderboard_part_state",
        "1: in order, 0.5: behind, 0: away; none where it cannot be known.",
        labels=["part"],
    )
    for part in ("api", "postgresql", "redis", "worker", "scheduler", "index"):
        state = getattr(parts, part).state
        # Of a part that is only heard of through one that is away there is nothing to say.
        if state in _STATES:
            up.add_metric([part], _STATES[state])
    return up


def _collect_gauges(status: Status) -> Iterator[Metric]:
    for name, meaning, value in _list_gauges(status):
        if value is not None:
            yield GaugeMetricFamily(f"leaderboard_{name}", meaning, value)


def _collect_boards(status: Status) -> Iterator[Metric]:
    """Yield what there is to tell of boards; so few have a label of their own."""
    boards = status.boards
    if boards is None:
        return
    yield GaugeMetricFamily("leaderboard_boards", "Boards, archived ones too.", boards.count)
    yield GaugeMetricFamily(
        "leaderboard_seasons_ending", "Seasons that are over and not closed.", len(boards.ending)
    )
    yield GaugeMetricFamily(
        "leaderboard_seasons_filling", "Seasons that are being filled.", len(boards.filling)
    )
    players = GaugeMetricFamily(
        "leaderboard_board_players",
        "Players of the 20 boards that have most, and of all others together.",
        labels=["board"],
    )
    for board in boards.busiest:
        players.add_metric([board.board], board.players)
    # No slug has capital letters.
    players.add_metric(["OTHERS"], boards.other_players)
    yield players


def _list_gauges(status: Status) -> Iterator[tuple[str, str, float | None]]:
    parts, players, refresh, rerank = status.parts, status.players, status.refresh, status.rerank
    yield "pending_sessions", "Sessions that no refresh has folded yet.", status.pending_sessions
    oldest = 0.0 if status.pending_sessions == 0 else status.oldest_pending_seconds
    yield "oldest_pending_seconds", "How long the oldest of them has waited.", oldest
    yield "index_behind", "Refreshes that the index has not followed yet.", parts.index.behind
    yield (
        "index_lag_seconds",
        "How long the oldest score has waited that reads do not show; 0 while they follow.",
        parts.index.lag_seconds,
    )
    yield "redis_memory_bytes", "Memory that Redis uses.", parts.redis.memory_bytes
    yield "postgresql_connections", "Connections to it.", parts.postgresql.connections
    seen_at = _unix(parts.scheduler.last_seen_at)
    yield "scheduler_seen_timestamp_seconds", "When the scheduler's last message came.", seen_at
    if players is not None:
        yield "players", "Players who stand on the global board.", players.standing
    if refresh is not None:
        yield "last_refresh_number", "Number of the last refresh.", refresh.number
        yield "last_refresh_timestamp_seconds", "When it was.", _unix(refresh.at)
        yield "last_refresh_sessions", "Sessions that it folded.", refresh.sessions
    if rerank is not None:
        seconds = None if rerank.duration_ms is None else rerank.duration_ms / 1000
        yield "last_rerank_timestamp_seconds", "When ranks were stored last.", _unix(rerank.at)
        yield "last_rerank_duration_seconds", "How long that took.", seconds
        yield "last_rerank_ranks", "Ranks stored then.", rerank.ranks_changed


def _collect_queues(status: Status) -> Iterator[Metric]:
    messages = GaugeMetricFamily(
        "leaderboard_queue_messages",
        "Messages of a queue: to do, for later, given up.",
        labels=["queue", "state"],
    )
    for queue, counts in status.queues.items():
        for state in ("ready", "delayed", "dead"):
            messages.add_metric([queue, state], getattr(counts, state))
    yield messages


def _gauge(name: str, meaning: str, values: Iterable[tuple[str, float]]) -> Metric:
    gauge = GaugeMetricFamily(name, meaning, labels=["process"])
    for process, value in values:
        gauge.add_metric([process], value)
    return gauge


def _histogram(name: str, meaning: str, values: Iterable[tuple[str, Distribution]]) -> Metric:
    histogram = HistogramMetricFamily(name, meaning, labels=["process"])
    for process, distribution in values:
        bounds = [*distribution.bounds, math.inf]
        below = _accumulate(zip(bounds, distribution.counts, strict=True))
        histogram.add_metric([process], below, distribution.total)
    return histogram


def _accumulate(counts: Iterable[tuple[float, int]]) -> list[tuple[str, float]]:
    passed = 0
    below = []
    for bound, count in counts:
        passed += count
        below.append((_write(bound), float(passed)))
    return below


def _list_latencies(figures: RouteFigures) -> list[tuple[str, float]]:
    below = [(_write(bound), float(count)) for bound, count in sum_octaves(figures.all_latencies)]
    return [*below, ("+Inf", float(sum(figures.all_latencies.values())))]


def _write(bound: float) -> str:
    return "+Inf" if math.isinf(bound) else repr(float(bound))


def _name(process: ApiProcess | WorkerProcess) -> str:
    return f"{process.host}:{process.pid}"


def _unix(at: datetime | None) -> float | None:
    return at.timestamp() if at else None
