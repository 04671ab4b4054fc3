"""Load that keeps its rate whatever the server does, and probes of how fresh the reads are.

A program of its own: `python -m tests.benchmarks.open_loop`. Latencies count from the moment at
which a request was due, so that a server that stalls cannot hide it. A probe submits a score and
then asks again and again until `rank`, or `top`, shows it.
"""

import asyncio
import heapq
import json
import random
import time
from collections import Counter, deque
from functools import partial
from typing import Any

import click
import msgspec
import uvloop

from tests.benchmarks.client import Connection, connect
from tests.benchmarks.latencies import Latencies
from tests.benchmarks.requests import Kind, RequestMaker, Target

_CONNECTIONS = 128
_PROBE_CONNECTIONS = 16
_PROBE_PAUSE_SECONDS = 0.005
_PROBE_DEADLINE_SECONDS = 10.0
_PROBED_PLAYERS = 100
_TOP_PLAYERS = 10
_TOP_ASKED = 100
_OK = 200
_DRAIN_SECONDS = 30.0


class Stream:
    """Requests of one kind at a steady rate, and what came of them."""

    def __init__(self, kind: Kind, rate: float) -> None:
        self.kind: Kind = kind
        self.rate = rate
        self.latencies = Latencies()
        self.statuses: Counter[int] = Counter()

    def describe(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "answers": self.statuses[_OK],
            "errors": {status: n for status, n in self.statuses.items() if status != _OK},
            **self.latencies.describe(),
        }


class OpenLoop:
    """Streams of requests over a pool of connections."""

    def __init__(self, target: Target, maker: RequestMaker, streams: list[Stream]) -> None:
        self._target = target
        self._maker = maker
        self._streams = [stream for stream in streams if stream.rate > 0]
        self._idle: deque[Connection] = deque()
        self._late: deque[tuple[Stream, float]] = deque()
        self._under_way = 0
        self._has_ended = False
        self._all_answered = asyncio.Event()
        self._reconnecting: set[asyncio.Task[None]] = set()
        self.lag = Latencies()
        """How late we noticed that a request was due: our own part of its latency."""

    async def run(self, seconds: float) -> None:
        """Send for so long, then wait for the answers."""
        self._idle.extend([await connect(self._target) for _ in range(_CONNECTIONS)])
        started_at = time.perf_counter()
        ends_at = started_at + seconds
        due = [(started_at, number) for number in range(len(self._streams))]
        heapq.heapify(due)
        while due and due[0][0] < ends_at:
            due_at, number = due[0]
            wait_seconds = due_at - time.perf_counter()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
                continue
            self.lag.add(-wait_seconds)
            stream = self._streams[number]
            self._start(stream, due_at)
            # Requests of independent people: the pauses between them are exponential.
            heapq.heapreplace(due, (due_at + random.expovariate(stream.rate), number))
        self._has_ended = True
        if self._under_way:
            await asyncio.wait_for(self._all_answered.wait(), _DRAIN_SECONDS)
        for connection in self._idle:
            connection.close()

    def _start(self, stream: Stream, due_at: float) -> None:
        self._under_way += 1
        if self._idle:
            self._send(self._idle.popleft(), stream, due_at)
        else:
            self._late.append((stream, due_at))

    def _send(self, connection: Connection, stream: Stream, due_at: float) -> None:
        connection.answered = partial(self._take_answer, connection, stream, due_at)
        connection.send(self._maker.make(stream.kind))

    def _take_answer(
        self, connection: Connection, stream: Stream, due_at: float, status: int, _: bytes
    ) -> None:
        self._under_way -= 1
        if self._has_ended and not self._under_way:
            self._all_answered.set()
        stream.statuses[status] += 1
        stream.latencies.add(time.perf_counter() - due_at)
        if connection.is_open:
            self._reuse(connection)
        else:
            task = asyncio.create_task(self._reconnect())
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)

    def _reuse(self, connection: Connection) -> None:
        if self._late:
            self._send(connection, *self._late.popleft())
        else:
            self._idle.append(connection)

    async def _reconnect(self) -> None:
        self._reuse(await connect(self._target))


