"""Designs of submit and rank side by side: `python -m tests.benchmarks.designs`.

Each design is run in this process against the same PostgreSQL and Valkey, without HTTP, by callers
that each wait for their answer before they ask again. The designs take turns. What the service
ships is called by its own code; the others are as short as they can be made.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from service.backends.broker import connect_broker, disconnect_broker
from service.backends.circuit_breaker import Breaker
from service.backends.redis import SeasonKeys, encode_member
from service.backends.refresh_signal import RefreshSignal
from service.backends.replica import LaggingReads
from service.batching import Batcher
from service.boards.service import SeasonFinder
from service.errors import ServiceError
from service.maintenance.connections import Servers
from service.sessions.service import RECORD_SESSIONS, Ledger, Submission
from service.standings.index.reader import IndexReader
from service.standings.reads.ranks import READ_STANDING, RankReader
from tests.benchmarks.processor_time import read_processor_seconds
from tests.benchmarks.requests import MOST_SCORE
from tests.benchmarks.stack import Stack, run_stack, stop_on_termination

_COPY_BATCH: Final = """
    WITH recorded AS (
        INSERT INTO game_session (player_id, score, game_mode, submitted_at)
        SELECT player_id, score, 'solo', now() FROM arriving ORDER BY line
        RETURNING player_id, id
    )
    INSERT INTO pending_session (player_id, session_id)
    SELECT player_id, id FROM recorded
    RETURNING session_id
