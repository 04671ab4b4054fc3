"""Load from as many connections as asked for, each sending again as soon as it is answered.

A program of its own, so that its processor time is: `python -m tests.benchmarks.closed_loop`. It
takes the place of wrk where there is none, and counts exactly: every request that it sends is
answered before it ends.
"""

import asyncio
import json
import time
from collections import Counter

import click
import uvloop

from tests.benchmarks.client import LOST, Connection, connect
from tests.benchmarks.latencies import Latencies
from tests.benchmarks.requests import Kind, RequestMaker, Target


class ClosedLoop:
    """The load of one run."""

    def __init__(self, target: Target, kind: Kind, seed: int) -> None:
        self._target = target
        self._kind = kind
        self._maker = RequestMaker(target, seed=seed)
        self.latencies = Latencies()
        self.statuses: Counter[int] = Counter()

    async def run(self, connections: int, seconds: float) -> float:
        """Send for so long, wait for the last answers, and return how long all of it took."""
        opened = [await connect(self._target) for _ in range(connections)]
        started_at = time.perf_counter()
        ends_at = started_at + seconds
        await asyncio.gather(*(self._keep_busy(connection, ends_at) for connection in opened))
        elapsed = time.perf_counter() - started_at
        for connection in opened:
            connection.close()
        return elapsed

    async def _keep_busy(self, connection: Connection, ends_at: float) -> None:
        finished = asyncio.get_running_loop().create_future()
        sent_at = time.perf_counter()

        # A callback and no task switch a request: that is what makes it cheaper than a server.
        def take_answer(status: int, _: bytes) -> None:
            nonlocal sent_at
            now = time.perf_counter()
            self.statuses[status] += 1
            self.latencies.add(now - sent_at)
            if status == LOST or now >= ends_at:
                finished.set_result(None)
            else:
                sent_at = now
                connection.send(self._maker.make(self._kind))

        connection.answered = take_answer
        connection.send(self._maker.make(self._kind))
        await finished


@click.command()
@click.argument("url")
@click.argument("kind", type=click.Choice(["submit", "top", "rank"]))
@click.option("--first-player", type=int, required=True)
@click.option("--last-player", type=int, required=True)
@click.option("--connections", type=int, required=True)
@click.option("--seconds", type=float, required=True)
@click.option("--seed", type=int, required=True)
@click.option("--api-key")
def main(
    url: str,
    kind: Kind,
    first_player: int,
    last_player: int,
    connections: int,
    seconds: float,
    seed: int,
    api_key: str | None,
) -> None:
    """Send load of one kind to a server and print what came of it as JSON."""
    loop = ClosedLoop(Target(url, first_player, last_player, api_key), kind, seed)
    elapsed = uvloop.run(loop.run(connections, seconds))
    click.echo(
        json.dumps(
            {
                "seconds": elapsed,
                "answers": loop.statuses[200],
                "errors": loop.statuses.total() - loop.statuses[200],
                **loop.latencies.describe(),
            }
        )
    )


if __name__ == "__main__":
    main()
