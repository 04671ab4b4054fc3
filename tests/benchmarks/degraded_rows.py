"""Rows about reads while Redis is away, from stored places, and about the disk that all takes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx

from dashboard.simulation.client.api_client import ApiClient
from dashboard.simulation.client.requests import Target
from dashboard.simulation.reports.histogram import LatencyHistogram
from service.standings.refresh.rerank import rerank
from tests.benchmarks.results import Budget, Context, Row, Series
from tests.benchmarks.traffic import RANK_PATH
from tests.support.waiting import wait_until

_READERS: Final = 8
_PAGE: Final = 100
_PATIENCE_SECONDS: Final = 30.0


async def measure_degraded(context: Context) -> list[Row]:
    """Measure `rank`, `around` and `page` anywhere on the board, with Valkey frozen."""
    await context.stack.wait_until_quiet()
    # As they are a minute after the last change.
    await rerank(context.stack.connections.database)
    players = context.target.players
    paths: dict[str, Callable[[], str]] = {
        "rank": lambda: f"{RANK_PATH}/{random.choice(players)}",
        "around": lambda: f"/api/leaderboard/around/{random.choice(players)}",
        "page": lambda: (
            f"/api/leaderboard/page?limit={_PAGE}&offset={random.randrange(len(players) - _PAGE)}"
        ),
    }
    rows = []
    client = ApiClient(Target(context.target.url, context.target.api_key))
    try:
        async with _without_redis(context, client):
            for what, make_path in paths.items():
                context.say(f"degraded: {what}")
                rows.append(await _measure(client, what, make_path, context.plan.seconds))
    finally:
        await client.close()
    return rows


@asynccontextmanager
async def _without_redis(context: Context, client: ApiClient) -> AsyncIterator[None]:
    """Have Redis answer nobody inside the block, and every process know it."""
    servers = context.stack.find_processes("Valkey")
    for server in servers:
        server.suspend()
    try:

        async def all_are_stale() -> bool:
            path = f"{RANK_PATH}/{context.target.first_player}"
            return all(
                await asyncio.gather(*(_is_read_stale(client, path) for _ in range(_READERS)))
            )

        await wait_until(all_are_stale, seconds=_PATIENCE_SECONDS)
        yield
    finally:
        for server in servers:
            server.resume()


async def _is_read_stale(client: ApiClient, path: str) -> bool:
    answer = await client.ask("GET", path)
    return answer.status == httpx.codes.OK and b'"stale":true' in answer.body


async def _measure(
    client: ApiClient, what: str, make_path: Callable[[], str], seconds: float
) -> Row:
    found = LatencyHistogram()
    failures = 0

    async def read() -> None:
        nonlocal failures
        while time.perf_counter() < ends_at:
            started_at = time.perf_counter()
            is_stale = await _is_read_stale(client, make_path())
            found.record(time.perf_counter() - started_at)
            failures += not is_stale

    ends_at = time.perf_counter() + seconds
    await asyncio.gather(*(read() for _ in range(_READERS)))
    latency = found.summarize()
    assert latency is not None
    return Row(
        name="degraded",
        what=f"`{what}` without Redis, anywhere on the board, {_READERS} readers, p99",
        unit="ms",
        budget=Budget("figure", most=20),
        figure=Series.of([latency.p99_ms]),
        notes=(
            f"`{what}`: p50 {latency.p50_ms:.1f} ms, {latency.count:,} answers",
            *([f"{failures:,} WERE REFUSED OR NOT STALE"] if failures else []),
        ),
    )


async def measure_disk(context: Context) -> Row:
    """Measure what PostgreSQL keeps of each session, players and standings with it."""
    row = await context.stack.connections.database.fetch_one(
        "SELECT pg_database_size(current_database()) AS bytes"
    )
    assert row is not None
    files = context.stack.data_dir.rglob("*")
    all_bytes = sum(file.stat().st_size for file in files if file.is_file())
    return Row(
        name="disk",
        what="disk of the database",
        unit="bytes a session",
        figure=Series.of([row["bytes"] / context.plan.sessions]),
        notes=(f"{row['bytes'] / 2**30:.2f} GiB; the data directory {all_bytes / 2**30:.2f} GiB",),
    )
