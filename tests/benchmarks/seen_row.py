"""The rows about reading what one has written: `rank?seen=` right after the submit's answer."""

import asyncio
import random
import time
from collections import Counter
from typing import Final

import httpx
import msgspec

from dashboard.simulation.client.requests import Connection, Target
from dashboard.simulation.reports.histogram import LatencyHistogram
from dashboard.simulation.workload.clock import RunClock
from tests.benchmarks.results import Budget, Context, Row, Series
from tests.benchmarks.traffic import RANK_PATH

_SECONDS: Final = 20
_BUSY: Final = 2_000
_CALM: Final = 300
_CONNECTIONS: Final = 400


class _Submitted(msgspec.Struct):
    session_id: int


class _Rank(msgspec.Struct):
    pending: bool = False


class _Load:
    """Submits at times fixed in advance, each followed by its read on the same connection."""

    def __init__(self, context: Context) -> None:
        self._target = Target(context.target.url, context.target.api_key)
        self._players = context.target.players
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self.waits = LatencyHistogram()
        self.found: Counter[str] = Counter()

    async def run(self, rate: int) -> None:
        """Send for so long; what finds no free connection is not sent, and counted."""
        connections = [self._target.open_connection() for _ in range(_CONNECTIONS)]
        for connection in connections:
            self._free.put_nowait(connection)
        clock, due_at = RunClock(), 0.0
        async with asyncio.TaskGroup() as requests:
            while due_at < _SECONDS:
                await clock.wait_for(due_at)
                due_at += random.expovariate(rate)
                if self._free.empty():
                    self.found["not sent"] += 1
                else:
                    requests.create_task(self._submit_and_read(self._free.get_nowait()))
        for connection in connections:
            connection.close()

    async def _submit_and_read(self, connection: Connection) -> None:
        player = random.choice(self._players)
        body = b'{"user_id":%d,"score":1}' % player
        answer = await connection.send("POST", "/api/leaderboard/submit", body)
        if answer.status == httpx.codes.OK:
            session_id = msgspec.json.decode(answer.body, type=_Submitted).session_id
            started_at = time.perf_counter()
            answer = await connection.send("GET", f"{RANK_PATH}/{player}?seen={session_id}")
            self.waits.record(time.perf_counter() - started_at)
        if answer.status != httpx.codes.OK:
            self.found[f"answered {answer.status}"] += 1
        elif msgspec.json.decode(answer.body, type=_Rank).pending:
            self.found["pending after a second"] += 1
        self._free.put_nowait(connection)


async def measure_seen(context: Context) -> list[Row]:
    """Measure the read alone: it waits until the submit before it counts."""
    rows = []
    for rate, most_ms, name in ((_CALM, 15, "p50"), (_BUSY, 150, "p99")):
        await context.stack.wait_until_quiet()
        context.say(f"seen: {rate:,} submits a second, each followed by its read")
        load = _Load(context)
        before = time.process_time()
        await load.run(rate)
        share = (time.process_time() - before) / _SECONDS
        latency = load.waits.summarize()
        assert latency is not None, load.found
        rows.append(
            Row(
                name="seen",
                what=f"`rank?seen=` after each of {rate:,} submits a second, {name}",
                unit="ms",
                budget=Budget("figure", most=most_ms),
                figure=Series.of([latency.p50_ms if name == "p50" else latency.p99_ms]),
                notes=(
                    (
                        f"p50 {latency.p50_ms:.1f} ms, p99 {latency.p99_ms:.0f} ms, max "
                        f"{latency.max_ms:.0f} ms, {latency.count / _SECONDS:,.0f} reads a second; "
                        f"the generator: {share:.0%} of a processor"
                    ),
                    *([f"BESIDES: {dict(load.found)}"] if load.found else []),
                ),
            )
        )
    return rows