"""

Ask = Callable[[int], Awaitable[object]]
"""Submits a score of, or asks for the rank of, one player."""


@dataclass(frozen=True, slots=True)
class Design:
    """One way to do it."""

    work: str
    name: str
    ask: Ask


@dataclass(frozen=True, slots=True)
class Figure:
    """Answers a second, and what each took of the processors."""

    per_second: float
    here_us: float
    servers_us: float


def make_submit_designs(servers: Servers, ledger: Ledger) -> list[Design]:
    """Return the ways to write a submit durably."""
    database = servers.database

    async def write_alone(player: int) -> None:
        await database.fetch(RECORD_SESSIONS, [player], [_draw_score()], ["solo"], [None])

    async def write_each(players: list[int]) -> Sequence[int | ServiceError]:
        rows = [([player], [_draw_score()], ["solo"], [None]) for player in players]
        async with database.transaction() as connection:
            await connection.executemany(RECORD_SESSIONS, rows)
        return players

    async def copy(players: list[int]) -> Sequence[int | ServiceError]:
        async with database.transaction() as connection:
            await connection.execute(
                "CREATE TEMPORARY TABLE IF NOT EXISTS arriving"
                " (line integer, player_id bigint, score integer) ON COMMIT DELETE ROWS"
            )
            await connection.copy_records_to_table(
                "arriving",
                records=[(line, player, _draw_score()) for line, player in enumerate(players)],
            )
            await connection.fetch(_COPY_BATCH)
        return players

    async def record(player: int) -> int:
        return await ledger.record(Submission(player, _draw_score(), "solo", None))

    return [
        Design("submit", "a statement and a commit a submit", write_alone),
        Design("submit", "group commit, a pipelined statement a submit", _batch(write_each)),
        Design("submit", "group commit by COPY into a temporary table", _batch(copy)),
        Design("submit", "group commit, one statement over arrays (shipped)", record),
    ]


def make_rank_designs(servers: Servers, ranks: RankReader, season_id: int) -> list[Design]:
    """Return the ways to find a rank."""
    database, redis = servers.database, servers.redis
    keys = SeasonKeys.of(season_id)

    async def count_in_postgresql(player: int) -> object:
        return await database.fetch_one(READ_STANDING, season_id, player, 1 << 30)

    async def call(player: int) -> object:
        score = await redis.zscore(keys.index, encode_member(player))
        assert score is not None
        pipeline = redis.pipeline(transaction=False)
        pipeline.zcount(keys.index, "-inf", f"({score!r}")
        pipeline.hget(keys.names_bucket(player), str(player))
        return await pipeline.execute()

    async def pipeline_all(players: list[int]) -> Sequence[int | ServiceError]:
        first = redis.pipeline(transaction=False)
        for player in players:
            first.zscore(keys.index, encode_member(player))
        scores: list[Any] = await first.execute()
        second = redis.pipeline(transaction=False)
        for player, score in zip(players, scores, strict=True):
            second.zcount(keys.index, "-inf", f"({score!r}")
            second.hget(keys.names_bucket(player), str(player))
        counts: list[Any] = await second.execute()
        return [int(better) for better in counts[::2]]

    async def read(player: int) -> object:
        return await ranks.read_rank(player)

    return [
        Design("rank", "counted in PostgreSQL", count_in_postgresql),
        Design("rank", "two round trips to Redis a rank", call),
        Design("rank", "batched, two pipelines a batch", _batch(pipeline_all)),
        Design("rank", "batched, one script a batch (shipped)", read),
    ]


def _batch(run: Callable[[list[int]], Awaitable[Sequence[int | ServiceError]]]) -> Ask:
    batcher: Batcher[int, int] = Batcher(run, batch_limit=256, queue_limit=10_000)
    return batcher.put


def _draw_score() -> int:
    return random.randrange(MOST_SCORE)


async def measure(stack: Stack, design: Design, players: Sequence[int], plan: "_Plan") -> Figure:
    """Have callers ask about these players for so many seconds."""
    await stack.wait_until_quiet()
    answers = itertools.count()
    before = read_processor_seconds(stack.find_processes())
    here = time.process_time()
    started_at = time.perf_counter()
    ends_at = started_at + plan.seconds

    async def keep_asking() -> None:
        while time.perf_counter() < ends_at:
            await design.ask(random.choice(players))
            next(answers)

    await asyncio.gather(*(keep_asking() for _ in range(plan.callers)))
    elapsed = time.perf_counter() - started_at
    done = next(answers)
    here_seconds = time.process_time() - here
    after = read_processor_seconds(stack.find_processes())
    servers_seconds = sum(
        after.get(role, 0) - before.get(role, 0) for role in ("PostgreSQL", "Valkey")
    )
    return Figure(done / elapsed, 1e6 * here_seconds / done, 1e6 * servers_seconds / done)


@dataclass(frozen=True, slots=True)
class _Plan:
    players: int
    callers: int
    rounds: int
    seconds: float


async def _run(plan: _Plan) -> None:
    console = Console(soft_wrap=True)
    figures: dict[tuple[str, str], list[Figure]] = {}
    async with run_stack(processes=1) as stack:
        await stack.populate(plan.players, 5 * plan.players)
        servers = stack.servers
        standings = await servers.database.fetch("SELECT player_id FROM standing")
        players = [row["player_id"] for row in standings]
        broker = connect_broker(servers.settings.require_broker_url())
        signal = RefreshSignal(servers.redis, broker)
        breaker = Breaker(servers.redis)
        seasons = SeasonFinder(servers.database, servers.redis, breaker)
        reader = IndexReader(servers.redis, breaker, servers.database, seasons, signal)
        season = await seasons.find()
        designs = [
            *make_submit_designs(servers, Ledger(servers.database, signal, servers.settings)),
            *make_rank_designs(
                servers,
                RankReader(LaggingReads(servers.database, servers.settings), reader, seasons),
                season.season_id,
            ),
        ]
        for _ in range(plan.rounds):
            for design in designs:
                figure = await measure(stack, design, players, plan)
                figures.setdefault((design.work, design.name), []).append(figure)
        await signal.drain()
        disconnect_broker(broker)
    console.print(_make_table(figures, plan))


def _make_table(figures: dict[tuple[str, str], list[Figure]], plan: _Plan) -> Table:
    table = Table(
        title=f"{plan.players:,} players, {plan.callers} callers, medians of {plan.rounds}",
        box=SIMPLE,
    )
    for column in ("work", "design"):
        table.add_column(column)
    for column in ("a second", "caller µs", "servers µs"):
        table.add_column(column, justify="right")
    for (work, name), found in figures.items():
        table.add_row(
            work,
            name,
            f"{statistics.median(figure.per_second for figure in found):,.0f}",
            f"{statistics.median(figure.here_us for figure in found):,.0f}",
            f"{statistics.median(figure.servers_us for figure in found):,.0f}",
        )
    return table


@click.command()
@click.option("--players", default=100_000, show_default=True, type=click.IntRange(1_000))
@click.option("--callers", default=64, show_default=True, type=click.IntRange(1, 1_000))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--seconds", default=4.0, show_default=True, type=click.FloatRange(0.1))
def main(players: int, callers: int, rounds: int, seconds: float) -> None:
    """Compare designs of submit and rank on a stack of their own."""
    stop_on_termination()
    asyncio.run(_run(_Plan(players, callers, rounds, seconds)))


if __name__ == "__main__":
    main()
