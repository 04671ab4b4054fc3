"""Rows about the board as a whole: how it is filled, what its index takes, how the API restarts."""

import json
import random
import signal
import time
from collections.abc import Sequence

import httpx

from service.backends.redis import NAMES_PREFIX, SeasonKeys
from service.boards.finder import find_season
from tests.benchmarks.results import Budget, Context, Row, Series
from tests.benchmarks.stack import Stack
from tests.benchmarks.traffic import RANK_PATH
from tests.support.waiting import wait_until

_PLAYERS_ASKED = 20
_KEYS_PER_LOOK = 1_000
_RESTART_DEADLINE_SECONDS = 60.0
# After a shorter life than ten seconds the supervisor's pause grows.
_STEADY_SECONDS = 11.0

_EXPECTED_RANKS = """
    SELECT
        own.player_id,
        own.score,
        (
            SELECT count(*) + 1
            FROM standing AS other
            WHERE other.season_id = own.season_id AND other.sort_score < own.sort_score
        ) AS rank
    FROM standing AS own
    WHERE own.season_id = $1 AND own.player_id = ANY ($2)
"""


def describe_populate(seconds: float, players: int, sessions: int) -> Row:
    """Return the row about the filling that the run began with."""
    return Row(
        name="populate",
        what=f"populate {players:,} players + {sessions:,} sessions",
        unit="s",
        budget=Budget("figure", most=90),
        figure=Series.of([seconds]),
        notes=("measured once: it began the run",),
    )


async def measure_memory(context: Context) -> Row:
    """Measure what Valkey keeps for a player: the index, and beside it the names."""
    index, names = await read_memory(context.stack)
    return Row(
        name="memory",
        what="index memory",
        unit="bytes a player",
        budget=Budget("figure", most=100),
        figure=Series.of([index]),
        notes=(f"names, beside the index: {names:.1f} bytes a player",),
    )


async def read_memory(stack: Stack) -> tuple[float, float]:
    """Return the bytes that Valkey has for a player in the index, and for a name beside it."""
    redis = stack.connections.redis
    keys = SeasonKeys.of(await _find_season(stack))
    players = await redis.zcard(keys.index)
    index_bytes = await redis.memory_usage(keys.index, samples=0)
    assert index_bytes is not None
    names_bytes = 0
    found = redis.scan_iter(match=f"{NAMES_PREFIX}*", count=_KEYS_PER_LOOK)
    buckets = [bucket async for bucket in found]
    for first in range(0, len(buckets), _KEYS_PER_LOOK):
        pipeline = redis.pipeline(transaction=False)
        for bucket in buckets[first : first + _KEYS_PER_LOOK]:
            pipeline.memory_usage(bucket, samples=0)
        names_bytes += sum(await pipeline.execute())
    return index_bytes / players, names_bytes / players


async def measure_restart(context: Context) -> Row:
    """Kill every API process at once; measure the time until ranks are answered rightly."""
    seconds, wrong = [], 0
    for number in range(1, context.plan.rounds + 1):
        context.say(f"API restart: round {number}")
        await _wait_until_steady(context.stack)
        await context.stack.wait_until_quiet()
        expected = await _find_expected_ranks(context)
        elapsed, wrong_answers = await _time_restart(context, expected)
        seconds.append(elapsed)
        wrong += wrong_answers
    return Row(
        name="restart",
        what=f"API restart to right ranks ({context.plan.processes} processes killed)",
        unit="s",
        budget=Budget("figure", most=2),
        figure=Series.of(seconds),
        notes=(
            f"{_PLAYERS_ASKED} players compared with PostgreSQL; wrong answers before: {wrong}",
        ),
    )


async def _wait_until_steady(stack: Stack) -> None:
    """Wait until the supervisor no longer takes the last kill for a crash loop."""

    def are_steady() -> bool:
        born_last = max(process.create_time() for process in stack.find_processes("API"))
        return time.time() > born_last + _STEADY_SECONDS

    steady: bool = await wait_until(are_steady, seconds=_RESTART_DEADLINE_SECONDS)
    assert steady


async def _time_restart(
    context: Context, expected: Sequence[tuple[int, int, int]]
) -> tuple[float, int]:
    for process in context.stack.find_processes("API"):
        process.send_signal(signal.SIGKILL)
    started_at = time.perf_counter()
    wrong = 0
    # The supervisor keeps the listening socket, so a request waits there for the new process.
    async with httpx.AsyncClient(
        base_url=context.target.url, timeout=_RESTART_DEADLINE_SECONDS
    ) as client:
        right = 0
        while right < len(expected):
            player, score, rank = expected[right]
            try:
                response = await client.get(f"{RANK_PATH}/{player}")
            except httpx.TransportError:
                continue
            answer = response.json()
            is_right = (answer.get("total_score"), answer.get("rank")) == (score, rank)
            if is_right and not answer.get("stale"):
                right += 1
            else:
                wrong += "stale" not in answer and response.is_success
                right = 0
            assert time.perf_counter() < started_at + _RESTART_DEADLINE_SECONDS, (
                f"{json.dumps(answer)} where {expected[right]} is expected"
            )
    return time.perf_counter() - started_at, wrong


async def _find_expected_ranks(context: Context) -> list[tuple[int, int, int]]:
    target = context.target
    players = random.sample(target.players, 2 * _PLAYERS_ASKED)
    rows = await context.stack.connections.database.fetch(
        _EXPECTED_RANKS, await _find_season(context.stack), players
    )
    return [(row["player_id"], row["score"], row["rank"]) for row in rows][:_PLAYERS_ASKED]


async def _find_season(stack: Stack) -> int:
    season = await find_season(stack.connections.database)
    return season.season_id