class Prober:
    """Measures the time from a submit's answer to the moment at which a read shows its score."""

    def __init__(self, maker: RequestMaker, kind: Kind, players: list[int]) -> None:
        self._maker = maker
        self._kind = kind
        self._players = players
        self._scores: dict[int, int] = {}
        self._connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.latencies = Latencies()
        self.failures: Counter[str] = Counter()

    async def run(self, target: Target, rate: float, seconds: float) -> None:
        """Probe at a steady rate for so long; each probe takes the next of the players."""
        for _ in range(_PROBE_CONNECTIONS):
            self._connections.put_nowait(await connect(target))
        for player in self._players:
            self._scores[player] = await self._ask_score(player)
        probes = []
        for number in range(int(rate * seconds)):
            probes.append(
                asyncio.create_task(self._probe(self._players[number % len(self._players)]))
            )
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*probes)

    async def _probe(self, player: int) -> None:
        status, _ = await self._ask(self._maker.make_submit(player, 1))
        answered_at = time.perf_counter()
        if status != _OK:
            self.failures[f"submit answered {status}"] += 1
            return
        self._scores[player] += 1
        expected = self._scores[player]
        while await self._ask_score(player) < expected:
            if time.perf_counter() > answered_at + _PROBE_DEADLINE_SECONDS:
                self.failures["never seen"] += 1
                break
            await asyncio.sleep(_PROBE_PAUSE_SECONDS)
        self.latencies.add(time.perf_counter() - answered_at)

    async def _ask_score(self, player: int) -> int:
        """Return the score that the read shows now; less than any where it does not answer."""
        if self._kind == "rank":
            status, body = await self._ask(self._maker.make_rank(player))
            return int(msgspec.json.decode(body)["total_score"]) if status == _OK else -1
        # More than the players asked about, so that being overtaken does not hide one.
        status, body = await self._ask(self._maker.make_top(_TOP_ASKED))
        if status != _OK:
            return -1
        entries = msgspec.json.decode(body)["leaderboard"]
        return max(
            (entry["total_score"] for entry in entries if entry["user_id"] == player), default=-1
        )

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        connection = await self._connections.get()
        try:
            return await connection.ask(request)
        finally:
            self._connections.put_nowait(connection)


async def _measure(
    target: Target,
    *,
    seconds: float,
    rates: dict[Kind, float],
    probe_rate: float,
) -> dict[str, Any]:
    top_players = await _find_top_players(target)
    everybody = range(target.first_player, target.last_player + 1)
    probed = random.sample(everybody, min(_PROBED_PLAYERS, len(everybody) // 10))
    probed = [player for player in probed if player not in top_players]
    # A probe knows what its player's total must become: nobody else may add to it.
    maker = RequestMaker(target, spared=frozenset(top_players + probed))
    streams = [Stream(kind, rate) for kind, rate in rates.items()]
    loop = OpenLoop(target, maker, streams)
    probers = {"rank": Prober(maker, "rank", probed), "top": Prober(maker, "top", top_players)}
    processor_before, started_at = time.process_time(), time.perf_counter()
    tasks = [loop.run(seconds)]
    if probe_rate:
        tasks += [prober.run(target, probe_rate, seconds) for prober in probers.values()]
    await asyncio.gather(*tasks)
    elapsed = time.perf_counter() - started_at
    return {
        "seconds": elapsed,
        "streams": {stream.kind: stream.describe() for stream in streams},
        "probes": {
            name: {
                "probes": len(prober.latencies),
                "failures": prober.failures,
                **prober.latencies.describe(),
            }
            for name, prober in probers.items()
        },
        "lag": loop.lag.describe(),
        "processor_share": (time.process_time() - processor_before) / elapsed,
    }


async def _find_top_players(target: Target) -> list[int]:
    connection = await connect(target)
    status, body = await connection.ask(RequestMaker(target).make("top"))
    connection.close()
    assert status == _OK
    entries = msgspec.json.decode(body)["leaderboard"]
    return [int(entry["user_id"]) for entry in entries[:_TOP_PLAYERS]]


@click.command()
@click.argument("url")
@click.option("--first-player", type=int, required=True)
@click.option("--last-player", type=int, required=True)
@click.option("--seconds", type=float, required=True)
@click.option("--submits", type=float, default=0.0, help="Submits a second.")
@click.option("--ranks", type=float, default=0.0, help="Ranks a second.")
@click.option("--tops", type=float, default=0.0, help="Tops a second.")
@click.option("--probes", type=float, default=0.0, help="Probes of each read a second.")
def main(
    url: str,
    first_player: int,
    last_player: int,
    seconds: float,
    submits: float,
    ranks: float,
    tops: float,
    probes: float,
) -> None:
    """Send load at steady rates and print what came of it as JSON."""
    figures = uvloop.run(
        _measure(
            Target(url, first_player, last_player),
            seconds=seconds,
            rates={"submit": submits, "rank": ranks, "top": tops},
            probe_rate=probes,
        )
    )
    click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
